"""The laws of view state, for every kind of window."""

import random

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from datanexus.core.emission import NO_WATERMARK, Emission, Global, SegmentContents, WindowSpec
from datanexus.core.view_state import PartialState, ViewState
from tests.property.windows.model import Model, Row, RowKey
from tests.property.windows.streams import Cut, apply, rows_of, spec_of, streams, table_rows, windows

lateness = st.sampled_from([0, 1, 7, 25])
LONG_AFTER_US = 2**62


def run(state: ViewState, cuts: list[Cut], watermark_us: int = NO_WATERMARK) -> list[Emission]:
    emissions = []
    for cut in cuts:
        for batch in cut.batches:
            state.add(rows_of(batch), watermark_us)
        watermark_us = cut.watermark_us
        emissions.append(state.advance(watermark_us))
    return emissions


def stored(state: ViewState) -> SegmentContents:
    return {key: segment.batches() for key, segment in state.segments().items()}


@given(windows, lateness, streams())
def test_a_table_is_what_the_records_taken_so_far_say(window: WindowSpec, lateness_us: int, cuts: list[Cut]) -> None:
    state, model = ViewState(spec_of(window, lateness_us)), Model(window, lateness_us)
    table: dict[RowKey, Row] = {}
    for cut in cuts:
        for batch in cut.batches:
            admission = state.add(rows_of(batch), model.watermark_us)
            verdicts = [model.judge(record) for record in batch]
            assert [verdict == "late" for verdict in verdicts] == admission.late.tolist()
            assert [verdict == "unassigned" for verdict in verdicts] == admission.unassigned.tolist()
        model.advance(cut.watermark_us)
        emission = state.advance(cut.watermark_us)
        apply(table, emission)
        assert model.table == table
        finals = table_rows(emission.final)
        assert len(finals) == len(dict(finals))
        assert model.finals == dict(finals)


@given(windows, lateness, streams())
def test_a_flush_writes_all_that_is_not_final_and_changes_nothing(
    window: WindowSpec, lateness_us: int, cuts: list[Cut]
) -> None:
    state, model = ViewState(spec_of(window, lateness_us)), Model(window, lateness_us)
    table: dict[RowKey, Row] = {}
    for cut in cuts:
        for record in cut.records:
            model.judge(record)
        model.advance(cut.watermark_us)
    for emission in run(state, cuts):
        apply(table, emission)
    before = stored(state)
    flushed = state.flush()
    apply(table, flushed)
    assert model.unfinished() == dict(table_rows(flushed.final))
    assert {**model.table, **model.unfinished()} == table
    assert before == stored(state)
    assert flushed == state.flush()


@given(windows, lateness, streams(), st.randoms(use_true_random=False))
def test_neither_batches_nor_order_inside_a_cut_show(
    window: WindowSpec, lateness_us: int, cuts: list[Cut], chance: random.Random
) -> None:
    shuffled = []
    for cut in cuts:
        records = cut.records
        chance.shuffle(records)
        border = chance.randint(0, len(records))
        batches = [part for part in (records[:border], records[border:]) if part]
        shuffled.append(Cut(batches, cut.watermark_us))
    one, other = (ViewState(spec_of(window, lateness_us)) for _ in range(2))
    assert run(one, cuts) == run(other, shuffled)
    assert stored(one) == stored(other)


@given(windows, lateness, streams(), st.integers(0, 5))
def test_a_restored_state_goes_on_as_if_never_stored(
    window: WindowSpec, lateness_us: int, cuts: list[Cut], at: int
) -> None:
    at = min(at, len(cuts))
    state, restored = (ViewState(spec_of(window, lateness_us)) for _ in range(2))
    run(state, cuts[:at])
    restored.restore(stored(state))
    assert stored(state) == stored(restored)
    watermark = cuts[at - 1].watermark_us if at else NO_WATERMARK
    assert run(state, cuts[at:], watermark) == run(restored, cuts[at:], watermark)
    assert stored(state) == stored(restored)


@given(windows, lateness, streams())
def test_a_segment_of_the_same_version_has_the_same_content(
    window: WindowSpec, lateness_us: int, cuts: list[Cut]
) -> None:
    state = ViewState(spec_of(window, lateness_us))
    seen: dict[tuple[str, int], object] = {}
    watermark = NO_WATERMARK
    for cut in cuts:
        run(state, [cut], watermark)
        watermark = cut.watermark_us
        for key, segment in state.segments().items():
            assert seen.setdefault((key, segment.version), segment.batches()) == segment.batches()


@given(windows, lateness, streams())
def test_nothing_is_left_when_all_windows_are_final(window: WindowSpec, lateness_us: int, cuts: list[Cut]) -> None:
    if isinstance(window, Global):
        return
    state, empty = (ViewState(spec_of(window, lateness_us)) for _ in range(2))
    run(state, [*cuts, Cut([], LONG_AFTER_US)])
    assert empty.nbytes == state.nbytes
    assert 0 == state.live_windows


@given(windows, lateness, streams(), st.integers(1, 5))
def test_two_stages_give_what_one_gives(window: WindowSpec, lateness_us: int, cuts: list[Cut], partitions: int) -> None:
    spec = spec_of(window, lateness_us)
    whole = ViewState(spec)
    first = [PartialState(spec) for _ in range(partitions)]
    second = [ViewState(spec) for _ in range(partitions)]
    watermark = NO_WATERMARK
    for cut in cuts:
        for number, batch in enumerate(cut.batches):
            expected = whole.add(rows_of(batch), watermark)
            admission = first[number % partitions].add(rows_of(batch), watermark)
            assert expected.late.tolist() == admission.late.tolist()
        for partial in first:
            for target, contents in partial.drain(partitions).items():
                second[target].merge(contents)
        watermark = cut.watermark_us
        expected_changes = whole.advance(watermark)
        changes = [state.advance(watermark) for state in second]
        for kind in ("appended", "replaced", "deleted", "final"):
            expected_rows = getattr(expected_changes, kind)
            rows = pa.concat_batches([getattr(change, kind) for change in changes])
            assert sorted(map(str, expected_rows.to_pylist())) == sorted(map(str, rows.to_pylist()))


@given(windows, lateness, streams(), st.integers(0, 20))
def test_a_second_stage_behind_the_first_counts_a_record_where_the_first_let_it(
    window: WindowSpec, lateness_us: int, cuts: list[Cut], behind_us: int
) -> None:
    spec = spec_of(window, lateness_us)
    first, second, model = PartialState(spec), ViewState(spec), Model(window, lateness_us)
    table: dict[RowKey, Row] = {}
    judge = Model(window, lateness_us)
    for cut in cuts:
        for batch in cut.batches:
            first.add(rows_of(batch), judge.watermark_us)
            for record in batch:
                judge.judge(record)
        for contents in first.drain(1).values():
            second.merge(contents)
        judge.advance(cut.watermark_us)
        model.taken = judge.taken
        model.advance(cut.watermark_us - behind_us)
        apply(table, second.advance(cut.watermark_us - behind_us))
        assert model.table == table


@given(windows, lateness, streams())
def test_rows_come_in_order_of_start_and_key_hash(window: WindowSpec, lateness_us: int, cuts: list[Cut]) -> None:
    for emission in run(ViewState(spec_of(window, lateness_us)), cuts):
        for batch in (emission.appended, emission.replaced, emission.deleted, emission.final):
            starts = batch.column("window_start").cast(pa.int64()).fill_null(0).to_numpy()
            keys = [batch.column(name).to_numpy() for name in ("key_low", "key_high")]
            assert np.arange(batch.num_rows).tolist() == np.lexsort((*keys, starts)).tolist()
