"""Seeded auction bids: the same records as NDJSON, as log lines and as Arrow columns, with the faults of real feeds.

5 % of the records come again within 60 s, 1 % are delayed by up to 30 s, and of the lines 0.1 % are broken. Keys are
skewed over 10,000 auctions; event time runs at 2,000 records a second. The Arrow file has no broken records.
"""

import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tests.bench.question import Bid

SEED = 20260101
RECORDS_PER_SECOND = 2_000
START = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
START_MS = int(START.timestamp()) * 1000
AUCTIONS = 10_000
BROKEN_SHARE = 0.001
_CHUNK_LINES = 100_000
_BATCH_ROWS = 65_536
_NDJSON = (
    '{"event_id":"%s","auction":%d,"bidder":%d,"price":%d,"channel":"ch%d",'
    '"url":"https://auctions.example/item?query=%d","ts":"%sZ"}'
)
_TEXT = '%s bid auction=%d bidder=%d price=%d channel=ch%d "GET /item?query=%d HTTP/1.1" %sZ'
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bids:
    """n distinct bids in the order of event time, and the order in which they arrive (with repeats)."""

    time_ms: Ints
    auction: Ints
    bidder: Ints
    price: Ints
    channel: Ints
    item: Ints
    ids: str  # 32 hexadecimal digits each
    arrival: Ints


def draw(records: int) -> Bids:
    """All that is random, from one seed."""
    rng = np.random.default_rng(SEED)
    time_ms = START_MS + np.arange(records, dtype=np.int64) * 1000 // RECORDS_PER_SECOND
    auction = 1000 + np.minimum(rng.zipf(1.3, records) - 1, AUCTIONS - 1)
    price = np.round(np.exp(rng.normal(6.5, 1.2, records))).astype(np.int64) + 1
    bidder, channel = rng.integers(1, 100_001, records), rng.integers(0, 16, records)
    item = rng.integers(0, 2**31, records)
    ids = rng.bytes(16 * records).hex()
    place = np.arange(records, dtype=np.float64)
    delayed = rng.random(records) < 0.01
    place[delayed] += rng.uniform(1, 30 * RECORDS_PER_SECOND, int(delayed.sum()))
    again = np.flatnonzero(rng.random(records) < 0.05)
    places = np.concatenate([place, again + rng.uniform(1, 60 * RECORDS_PER_SECOND, again.size)])
    arrival = np.concatenate([np.arange(records), again])[np.argsort(places, kind="stable")][:records]
    return Bids(time_ms, auction, bidder, price, channel, item, ids, arrival)


def json_lines(bids: Bids) -> list[str]:
    """A JSON object for each distinct bid, none broken."""
    return _lines(bids, _NDJSON)


def write_ndjson(bids: Bids, path: Path) -> None:
    """One JSON object a line, in the order of arrival, some of them broken in four ways."""
    _write_lines(bids, path, _NDJSON, (('"price":', '"price":"abc","x":'), ('"event_id"', '"evnt"')))


def write_text(bids: Bids, path: Path) -> None:
    """The same as lines of a server's log."""
    _write_lines(bids, path, _TEXT, ((" price=", " price=abc"), (" auction=", " auct=")))


def write_start(source: Path, lines: int, path: Path) -> None:
    """The first lines of a file."""
    with source.open("rb") as given, path.open("wb") as file:
        file.writelines(itertools.islice(given, lines))


def write_sound(source: Path, path: Path) -> None:
    """An NDJSON file's lines without the broken ones."""
    decode = msgspec.json.Decoder(Bid).decode
    with source.open("rb") as given, path.open("wb") as file:
        for line in given:
            try:
                decode(line)
            except msgspec.DecodeError:
                continue
            file.write(line)


def _write_lines(bids: Bids, path: Path, template: str, faults: Sequence[tuple[str, str]]) -> None:
    rng = np.random.default_rng(SEED + 1)
    count = len(bids.arrival)
    broken, kinds = rng.random(count) < BROKEN_SHARE, rng.integers(0, 4, count)
    clean = _lines(bids, template)
    with path.open("w") as file:
        for first in range(0, count, _CHUNK_LINES):
            span = range(first, min(first + _CHUNK_LINES, count))
            chunk = [clean[bids.arrival[place]] for place in span]
            for place in np.flatnonzero(broken[first : first + _CHUNK_LINES]):
                chunk[place] = _break(chunk[place], int(kinds[first + place]), faults)
            file.write("\n".join(chunk) + "\n")


def write_arrow(bids: Bids, path: Path) -> None:
    """The same records as an Arrow IPC file of batches as a writer makes them."""
    order = bids.arrival
    hexes = np.frombuffer(bids.ids.encode(), np.uint8).reshape(-1, 32)[order]
    dashed = np.full((len(order), 36), ord("-"), np.uint8)
    for source, target in ((0, 0), (8, 9), (12, 14), (16, 19), (20, 24)):
        width = 12 if source == 20 else 8 if source == 0 else 4
        dashed[:, target : target + width] = hexes[:, source : source + width]
    offsets = np.arange(len(order) + 1, dtype=np.int32) * 36
    event_id = pa.StringArray.from_buffers(len(order), pa.py_buffer(offsets), pa.py_buffer(dashed.tobytes()))
    table = pa.table(
        {
            "event_id": event_id,
            "auction": bids.auction[order],
            "bidder": bids.bidder[order],
            "price": bids.price[order],
            "ts": pa.array(bids.time_ms[order] * 1000, pa.timestamp("us", tz="UTC")),
        }
    )
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=_BATCH_ROWS)


def _lines(bids: Bids, template: str) -> list[str]:
    times = np.datetime_as_string(bids.time_ms.astype("datetime64[ms]"), unit="ms").tolist()
    columns = zip(
        times,
        bids.auction.tolist(),
        bids.bidder.tolist(),
        bids.price.tolist(),
        bids.channel.tolist(),
        bids.item.tolist(),
        strict=True,
    )
    lines = []
    for place, (time, *numbers) in enumerate(columns):
        digits = bids.ids[32 * place : 32 * place + 32]
        event_id = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
        lines.append(template % (event_id, *numbers, time))
    return lines


def _break(line: str, kind: int, faults: Sequence[tuple[str, str]]) -> str:
    """Cut in half, a field of a wrong type, a field missing, or not of the format at all."""
    match kind:
        case 0:
            return line[: len(line) // 2]
        case 1 | 2:
            return line.replace(*faults[kind - 1], 1)
        case _:
            return "garbage " + line[:40]
