"""Which framing a text format has, and what is at the beginning of a text that is no record."""

import csv
from typing import Protocol

import numpy as np
import numpy.typing as npt

from datanexus.engine.decode.framing import Frames, frame_csv, frame_documents, frame_lines
from datanexus_spec.format import CsvFormat, Format

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Bytes = npt.NDArray[np.uint8]


class Framer(Protocol):
    def __call__(self, data: Bytes, end: int, *, at_end: bool) -> Frames:
        """The records in data[:end]. `at_end`: nothing follows, so a last one without line end is whole."""
        ...


def framer_of(given: Format) -> Framer:
    """The framing of a text format."""
    if given.json_document is not None:
        return frame_documents
    if given.csv is None:
        return frame_lines
    delimiter, quote = given.csv.delimiter, given.csv.quote

    def frame(data: Bytes, end: int, *, at_end: bool) -> Frames:
        return frame_csv(data, end, delimiter=delimiter, quote=quote, at_end=at_end)

    return frame


def without_mark(data: Bytes, frames: Frames) -> Frames:
    """The records of a split's first block: the first begins behind the byte order mark, if there is one."""
    if not len(frames.starts) or frames.starts[0] != 0 or data[:3].tobytes() != _BYTE_ORDER_MARK:
        return frames
    starts, lengths = frames.starts.copy(), frames.lengths.copy()
    starts[0], lengths[0] = 3, lengths[0] - 3
    kept = lengths > 0
    return Frames(starts[kept], lengths[kept], frames.ends[kept], frames.consumed)


def taken_header(data: Bytes, frames: Frames, form: CsvFormat) -> tuple[tuple[str, ...], Frames]:
    """The column names that the first record gives, and the records behind it."""
    begin, length = int(frames.starts[0]), int(frames.lengths[0])
    text = data[begin : begin + length].tobytes().decode("utf-8", "replace")
    names = next(csv.reader([text], delimiter=form.delimiter, quotechar=form.quote))
    return tuple(names), Frames(frames.starts[1:], frames.lengths[1:], frames.ends[1:], frames.consumed)
