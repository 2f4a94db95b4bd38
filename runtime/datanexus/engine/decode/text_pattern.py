"""Patterns for lines of text: the presets, and simple patterns as programs that need no regex engine.

A pattern matches a whole line. Its judge is RE2. Where it is a plain sequence in which every repetition ends before a
byte that it cannot contain, there is only one way to match, and a kernel finds it: such a pattern has a `FastPattern`.
Nothing is translated that this module does not fully understand.
"""

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Access logs of Apache and nginx. `-` stands for what the server did not know and is kept (see nullIf). A request line
# that is none, such as "-" or a broken one, is `request` as a whole, without verb and httpversion. Quotes inside are
# written \".
_COMMON = (
    r"(?P<clientip>\S+) (?P<ident>\S+) (?P<auth>[^\[\]\"]+) \[(?P<timestamp>[^\]]+)\] "
    r"\"(?:(?P<verb>[A-Z]+) )?(?P<request>(?:[^\"\\]|\\.)*?)(?: HTTP/(?P<httpversion>[0-9.]+))?\" "
    r"(?P<response>[0-9]{3}) (?P<bytes>[0-9-]+)"
)
_COMBINED = _COMMON + r" \"(?P<referrer>(?:[^\"\\]|\\.)*)\" \"(?P<agent>(?:[^\"\\]|\\.)*)\""
# The same for the lines that nearly all are; whatever they do not match goes to the full pattern.
_PLAIN_COMMON = (
    r"(?P<clientip>[^ ]+) (?P<ident>[^ ]+) (?P<auth>[^ \[\]\"]+) \[(?P<timestamp>[^\]]+)\] "
    r"\"(?P<verb>[A-Z]+) (?P<request>[^ \"\\]*) HTTP/(?P<httpversion>[0-9.]+)\" "
    r"(?P<response>[0-9]{3}) (?P<bytes>[0-9-]+)"
)
_PLAIN_COMBINED = _PLAIN_COMMON + r" \"(?P<referrer>[^\"\\]*)\" \"(?P<agent>[^\"\\]*)\""
PRESETS = {"common": (_COMMON, _PLAIN_COMMON), "combined": (_COMBINED, _PLAIN_COMBINED)}

# Steps of a fast pattern: (operation, class or slot, minimum, maximum).
MATCH = 0
OPEN = 1
CLOSE = 2
UNBOUNDED = -1

_ESCAPED_CLASSES = {
    "d": string.digits,
    "w": string.ascii_letters + string.digits + "_",
    "s": " \t\n\f\r",
}
_CONTROLS = {"t": 9, "n": 10, "f": 12, "r": 13}
_PUNCTUATION = frozenset(string.punctuation)
_QUANTIFIER = re.compile(r"[*+?]|\{(\d{1,3})(?:,(\d{0,3}))?\}")
_GROUP = re.compile(r"\((?:\?P?<(\w+)>|\?:|(?!\?))")
_EVERY = frozenset(range(256))

Bytes256 = frozenset[int]


@dataclass(frozen=True, slots=True)
class FastPattern:
    """`classes`: 256 flags for each class, one after the other. `steps`: rows of (operation, class or slot, minimum,
    maximum)."""

    classes: npt.NDArray[np.uint8]
    steps: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Item:
    """One step while it is translated; `accepts` is empty for OPEN and CLOSE."""

    operation: int
    accepts: Bytes256
    name: str
    minimum: int
    maximum: int


class _Unsupported(Exception):
    """The pattern is more than a plain sequence."""


def fast_pattern(pattern: str, slots: Sequence[str]) -> FastPattern | None:
    """Translate a pattern, capturing the named groups in `slots`; None where only RE2 can run it."""
    try:
        items = _items(pattern)
    except _Unsupported:
        return None
    if not _has_one_way(items):
        return None
    classes = list(dict.fromkeys(item.accepts for item in items if item.operation == MATCH))
    table = np.array([[byte in accepts for byte in range(256)] for accepts in classes], np.uint8).reshape(-1)
    steps = []
    for item in items:
        if item.operation == MATCH:
            steps.append((MATCH, classes.index(item.accepts), item.minimum, item.maximum))
        elif item.name in slots:
            steps.append((item.operation, slots.index(item.name), 0, 0))
    return FastPattern(table, np.array(steps, np.int64).reshape(-1, 4))


