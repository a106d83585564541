"""One headless run: lock, engine, supervision, log."""
