"""Builders of record plans and of chunks from plain lines."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from datanexus.engine.decode import Decoded, Decoder, new_decoder
from datanexus.plan.physical import FieldPlan, RecordPlan
from datanexus.ports.source import TextChunk
from datanexus_spec.datatype import TIMESTAMP, DataType
from datanexus_spec.format import Format


def field(
    name: str,
    data_type: DataType,
    *origins: str,
    formats: Sequence[str] = (),
    required: bool = False,
    null_if: Sequence[str] = (),
) -> FieldPlan:
    """A field, optional unless said otherwise, read from its own name unless others are given."""
    return FieldPlan(name, data_type, origins or (name,), tuple(formats), required, tuple(null_if))


def record(
    *fields: FieldPlan, zone: str = "UTC", unknown: Literal["Keep", "Drop", "Reject"] = "Keep", time: bool = True
) -> RecordPlan:
    """A record of these fields, with `time` (iso8601 or epochMillis) added as its event time."""
    event_time = (field("time", TIMESTAMP, formats=("iso8601", "epochMillis")),) if time else ()
    return RecordPlan((*fields, *event_time), "time", zone, unknown)


def decoder(form: dict[str, Any], plan: RecordPlan) -> Decoder:
    """The decoder of a format as a spec writes it."""
    return new_decoder(Format.model_validate(form), plan)


def text_chunk(lines: Sequence[bytes], *, position: int = 100, header: Sequence[str] = ()) -> TextChunk:
    """The lines as a reader hands them out, the first at `position`."""
    lengths = np.array([len(line) for line in lines], np.int64)
    starts = np.cumsum(lengths + 1) - lengths - 1
    return TextChunk(np.frombuffer(b"\n".join(lines), np.uint8), starts, lengths, starts + position, tuple(header))


def decoded_lines(plan: RecordPlan, *lines: bytes) -> Decoded:
    """NDJSON lines decoded."""
    return decoder({"ndjson": {}}, plan).decode(text_chunk(lines))


def reasons(decoded: Decoded) -> list[str]:
    """Why rows were refused, in their order."""
    return [rejection.reason for rejection in decoded.rejected]
