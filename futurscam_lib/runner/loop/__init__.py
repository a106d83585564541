"""Runs in a loop, in the foreground or the background."""
