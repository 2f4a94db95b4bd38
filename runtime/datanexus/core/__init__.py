"""Pure semantics: no I/O, no clock, no await, no randomness, no spec, no SQL.

Columns are pyarrow arrays at the edges and NumPy arrays in kernels. All times are int64 microseconds UTC and may be
negative; a watermark W means that every further on-time record has t > W; `NO_WATERMARK` is before all times.
Results depend on the records and on the cuts alone, never on how records are batched inside a cut.
"""
