"""A record, or a part of its effect, that was refused; kept in quarantine with what is needed to mend and replay it."""

import enum
from dataclasses import dataclass


class Stage(enum.StrEnum):
    """Where a record was refused."""

    DECODE = "decode"  # the bytes are no record of the format
    NORMALISE = "normalise"  # a field is missing or has a wrong type or value
    TIME = "time"  # event time beyond maxFuture
    STEP = "step"  # an expression failed
    DEDUP = "dedup"  # too old to be judged: t ≤ watermark − horizon
    LATE = "late"  # refused by one view, with `late: {to: quarantine}`; the record itself passed


@dataclass(frozen=True, slots=True)
class Rejection:
    """`row` is the index in the chunk or batch at hand. `subject`: the field, expression or view that refused.
    `values`: what it saw, as text, cut at 1,000 characters."""

    row: int
    stage: Stage
    reason: str  # CamelCase, closed set per stage: InvalidJson, MissingField, WrongType, OutOfRange, …
    message: str  # what was found and what was expected, for a person
    subject: str = ""
    values: str = ""
