"""Random streams of a view: windows, cuts, records; and how they become rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from hypothesis import strategies as st

from datanexus.core.aggregate import AggregateInput, AggregateSpec
from datanexus.core.emission import Emission, Global, Hopping, Session, Tumbling, ViewRows, ViewSpec, WindowSpec
from datanexus.core.hashing import hash_rows
from tests.property.windows.model import Record, Row, RowKey

_INT64 = pa.int64()
AGGREGATES = (
    ("rows", AggregateSpec("count", None, (), _INT64)),
    ("total", AggregateSpec("sum", _INT64, (), pa.decimal128(38, 0))),
    ("most", AggregateSpec("max", _INT64, (), _INT64)),
    ("gain", AggregateSpec("increase", _INT64, (), pa.float64())),
)

windows: st.SearchStrategy[WindowSpec] = st.one_of(
    st.builds(Tumbling, st.integers(1, 20)),
    st.builds(Hopping, st.integers(1, 20), st.integers(1, 20)),
    st.builds(Session, st.integers(1, 12)),
    st.builds(Global, st.integers(1, 20)),
)
_keys = st.sampled_from(["a", "b", None])
_values = st.one_of(st.none(), st.integers(0, 9))
_SPREAD_US = 40  # how far records lie around the watermark: most windows get late records


@dataclass(frozen=True, slots=True)
class Cut:
    """The batches of a cut, and the watermark it moves to."""

    batches: Sequence[Sequence[Record]]
    watermark_us: int

    @property
    def records(self) -> list[Record]:
        return [record for batch in self.batches for record in batch]


@st.composite
def streams(draw: st.DrawFn) -> list[Cut]:
    """Cuts whose watermark never goes back."""
    cuts, watermark = [], draw(st.integers(-40, 20))
    for _ in range(draw(st.integers(1, 6))):
        times = st.integers(watermark - _SPREAD_US, watermark + _SPREAD_US)
        batch = st.lists(st.builds(Record, _keys, times, _values), min_size=1, max_size=12)
        watermark += draw(st.integers(0, 15))
        cuts.append(Cut(draw(st.lists(batch, max_size=3)), watermark))
    return cuts


def spec_of(window: WindowSpec, lateness_us: int) -> ViewSpec:
    return ViewSpec("view", window, lateness_us, (("key", pa.string()),), AGGREGATES)


def rows_of(records: Sequence[Record]) -> ViewRows:
    keys = pa.array([record.key for record in records], pa.string())
    values = pa.array([record.value for record in records], _INT64)
    inputs = tuple(AggregateInput(None if part.input_type is None else values, None) for _, part in AGGREGATES)
    times = pa.array([record.time_us for record in records], _INT64).to_numpy()
    return ViewRows(times, hash_rows([keys]), (keys,), inputs)


def table_rows(batch: pa.RecordBatch) -> list[tuple[RowKey, Row]]:
    columns = [column.cast(_INT64) if pa.types.is_timestamp(column.type) else column for column in batch.columns]
    found = []
    for start, end, key, rows, total, most, gain, *_ in zip(*(column.to_pylist() for column in columns), strict=True):
        found.append(((start, key), (end, rows, None if total is None else int(total), most, gain)))
    return found


def apply(table: dict[RowKey, Row], emission: Emission) -> None:
    """Change a table as an emission says, and hold the emission to its own contract."""
    for key, row in table_rows(emission.deleted):
        assert row == table.pop(key), f"a deleted row is the one last emitted: {key}"
    for key, row in table_rows(emission.replaced):
        assert key in table, f"a replaced row was there: {key}"
        table[key] = row
    for key, row in table_rows(emission.appended):
        assert key not in table, f"an appended row was not there: {key}"
        table[key] = row
