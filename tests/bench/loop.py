"""What people write first: `json.loads`, a set of seen ids and a dict of groups, a line at a time."""

import json

from tests.bench.prototype import GENERATION_MS, Written, milliseconds
from tests.bench.question import DELAY_MS, WINDOW_MS


class Loop:
    """One pass over a stream, with the prototype's rules."""

    def __init__(self) -> None:
        self.written = Written()
        self.broken = 0
        self._seen: set[str] = set()
        self._old: set[str] = set()
        self._groups: dict[tuple[int, int], list[int]] = {}
        self._watermark_ms = 0
        self._rotated_ms = 0

    def lines(self, data: bytes) -> None:
        """One batch of whole NDJSON lines."""
        newest = 0
        for line in data.splitlines():
            try:
                record = json.loads(line)
                event_id, auction, price = record["event_id"], record["auction"], record["price"]
                time_ms = milliseconds(record["ts"])
            except (ValueError, KeyError, TypeError):
                self.broken += 1
                continue
            if type(event_id) is not str or type(auction) is not int or type(price) is not int:
                self.broken += 1
                continue
            if event_id in self._seen or event_id in self._old:
                continue
            self._seen.add(event_id)
            window = time_ms // WINDOW_MS
            if window * WINDOW_MS + WINDOW_MS <= self._watermark_ms:
                continue
            newest = max(newest, time_ms)
            group = self._groups.get((auction, window))
            if group is None:
                self._groups[auction, window] = [1, price, price, price]
                continue
            group[0] += 1
            group[1] += price
            if price < group[2]:
                group[2] = price
            if price > group[3]:
                group[3] = price
        self._advance(newest)

    def finish(self) -> Written:
        """Close what is open."""
        self._close(1 << 60)
        return self.written

    def _advance(self, newest: int) -> None:
        if newest - self._rotated_ms > GENERATION_MS:
            if self._rotated_ms:
                self._old, self._seen = self._seen, set()
            self._rotated_ms = newest
        if newest - DELAY_MS > self._watermark_ms:
            if (newest - DELAY_MS) // WINDOW_MS != self._watermark_ms // WINDOW_MS:
                self._close((newest - DELAY_MS) // WINDOW_MS)
            self._watermark_ms = newest - DELAY_MS

    def _close(self, before: int) -> None:
        rows = []
        for auction, window in [group for group in self._groups if group[1] < before]:
            count, total, least, greatest = self._groups.pop((auction, window))
            rows.append(
                {"auction": auction, "window": window, "count": count, "sum": total, "min": least, "max": greatest}
            )
            self.written.records += count
            self.written.value += total
        self.written.rows += len(rows)
        self.written.output_bytes += len("\n".join(map(json.dumps, rows)))