def _items(pattern: str) -> list[_Item]:
    items: list[_Item] = []
    open_names: list[str] = []
    position = 1 if pattern.startswith("^") else 0
    while position < len(pattern):
        char = pattern[position]
        if char == "$" and position == len(pattern) - 1:
            break
        if char == "(":
            group = _GROUP.match(pattern, position)
            if group is None:
                raise _Unsupported
            open_names.append(group[1] or "")
            items.append(_Item(OPEN, frozenset(), open_names[-1], 0, 0))
            position = group.end()
            continue
        if char == ")":
            if not open_names or _QUANTIFIER.match(pattern, position + 1):
                raise _Unsupported
            items.append(_Item(CLOSE, frozenset(), open_names.pop(), 0, 0))
            position += 1
            continue
        accepts, position = _atom(pattern, position)
        minimum, maximum, position = _repetition(pattern, position)
        if max(accepts) > 127 and (minimum > 1 or maximum != UNBOUNDED):
            raise _Unsupported  # bytes are no characters here
        items.append(_Item(MATCH, accepts, "", minimum, maximum))
    if open_names:
        raise _Unsupported
    return items


def _atom(pattern: str, position: int) -> tuple[Bytes256, int]:
    """The bytes that the atom at a position matches, and the position behind it."""
    char = pattern[position]
    if char == "[":
        return _character_class(pattern, position + 1)
    if char == "\\":
        return _escaped(pattern[position + 1 : position + 2]), position + 2
    if char == ".":
        return _EVERY - {10}, position + 1
    if char in "|^$*+?{}])" or ord(char) > 127:
        raise _Unsupported
    return frozenset({ord(char)}), position + 1


def _escaped(char: str) -> Bytes256:
    if char in _CONTROLS:
        return frozenset({_CONTROLS[char]})
    if char in _ESCAPED_CLASSES:
        return frozenset(_ESCAPED_CLASSES[char].encode())
    if char.lower() in _ESCAPED_CLASSES:
        return _EVERY - frozenset(_ESCAPED_CLASSES[char.lower()].encode())
    if char in _PUNCTUATION:
        return frozenset({ord(char)})
    raise _Unsupported


def _character_class(pattern: str, position: int) -> tuple[Bytes256, int]:
    negated = pattern.startswith("^", position)
    position += negated
    accepts: set[int] = set()
    begin = position
    while True:
        char = pattern[position : position + 1]
        if not char or ord(char) > 127 or pattern.startswith("[:", position):
            raise _Unsupported
        if char == "]" and position > begin:
            break
        if char == "\\":
            member, position = _escaped(pattern[position + 1 : position + 2]), position + 2
        else:
            member, position = frozenset({ord(char)}), position + 1
        if pattern.startswith("-", position) and not pattern.startswith("-]", position):
            high = pattern[position + 1 : position + 2]
            if len(member) != 1 or not high or high == "\\" or not min(member) <= ord(high) < 128:
                raise _Unsupported
            member, position = frozenset(range(min(member), ord(high) + 1)), position + 2
        accepts |= member
    complete = _EVERY - accepts if negated else frozenset(accepts)
    if not complete:
        raise _Unsupported
    return complete, position + 1


def _repetition(pattern: str, position: int) -> tuple[int, int, int]:
    """Minimum, maximum and the position behind the quantifier; lazy ones end where greedy ones do."""
    found = _QUANTIFIER.match(pattern, position)
    if found is None:
        return 1, 1, position
    position = found.end()
    if pattern.startswith("?", position):
        position += 1
    if _QUANTIFIER.match(pattern, position):
        raise _Unsupported
    if found[1] is not None:
        minimum = int(found[1])
        written = found[2]
        maximum = minimum if written is None else int(written) if written else UNBOUNDED
        return minimum, maximum, position
    bounds = {"*": (0, UNBOUNDED), "+": (1, UNBOUNDED), "?": (0, 1)}[found[0]]
    return *bounds, position


def _has_one_way(items: Sequence[_Item]) -> bool:
    """Whether every repetition ends before a byte that it does not accept."""
    matches = [item for item in items if item.operation == MATCH]
    for index, item in enumerate(matches):
        if item.minimum == item.maximum:
            continue
        for follower in matches[index + 1 :]:
            if item.accepts & follower.accepts:
                return False
            if follower.minimum > 0:
                break
    return True
