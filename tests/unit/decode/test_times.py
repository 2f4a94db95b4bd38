"""How timestamps are read: by kernel and strictly the same, and as datetime reads them."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from datanexus.engine.decode.time_pattern import DAY_US, local_offset_us, time_format
from datanexus.engine.decode.time_scan import from_local
from datanexus_spec.datatype import TIMESTAMP
from datanexus_spec.errors import InvalidInput
from tests.fakes.chunks import decoded_lines, decoder, field, reasons, record, text_chunk

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _read(text: str, *formats: str, zone: str = "UTC") -> int | str:
    """Microseconds, or the reason of the refusal; a number where the text is one, else a string."""
    plan = record(field("time", TIMESTAMP, formats=formats), zone=zone, time=False)
    raw = text if text.lstrip("-").replace(".", "").replace("e", "").isdigit() else f'"{text}"'
    decoded = decoded_lines(plan, f'{{"time":{raw}}}'.encode())
    return decoded.rejected[0].reason if decoded.rejected else int(decoded.event_time_us[0])


def _us(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2015-05-17T10:05:03Z", "2015-05-17T10:05:03+00:00"),
        ("2015-05-17 10:05+02", "2015-05-17T08:05:00+00:00"),
        ("2015-05-17t10:05:03.5-0530", "2015-05-17T15:35:03.500000+00:00"),
        ("2015-05-17", "2015-05-17T00:00:00+00:00"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999+00:00"),
        ("2015-06-30T23:59:60Z", "2015-07-01T00:00:00+00:00"),
        ("2015-01-01T00:00:00.9999996Z", "2015-01-01T00:00:01+00:00"),
        ("2015-01-01T00:00:00.1234565Z", "2015-01-01T00:00:00.123456+00:00"),
        ("2015-01-01T00:00:00.12345678901234567890Z", "2015-01-01T00:00:00.123457+00:00"),
    ],
)
def test_iso_8601_is_read(text: str, expected: str) -> None:
    assert _us(expected) == _read(text, "iso8601")


@pytest.mark.parametrize(
    "text",
    ["2015-02-29T00:00:00Z", "2015-05-17T24:00:00Z", "2015-05-17T1:00Z", "20150517T100503Z", "2015-05-17T10:05:03 Z"],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    assert "InvalidTimestamp" == _read(text, "iso8601")


def test_years_end_at_9999_and_begin_at_1() -> None:
    assert _us("0001-01-01T00:00:00+00:00") == _read("0001-01-01T00:00:00Z")
    assert "OutOfRange" == _read("0001-01-01T00:00:00+00:01")
    assert "OutOfRange" == _read("0000-12-31T00:00:00Z")
    assert "OutOfRange" == _read("9999-12-31T23:59:59.9999996Z")


@pytest.mark.parametrize(
    ("unit", "text", "expected"),
    [
        ("epochSeconds", "1431857103", 1431857103000000),
        ("epochSeconds", "1431857103.1234565", 1431857103123456),
        ("epochMillis", "-1", -1000),
        ("epochMicros", "7", 7),
        ("epochNanos", "1500", 2),
        ("epochNanos", "2500", 2),
        ("epochNanos", "-1500", -2),
        ("epochNanos", "-2500", -2),
    ],
)
def test_epochs_are_exact_and_round_ties_to_even(unit: str, text: str, expected: int) -> None:
    assert expected == _read(text, unit)


def test_an_epoch_is_a_number_and_not_a_string_with_one() -> None:
    plan = record(field("time", TIMESTAMP, formats=("epochMillis",)), time=False)
    assert ["InvalidTimestamp"] == reasons(decoded_lines(plan, b'{"time":"12"}', b'{"time":12}'))
    csv = decoder({"csv": {}}, plan).decode(text_chunk([b"12", b" 13 "], header=["time"]))
    assert [12_000, 13_000] == csv.event_time_us.tolist()


def test_formats_are_tried_in_their_order() -> None:
    formats = ("%d/%m/%Y", "%m/%d/%Y", "iso8601", "epochSeconds")
    assert _us("2015-02-01T00:00:00+00:00") == _read("01/02/2015", *formats)
    assert _us("2015-01-31T00:00:00+00:00") == _read("01/31/2015", *formats)
    assert 5_000_000 == _read("5", *formats)


def test_patterns_read_what_datetime_reads() -> None:
    rng = random.Random(5)
    patterns = (
        "%d/%b/%Y:%H:%M:%S %z",
        "%Y-%m-%d %H:%M:%S.%f",
        "%A, %d %B %Y %I:%M:%S %p",
        "%a %b %d %H:%M:%S %Y",
        "%y%m%dT%H%M",
        "%Y-%j",
        "%F %T",
        "%m/%d/%y %R",
        "%%%Y|%m|%d",
    )
    lines, expected, plans = [], [], []
    for pattern in patterns:
        for _ in range(50):
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=rng.randrange(3_000_000_000_000_000))
            text = moment.strftime(pattern)
            plain = pattern.replace("%F", "%Y-%m-%d").replace("%T", "%H:%M:%S").replace("%R", "%H:%M")
            known = datetime.strptime(text, plain)  # noqa: DTZ007  some have no zone
            lines.append(text)
            expected.append((known.replace(tzinfo=known.tzinfo or UTC) - _EPOCH) // timedelta(microseconds=1))
            plans.append(pattern)
    assert expected == [_read(text, pattern) for text, pattern in zip(lines, plans, strict=True)]


@pytest.mark.parametrize("pattern", ["%H:%M", "%b %d %H:%M:%S", "%Y-%m", "%Q", "%Y-%m-%d %", "%c", "iso"])
def test_a_pattern_that_fixes_no_day_or_is_unknown_is_refused_at_once(pattern: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        time_format(pattern)
    assert "InvalidTimestampFormat" == refused.value.reason


def test_an_unknown_zone_is_refused_at_once() -> None:
    with pytest.raises(InvalidInput):
        decoder({"ndjson": {}}, record(zone="Mars/Olympus"))


def test_a_local_time_in_a_gap_takes_the_offset_before_and_in_a_fold_the_one_after() -> None:
    assert _us("2018-03-11T03:30:00-04:00") == _read("2018-03-11T02:30:00", zone="America/New_York")
    assert _us("2018-11-04T01:30:00-05:00") == _read("2018-11-04T01:30:00", zone="America/New_York")
    assert _us("2018-11-04T01:30:00-04:00") == _read("2018-11-04T01:30:00-04:00", zone="America/New_York")


@pytest.mark.parametrize(
    "name", ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kolkata"]
)
def test_columns_of_local_times_move_as_single_ones(name: str) -> None:
    zone = ZoneInfo(name)
    rng = np.random.default_rng(3)
    local = np.concatenate(
        [
            rng.integers(-3_000_000, 2_000_000, 300) * 3_600_000_000 + 17,
            16_000 * DAY_US + np.arange(9000) * 3_600_000_000,
        ]
    )
    expected = [int(value) - local_offset_us(int(value), zone) for value in local]
    assert expected == from_local(local, zone).tolist()


@pytest.mark.parametrize("formats", [("iso8601",), ("iso8601", "%Y-%d-%mT%M:%H:%SZ")])
def test_a_time_is_read_the_same_whatever_stands_before_it(formats: tuple[str, ...]) -> None:
    rng = random.Random(5)
    digits = ("00", "01", "13", "23", "24", "59", "60", "5x")
    texts = [
        f"{rng.choice(('2024-02-29', '2023-02-29', '1969-12-31', '2024-13-01'))}{rng.choice('TT ')}"
        f"{rng.choice(digits)}:{rng.choice(digits)}:{rng.choice(digits)}"
        f"{rng.choice(('', '.125', '.000001', '.12', '.1:5', '.5+01:30', '+0100'))}{rng.choice(('Z', 'Z', 'z', ''))}"
        for _ in range(3000)
    ]
    texts = [text for text in texts for _ in range(rng.choice((1, 1, 2)))]
    plan = record(field("time", TIMESTAMP, formats=formats), time=False)
    decoded = decoded_lines(plan, *(f'{{"time":"{text}"}}'.encode() for text in texts))
    found: dict[int, int | str] = {rejected.row: rejected.reason for rejected in decoded.rejected}
    found |= dict(zip(decoded.rows.tolist(), decoded.event_time_us.tolist(), strict=True))
    alone = {text: _read(text, *formats) for text in set(texts)}
    assert [alone[text] for text in texts] == [found[row] for row in range(len(texts))]
