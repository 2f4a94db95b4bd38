"""Accumulators against definitions in plain Python, and against themselves in another order."""
