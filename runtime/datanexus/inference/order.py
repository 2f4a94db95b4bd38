"""How far records are out of order, the delay that follows from it, and durations that people choose.

Disorder is measured as the engine's watermark meets it: a record's distance behind the latest event time before it in
its own file.
"""

from collections.abc import Iterable, Sequence

from datanexus.inference.finding import OrderFinding
from datanexus_spec.durations import DAYS_MAX, UNITS_US

_STEPS = (
    "1ms", "10ms", "100ms", "1s", "2s", "5s", "10s", "15s", "30s", "1m", "2m", "5m", "10m", "15m", "30m",
    "1h", "2h", "3h", "6h", "12h", "1d", "2d", "7d", "14d", "30d", "90d", "180d", "365d", "730d", "3650d", "36500d",
)  # fmt: skip
_QUANTILES = {"half": 0.5, "99 %": 0.99, "99.9 %": 0.999}
_OUTLIER = 10  # times the 99.9 % quantile: beyond it the greatest step back is taken for an accident
_REVERSED = 0.99  # share of records behind the latest: so many only where time runs backwards
_OUTLIER_RECORDS = 2_000  # below, quantiles say too little to call anything an accident


def _duration_us(text: str) -> int:
    unit = text.lstrip("0123456789")
    return int(text.removesuffix(unit)) * UNITS_US[unit]


NICE_US = tuple(map(_duration_us, _STEPS))


def rounded_up_us(duration_us: int) -> int:
    """The next duration that a person would write."""
    return next((nice for nice in NICE_US if nice >= duration_us), DAYS_MAX * UNITS_US["d"])


def order_of(files: Iterable[Sequence[int | None]], *, complete: bool) -> OrderFinding:
    """Measure the event times of each file, in microseconds, in the order of the file. There is at least one time."""
    behind: list[int] = []
    first = last = None
    for times in files:
        latest: int | None = None
        for time_us in times:
            if time_us is None:
                continue
            latest = time_us if latest is None else max(latest, time_us)
            behind.append(latest - time_us)
            first = time_us if first is None else min(first, time_us)
            last = time_us if last is None else max(last, time_us)
    assert first is not None, "a field without times is no event time"
    assert last is not None
    back = sorted(distance for distance in behind if distance > 0)
    quantiles = {
        name: back[min(int(share * len(back)), len(back) - 1)] if back else 0 for name, share in _QUANTILES.items()
    }
    delay_us, reason = _delay(back, len(behind), quantiles, complete=complete)
    beyond = sum(distance > delay_us for distance in back)
    greatest = back[-1] if back else 0
    return OrderFinding(len(behind), len(back), quantiles, greatest, delay_us, beyond, reason, first, last)


def _delay(back: Sequence[int], records: int, quantiles: dict[str, int], *, complete: bool) -> tuple[int, str]:
    if not back:
        if complete:
            return 0, "no record is out of order; give live data some seconds"
        return _duration_us("1s"), "no record of the sample is out of order; a second is spared for those not seen"
    greatest = back[-1]
    if len(back) > _REVERSED * records:
        return rounded_up_us(
            greatest
        ), "the data runs backwards, newest first: the delay spans all of it; sort it if you can"
    if records >= _OUTLIER_RECORDS and greatest > _OUTLIER * quantiles["99.9 %"]:
        chosen = rounded_up_us(2 * quantiles["99.9 %"])
        return chosen, "twice what 99.9 % of the late ones need, rounded up; the rest is too far behind to wait for"
    if complete:
        return rounded_up_us(greatest), "the greatest distance of all records, rounded up"
    return rounded_up_us(2 * greatest), "twice the greatest distance of the sample, rounded up, as not all was seen"
