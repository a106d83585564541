"""The steps of a run, for notebooks."""
