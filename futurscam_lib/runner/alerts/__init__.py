"""Alerts and health pings."""
