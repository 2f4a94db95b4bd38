"""View state by example: what appears when, for each kind of window."""

from collections.abc import Sequence

import pyarrow as pa
import pytest

from datanexus.core.aggregate import AggregateInput, AggregateSpec
from datanexus.core.emission import (
    NO_WATERMARK,
    Admission,
    Emission,
    Global,
    Hopping,
    Session,
    Tumbling,
    ViewRows,
    ViewSpec,
    WindowSpec,
)
from datanexus.core.hashing import hash_rows
from datanexus.core.view_state import PartialState, ViewState

INT64 = pa.int64()
COUNT = ("rows", AggregateSpec("count", None, (), INT64))
INCREASE = ("gain", AggregateSpec("increase", INT64, (), pa.float64()))
Row = tuple[int | None, int | None, str, object]


def spec(window: WindowSpec, lateness: int = 0, aggregate: tuple[str, AggregateSpec] = COUNT) -> ViewSpec:
    return ViewSpec("view", window, lateness, (("key", pa.string()),), (aggregate,))


def rows(*records: tuple[str, int], values: Sequence[int] | None = None) -> ViewRows:
    keys = pa.array([key for key, _ in records], pa.string())
    times = pa.array([time for _, time in records], INT64).to_numpy()
    given = AggregateInput(None if values is None else pa.array(values, INT64), None)
    return ViewRows(times, hash_rows([keys]), (keys,), (given,))


def written(batch: pa.RecordBatch) -> list[Row]:
    """Rows as (start, end, key, value), in the order of start and key."""
    columns = [column.cast(INT64) if pa.types.is_timestamp(column.type) else column for column in batch.columns]
    found = [tuple(row[:4]) for row in zip(*(column.to_pylist() for column in columns), strict=True)]
    return sorted(found, key=lambda row: (row[0] or 0, row[2]))


def changes(emission: Emission) -> dict[str, list[Row]]:
    batches = {kind: written(getattr(emission, kind)) for kind in ("appended", "replaced", "deleted", "final")}
    return {kind: found for kind, found in batches.items() if found}


def refused(admission: Admission) -> tuple[list[bool], list[bool]]:
    return admission.late.tolist(), admission.unassigned.tolist()


def test_a_tumbling_window_fires_when_the_watermark_reaches_its_last_time() -> None:
    state = ViewState(spec(Tumbling(10), lateness=5))
    state.add(rows(("a", 0), ("a", 9), ("b", -1)), NO_WATERMARK)
    assert {"appended": [(-10, 0, "b", 1)]} == changes(state.advance(3))
    assert {"appended": [(0, 10, "a", 2)], "final": [(-10, 0, "b", 1)]} == changes(state.advance(9))
    assert {"final": [(0, 10, "a", 2)]} == changes(state.advance(14))
    assert {} == changes(state.advance(14))


def test_a_record_is_late_when_its_window_is_final() -> None:
    state = ViewState(spec(Tumbling(10), lateness=5))
    state.advance(13)
    assert ([False], [False]) == refused(state.add(rows(("a", 0)), 13))
    state.advance(14)
    assert ([True, False], [False, False]) == refused(state.add(rows(("a", 9), ("a", 10)), 14))


def test_a_late_record_replaces_a_row_or_adds_one() -> None:
    state = ViewState(spec(Tumbling(10), lateness=5))
    state.add(rows(("a", 0)), NO_WATERMARK)
    state.advance(9)
    state.add(rows(("a", 1), ("b", 2)), 9)
    assert {"appended": [(0, 10, "b", 1)], "replaced": [(0, 10, "a", 2)]} == changes(state.advance(10))
    assert {"final": [(0, 10, "a", 2), (0, 10, "b", 1)]} == changes(state.advance(20))


def test_a_final_window_does_not_change_through_a_pane_it_shares() -> None:
    state = ViewState(spec(Hopping(10, 5)))
    state.add(rows(("a", 7)), NO_WATERMARK)
    assert {"appended": [(0, 10, "a", 1)], "final": [(0, 10, "a", 1)]} == changes(state.advance(9))
    assert ([False, True], [False, False]) == refused(state.add(rows(("a", 8), ("a", 4)), 9))
    assert {"appended": [(5, 15, "a", 2)], "final": [(5, 15, "a", 2)]} == changes(state.advance(14))


