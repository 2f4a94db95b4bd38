"""Patterns of LIKE and of regular expressions: read, checked and translated, without running any.

Regular expressions are RE2's. What PostgreSQL's have and RE2 lacks is refused here by name; the rest is compiled where
the expression is compiled.
"""

import re

from datanexus.plan.literals import LiteralError

ANY_TEXT = "%"
ANY_CHARACTER = "_"
_UNSUPPORTED = (
    (re.compile(r"\(\?(=|!|<=|<!)"), "look-around"),
    (re.compile(r"\\[1-9]"), "a back reference"),
    (re.compile(r"\\[mMyY]"), "\\m, \\M, \\y or \\Y"),
    (re.compile(r"\[\[[.=:][<>]"), "[[:<:]] or [[:>:]]"),
)


def like_parts(pattern: str, escape: str = "\\") -> tuple[tuple[str, bool], ...]:
    """The pattern's characters, each with whether it is a wildcard. LiteralError when it ends in an escape."""
    parts: list[tuple[str, bool]] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if escape and character == escape:
            at += 1
            if at == len(pattern):
                raise LiteralError(
                    "InvalidPattern", f"the LIKE pattern '{pattern}', which ends in its escape character"
                )
            parts.append((pattern[at], False))
        else:
            parts.append((character, character in (ANY_TEXT, ANY_CHARACTER)))
        at += 1
    return tuple(parts)


def with_backslash(pattern: str, escape: str) -> str:
    """The same LIKE pattern with a backslash as its escape character."""
    return "".join(
        character if wildcard else f"\\{character}" if character in "%_\\" else character
        for character, wildcard in like_parts(pattern, escape)
    )


def like_regex(pattern: str) -> str:
    """An RE2 pattern that matches what a LIKE pattern (escape: backslash) matches."""
    wild = {ANY_TEXT: ".*", ANY_CHARACTER: "."}
    body = "".join(
        wild[character] if wildcard else escape_regex(character) for character, wildcard in like_parts(pattern)
    )
    return f"(?s)\\A{body}\\z"


def escape_regex(text: str) -> str:
    """RE2 for exactly this text."""
    return "".join(f"\\{character}" if character in r"\.+*?()|[]{}^$" else character for character in text)


def check_regex(pattern: str) -> None:
    """LiteralError for what RE2 does not have; other syntax errors show when the pattern is compiled."""
    plain = pattern.replace("\\\\", "")
    for wanted, name in _UNSUPPORTED:
        if wanted.search(plain):
            raise LiteralError("InvalidPattern", f"the pattern '{pattern}' with {name}, which RE2 does not have")


def group_count(pattern: str) -> int:
    """How many groups of a pattern capture."""
    count, in_class, at = 0, False, 0
    while at < len(pattern):
        character = pattern[at]
        if character == "\\":
            at += 1
        elif in_class:
            in_class = character != "]"
        elif character == "[":
            in_class = True
            at += 2 if pattern[at + 1 : at + 3] == "^]" else 1 if pattern[at + 1 : at + 2] == "]" else 0
        elif character == "(":
            count += pattern[at + 1 : at + 2] != "?" or bool(re.match(r"\?P?<[^=!]", pattern[at + 1 :]))
        at += 1
    return count


def replacement_text(replacement: str) -> str:
    r"""PostgreSQL's replacement (\1 … \9, \& for the whole match) in RE2's spelling (\0 for the whole match)."""
    result, at = [], 0
    while at < len(replacement):
        character = replacement[at]
        following = replacement[at + 1 : at + 2]
        if character != "\\":
            result.append(character)
        elif following == "&":
            result.append("\\0")
            at += 1
        elif following and following in "123456789":
            result.append(f"\\{following}")
            at += 1
        else:
            result.append("\\\\")
            at += following == "\\"
        at += 1
    return "".join(result)


def for_re2(pattern: str) -> str:
    r"""PostgreSQL's spelling in RE2's: `\Z` is the end of the text there, `\z` here."""
    result, at = [], 0
    while at < len(pattern):
        step = pattern[at : at + 2] if pattern[at] == "\\" else pattern[at]
        result.append("\\z" if step == "\\Z" else step)
        at += len(step)
    return "".join(result)


def with_named_groups(pattern: str) -> str:
    """The pattern with names for all its groups, g1, g2, ...; Arrow gives back named groups only."""
    result, in_class, at, count = [], False, 0, 0
    while at < len(pattern):
        character = pattern[at]
        if character == "\\":
            result.append(pattern[at : at + 2])
            at += 2
            continue
        if in_class:
            in_class = character != "]"
        elif character == "[":
            in_class = True
            skipped = 2 if pattern[at + 1 : at + 3] == "^]" else 1 if pattern[at + 1 : at + 2] == "]" else 0
            result.append(pattern[at : at + 1 + skipped])
            at += 1 + skipped
            continue
        elif character == "(" and pattern[at + 1 : at + 2] != "?":
            count += 1
            character = f"(?P<g{count}>"
        result.append(character)
        at += 1
    return "".join(result)
