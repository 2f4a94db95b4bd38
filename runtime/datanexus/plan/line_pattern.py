"""Patterns for lines of text: the presets, and patterns as programs that need no regex engine.

A pattern matches a whole line; its meaning is RE2's: of all ways to match the first one counts, where an earlier branch
goes before a later one, more goes before less, and less before more after a lazy quantifier. The decoder runs the
program by trying the ways in that order. Nothing is translated that this module does not fully understand, and nothing
that can repeat without reading a character, where engines differ; RE2 runs those patterns.
"""

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass, field

# Access logs of Apache and nginx. `-` stands for what the server did not know and is kept (see nullIf). A request line
# that is none, such as "-" or a broken one, is `request` as a whole, without verb and httpversion. Quotes inside are
# written \".
_COMMON = (
    r"(?P<clientip>\S+) (?P<ident>\S+) (?P<auth>[^\[\]\"]+) \[(?P<timestamp>[^\]]+)\] "
    r"\"(?:(?P<verb>[A-Z]+) )?(?P<request>(?:[^\"\\]|\\.)*?)(?: HTTP/(?P<httpversion>[0-9.]+))?\" "
    r"(?P<response>[0-9]{3}) (?P<bytes>[0-9-]+)"
)
_COMBINED = _COMMON + r" \"(?P<referrer>(?:[^\"\\]|\\.)*)\" \"(?P<agent>(?:[^\"\\]|\\.)*)\""
PRESETS = {"common": _COMMON, "combined": _COMBINED}

# Operations of a program. A step is a row of WORDS integers: operation, next step, then what the operation needs.
RUN = 0  # minimum, maximum, class, rest of the class that may follow, whether the end may, lazy, only the last place
TEXT = 1  # where in `texts`, size
SPLIT = 2  # the step to try when all ways through the next one fail
OPEN = 3  # slot
CLOSE = 4  # slot
AT_BEGIN = 5
AT_END = 6
AT_WORD_EDGE = 7  # \b
INSIDE_WORD_OR_OUT = 8  # \B
FINISHED = 9
WORDS = 9
UNBOUNDED = -1

# A class: 256 flags, and the same as up to four ranges of bytes that are in it (or, NEGATED, not in it).
RANGES_MAX = 4
PLAIN, NEGATED, TABLE_ONLY = 0, 1, 2

