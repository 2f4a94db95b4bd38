"""Numbers and times as people read them."""

import pytest

from datanexus.cli import wording


@pytest.mark.parametrize(
    ("time_us", "text"),
    [
        (0, "1970-01-01 00:00:00Z"),
        (-1, "1969-12-31 23:59:59.999999Z"),
        (1_431_857_103_500_000, "2015-05-17 10:05:03.500000Z"),
        (-(2**63), ""),
        (2**63 - 1, ""),
    ],
)
def test_an_instant_is_in_utc_and_has_no_text_beyond_the_calendar(time_us: int, text: str) -> None:
    assert text == wording.instant(time_us)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (2.54, "2.5 s"), (60, "1 m"), (9_000, "2.5 h"), (90_000, "1 d"), (3.2e8, "10.1 y")],
)
def test_a_span_is_in_its_greatest_unit(seconds: float, text: str) -> None:
    assert text == wording.span(seconds)


def test_counts_have_separators_and_words_their_number() -> None:
    assert ["12,346", "1 cut", "2,000 cuts"] == [
        wording.count(12_345.6),
        wording.plural(1, "cut"),
        wording.plural(2_000, "cut"),
    ]
