"""One headless run: lock, papermill's engine, ledger entries, log, alerts; and runs in a loop."""
