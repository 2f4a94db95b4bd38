"""Patterns in queries: the part of regular expressions that means the same in PostgreSQL and in RE2. Pure."""

import re

from datanexus.query.value import CastError

_DUP_MAX = 255  # of a bound, in PostgreSQL
_CLASSES = ["alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "xdigit"]
_SPACE = r"\t\n\x0b\f\r "
_ESCAPES = {"d": r"\d", "D": r"\D", "w": r"\w", "W": r"\W", "s": f"[{_SPACE}]", "S": f"[^{_SPACE}]"}
_IN_CLASS = {"d": r"\d", "w": r"\w", "s": _SPACE}
_CONTROLS = "tnrf"
_BOUND = re.compile(r"\{([0-9]{1,3})(,([0-9]{0,3}))?\}")
_BRACKET_OR_ESCAPE = re.compile(r"\\.|\[\^?\]?(\[:[a-z]+:\]|\\.|[^\]])*\]")
_FILLED = r"[^\^$()*+?{}:](?![*?]|\{0)"  # a character that must be there
_EXPECTED = (
    "the common part of PostgreSQL's and RE2's patterns: characters, ., [...], \\d \\w \\s, ^ $, groups, |, * + ? {m,n}"
)


def check_like(pattern: str, escape: str) -> None:
    """Raises: CastError when a LIKE pattern ends in its escape character, as PostgreSQL does on the first row."""
    if not escape:
        return
    at = 0
    while at < len(pattern):
        if pattern[at] == escape:
            at += 1
            if at == len(pattern):
                raise CastError(f"found the LIKE pattern '{pattern}', which ends in its escape character")
        at += 1


def checked_regex(pattern: str) -> str:
    """The pattern for RE2. Raises: CastError for what might mean something else there."""
    if pattern.startswith("***"):
        raise _refused(pattern, "***")
    parts: list[str] = []
    at, depth, quantifiable = 0, 0, False
    while at < len(pattern):
        character = pattern[at]
        if character == "[":
            text, at = _bracket(pattern, at)
            parts.append(text)
            quantifiable = True
        elif character == "\\":
            parts.append(_escape(pattern, at))
            at, quantifiable = at + 2, True
        elif character in "*+?{":
            if not quantifiable:
                raise _refused(pattern, f"{character} after nothing that can repeat")
            text = _quantifier(pattern, at)
            parts.append(text)
            at, quantifiable = at + len(text), False
        else:
            if pattern[at : at + 2] == "(?" and pattern[at : at + 3] != "(?:":
                raise _refused(pattern, pattern[at : at + 3])
            if character == "}":
                raise _refused(pattern, "} without {")
            depth += (character == "(") - (character == ")")
            if depth < 0:
                raise _refused(pattern, ") without (")
            width = 3 if pattern[at : at + 3] == "(?:" else 1
            parts.append(pattern[at : at + width])
            at, quantifiable = at + width, character not in "(|^$"
    if depth:
        raise _refused(pattern, "( without )")
    return "".join(parts)


def is_simple(pattern: str, *, everywhere: bool) -> bool:
    """Whether the match RE2 finds first is also the longest, which PostgreSQL takes.

    `everywhere`: all matches are wanted; then one of no characters does not count as simple, as the two differ on
    whether it may stand beside another match.
    """
    outside = _BRACKET_OR_ESCAPE.sub("x", pattern)
    if re.search(r"\||\)[*+?{]|[*+?}]\?", outside) is not None:
        return False
    return not everywhere or re.search(_FILLED, outside) is not None


def checked_replacement(text: str) -> str:
    r"""A replacement in RE2's spelling: \1 … \9 stay, \& is the whole match, \\ a backslash."""
    for found in re.finditer(r"\\(.?)", text, re.DOTALL):
        if found[1] not in "123456789&\\" or not found[1]:
            raise CastError(
                f"found the replacement '{text}'", r"\1 to \9 for groups, \& for the match, \\ for a backslash"
            )
    return re.sub(r"\\&", r"\\0", text)


def _bracket(pattern: str, start: int) -> tuple[str, int]:
    """One [...] from its bracket on: its text for RE2 and the index behind it."""
    at = start + 1
    parts = ["["]
    if pattern[at : at + 1] == "^":
        parts.append("^")
        at += 1
    first = at
    while True:
        character = pattern[at : at + 1]
        if not character:
            raise _refused(pattern, "[ without ]")
        if character == "]" and at > first:
            return "".join([*parts, "]"]), at + 1
        if character == "[":
            named = re.compile(r"\[:([a-z]+):\]").match(pattern, at)
            if named is None or named[1] not in _CLASSES:
                raise _refused(pattern, pattern[at : at + 3])
            parts.append(named[0])
            at = named.end()
            continue
        if character == "\\":
            following = pattern[at + 1 : at + 2]
            if following.isalnum() and following not in _IN_CLASS and following not in _CONTROLS:
                raise _refused(pattern, f"\\{following}")
            parts.append(_IN_CLASS.get(following, f"\\{following}"))
            at += 2
            continue
        parts.append("\\]" if character == "]" else character)
        at += 1


def _escape(pattern: str, at: int) -> str:
    following = pattern[at + 1 : at + 2]
    if not following:
        raise _refused(pattern, "a backslash at its end")
    if following in _ESCAPES:
        return _ESCAPES[following]
    if following.isalnum() and following not in _CONTROLS:
        raise _refused(pattern, f"\\{following}")
    return f"\\{following}" if following.isascii() else following


def _quantifier(pattern: str, at: int) -> str:
    text = pattern[at]
    if text == "{":
        bound = _BOUND.match(pattern, at)
        if bound is None or any(int(part) > _DUP_MAX for part in (bound[1], bound[3]) if part):
            raise _refused(pattern, "{ that begins no bound such as {2,5}")
        text = bound[0]
    return text + ("?" if pattern[at + len(text) : at + len(text) + 1] == "?" else "")


def _refused(pattern: str, what: str) -> CastError:
    return CastError(f"found {what} in the pattern '{pattern}'", _EXPECTED)
