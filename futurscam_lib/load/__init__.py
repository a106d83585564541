"""Where records and documents are kept: MongoDB, and a local server where none is given."""
