"""From a document back to the runs and payloads that made it."""
