"""One run as the steps that a notebook calls."""
