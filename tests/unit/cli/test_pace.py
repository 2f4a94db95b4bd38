"""Rate, time left and lag, from reports alone."""

from datanexus.cli.pace import Pace
from datanexus.core.emission import NO_WATERMARK
from datanexus.engine.running import Progress

SECOND_US = 1_000_000
WATERMARK_US = 1_431_857_100_000_000


def report(
    records: int, read_bytes: int, total_bytes: int | None = 1_000, watermark_us: int = WATERMARK_US
) -> Progress:
    return Progress("web", records, read_bytes, total_bytes, watermark_us, 3, "access/a.log")


def test_the_first_report_has_no_rate_and_no_time_left() -> None:
    reading = Pace().observe(report(10, 10), 5.0, WATERMARK_US)
    assert (0.0, None) == (reading.rate, reading.eta_s)


def test_rate_and_time_left_follow_the_last_seconds() -> None:
    pace = Pace()
    pace.observe(report(0, 0), 0.0, 0)
    for second in range(1, 20):
        reading = pace.observe(report(100 * second, 10 * second), float(second), WATERMARK_US + 7 * SECOND_US)
    assert (100.0, 81.0, 7.0, 0.19) == (reading.rate, reading.eta_s, reading.lag_s, reading.done)
    for second in range(20, 30):
        reading = pace.observe(report(1_900, 190), float(second), 0)
    assert (0.0, None) == (reading.rate, reading.eta_s)


def test_without_a_watermark_there_is_no_lag() -> None:
    reading = Pace().observe(report(1, 1, None, NO_WATERMARK), 1.0, 0)
    assert (None, None) == (reading.lag_s, reading.done)
    assert "watermark" not in reading.text()
    assert None is reading.fields()["watermark"]


def test_a_reading_is_one_line() -> None:
    pace = Pace()
    pace.observe(report(0, 0), 0.0, 0)
    reading = pace.observe(report(20_000, 500), 2.0, WATERMARK_US + 90 * SECOND_US)
    expected = (
        "web  50%  20,000 records  10,000/s  ETA 2 s  watermark 2015-05-17 10:05:00Z, lag 1.5 m  held by access/a.log"
    )
    assert expected == reading.text()
