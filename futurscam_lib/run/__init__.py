"""Drives one headless run of a notebook."""
