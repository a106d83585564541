"""Pages to read in a browser: a run's notebook, the review."""
