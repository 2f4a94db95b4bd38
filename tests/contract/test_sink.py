"""The contract of the Sink port, and what the files of the file sink look like."""

import asyncio
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from datanexus.adapters.connectors.factory import open_sink
from datanexus.adapters.connectors.file_sink import FileSink
from datanexus.plan.physical import SinkPlan
from datanexus.ports.sink import Sink
from datanexus_spec.errors import Unavailable
from tests.contract.rows import TOP
from tests.fakes.sink import MemorySink

TIME = pa.timestamp("us", tz="UTC")
FORMATS = ("parquet", "ndjson", "csv")


def rows(count: int = 3) -> pa.Table:
    """Values that text formats may spoil."""
    full = {
        "window_start": datetime(1969, 12, 31, 23, 59, 59, 500, tzinfo=UTC),
        "day": date(1, 1, 1),
        "text": 'a "quoted", text\twith\\ \u0001\r\n and \u20ac\U0001f600',
        "flag": True,
        "n": -(2**63),
        "total": Decimal(10**37),
        "price": Decimal("-0.000001"),
        "mean": 0.1,
        "top": [{"value": 'x"y', "count": 2}, {"value": None, "count": None}],
    }
    other = full | {
        "window_start": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
        "text": "",
        "mean": 1e300,
        "top": [],
    }
    empty = dict.fromkeys(full)
    return pa.Table.from_pylist([full, other, empty][:count], schema=SCHEMA)


SCHEMA = pa.schema(
    [
        ("window_start", TIME),
        ("day", pa.date32()),
        ("text", pa.string()),
        ("flag", pa.bool_()),
        ("n", pa.int64()),
        ("total", pa.decimal128(38, 0)),
        ("price", pa.decimal128(12, 6)),
        ("mean", pa.float64()),
        ("top", TOP),
    ]
)


def sink_of(folder: Path, form: str) -> FileSink:
    return FileSink(folder / "out", SinkPlan("archive", "traffic", "out", form))  # type: ignore[arg-type]


@pytest.fixture(params=[*FORMATS, "memory"])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Sink:
    return MemorySink() if request.param == "memory" else sink_of(tmp_path, request.param)


def names_in(sink: Sink) -> list[str]:
    if isinstance(sink, MemorySink):
        return sorted(sink.published)
    assert isinstance(sink, FileSink)
    return sorted(path.name.removesuffix(f".{sink.plan.format}") for path in sink.folder.glob("*"))


def test_rows_are_published_retracted_and_cleared_by_name(sink: Sink) -> None:
    async def use() -> None:
        await sink.clear()
        await sink.retract("traffic-000-000000000001")
        for name in ("traffic-000-000000000001", "traffic-001-000000000002", "traffic-001-000000000002-end"):
            await sink.publish(name, rows())
            await sink.publish(name, rows())
        await sink.retract("traffic-000-000000000001")
        assert ["traffic-001-000000000002", "traffic-001-000000000002-end"] == names_in(sink)
        await sink.clear()
        assert [] == names_in(sink)

    asyncio.run(use())


def test_clearing_leaves_the_files_of_others(tmp_path: Path) -> None:
    sink = sink_of(tmp_path, "csv")
    asyncio.run(sink.publish("traffic-000-000000000001", rows()))
    foreign = ["traffic.csv", "traffic-a-1.csv", "other-000-000000000001.csv", "traffic-000-000000000001.txt"]
    for name in foreign:
        (sink.folder / name).write_text("")
    asyncio.run(sink.clear())
    assert sorted(foreign) == sorted(path.name for path in sink.folder.iterdir())


@pytest.mark.parametrize("form", FORMATS)
def test_equal_rows_give_equal_bytes_however_they_are_cut(tmp_path: Path, form: str) -> None:
    pieces = pa.concat_tables([rows().slice(index, 1) for index in range(3)])
    sink = sink_of(tmp_path, form)
    asyncio.run(sink.publish("a-0-1", rows()))
    asyncio.run(sink.publish("a-0-2", pieces))
    files = [(sink.folder / f"a-0-{number}.{form}").read_bytes() for number in (1, 2)]
    assert files[0] == files[1]


def test_parquet_keeps_every_value(tmp_path: Path) -> None:
    sink = sink_of(tmp_path, "parquet")
    asyncio.run(sink.publish("a-0-1", rows()))
    assert rows() == pq.read_table(sink.folder / "a-0-1.parquet")


