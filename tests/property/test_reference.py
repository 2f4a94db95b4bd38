"""The naive reference itself, against examples worked by hand: an oracle that is wrong would prove nothing."""

from tests.reference.description import (
    NO_WATERMARK,
    Aggregate,
    Cut,
    Dedup,
    Global,
    Hopping,
    Malformed,
    Outcome,
    Pipeline,
    RawRecord,
    Row,
    Session,
    Tumbling,
    Value,
    View,
    Watermark,
    Window,
)
from tests.reference.pipeline import run, run_cuts

_COUNT = Aggregate("n", "count_all")
_NOW = 10**15


def _value(row: Row) -> Value:
    return row["v"]


def _view(window: Window, lateness_us: int = 0, aggregates: tuple[Aggregate, ...] = (_COUNT,)) -> View:
    return View("view", window, ("key",), aggregates, lateness_us)


def _records(*times: int, key: str = "a") -> list[RawRecord]:
    return [RawRecord(place, {"time": time, "key": key, "v": float(place)}) for place, time in enumerate(times)]


def _outcome(view: View, cuts: list[list[int]], delay_us: int = 0, dedup: Dedup | None = None) -> Outcome:
    """One split whose cuts hold records at these times."""
    pipeline = Pipeline("time", (view,), Watermark(delay_us, 0), (), dedup)
    splits = {"s": _records(*(time for times in cuts for time in times))}
    schedule = [Cut((("s", len(times)),), frozenset()) for times in cuts]
    return run(pipeline, splits, schedule, _NOW)


def _rows(outcome: Outcome, cut: int) -> list[tuple[int | None, int | None, object]]:
    rows = outcome.cuts[cut].tables["view"].values()
    return sorted((row.window_start_us, row.window_end_us, row.values[0]) for row in rows)


def test_a_tumbling_window_closes_when_its_last_time_is_at_the_watermark() -> None:
    outcome = _outcome(_view(Tumbling(10)), [[3, 9], [10], [19, 20]])
    assert [8, 9, 19] == [cut.watermark_us for cut in outcome.cuts]
    assert [[], [(0, 10, 2)], [(0, 10, 2), (10, 20, 2)]] == [_rows(outcome, cut) for cut in range(3)]
    assert [20] == [row.window_start_us for row in outcome.terminal["view"]]


def test_windows_floor_below_zero() -> None:
    outcome = _outcome(_view(Tumbling(10)), [[-1, -10, -11, 5]])
    assert [(-20, -10, 1), (-10, 0, 2)] == _rows(outcome, 0)


def test_a_late_record_corrects_a_row_until_it_is_final_and_is_refused_then() -> None:
    outcome = _outcome(_view(Tumbling(10), lateness_us=5), [[3, 14], [4], [15], [5]])
    assert [[(0, 10, 1)], [(0, 10, 2)], [(0, 10, 2)]] == [_rows(outcome, cut) for cut in range(3)]
    assert [0, 0, 1] == [len(cut.finals["view"]) for cut in outcome.cuts[:3]]
    assert 1 == outcome.cuts[3].counters["view.view.late"]
    assert ["late"] == [one.stage for one in outcome.cuts[3].quarantine]


def test_a_hopping_record_enters_only_the_windows_that_still_take_it() -> None:
    outcome = _outcome(_view(Hopping(10, 5)), [[7, 10], [7, 20]])
    assert [(0, 10, 1)] == _rows(outcome, 0)
    assert [(0, 10, 1), (5, 15, 3), (10, 20, 1)] == _rows(outcome, 1)
    assert 0 == outcome.cuts[1].counters["view.view.late"]


def test_times_between_hopping_windows_are_unassigned() -> None:
    outcome = _outcome(_view(Hopping(4, 10)), [[3, 4, 9, 10]])
    assert 2 == outcome.cuts[0].counters["view.view.unassigned"]


def test_records_exactly_a_gap_apart_share_a_session() -> None:
    outcome = _outcome(_view(Session(5)), [[0, 5, 11, 30]])
    assert [(0, 10, 2), (11, 16, 1)] == _rows(outcome, 0)


def test_a_record_that_bridges_written_sessions_replaces_both() -> None:
    outcome = _outcome(_view(Session(5), lateness_us=100), [[0, 9, 20], [5]])
    assert [[(0, 5, 1), (9, 14, 1)], [(0, 14, 3)]] == [_rows(outcome, cut) for cut in range(2)]


def test_a_global_row_is_rewritten_once_the_watermark_enters_another_period() -> None:
    outcome = _outcome(_view(Global(10)), [[3], [4], [12], [13]])
    assert [1, 1, 3, 3] == [_rows(outcome, cut)[0][2] for cut in range(4)]
    assert [4] == [row.values[0] for row in outcome.terminal["view"]]


def test_only_records_that_passed_make_repeats() -> None:
    outcome = _outcome(_view(Tumbling(10)), [[0, 4, 7, 10]], delay_us=50, dedup=Dedup(("key",), 5))
    assert (2, 2) == tuple(outcome.cuts[0].counters[name] for name in ("passed", "duplicate"))  # 0 and 7 pass


def test_a_record_too_old_to_be_judged_is_quarantined() -> None:
    outcome = _outcome(_view(Global(10)), [[100], [94, 95]], dedup=Dedup(("key",), 5))
    assert ["dedup"] == [one.stage for one in outcome.cuts[1].quarantine]  # the watermark is 99


def test_the_watermark_is_the_least_of_the_splits_being_read() -> None:
    pipeline = Pipeline("time", (_view(Tumbling(10)),), Watermark(2, 0))
    splits = {"a": _records(10, 50), "b": _records(20), "c": []}
    bad = RawRecord(9, Malformed("decode"))
    cuts = [
        Cut((("a", 1),), frozenset("c")),
        Cut((("b", 1),), frozenset("c")),
        Cut((("a", 2),), frozenset("bc")),
        Cut((), frozenset("abc")),
    ]
    outcome = run(pipeline, {**splits, "a": [*splits["a"], bad]}, cuts, _NOW)
    assert [NO_WATERMARK, 7, 47, 47] == [cut.watermark_us for cut in outcome.cuts]


def test_a_record_too_far_ahead_moves_nothing() -> None:
    outcome = _outcome(_view(Tumbling(10)), [[5, _NOW + 1]])
    assert 4 == outcome.cuts[0].watermark_us
    assert ["time"] == [one.stage for one in outcome.cuts[0].quarantine]


def test_increase_counts_on_from_the_window_before_and_over_restarts() -> None:
    readings = (10.0, 30.0, 5.0, 6.0, 7.0)
    increase = Aggregate("i", "increase", "float64", lambda row: readings[int(str(row["v"])[0])])
    outcome = _outcome(_view(Tumbling(10), aggregates=(increase,)), [[1, 8, 12, 15], [100]])
    assert [(0, 10, 20.0), (10, 20, 6.0)] == _rows(outcome, 1)[:2]  # the last row has one sample alone
    assert [None] == [row.values[0] for row in outcome.terminal["view"] if row.window_start_us == 100]


def test_run_reads_the_split_that_is_behind_and_cuts_at_fixed_counts() -> None:
    pipeline = Pipeline("time", (), Watermark(0, 0))
    splits = {"a": _records(10, 20, 30, 40), "b": _records(11, 12, 13)}
    cuts = run_cuts(pipeline, splits, _NOW, quantum=2, cut_records=5)
    assert [(("a", 2), ("b", 3)), (("a", 2),)] == [cut.reads for cut in cuts]
    assert [frozenset(), frozenset("ab")] == [cut.finished for cut in cuts]
