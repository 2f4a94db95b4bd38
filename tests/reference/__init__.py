"""The naive reference: what a pipeline must answer, in plain Python over dicts, lists and exact fractions.

It knows nothing of the engine: no column library, no panes, no incremental state. Every table is recomputed at every
cut from the records that were let in, so a mistake has no state to hide in. Slow on purpose; inputs stay small.
"""
