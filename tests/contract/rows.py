"""Views, rows and cuts for the store's contract: small, and with every type a column can have."""

import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa

from datanexus.core.aggregate import AggregateSpec
from datanexus.core.emission import Global, Tumbling, ViewSpec, WindowSpec
from datanexus.ports.store import QUARANTINE_SCHEMA, Cut, CutRecord, OutboxEntry, PipelineRecord, ViewChanges

HOUR_US = 3_600_000_000
TOP = pa.list_(pa.struct([("value", pa.string()), ("count", pa.int64())]))
PIPELINE = "web-traffic"
RECORD = PipelineRecord(PIPELINE, "r1", '{"spec": 1}', '{"partitions": 2}')
Row = tuple[int, str, int]  # hour, group, count
Changes = Mapping[str, Sequence[Row]]  # appended | replaced | deleted → rows


def view(name: str = "by-section", window: WindowSpec | None = None, *extra: tuple[str, pa.DataType]) -> ViewSpec:
    """A view with a text group column and an aggregate of each type; `extra` aggregates come last."""
    results = (("n", pa.int64()), ("total", pa.decimal128(38, 0)), ("mean", pa.float64()), ("top", TOP), *extra)
    aggregates = tuple((column, AggregateSpec("max", data_type, (), data_type)) for column, data_type in results)
    return ViewSpec(name, window or Tumbling(HOUR_US), 0, (("section", pa.string()), ("day", pa.date32())), aggregates)


def batch(spec: ViewSpec, rows: Sequence[Row]) -> pa.RecordBatch:
    """Rows as the engine emits them; all values follow from hour, group and count."""
    return pa.RecordBatch.from_pylist([_full(spec, row) for row in rows], schema=spec.row_schema())


def expected_row(spec: ViewSpec, row: Row) -> dict[str, object]:
    """A row as a query shows it, but for `final`."""
    return {name: value for name, value in _full(spec, row).items() if not name.startswith("key_")}


def cut(
    seq: int,
    changes: Sequence[tuple[ViewSpec, int, Changes]] = (),
    *,
    watermark_hours: int | None = None,
    quarantined: Sequence[str] = (),
    counters: Mapping[str, int] | None = None,
    outbox: Sequence[OutboxEntry] = (),
    terminal: bool = False,
) -> Cut:
    """A cut; `changes`: view, partition and rows. `quarantined`: reasons."""
    watermark_us = (seq if watermark_hours is None else watermark_hours) * HOUR_US
    return Cut(
        CutRecord(seq, watermark_us, 7, f'{{"seq": {seq}}}', "[]"),
        tuple(
            ViewChanges(spec.name, partition, *(batch(spec, rows.get(kind, ())) for kind in _KINDS))
            for spec, partition, rows in changes
        ),
        pa.RecordBatch.from_pylist([_refused(reason, at) for at, reason in enumerate(quarantined)], QUARANTINE_SCHEMA),
        counters or {},
        tuple(outbox),
        terminal,
    )


_KINDS = ("appended", "replaced", "deleted")


def _full(spec: ViewSpec, row: Row) -> dict[str, object]:
    hour, section, count = row
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
    is_global = isinstance(spec.window, Global)
    values: dict[str, object] = {
        "window_start": None if is_global else start,
        "window_end": None if is_global else start + timedelta(hours=1),
        "section": section or None,
        "day": date(2024, 2, 29),
        "n": count,
        "total": Decimal(10**37 + count),
        "mean": count / 3,
        "top": [{"value": 'a "quoted", text', "count": count}, {"value": None, "count": 0}],
        "key_high": zlib.crc32(section.encode()) << 32,
        "key_low": 2**64 - 1 - zlib.crc32(section[::-1].encode()),
    }
    return {name: values.get(name) for name in spec.row_schema().names}


def _refused(reason: str, position: int) -> dict[str, object]:
    return {
        "split": "access/a.log",
        "position": position,
        "stage": "decode",
        "reason": reason,
        "message": f"found {reason}",
        "subject": "",
        "record_values": "",
        "event_time": None if position % 2 else datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        "header": "",
        "raw": b"\x00\xff{",
    }
