"""Entries of the log that are framed at once give the records, and the places after each, that they give alone."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from datanexus.adapters.connectors.entry_reader import NO_ENTRY, EntryReader, Place, joinable
from datanexus.ports.log import LogEntry
from datanexus.ports.source import TextChunk
from datanexus_spec.format import Format

BODIES = st.lists(
    st.sampled_from([b"", b"\r", b" ", b'{"a":1}', b'{"a":1}\r', b"x"]).map(lambda line: line + b"\n"), max_size=4
).map(b"".join)
Step = tuple[bytes, int, int]  # record, position and entry of the place behind it


def entries_of(bodies: list[bytes]) -> list[LogEntry]:
    entries, position = [], 0
    for offset, body in enumerate(bodies):
        entries.append(LogEntry(offset, "in/http", position, body, "ndjson", "", position + len(body)))
        position += len(body)
    return entries


def read(entries: list[LogEntry], *, together: int, rows_max: int, place: Place) -> list[Step]:
    reader = EntryReader(Format.model_validate({"ndjson": {}}), place)
    steps = []
    for first in range(0, len(entries), together):
        reader.take_all(entries[first : first + together])
        while reader.has_records:
            chunk = reader.next_chunk(rows_max)
            assert isinstance(chunk, TextChunk)
            last = chunk.rows - 1
            steps += [(chunk.raw(row), int(chunk.positions[row]), -1) for row in range(last)]
            steps.append((chunk.raw(last), reader.place.position, reader.place.entry))
    return steps


@settings(max_examples=200, deadline=None)
@given(bodies=st.lists(BODIES.filter(bool), min_size=1, max_size=6), together=st.integers(2, 6))
def test_joined_entries_are_read_as_each_alone(bodies: list[bytes], together: int) -> None:
    entries = entries_of(bodies)
    assert all(joinable(*pair) for pair in pairwise(entries))
    alone = read(entries, together=1, rows_max=1, place=Place(0, NO_ENTRY))
    assert alone == read(entries, together=together, rows_max=1, place=Place(0, NO_ENTRY))


@settings(max_examples=200, deadline=None)
@given(bodies=st.lists(BODIES.filter(bool), min_size=2, max_size=6), stop=st.integers(0, 20))
def test_reading_goes_on_in_joined_entries_from_any_place(bodies: list[bytes], stop: int) -> None:
    entries = entries_of(bodies)
    whole = read(entries, together=1, rows_max=1, place=Place(0, NO_ENTRY))
    if stop >= len(whole):
        return
    _, position, entry = whole[stop]
    rest = [one for one in entries if one.offset >= entry]
    if rest:
        assert whole[stop + 1 :] == read(rest, together=len(rest), rows_max=1, place=Place(position, entry))


def test_a_body_without_a_last_line_end_is_not_joined() -> None:
    first, second = entries_of([b"1", b"2\n"])
    assert not joinable(first, second)
    assert joinable(*entries_of([b"1\n", b"2"]))
