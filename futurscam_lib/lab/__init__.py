"""JupyterLab for a home."""
