"""JupyterLab for a home, with working copies of the notebooks and a read-only audit log."""