def test_a_time_between_hopping_windows_belongs_to_none() -> None:
    state = ViewState(spec(Hopping(5, 10)))
    assert ([True, False, False], [False, True, False]) == refused(state.add(rows(("a", 3), ("a", 5), ("a", 12)), 9))
    assert ([False, False], [True, True]) == refused(state.add(rows(("a", -1), ("a", -5)), 9))


def test_windows_that_do_not_divide_share_panes_of_their_common_divisor() -> None:
    state = ViewState(spec(Hopping(6, 4)))
    state.add(rows(("a", 4), ("a", 5), ("a", 7)), NO_WATERMARK)
    assert [(0, 6, "a", 2), (4, 10, "a", 3)] == changes(state.advance(50))["final"]


def test_sessions_a_gap_apart_are_one() -> None:
    state = ViewState(spec(Session(5)))
    state.add(rows(("a", 0), ("a", 5), ("a", 11)), NO_WATERMARK)
    assert [(0, 10, "a", 2), (11, 16, "a", 1)] == changes(state.advance(50))["final"]


def test_a_session_record_is_late_when_its_time_is_past_the_lateness() -> None:
    state = ViewState(spec(Session(5), lateness=3))
    assert ([True, False], [False, False]) == refused(state.add(rows(("a", 7), ("a", 8)), 10))


def test_a_session_that_bridges_two_written_ones_replaces_the_first_and_deletes_the_second() -> None:
    state = ViewState(spec(Session(5), lateness=50))
    state.add(rows(("a", 0), ("a", 10), ("b", 0)), NO_WATERMARK)
    state.advance(20)
    state.add(rows(("a", 5)), 20)
    expected = {"replaced": [(0, 15, "a", 3)], "deleted": [(10, 15, "a", 1)]}
    assert expected == changes(state.advance(20))


def test_a_session_that_grows_backwards_is_deleted_and_appended() -> None:
    state = ViewState(spec(Session(5), lateness=50))
    state.add(rows(("a", 10)), NO_WATERMARK)
    state.advance(20)
    state.add(rows(("a", 8)), 20)
    expected = {"appended": [(8, 15, "a", 2)], "deleted": [(10, 15, "a", 1)]}
    assert expected == changes(state.advance(20))


def test_a_written_session_that_is_open_again_leaves_the_table() -> None:
    state = ViewState(spec(Session(5), lateness=50))
    state.add(rows(("a", 10)), NO_WATERMARK)
    state.advance(15)
    state.add(rows(("a", 14)), 15)
    assert {"deleted": [(10, 15, "a", 1)]} == changes(state.advance(16))
    assert {"appended": [(10, 19, "a", 2)]} == changes(state.advance(19))


def test_a_global_row_is_rewritten_when_the_watermark_passes_a_multiple() -> None:
    state = ViewState(spec(Global(10)))
    state.add(rows(("a", 100), ("b", -100)), NO_WATERMARK)
    assert {"appended": [(None, None, "a", 1), (None, None, "b", 1)]} == changes(state.advance(3))
    state.add(rows(("a", -7)), 3)
    assert {} == changes(state.advance(9))
    assert {"replaced": [(None, None, "a", 2)]} == changes(state.advance(10))
    assert {} == changes(state.advance(30))
    assert {"final": [(None, None, "a", 2), (None, None, "b", 1)]} == changes(state.flush())


def test_a_counter_goes_on_from_the_last_sample_of_the_window_before() -> None:
    state = ViewState(spec(Tumbling(10), aggregate=INCREASE))
    state.add(rows(("a", 1), ("a", 8), ("a", 12), values=[5, 7, 10]), NO_WATERMARK)
    state.advance(9)
    assert [(10, 20, "a", 3.0)] == changes(state.advance(19))["final"]
    state.add(rows(("a", 35), values=[20]), 19)
    assert [(30, 40, "a", None)] == changes(state.advance(39))["final"]
    state.advance(60)
    assert 0 == state.nbytes


