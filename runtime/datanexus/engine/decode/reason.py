"""Why a record is refused while it is decoded and normalised: the closed set of reasons, and the value of a refusal."""

import enum
from dataclasses import dataclass

from datanexus.core.rejection import Rejection, Stage

VALUES_MAX = 1000  # characters of Rejection.values
_FOUND_MAX = 80  # characters of a found value inside a message


class Reason(enum.StrEnum):
    """One word per cause; metrics and the quarantine table use it."""

    INVALID_JSON = "InvalidJson"
    NOT_AN_OBJECT = "NotAnObject"  # JSON, but no object
    INVALID_UTF8 = "InvalidUtf8"
    NUL_CHARACTER = "NulCharacter"  # a zero byte, or its JSON escape, anywhere in the record
    TOO_LONG = "TooLong"
    TOO_DEEP = "TooDeep"
    DUPLICATE_KEY = "DuplicateKey"  # a key the record uses stands there twice
    PATTERN_MISMATCH = "PatternMismatch"
    INVALID_CSV = "InvalidCsv"
    WRONG_COLUMN_COUNT = "WrongColumnCount"
    UNKNOWN_FIELD = "UnknownField"
    MISSING_FIELD = "MissingField"
    NULL_FIELD = "NullField"
    WRONG_TYPE = "WrongType"
    OUT_OF_RANGE = "OutOfRange"
    INVALID_TIMESTAMP = "InvalidTimestamp"


_DECODE = frozenset(
    {
        Reason.INVALID_JSON,
        Reason.NOT_AN_OBJECT,
        Reason.INVALID_UTF8,
        Reason.NUL_CHARACTER,
        Reason.TOO_LONG,
        Reason.TOO_DEEP,
        Reason.DUPLICATE_KEY,
        Reason.PATTERN_MISMATCH,
        Reason.INVALID_CSV,
        Reason.WRONG_COLUMN_COUNT,
    }
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A verdict that does not know its row yet."""

    reason: Reason
    message: str
    subject: str = ""
    values: str = ""

    def at(self, row: int) -> Rejection:
        """The rejection of one row of a chunk."""
        stage = Stage.DECODE if self.reason in _DECODE else Stage.NORMALISE
        return Rejection(row, stage, self.reason.value, self.message, self.subject, self.values[:VALUES_MAX])


def shown(text: str) -> str:
    """A found text as messages show it: shortened in the middle of nothing, quotes and line ends visible."""
    if len(text) <= _FOUND_MAX:
        return ascii_safe(text)
    return f"{ascii_safe(text[:_FOUND_MAX])}… ({len(text)} characters)"


def ascii_safe(text: str) -> str:
    """Control characters as escapes, everything else as it is."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
