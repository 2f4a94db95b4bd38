"""View state against a model in plain Python, and against itself in other batches and orders."""
