"""An Arrow body is read in full or refused: whatever bytes are changed, and whatever it would take once read."""

import random
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest

from datanexus.engine.arrow_body import read_batches
from datanexus_spec.errors import InvalidInput

BYTES_MAX = 1 << 20
MUTATIONS = 3_000
TABLE = pa.table(
    {
        "number": list(range(500)),
        "text": [f"text {number}" for number in range(500)],
        "repeated": pa.array(["p", "q"] * 250).dictionary_encode(),
        "list": [[1, 2]] * 500,
        "struct": [{"z": 1}] * 500,
        "flag": [True, None] * 250,
    }
)


def stream(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def refusal(body: bytes) -> str:
    with pytest.raises(InvalidInput) as raised:
        list(read_batches(body, BYTES_MAX))
    return raised.value.reason


@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
def test_a_sound_stream_is_read_as_it_was_written(compression: str | None) -> None:
    batches = list(read_batches(stream(TABLE, compression=compression), BYTES_MAX))
    assert TABLE.to_pylist() == pa.Table.from_batches(batches).to_pylist()


def test_changed_bytes_are_read_or_refused_and_nothing_else() -> None:
    draw = random.Random(7)
    seen: Counter[str] = Counter()
    for compression in (None, "zstd"):
        sound = stream(TABLE, compression=compression)
        for _ in range(MUTATIONS):
            body = bytearray(sound)
            for _ in range(draw.randint(1, 4)):
                body[draw.randrange(len(body))] = draw.randrange(256)
            try:
                rows = sum(batch.num_rows for batch in read_batches(bytes(body), BYTES_MAX))
                seen["read"] += rows >= 0
            except InvalidInput as error:
                seen[error.reason] += 1
    print(dict(seen))
    assert seen["read"]
    assert seen["NotArrow"]


def test_a_stream_cut_anywhere_is_refused_or_ends_with_a_batch() -> None:
    whole = stream(TABLE)
    seen: Counter[object] = Counter()
    for end in range(0, len(whole), 97):
        try:
            seen[sum(batch.num_rows for batch in read_batches(whole[:end], BYTES_MAX))] += 1
        except InvalidInput as error:
            seen[error.reason] += 1
    assert "NotArrow" in seen
    assert set(seen) <= {"NotArrow", 0, 500}


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (pa.table({"a": pa.repeat(pa.scalar(0, pa.int64()), 10_000_000)}), "BodyTooLarge"),
        (pa.table({"a": pa.nulls(10_000_000)}), "NotArrow"),
        (
            pa.table({"a": pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int8()), 9_999), ["x" * 9_999])}),
            "BodyTooLarge",
        ),
        (pa.table({"a": pa.array(["a"], pa.string_view())}), "UnsupportedArrowType"),
        (pa.table({"a": pa.array([["a"]], pa.list_(pa.dictionary(pa.int8(), pa.string())))}), "UnsupportedArrowType"),
        (pa.table({"a": pa.RunEndEncodedArray.from_arrays([9], [1])}), "UnsupportedArrowType"),
    ],
    ids=["compressed zeros", "nulls", "one long text", "views", "dictionary inside", "run ends"],
)
def test_what_takes_more_than_it_says_is_refused(table: pa.Table, reason: str) -> None:
    assert reason == refusal(stream(table, compression="zstd"))