_STEPS_MAX = 500
_DEPTH_MAX = 40
_COPIES_MAX = 20  # of a group that is repeated a counted number of times
_ESCAPED_CLASSES = {
    "d": string.digits,
    "w": string.ascii_letters + string.digits + "_",
    "s": " \t\n\f\r",
}
_POSIX_CLASSES = {
    "alnum": string.ascii_letters + string.digits,
    "alpha": string.ascii_letters,
    "blank": " \t",
    "digit": string.digits,
    "lower": string.ascii_lowercase,
    "punct": string.punctuation,
    "space": " \t\n\v\f\r",
    "upper": string.ascii_uppercase,
    "word": string.ascii_letters + string.digits + "_",
    "xdigit": string.hexdigits,
}
# What is ASCII of Unicode's general categories.
_GENERAL_CLASSES = {
    "L": string.ascii_letters,
    "Ll": string.ascii_lowercase,
    "Lu": string.ascii_uppercase,
    "N": string.digits,
    "Nd": string.digits,
}
_CONTROLS = {"a": 7, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
_EDGES = {"^": AT_BEGIN, "A": AT_BEGIN, "$": AT_END, "z": AT_END, "b": AT_WORD_EDGE, "B": INSIDE_WORD_OR_OUT}
_ESCAPED_EDGES = ("\\A", "\\z", "\\b", "\\B")
_PUNCTUATION = frozenset(string.punctuation)
_QUANTIFIER = re.compile(r"[*+?]|\{(\d{1,3})(?:,(\d{0,3}))?\}", re.ASCII)
_GROUP = re.compile(r"\((?:\?P?<([A-Za-z_]\w*)>|\?:|(?!\?))", re.ASCII)
_FLAGS = re.compile(r"\(\?([ims]+)([:)])")  # a line has no line end, so m and s change nothing
_CODE = re.compile(r"\\x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})")
_GENERAL = re.compile(r"\\p(?:\{(\w+)\}|(\w))", re.ASCII)
_POSIX = re.compile(r"\[:(\^?)(\w+):\]", re.ASCII)
_EVERY = frozenset(range(256))
_LEADING = frozenset(range(0x80)) | frozenset(range(0xC0, 0x100))  # bytes that begin a character

Bytes256 = frozenset[int]
_NOWHERE: Bytes256 = frozenset()


@dataclass(frozen=True, slots=True)
class LineProgram:
    """`steps`: rows of WORDS integers, run from row `first`. `classes`: 256 flags each; `ranges`: (PLAIN, NEGATED or
    TABLE_ONLY, lowest bytes, widths) each, four bytes a word. `texts`: literal bytes. `slots`: how many groups are
    captured. `ascii_only`: the program holds for lines of ASCII alone."""

    steps: tuple[tuple[int, ...], ...]
    first: int
    classes: tuple[bytes, ...]
    ranges: tuple[tuple[int, int, int], ...]
    texts: bytes
    slots: int
    ascii_only: bool


@dataclass(frozen=True, slots=True)
class _Character:
    """One character; it accepts either all bytes above 127, which then stand for whole characters, or none. A literal
    character of more bytes is a sequence of them."""

    accepts: Bytes256


@dataclass(frozen=True, slots=True)
class _Repeat:
    body: "_Node"
    minimum: int
    maximum: int
    is_lazy: bool


@dataclass(frozen=True, slots=True)
class _Group:
    name: str
    body: "_Node"


@dataclass(frozen=True, slots=True)
class _Sequence:
    items: tuple["_Node", ...]


@dataclass(frozen=True, slots=True)
class _Choice:
    branches: tuple["_Node", ...]


@dataclass(frozen=True, slots=True)
class _Edge:
    """A place: the beginning or the end of the line, or where a word begins or ends."""

    operation: int


_Node = _Character | _Repeat | _Group | _Sequence | _Choice | _Edge


@dataclass(frozen=True, slots=True)
class _Start:
    """What a part of a pattern can begin with; whether it can be empty (and what follows it begins), as far as known
    without looking at the line: never too little."""

    accepts: Bytes256
    is_nullable: bool

    def then(self, follower: "_Start") -> "_Start":
        """Of a part and what follows it."""
        if not self.is_nullable:
            return self
        return _Start(self.accepts | follower.accepts, follower.is_nullable)

    def otherwise(self, other: "_Start") -> "_Start":
        """Of two branches."""
        return _Start(self.accepts | other.accepts, self.is_nullable or other.is_nullable)


class _Unsupported(Exception):
    """The pattern has something that only RE2 runs."""


def line_program(pattern: str, slots: Sequence[str]) -> LineProgram | None:
    """Translate a pattern, capturing the named groups in `slots`; None where only RE2 can run it."""
    reader = _Reader(pattern)
    try:
        node = reader.read()
        return _Builder(slots).built(node, ascii_only=reader.ascii_only)
    except _Unsupported:
        return None


class _Reader:
    """A recursive reading of a pattern. `ascii_only`: what was read means more in lines that are not ASCII."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0
        self._folds = False  # upper and lower case are one from here to the end of the group
        self.ascii_only = False

    def read(self) -> _Node:
        node = self._choice()
        if self._at < len(self._pattern):
            raise _Unsupported
        return node

    def _choice(self) -> _Node:
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            raise _Unsupported
        branches = [self._sequence()]
        while self._pattern.startswith("|", self._at):
            self._at += 1
            branches.append(self._sequence())
        self._depth -= 1
        return branches[0] if len(branches) == 1 else _Choice(tuple(branches))

    def _sequence(self) -> _Node:
        items: list[_Node] = []
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            items.append(self._repeated(self._atom()))
        return _Sequence(tuple(items))

    def _atom(self) -> _Node:
        char = self._pattern[self._at]
        if char == "(":
            return self._group()
        if char in "^$":
            self._at += 1
            return _Edge(_EDGES[char])
        if char == "[":
            accepts, self._at = _character_class(self._pattern, self._at + 1, folds=self._folds)
            self.ascii_only |= self._folds
            return _Character(accepts)
        if self._pattern.startswith(_ESCAPED_EDGES, self._at):
            self._at += 2
            return _Edge(_EDGES[self._pattern[self._at - 1]])
        if char == "\\":
            return self._escape()
        if char == ".":
            self._at += 1
            return _Character(_EVERY - {10})
        if char in "*+?{}]":
            raise _Unsupported
        self._at += 1
        return self._literal(char)

    def _literal(self, char: str) -> _Node:
        if self._folds and ord(char) > 127:
            raise _Unsupported
        if self._folds and char.isalpha():
            self.ascii_only = True
            return _Character(frozenset((char.lower() + char.upper()).encode()))
        literal = tuple(_Character(frozenset({byte})) for byte in char.encode())
        return literal[0] if len(literal) == 1 else _Sequence(literal)

    def _escape(self) -> _Node:
        code = _CODE.match(self._pattern, self._at)
        if code is not None:
            self._at = code.end()
            point = int(code[1] or code[2], 16)
            if not 0 < point < 128:
                raise _Unsupported
            return self._literal(chr(point))
        general = _GENERAL.match(self._pattern, self._at)
        name = "" if general is None else general[1] or general[2]
        if general is not None and not self._folds and name in _GENERAL_CLASSES:
            self._at = general.end()
            self.ascii_only = True
            return _Character(frozenset(_GENERAL_CLASSES[name].encode()))
        accepts, self._at = _escaped(self._pattern, self._at + 1)
        return _Character(accepts)

    def _group(self) -> _Node:
        flags = _FLAGS.match(self._pattern, self._at)
        opening = flags or _GROUP.match(self._pattern, self._at)
        if opening is None:
            raise _Unsupported
        self._at = opening.end()
        if flags is not None and flags[2] == ")":
            self._folds |= "i" in flags[1]
            return _Sequence(())
        folds_outside = self._folds
        self._folds |= flags is not None and "i" in flags[1]
        body = self._choice()
        self._folds = folds_outside
        if not self._pattern.startswith(")", self._at):
            raise _Unsupported
        self._at += 1
        return _Group("" if flags is not None else opening[1] or "", body)

    def _repeated(self, node: _Node) -> _Node:
        found = _QUANTIFIER.match(self._pattern, self._at)
        if found is None:
            return node
        self._at = found.end()
        is_lazy = self._pattern.startswith("?", self._at)
        self._at += is_lazy
        if _QUANTIFIER.match(self._pattern, self._at):
            raise _Unsupported
        minimum, maximum = {"*": (0, UNBOUNDED), "+": (1, UNBOUNDED), "?": (0, 1)}.get(found[0], (0, 0))
        if found[1] is not None:
            minimum = int(found[1])
            maximum = minimum if found[2] is None else int(found[2]) if found[2] else UNBOUNDED
        if isinstance(node, _Edge) or 0 <= maximum < minimum:
            raise _Unsupported
        return _Repeat(node, minimum, maximum, is_lazy)


def _escaped(pattern: str, at: int) -> tuple[Bytes256, int]:
    """The bytes that an escape matches, its letter at a position, and the position behind it."""
    char = pattern[at : at + 1]
    if char in _CONTROLS:
        return frozenset({_CONTROLS[char]}), at + 1
    if char in _ESCAPED_CLASSES:
        return frozenset(_ESCAPED_CLASSES[char].encode()), at + 1
    if char and char.lower() in _ESCAPED_CLASSES:
        return _EVERY - frozenset(_ESCAPED_CLASSES[char.lower()].encode()), at + 1
    if char in _PUNCTUATION:
        return frozenset({ord(char)}), at + 1
    raise _Unsupported


def _character_class(pattern: str, at: int, *, folds: bool) -> tuple[Bytes256, int]:
    negated = pattern.startswith("^", at)
    at += negated
    accepts: set[int] = set()
    begin = at
    while True:
        char = pattern[at : at + 1]
        if not char or ord(char) > 127:
            raise _Unsupported
        if char == "]" and at > begin:
            break
        if folds and pattern.startswith("[:", at):
            raise _Unsupported
        member, at = _class_member(pattern, at)
        if pattern.startswith("-", at) and not pattern.startswith("-]", at):
            high = pattern[at + 1 : at + 2]
            if len(member) != 1 or not high or high in "\\[" or not min(member) <= ord(high) < 128:
                raise _Unsupported
            member, at = frozenset(range(min(member), ord(high) + 1)), at + 2
        accepts |= member
    if folds:
        accepts |= {ord(chr(byte).swapcase()) for byte in accepts if byte < 128 and chr(byte).isalpha()}
    complete = _EVERY - accepts if negated else frozenset(accepts)
    if not complete:
        raise _Unsupported
    return complete, at + 1


def _class_member(pattern: str, at: int) -> tuple[Bytes256, int]:
    if pattern.startswith("[:", at):
        posix = _POSIX.match(pattern, at)
        if posix is None or posix[2] not in _POSIX_CLASSES:
            raise _Unsupported
        named = frozenset(_POSIX_CLASSES[posix[2]].encode())
        return _EVERY - named if posix[1] else named, posix.end()
    if pattern[at] == "\\":
        return _escaped(pattern, at + 1)
    return frozenset({ord(pattern[at])}), at + 1


def _start_of(node: _Node) -> _Start:
    match node:
        case _Character(accepts):
            return _Start(accepts & _LEADING, is_nullable=False)
        case _Repeat(body, minimum, maximum):
            start = _start_of(body)
            return _Start(_NOWHERE if maximum == 0 else start.accepts, start.is_nullable or minimum == 0)
        case _Group(_, body):
            return _start_of(body)
        case _Sequence(items):
            start = _Start(_NOWHERE, is_nullable=True)
            for item in items:
                start = start.then(_start_of(item))
            return start
        case _Choice(branches):
            first, *rest = (_start_of(branch) for branch in branches)
            for other in rest:
                first = first.otherwise(other)
            return first
        case _Edge():
            return _Start(_NOWHERE, is_nullable=True)


@dataclass(slots=True)
class _Builder:
    """Builds a program from its end to its beginning: every step knows where it goes on and what can stand there."""

    slots: Sequence[str]
    _steps: list[list[int]] = field(default_factory=list)
    _starts: list[_Start] = field(default_factory=list)
    _classes: dict[Bytes256, int] = field(default_factory=dict)
    _texts: bytearray = field(default_factory=bytearray)

    def built(self, node: _Node, *, ascii_only: bool) -> LineProgram:
        """The program of a whole pattern."""
        finished = self._step(FINISHED, -1, _Start(_NOWHERE, is_nullable=True))
        first = self._add(node, finished)
        return LineProgram(
            steps=tuple(tuple(step) for step in self._steps),
            first=first,
            classes=tuple(bytes(byte in accepts for byte in range(256)) for accepts in self._classes),
            ranges=tuple(_ranges(accepts) for accepts in self._classes),
            texts=bytes(self._texts),
            slots=len(self.slots),
            ascii_only=ascii_only,
        )

    def _add(self, node: _Node, follower: int) -> int:
        """The step with which a part begins, when `follower` comes after it."""
        match node:
            case _Character():
                return self._run(_Repeat(node, 1, 1, is_lazy=False), follower)
            case _Repeat(_Character()):
                return self._run(node, follower)
            case _Repeat():
                return self._repeat(node, follower)
            case _Group(name, body):
                return self._group(name, body, follower)
            case _Sequence(items):
                return self._sequence(items, follower)
            case _Choice(branches):
                first = self._add(branches[-1], follower)
                for branch in reversed(branches[:-1]):
                    first = self._split(self._add(branch, follower), first)
                return first
            case _Edge(operation):
                return self._step(operation, follower, self._starts[follower])

    def _sequence(self, items: Sequence[_Node], follower: int) -> int:
        """One part after the other; neighbours that are literal bytes become one text."""
        literal = b""
        for item in reversed(items):
            if isinstance(item, _Character) and len(item.accepts) == 1:
                literal = bytes(item.accepts) + literal
                continue
            follower = self._add(item, self._text(literal, follower))
            literal = b""
        return self._text(literal, follower)

    def _group(self, name: str, body: _Node, follower: int) -> int:
        if name not in self.slots:
            return self._add(body, follower)
        slot = self.slots.index(name)
        first = self._add(body, self._step(CLOSE, follower, self._starts[follower], slot))
        return self._step(OPEN, first, self._starts[first], slot)

    def _run(self, node: _Repeat, follower: int) -> int:
        """One character, repeated."""
        assert isinstance(node.body, _Character)
        accepts = node.body.accepts
        if node.maximum == 0:
            return follower
        if node.minimum == node.maximum == 1 and len(accepts) == 1:
            return self._text(bytes(accepts), follower)
        after = self._starts[follower]
        # What is left behind a run begins with a byte of `after` or is nothing. So where nothing that is repeated can
        # follow, only the last place of the run can be the right one.
        is_last = not accepts & after.accepts
        bounds = (node.minimum, node.maximum, self._class(accepts), self._class(_EVERY - after.accepts))
        start = _start_of(node).then(after)
        return self._step(RUN, follower, start, *bounds, after.is_nullable, node.is_lazy, is_last)

    def _text(self, literal: bytes, follower: int) -> int:
        if not literal:
            return follower
        begin = self._texts.find(literal)
        if begin < 0:
            begin = len(self._texts)
            self._texts += literal
        return self._step(TEXT, follower, _Start(frozenset({literal[0]}), is_nullable=False), begin, len(literal))

    def _repeat(self, node: _Repeat, follower: int) -> int:
        start = _start_of(node.body)
        if (start.is_nullable and node.maximum != 1) or max(node.minimum, node.maximum) > _COPIES_MAX:
            raise _Unsupported
        first = follower
        if node.maximum == UNBOUNDED:
            runs = _as_runs(node)
            first = self._loop(node, start, follower) if runs is None else self._add(runs, follower)
        for _ in range(node.maximum - node.minimum):
            body = self._add(node.body, first)
            first = self._split(follower, body) if node.is_lazy else self._split(body, follower)
        for _ in range(node.minimum):
            first = self._add(node.body, first)
        return first

    def _loop(self, node: _Repeat, start: _Start, follower: int) -> int:
        split = self._step(SPLIT, follower, start.otherwise(self._starts[follower]), follower)
        body = self._add(node.body, split)
        self._steps[split][1:3] = (follower, body) if node.is_lazy else (body, follower)
        return split

    def _split(self, first: int, second: int) -> int:
        return self._step(SPLIT, first, self._starts[first].otherwise(self._starts[second]), second)

    def _step(self, operation: int, following: int, start: _Start, *words: int) -> int:
        if len(self._steps) == _STEPS_MAX:
            raise _Unsupported
        row = [operation, following, *map(int, words)]
        self._steps.append(row + [0] * (WORDS - len(row)))
        self._starts.append(start)
        return len(self._steps) - 1

    def _class(self, accepts: Bytes256) -> int:
        return self._classes.setdefault(accepts, len(self._classes))


def _as_runs(node: _Repeat) -> _Node | None:
    """(c|x)* as c*(x c*)*, which takes runs of c at once; None where that is not the same.

    It is where c is one character, x has a fixed size and begins with nothing that c accepts: then what comes next says
    which of the two it is, and both ways of writing it leave off at the same places in the same order.
    """
    body = _only(node.body)
    if not isinstance(body, _Choice):
        return None
    branches = [_only(branch) for branch in body.branches]
    single = next((branch for branch in branches if isinstance(branch, _Character)), None)
    others = [branch for branch in branches if branch is not single]
    if single is None or not others or not all(_is_fixed(other) for other in others):
        return None
    if any(_start_of(other).accepts & single.accepts for other in others):
        return None
    run = _Repeat(single, 0, UNBOUNDED, node.is_lazy)
    return _Sequence((run, _Repeat(_Sequence((_Choice(tuple(others)), run)), 0, UNBOUNDED, node.is_lazy)))


def _only(node: _Node) -> _Node:
    """A part without the groups and sequences around it that have no name and no other part."""
    while True:
        match node:
            case _Group("", body):
                node = body
            case _Sequence((body,)):
                node = body
            case _:
                return node


def _is_fixed(node: _Node) -> bool:
    items = node.items if isinstance(node, _Sequence) else (node,)
    return bool(items) and all(isinstance(_only(item), _Character) for item in items)


def _ranges(accepts: Bytes256) -> tuple[int, int, int]:
    """A class as ranges of bytes, its own or those of all other bytes."""
    for kind, members in ((NEGATED, _EVERY - accepts), (PLAIN, accepts)):
        bounds = [
            (low, next(high for high in range(low, 256) if high + 1 not in members))
            for low in sorted(members)
            if low - 1 not in members
        ]
        if 0 < len(bounds) <= RANGES_MAX:
            bounds += [bounds[0]] * (RANGES_MAX - len(bounds))
            lows = int.from_bytes(bytes(low for low, _ in bounds), "little")
            widths = int.from_bytes(bytes(high - low for low, high in bounds), "little")
            return kind, lows, widths
    return TABLE_ONLY, 0, 0
