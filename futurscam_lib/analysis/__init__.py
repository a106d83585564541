"""The RFPs as DataFrames: frames, filters, analyses, export."""
