"""The generator: row i follows from (seed, i, start) alone, and the values are spread as the resource says."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from datanexus.adapters.connectors.factory import open_source
from datanexus.ports.log import Log
from datanexus.ports.source import ColumnChunk, SplitName, SplitState
from datanexus_spec.pipeline import PipelineSource
from tests.fakes.log import MemoryLog

ROWS = 50_000
START = "2024-01-01T00:00:00.5Z"
START_US = 1_704_067_200_500_000


def generated(
    *fields: Mapping[str, Any],
    log: Log | None = None,
    states: Mapping[SplitName, SplitState] | None = None,
    **spec: Any,
) -> pa.Table:
    """All rows of a generator with these fields, read in pieces."""
    given = {"seed": 3, "rows": ROWS, "start": START, "fields": list(fields), **spec}
    source = open_source(PipelineSource.model_validate({"name": "in", "generator": given}), Path(), log or MemoryLog())

    async def read() -> pa.Table:
        (split,) = await source.open(states or {})
        batches = []
        while (chunk := await split.read(7_777)) is not None:
            assert isinstance(chunk, ColumnChunk)
            batches.append(chunk.columns)
        return pa.Table.from_batches(batches)

    return asyncio.run(read())


def values(field: Mapping[str, Any], **spec: Any) -> "np.ndarray[Any, Any]":
    return np.asarray(generated({"name": "x", **field}, **spec)["x"].to_numpy())


def test_equal_seeds_give_equal_rows_and_others_do_not() -> None:
    field = {"name": "x", "integer": {"max": 10**6}}
    assert generated(field) == generated(field)
    assert generated(field) != generated(field, seed=4)
    other = generated({**field, "name": "y"})["y"].to_numpy()
    assert (generated(field)["x"].to_numpy() == other).mean() < 0.001


def test_a_shorter_run_is_the_beginning_of_a_longer_one() -> None:
    fields = ({"name": "t", "time": {}}, {"name": "k", "zipf": {"count": 10**7}}, {"name": "c", "counter": {}})
    spec: dict[str, Any] = {"disorder": "10s", "duplicates": 0.2}
    assert generated(*fields, **spec).slice(0, 1234) == generated(*fields, rows=1234, **spec)


def test_times_advance_by_the_rate_and_lie_back_at_most_by_the_disorder() -> None:
    time = {"name": "t", "time": {}}
    turns = START_US + np.floor(np.arange(ROWS) * 1e6 / 300).astype(np.int64)
    straight = generated(time, eventsPerSecond=300)["t"].cast(pa.int64()).to_numpy()
    assert (turns == straight).all()
    back = turns - generated(time, eventsPerSecond=300, disorder="2s")["t"].cast(pa.int64()).to_numpy()
    assert 0 <= back.min() < 1000
    assert 1_999_000 < back.max() < 2_000_000


def test_sequences_and_counters_grow() -> None:
    assert (np.arange(ROWS) * -2 + 5 == values({"sequence": {"start": 5, "step": -2}})).all()
    counter = values({"counter": {"stepMax": 7}})
    steps = np.diff(counter)
    assert (0, 0, 7) == (counter[0], steps.min(), steps.max())
    resetting = values({"counter": {"stepMax": 7, "resetEvery": 1000}})
    assert (resetting[::1000] == 0).all()
    assert (np.flatnonzero(np.diff(resetting) < 0) == np.arange(999, ROWS - 1, 1000)).all()


def test_uniform_values_fill_their_bounds() -> None:
    integers = values({"integer": {"min": -3, "max": 3}})
    assert list(range(-3, 4)) == sorted(set(integers.tolist()))
    assert abs(integers.mean()) < 0.05
    whole = values({"integer": {"min": -(2**63), "max": 2**63 - 1}})
    assert whole.min() < -(2**62)
    assert whole.max() > 2**62
    numbers = values({"number": {"min": 2, "max": 4}})
    assert 2 <= numbers.min() < 2.01
    assert 3.99 < numbers.max() < 4
    assert abs(numbers.mean() - 3) < 0.02


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("count", [1, 10, 200_000])
def test_zipf_values_are_as_frequent_as_their_rank_says(count: int, exponent: float) -> None:
    drawn = values({"zipf": {"count": count, "exponent": exponent}})
    assert 0 <= drawn.min()
    assert drawn.max() < count
    weights = np.arange(1, count + 1) ** -exponent
    expected = np.cumsum(weights) / weights.sum()
    for rank in {0, min(9, count - 1), count // 2, count - 1}:
        assert abs((drawn <= rank).mean() - expected[rank]) < 0.01


def test_texts_have_their_prefix_and_choices_their_weights() -> None:
    texts = generated({"name": "x", "zipf": {"count": 50, "prefix": "host-"}})["x"]
    assert {f"host-{number}" for number in range(50)} == set(texts.to_pylist())
    choice = generated({"name": "x", "choice": {"values": ["GET", "PUT", "never"], "weights": [3, 1, 0]}})["x"]
    counts = {item["values"]: item["counts"] for item in pc.value_counts(choice).to_pylist()}
    assert {"GET", "PUT"} == set(counts)
    assert abs(counts["GET"] / ROWS - 0.75) < 0.01


def test_nulls_come_as_often_as_asked() -> None:
    column = generated({"name": "x", "integer": {"max": 5}, "nullShare": 0.25})["x"]
    assert abs(column.null_count / ROWS - 0.25) < 0.01


def test_a_duplicate_is_one_of_the_hundred_records_before_it_value_for_value() -> None:
    fields = ({"name": "id", "sequence": {}}, {"name": "t", "time": {}}, {"name": "x", "number": {}})
    table = generated(*fields, duplicates=0.3, disorder="1s")
    ids = table["id"].to_numpy()
    repeats = np.flatnonzero(ids != np.arange(ROWS))
    assert abs(len(repeats) / ROWS - 0.3) < 0.01
    first = {row["id"]: row for row in table.take(np.flatnonzero(ids == np.arange(ROWS))).to_pylist()}
    rows = table.to_pylist()
    assert all(first[rows[row]["id"]] == rows[row] for row in repeats.tolist())
    assert any(row - ids[row] == 1 for row in repeats)
    assert (np.arange(ROWS) - ids).min() == 0


def test_without_a_start_the_first_open_chooses_it_once() -> None:
    log = MemoryLog()
    time = {"name": "t", "time": {}}
    first = generated(time, log=log, start=None, rows=10)
    assert first == generated(time, log=log, start=None, rows=10)
    state: SplitState = {"position": 0, "start_us": 1_000_000}
    begun = generated(time, log=log, start=None, rows=10, states={"in/generator": state})
    assert 1_000_000 == begun["t"][0].value