def test_a_late_sample_changes_the_windows_that_go_on_from_it() -> None:
    state = ViewState(spec(Tumbling(10), lateness=100, aggregate=INCREASE))
    state.add(rows(("a", 1), ("a", 12), values=[1, 10]), NO_WATERMARK)
    assert [(0, 10, "a", None), (10, 20, "a", 9.0)] == changes(state.advance(19))["appended"]
    state.add(rows(("a", 9), values=[4]), 19)
    assert {"replaced": [(0, 10, "a", 3.0), (10, 20, "a", 6.0)]} == changes(state.advance(19))


def test_a_late_sample_of_a_group_without_rows_later_adds_none_there() -> None:
    state = ViewState(spec(Tumbling(10), lateness=100, aggregate=INCREASE))
    state.add(rows(("a", 12), values=[10]), NO_WATERMARK)
    state.advance(19)
    state.add(rows(("b", 9), values=[4]), 19)
    assert {"appended": [(0, 10, "b", None)]} == changes(state.advance(19))


def test_a_second_stage_behind_does_not_let_a_record_into_a_window_that_refused_it() -> None:
    first, second = PartialState(spec(Hopping(10, 5))), ViewState(spec(Hopping(10, 5)))
    for time, watermark in ((6, NO_WATERMARK), (7, 9)):
        first.add(rows(("a", time)), watermark)
        for contents in first.drain(1).values():
            second.merge(contents)
    assert [(0, 10, "a", 1), (5, 15, "a", 2)] == changes(second.advance(50))["final"]


def test_partials_go_to_the_partition_of_their_key() -> None:
    first = PartialState(spec(Session(5)))
    given = rows(*((f"key {number}", number) for number in range(50)))
    first.add(given, NO_WATERMARK)
    drained = first.drain(4)
    found = {
        target: sorted(part["keys"].column(0).to_pylist())
        for target, parts in drained.items()
        for part in parts.values()
    }
    high = given.key_hashes[:, 0].tolist()
    assert found == {target: sorted(one for one in high if (one >> 56) * 4 >> 8 == target) for target in range(4)}
    assert {} == first.drain(4)


def test_many_sessions_that_come_and_go_leave_no_numbers_behind() -> None:
    state = ViewState(spec(Session(5)))
    watermark, largest = NO_WATERMARK, 0
    for step in range(60):
        state.add(rows(*((f"key {number}", step * 100) for number in range(step, step + 200))), watermark)
        watermark = step * 100 + (0 if step % 7 else 50)
        state.advance(watermark)
        largest = max(largest, state.nbytes)
    assert largest < 400_000
    state.advance(10**6)
    assert ViewState(spec(Session(5))).nbytes == state.nbytes


@pytest.mark.parametrize("window", [Tumbling(10), Hopping(10, 5), Session(5), Global(10)])
def test_a_state_without_rows_says_nothing(window: WindowSpec) -> None:
    state = ViewState(spec(window))
    assert {} == changes(state.advance(100))
    assert {} == changes(state.flush())
    assert ViewState(spec(window)).nbytes == state.nbytes


@pytest.mark.parametrize("window", [Tumbling(10), Hopping(10, 5), Session(5), Global(10)])
def test_a_view_without_group_has_one_group(window: WindowSpec) -> None:
    state = ViewState(ViewSpec("view", window, 0, (), (COUNT,)))
    times = pa.array([1, 2, 3], INT64).to_numpy()
    state.add(ViewRows(times, hash_rows([], rows=3), (), (AggregateInput(None, None),)), NO_WATERMARK)
    assert [3] == state.flush().final.column("rows").to_pylist()[-1:]


@pytest.mark.parametrize("lateness", [0, 100])
def test_overlapping_windows_of_many_panes_see_every_late_record(lateness: int) -> None:
    state = ViewState(spec(Hopping(32, 1), lateness))
    state.add(rows(*(("a", time) for time in range(64))), NO_WATERMARK)
    fired = state.advance(62).appended.column("rows").to_pylist()
    assert [*range(1, 33), *[32] * 31] == fired
    if lateness:
        state.add(rows(("a", 20), ("b", 20)), 62)
        late = changes(state.advance(62))
        assert [(start, start + 32, "b", 1) for start in range(-11, 21)] == late["appended"]
        assert [min(start + 32, 32) + 1 for start in range(-11, 21)] == [row[3] for row in late["replaced"]]
    state.advance(10**6)
    assert 0 == state.nbytes
