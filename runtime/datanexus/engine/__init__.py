"""The shell around the core: reads, decodes, runs the plan, cuts, snapshots and recovers.

    reader ─ chunks ─▶ intake (decode, future guard) ─▶ program (expressions) ─▶ partition (dedup, views)
           ─▶ worker (cuts, snapshots) ─▶ ports

Nothing here knows an adapter, a file format of the store or the command line.
"""
