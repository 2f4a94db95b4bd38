"""Frames depend on the bytes alone, and what is malformed hides no neighbour."""

import random
from collections.abc import Callable

import numpy as np
import pytest

from datanexus.engine.decode import Frames, frame_csv, frame_documents, frame_lines
from datanexus.engine.decode.framing import QUOTED_BYTES_MAX

Frame = Callable[[bytes, bool], Frames]


def _lines(text: bytes, at_end: bool) -> Frames:
    return frame_lines(np.frombuffer(text, np.uint8), len(text), at_end=at_end)


def _csv(text: bytes, at_end: bool) -> Frames:
    return frame_csv(np.frombuffer(text, np.uint8), len(text), delimiter=",", quote='"', at_end=at_end)


def _documents(text: bytes, at_end: bool) -> Frames:
    return frame_documents(np.frombuffer(text, np.uint8), len(text), at_end=at_end)


def _records(text: bytes, frames: Frames) -> list[bytes]:
    return [text[start : start + length] for start, length in zip(frames.starts, frames.lengths, strict=True)]


def _whole(frame: Frame, text: bytes) -> list[bytes]:
    return _records(text, frame(text, True))


def _in_blocks(frame: Frame, text: bytes, block: int) -> list[bytes]:
    """As a reader does it: what is left is framed again with the next block."""
    found: list[bytes] = []
    left, position = b"", 0
    while position < len(text):
        left += text[position : position + block]
        position += block
        frames = frame(left, position >= len(text))
        found += _records(left, frames)
        left = left[frames.consumed :]
    return found


def test_lines_end_with_lf_or_crlf_and_empty_ones_are_no_records() -> None:
    assert [b"a", b" ", b"b\rc", b"d"] == _whole(_lines, b"a\r\n\n\r\n \nb\rc\n\nd")


def test_a_last_line_without_end_waits_for_the_end_of_input() -> None:
    frames = _lines(b"a\nbc", False)
    assert ([0], [1], [2], 2) == (
        frames.starts.tolist(),
        frames.lengths.tolist(),
        frames.ends.tolist(),
        frames.consumed,
    )


def test_a_quoted_line_end_belongs_to_its_record() -> None:
    text = b'a,"x\r\ny",1\r\n\r\n"q""\n",2\nb,c"d\n'
    assert [b'a,"x\r\ny",1', b'"q""\n",2', b'b,c"d'] == _whole(_csv, text)


def test_a_broken_quote_costs_one_line() -> None:
    text = b'"open,1\n"good",2\n"bad"x,3\n4,5\n"last,6\n7,8\n'
    assert [b'"open,1', b'"good",2', b'"bad"x,3', b"4,5", b'"last,6', b"7,8"] == _whole(_csv, text)


def test_a_quote_that_stays_open_too_long_was_a_slip() -> None:
    text = b'"open\n' + b"x,y\n" * (QUOTED_BYTES_MAX // 4) + b'z,"\n'
    frames = _csv(text, False)
    assert b'"open' == _records(text, frames)[0]
    assert 1 + QUOTED_BYTES_MAX // 4 == len(frames.starts)


def test_documents_give_their_objects() -> None:
    text = b'[{"a":[1,{}]}, {"b":"}\\""} , 12,\n{"c":1}\n]\n{"d":2}{"e":3}'
    assert [b'{"a":[1,{}]}', b'{"b":"}\\""}', b"12", b'{"c":1}', b'{"d":2}', b'{"e":3}'] == _whole(_documents, text)


@pytest.mark.parametrize("frame", [_lines, _csv, _documents])
def test_blocks_of_any_size_give_the_same_records(frame: Frame) -> None:
    rng = random.Random(11)
    for _ in range(300):
        text = "".join(rng.choice('ab,"\n\r{}[]:\\ ') for _ in range(rng.randint(0, 60))).encode()
        for block in (1, 2, 7):
            assert _whole(frame, text) == _in_blocks(frame, text, block), text


def test_records_and_ends_ascend_and_cover_all_that_is_consumed() -> None:
    text = b'x,"a\nb"\n\n\ny\n"z'
    frames = _csv(text, False)
    assert (frames.starts + frames.lengths <= frames.ends).all()
    assert (frames.ends[:-1] <= frames.starts[1:]).all()
    assert text.index(b'"z') == frames.consumed
