"""The `futurscam` command: parse, call, print."""
