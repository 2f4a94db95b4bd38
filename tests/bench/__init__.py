"""Benchmarks: every figure beside its peer's, on one core, per CPU-second, in one run."""
