"""The one question that every candidate answers, and how its answers are compared.

Bids are counted once per event id. Per auction and tumbling window of ten seconds: how many, the sum, the least and
the greatest price. Windows wait 61 s, so that no record of the benchmark's input comes too late.
"""

import msgspec

# Because: a record can come 60 s late; with less delay its fate hangs on how often the watermark moves.
DELAY_MS, WINDOW_MS = 61_000, 10_000
TOTALS = ("rows", "records", "value")  # result rows, the records counted in them, the sum of their sums


class Bid(msgspec.Struct, gc=False):
    """What the strict decoder reads of a line."""

    event_id: str
    auction: int
    price: int
    ts: str
