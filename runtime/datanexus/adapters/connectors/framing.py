"""Which framing a text format has."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from datanexus.engine.decode.framing import Frames, frame_csv, frame_documents, frame_lines
from datanexus_spec.format import Format

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
