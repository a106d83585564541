"""What runs left behind: the ledger, the history of runs, where a document comes from."""
