"""Durations: one reading for each text, and the same text back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datanexus_spec.durations import Duration, duration_from_text, probable_duration


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("0s", 0),
        ("7us", 7),
        ("500ms", 500_000),
        ("90s", 90_000_000),
        ("5m", 300_000_000),
        ("24h", 86_400_000_000),
        ("90d", 7_776_000_000_000),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, us: int) -> None:
    assert Duration(us) == duration_from_text(text)


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "+5m", "1h30m", "5 m", "05m", "1.5h", "5M", "36501d", "5m\n"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a duration"):
        duration_from_text(text)


@given(st.integers(0, 36_500 * 86_400_000_000).filter(lambda us: us % 1000 == 0 or us < 10**9))
def test_printing_and_reading_gives_the_same_duration(us: int) -> None:
    text = str(Duration(us))
    if len(text) <= 11:  # nine digits and a unit: longer ones need a greater unit
        assert Duration(us) == duration_from_text(text)


@pytest.mark.parametrize(
    ("text", "meant"), [("60", "60s"), ("2 minutes", "2m"), ("1 Hour", "1h"), ("3 weeks", ""), ("soon", "")]
)
def test_a_sloppy_duration_gets_a_suggestion(text: str, meant: str) -> None:
    assert meant == probable_duration(text)
