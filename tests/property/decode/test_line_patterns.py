"""The built-in matcher of lines is RE2: the same lines match, and their groups lie at the same places."""

import os
import random

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from datanexus.engine.decode.text_match import LineMatcher
from datanexus.plan.line_pattern import PRESETS, line_program

_PATTERNS = 200_000 if os.environ.get("DATANEXUS_SOAK") == "1" else 2_000
_ATOMS = (
    *(r"\d", r"\w", r"\s", r"\S", r"\D", r"\W", ".", "[^ ]", '[^"]', "[a-c]", "[^a-c-]", r"[\d.]", r"[^\]\[]"),
    *("[[:alpha:]]", "[^[:digit:]]", "a", "b", " ", r"\.", "-", "1", "x=", r"\[", '"', "é", "日", r"a\b", r"\b", r"\B"),
    *(r'(?:[^"\\]|\\.)', "(?:a|[^ab])"),
)
_RARE_ATOMS = ("(?i:Ab)", "(?i:[^A-C])", "(?i)B", "(?i)[sk]", r"\x41", r"\x{62}", r"\pL", r"\p{Lu}", r"\pN", "(?s).")
_QUANTIFIERS = ("", "", "", "+", "*", "?", "{2}", "{1,3}", "+?", "*?", "??", "{2,}", "{0,2}?", "{1,}?")
_CHARACTERS = 'aab11. -"é_x=[]\\日'
_COMMON_LINE = b'1.2.3.4 - bob [17/May/2015:10:05:03 +0200] "GET /a HTTP/1.1" 200 12'
_COMBINED_REST = b' "http://x/" "Mozilla/5.0 (X)"'
_LOG_BYTES = (b" ", b'"', b"\\", b"[", b"]", b"-", b"1", b"G", "é".encode())


class _Patterns:
    """Random patterns; `names`: of the groups of the last one."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.names: list[str] = []

    def pattern(self) -> str:
        self.names = []
        return self._part(2, "w") + "".join(self._part(3) for _ in range(self._rng.randint(0, 3)))

    def _part(self, depth: int, name: str = "") -> str:
        rng = self._rng
        kind = rng.random()
        if name or (kind < 0.1 and len(self.names) < 4):
            name = name or "pqrs"[len(self.names) - 1]
            self.names.append(name)
            return f"(?P<{name}>{self._part(depth - 1)}){rng.choice(('', '', '?', '*', '+'))}"
        if depth <= 0 or kind < 0.6:
            return rng.choice(_RARE_ATOMS if rng.random() < 0.05 else _ATOMS) + rng.choice(_QUANTIFIERS)
        if kind < 0.75:
            return "".join(self._part(depth - 1) for _ in range(rng.randint(1, 4)))
        if kind < 0.87:
            branches = "|".join(self._part(depth - 1) for _ in range(rng.randint(2, 3)))
            return f"(?:{branches}){rng.choice(_QUANTIFIERS)}"
        if kind < 0.95:
            return f"(?:{self._part(depth - 1)}){rng.choice(_QUANTIFIERS)}"
        return rng.choice(("^", "$", ""))


def _texts(rng: random.Random) -> list[bytes]:
    sizes = [rng.choice((0, 1, 2, 3, 4, 5, 6, 8, 12, 40)) for _ in range(25)]
    texts = ["".join(rng.choice(_CHARACTERS) for _ in range(size)) for size in sizes]
    return [text.encode() for text in [*texts, *("a" * size for size in (30, 33, 64)), "é" * 17]]


def _found(pattern: str, names: list[str], lines: list[bytes], slack: int) -> list[dict[str, str] | None] | None:
    """What the matcher says of each line; None where it does not take the pattern."""
    program = line_program(pattern, names)
    if program is None:
        return None
    lengths = np.array([len(line) for line in lines], np.int64)
    starts = np.cumsum(lengths + 1) - lengths - 1
    data = np.frombuffer(b"\n".join(lines) + b"\n" + bytes(slack), np.uint8)
    status = np.zeros(len(lines), np.uint8)
    begins, sizes = LineMatcher(program).match(data, starts, lengths, status)
    found: list[dict[str, str] | None] = []
    for row, refused in enumerate(status.tolist()):
        spans = zip(names, begins[:, row].tolist(), sizes[:, row].tolist(), strict=True)
        groups = {name: data[begin : begin + size].tobytes().decode() for name, begin, size in spans}
        found.append(None if refused else groups)
    return found


def _known(pattern: str, lines: list[bytes]) -> list[dict[str, str] | None] | None:
    """What RE2 says; None where it does not take the pattern."""
    try:
        rows = pc.extract_regex(pa.array([line.decode() for line in lines]), f"^(?:{pattern})$").to_pylist()
    except pa.ArrowInvalid:
        return None
    return [row and {name: text or "" for name, text in row.items()} for row in rows]


def test_the_built_in_matcher_matches_as_re2_does() -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    patterns = _Patterns(rng)
    taken = matched = given_up = 0
    for _ in range(_PATTERNS):
        pattern, lines = patterns.pattern(), _texts(rng)
        known = _known(pattern, lines)
        found = None if known is None else _found(pattern, patterns.names, lines, rng.choice((0, 64)))
        if known is None or found is None:
            continue
        taken += 1
        for line, expected, groups in zip(lines, known, found, strict=True):
            if groups is None and expected is not None:
                given_up += line.isascii()  # after too many tries; such lines go to RE2, as some that are not ASCII
                continue
            assert expected == groups, (seed, pattern, line)
            matched += expected is not None
    print(f"patterns {_PATTERNS}, taken {taken}, lines matched {matched}, given up {given_up}")
    assert taken > 0.4 * _PATTERNS
    assert matched > 2 * taken
    assert given_up < 0.05 * matched


@pytest.mark.parametrize(("preset", "line"), [("common", _COMMON_LINE), ("combined", _COMMON_LINE + _COMBINED_REST)])
def test_presets_match_as_re2_does(preset: str, line: bytes) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    lines = []
    for _ in range(2_000):
        bent = bytearray(line)
        for _ in range(rng.randint(0, 3)):
            at = rng.randrange(len(bent))
            bent[at : at + rng.randint(0, 2)] = rng.choice(_LOG_BYTES)
        lines.append(bytes(bent).decode("utf-8", "replace").encode())
    known = _known(PRESETS[preset], lines)
    assert known is not None
    names = list(next(row for row in known if row))
    assert known == _found(PRESETS[preset], names, lines, 64), seed
    assert 0 < sum(row is not None for row in known) < len(lines)
