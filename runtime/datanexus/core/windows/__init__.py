"""Window kinds. Start at `registry`: one entry per kind; `paned` serves all kinds with fixed bounds, `session` and
`global_window` those whose bounds depend on the data or that have none."""
