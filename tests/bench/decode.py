"""What decoding costs per record, beside the prototype's scanner in the same run: `python -m tests.bench.decode`.

CPU time of the best of some rounds, in chunks of 16,384 records. The decoder's figure has everything in it: framing is
done before, but types, timestamps, copied strings, record batches and the strict look at broken lines are not.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from datanexus.engine.decode import frame_lines
from datanexus.ports.source import ColumnChunk, TextChunk
from datanexus_spec.datatype import FLOAT64, INT32, INT64, STRING, TIMESTAMP
from tests.bench import data
from tests.bench import prototype_kernels as kernels
from tests.fakes.chunks import decoder, field, record

CHUNK_ROWS = 16_384
ROUNDS = 7
_BIDS = record(
    field("event_id", STRING, required=True),
    field("auction", INT64, required=True),
    field("price", INT64, required=True),
    field("time", TIMESTAMP, "ts"),
    time=False,
)
_LOG = record(
    field("time", TIMESTAMP, "timestamp", formats=("%d/%b/%Y:%H:%M:%S %z",)),
    field("client", STRING, "clientip", required=True),
    field("path", STRING, "request"),
    field("status", INT32, "response", required=True),
    field("bytes", INT64, null_if=("-",)),
    time=False,
)
_FIELDS = (
    ("event_id", kernels.TEXT),
    ("auction", kernels.INTEGER),
    ("price", kernels.INTEGER),
    ("ts", kernels.TIME_MS),
)


def main(records: int) -> None:
    """Measure and print."""
    bids = data.draw(records)
    clean = [line.encode() for line in data.json_lines(bids)]
    with tempfile.TemporaryDirectory() as folder:
        data.write_ndjson(bids, Path(folder) / "bids.ndjson")
        faulty = (Path(folder) / "bids.ndjson").read_bytes().splitlines()
    prototype_ns = _best(_prototype(clean), len(clean))
    ndjson = decoder({"ndjson": {}}, _BIDS)
    rich = [
        line.replace(b'"channel":"ch', b'"channel":"\xc3\xa9\\u00e9').replace(
            b'"price":', b'"x":1.25e1,"y":null,"price":'
        )
        for line in clean
    ]
    doubtful = [line.replace(b'"price"', b'"pric\\u0065"') for line in clean[:CHUNK_ROWS]]
    wide = record(*_BIDS.fields[:3], field("channel", STRING), field("x", FLOAT64), _BIDS.fields[3], time=False)
    csv_lines = [b",".join(part.split(b":", 1)[1].strip(b'"}') for part in line.split(b',"')) for line in clean]
    csv_header = ("event_id", "auction", "bidder", "price", "channel", "url", "ts")
    log_lines = _log_lines(len(clean))
    pattern = (
        r'(?P<clientip>\S+) .*? \[(?P<timestamp>.*?)\] "\S+ (?P<request>\S+).*?" (?P<response>\d+) (?P<bytes>\S+) .*'
    )
    blocks = [b"\n".join(clean[:CHUNK_ROWS]) + b"\n"]
    rows = [
        ("prototype's scanner, 4 columns", prototype_ns),
        ("ndjson, 4 columns", _best(_decode(ndjson.decode, _chunks(clean)), len(clean))),
        ("ndjson, 4 columns, 0.1 % broken", _best(_decode(ndjson.decode, _chunks(faulty)), len(faulty))),
        (
            "ndjson, 6 columns, escapes, non-ASCII, floats",
            _best(_decode(decoder({"ndjson": {}}, wide).decode, _chunks(rich)), len(rich)),
        ),
        ("ndjson, every line judged", _best(_decode(ndjson.decode, _chunks(doubtful)), len(doubtful))),
        (
            "csv, 4 of 7 columns",
            _best(_decode(decoder({"csv": {}}, _BIDS).decode, _chunks(csv_lines, csv_header)), len(clean)),
        ),
        (
            "text, preset combined, 5 columns",
            _best(_decode(decoder({"text": {"preset": "combined"}}, _LOG).decode, _chunks(log_lines)), len(log_lines)),
        ),
        (
            "text, a pattern for RE2, 5 columns",
            _best(_decode(decoder({"text": {"pattern": pattern}}, _LOG).decode, _chunks(log_lines)), len(log_lines)),
        ),
        ("arrow, 4 columns", _best(_decode(decoder({"arrow": {}}, _BIDS).decode, _columns(bids)), records)),
        ("framing lines", _best(_frames(blocks), CHUNK_ROWS)),
    ]
    for title, cost_ns in rows:
        print(f"{title:48} {cost_ns:8.0f} ns/record {cost_ns / prototype_ns:7.2f} x the prototype's scanner")


def _best(work: Callable[[], None], records: int) -> float:
    work()
    costs = []
    for _ in range(ROUNDS):
        begin = time.process_time_ns()
        work()
        costs.append(time.process_time_ns() - begin)
    return min(costs) / records


def _chunks(lines: Sequence[bytes], header: tuple[str, ...] = ()) -> list[TextChunk]:
    chunks = []
    for first in range(0, len(lines), CHUNK_ROWS):
        part = lines[first : first + CHUNK_ROWS]
        lengths = np.array([len(line) for line in part], np.int64)
        starts = np.cumsum(lengths + 1) - lengths - 1
        text = np.frombuffer(b"\n".join(part) + b"\n", np.uint8)
        chunks.append(TextChunk(text, starts, lengths, starts + 1, header))
    return chunks


def _decode(
    decode: Callable[[TextChunk | ColumnChunk], object], chunks: Sequence[TextChunk | ColumnChunk]
) -> Callable[[], None]:
    def work() -> None:
        for chunk in chunks:
            decode(chunk)

    return work


def _frames(blocks: Sequence[bytes]) -> Callable[[], None]:
    def work() -> None:
        for block in blocks:
            frame_lines(np.frombuffer(block, np.uint8), len(block), at_end=True)

    return work


def _columns(bids: data.Bids) -> list[TextChunk | ColumnChunk]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bids.arrow"
        data.write_arrow(bids, path)
        table = pa.ipc.open_file(path.read_bytes()).read_all()
    return [
        ColumnChunk(batch, np.arange(batch.num_rows, dtype=np.int64))
        for batch in table.to_batches(max_chunksize=CHUNK_ROWS)
    ]


def _log_lines(count: int) -> list[bytes]:
    agent = b"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_9_1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/32.0.1700.77"
    return [
        b'83.149.%d.%d - - [17/May/2015:10:%02d:%02d +0000] "GET /presentations/images/file-%d.png HTTP/1.1" 200 %d '
        b'"http://example.com/presentations/" "%s"' % (i % 256, i % 251, i // 60 % 60, i % 60, i, i % 99_999, agent)
        for i in range(count)
    ]


def _prototype(lines: Sequence[bytes]) -> Callable[[], None]:
    names = np.frombuffer("".join(name for name, _ in _FIELDS).encode(), np.uint8)
    ends = np.cumsum([0] + [len(name) for name, _ in _FIELDS])
    kinds = np.array([kind for _, kind in _FIELDS])
    is_text = kinds == kernels.TEXT
    places = np.where(is_text, np.cumsum(is_text) - 1, np.cumsum(~is_text) - 1)
    integers, spans = np.empty((3, CHUNK_ROWS), np.int64), np.empty((1, CHUNK_ROWS, 2), np.int32)
    status, starts = np.empty(CHUNK_ROWS, np.uint8), np.empty(CHUNK_ROWS + 1, np.int64)
    blocks = [
        np.frombuffer(b"\n".join(lines[first : first + CHUNK_ROWS]) + b"\n", np.uint8)
        for first in range(0, len(lines), CHUNK_ROWS)
    ]

    def work() -> None:
        for block in blocks:
            kernels.scan(block, names, ends, kinds, places, integers, spans, status, starts, kernels.STOPS)

    return work


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 131_072)
