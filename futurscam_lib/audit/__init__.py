"""The audit log: the ledger, the history of runs, and the lineage of documents."""
