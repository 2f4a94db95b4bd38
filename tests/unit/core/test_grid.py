"""Windows of fixed bounds, against trying them one by one."""

from hypothesis import given
from hypothesis import strategies as st

from datanexus.core.windows.grid import Grid

grids = st.builds(Grid, st.integers(1, 20), st.integers(1, 20))
times = st.integers(-100, 100)


def starts(grid: Grid, time: int) -> list[int]:
    every = range(-50 * grid.slide_us - 150, 150, 1)
    return [start for start in every if start % grid.slide_us == 0 and start <= time < start + grid.size_us]


@given(grids, times)
def test_all_times_of_a_pane_belong_to_the_windows_of_the_pane(grid: Grid, time: int) -> None:
    assert starts(grid, time) == list(grid.windows_of(time // grid.pane_us * grid.pane_us))


@given(grids, times)
def test_a_pane_is_followed_by_the_windows_that_start_at_most_a_size_later(grid: Grid, time: int) -> None:
    pane = time // grid.pane_us * grid.pane_us
    expected = [start for start in range(pane + 1, pane + grid.size_us + 1) if start % grid.slide_us == 0]
    assert expected == list(grid.followers_of(pane))


@given(grids, times, st.integers(0, 30))
def test_the_first_open_window_is_the_first_that_is_not_final(grid: Grid, watermark: int, lateness: int) -> None:
    start = grid.first_open(watermark, lateness)
    assert start + grid.size_us - 1 + lateness > watermark
    assert start - grid.slide_us + grid.size_us - 1 + lateness <= watermark
    assert 0 == start % grid.slide_us


@given(grids)
def test_there_are_gaps_when_some_time_is_in_no_window(grid: Grid) -> None:
    assert grid.has_gaps == any(not starts(grid, time) for time in range(grid.slide_us))
