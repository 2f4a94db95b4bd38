"""The aggregates: one accumulator per function, each holding many groups as arrays indexed by slot.

Start at `catalog`: `new_accumulator(spec)` and `restore_accumulator(spec, columns)`. The contract is
`core.aggregate`. Every accumulator is exact or a pure function of the multiset folded in, so that order, batching,
partitioning and restarts never show in a result.
"""