def test_ndjson_has_numbers_in_full_and_times_in_iso_8601(tmp_path: Path) -> None:
    sink = sink_of(tmp_path, "ndjson")
    asyncio.run(sink.publish("a-0-1", rows()))
    lines = (sink.folder / "a-0-1.ndjson").read_bytes().decode().split("\n")
    assert "" == lines.pop()
    first, other, empty = (json.loads(line, parse_float=Decimal) for line in lines)
    expected = {
        "window_start": "1969-12-31T23:59:59.000500Z",
        "day": "0001-01-01",
        "text": rows()["text"][0].as_py(),
        "flag": True,
        "n": -(2**63),
        "total": 10**37,
        "price": Decimal("-0.000001"),
        "mean": Decimal("0.1"),
        "top": [{"value": 'x"y', "count": 2}, {"value": None, "count": None}],
    }
    assert expected == first
    assert list(expected) == list(first)
    assert ("9999-12-31T23:59:59Z", "", []) == (other["window_start"], other["text"], other["top"])
    assert dict.fromkeys(expected) == empty


def test_ndjson_writes_what_json_lacks_as_text(tmp_path: Path) -> None:
    sink = sink_of(tmp_path, "ndjson")
    asyncio.run(sink.publish("a-0-1", pa.table({"x": [float("nan"), float("inf"), -float("inf"), -0.0, 5e-324]})))
    written = (sink.folder / "a-0-1.ndjson").read_text().split()
    assert ['{"x":"NaN"}', '{"x":"Infinity"}', '{"x":"-Infinity"}'] == written[:3]
    assert [-0.0, 5e-324] == [json.loads(line)["x"] for line in written[3:]]


def test_csv_tells_null_from_empty_text(tmp_path: Path) -> None:
    sink = sink_of(tmp_path, "csv")
    asyncio.run(sink.publish("a-0-1", rows()))
    content = (sink.folder / "a-0-1.csv").read_bytes()
    assert b"window_start,day,text,flag,n,total,price,mean,top\n" == content[: content.index(b"\n") + 1]
    assert content.endswith(b"\n,,,,,,,,\n")
    convert = pa.csv.ConvertOptions(
        column_types={"text": pa.string(), "total": pa.decimal128(38, 0), "top": pa.string()},
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    parse = pa.csv.ParseOptions(newlines_in_values=True)
    found = pa.csv.read_csv(io.BytesIO(content), parse_options=parse, convert_options=convert).to_pylist()
    assert [row["text"] for row in rows().to_pylist()] == [row["text"] for row in found]
    assert [Decimal(10**37), Decimal(10**37), None] == [row["total"] for row in found]
    assert '[{"value":"x\\"y","count":2},{"value":null,"count":null}]' == found[0]["top"]


@pytest.mark.parametrize("form", FORMATS)
def test_no_rows_are_a_file_too(tmp_path: Path, form: str) -> None:
    sink = sink_of(tmp_path, form)
    asyncio.run(sink.publish("a-0-1", rows(0)))
    assert (sink.folder / f"a-0-1.{form}").exists()


def test_many_rows_are_written_a_column_at_a_time(tmp_path: Path) -> None:
    many = pa.concat_tables([rows()] * 20_000)
    sink = sink_of(tmp_path, "ndjson")
    asyncio.run(sink.publish("a-0-1", many))
    lines = (sink.folder / "a-0-1.ndjson").read_bytes().split(b"\n")
    assert (60_001, lines[0]) == (len(lines), lines[30_000])


async def publish(sink: Sink, name: str) -> None:
    await sink.publish(name, rows())


@pytest.mark.parametrize("place", ["/sys", "/dev/full"])
def test_a_folder_that_cannot_be_written_is_unavailable(place: str) -> None:
    sink = open_sink(SinkPlan("archive", "traffic", f"{place}/out", "csv"), Path("/"))
    with pytest.raises(Unavailable) as raised:
        asyncio.run(publish(sink, "a-0-1"))
    assert f"{place}/out" in raised.value.message


def test_a_relative_path_counts_from_the_base(tmp_path: Path) -> None:
    for path in ("deep/er", str(tmp_path / "absolute")):
        asyncio.run(publish(open_sink(SinkPlan("archive", "traffic", path, "csv"), tmp_path), "a-0-1"))
    assert {"deep", "absolute"} == {path.name for path in tmp_path.iterdir()}
