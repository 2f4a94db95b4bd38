"""Accumulators."""
