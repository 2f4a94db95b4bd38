"""Dedup against a list in plain Python."""
