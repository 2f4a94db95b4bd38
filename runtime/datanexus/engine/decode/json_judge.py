"""The strict lane of JSON: the verdict of `json_text` on one record, and what its members are.

Order of the checks, the first that fails names the reason: length, NUL byte, UTF-8, depth, JSON, NUL escape, object,
used key twice, unknown key. The values are then judged by `value`, field by field in the record's order.
"""

import msgspec
import numpy as np

from datanexus.engine.decode import json_scan as tag
from datanexus.engine.decode.json_text import judge_json, judge_text
from datanexus.engine.decode.reason import Reason, Refusal, shown
from datanexus.engine.decode.value import ABSENT, Token

_TAGS = {"n": tag.NULL, "t": tag.TRUE, "f": tag.FALSE, '"': tag.STRING, "{": tag.NESTED, "[": tag.NESTED}

Members = dict[str, Token]


def judge_object(line: bytes, used: frozenset[str], *, only_used: bool) -> Members | Refusal:
    """The members of one record, or why it is none.

    `used`: the keys that must not repeat; `only_used`: any other key is refused.
    """
    refusal = judge_text(line) or judge_json(line)
    if refusal is not None:
        return refusal
    kind = _kind(line)
    if kind is not None:
        return Refusal(Reason.NOT_AN_OBJECT, f"found {kind}, expected a JSON object")
    members = _members(line, used)
    if isinstance(members, Refusal) or not only_used:
        return members
    for key in members:
        if key not in used:
            message = f'found the key "{shown(key)}", expected only {", ".join(sorted(used))} (unknownFields: Reject)'
            return Refusal(Reason.UNKNOWN_FIELD, message, key, members[key].text)
    return members


def member_at(members: Members, path: str) -> Token | Refusal:
    """The value of a key, or of a dotted path into nested objects; the key as it stands goes first."""
    if path in members or "." not in path:
        return members.get(path, ABSENT)
    first, *rest = path.split(".")
    token = members.get(first, ABSENT)
    for key in rest:
        if token.tag != tag.NESTED or not token.raw.startswith("{"):
            return ABSENT
        inner = _members(token.raw.encode(), frozenset({key}))
        if isinstance(inner, Refusal):
            return inner
        token = inner.get(key, ABSENT)
    return token


def _kind(line: bytes) -> str | None:
    """What a JSON value is that is no object."""
    first = line.lstrip(b" \t\r\n")[:1]
    names = {b"[": "an array", b'"': "a string", b"n": "null", b"t": "true", b"f": "false"}
    return None if first == b"{" else names.get(first, "a number")


def _members(line: bytes, used: frozenset[str]) -> Members | Refusal:
    data = np.frombuffer(line, np.uint8)
    spans = np.empty((tag.member_spans(data, np.empty((0, 4), np.int64)), 4), np.int64)
    tag.member_spans(data, spans)
    members: Members = {}
    for key_begin, key_end, begin, end in spans.tolist():
        key = msgspec.json.decode(line[key_begin:key_end], type=str)
        if key in members and key in used:
            message = f'found the key "{shown(key)}" twice, expected it once'
            return Refusal(Reason.DUPLICATE_KEY, message, key)
        members[key] = _token(line[begin:end].decode())
    return members


def _token(raw: str) -> Token:
    kind = _TAGS.get(raw[0])
    if kind is None:
        kind = tag.NUMBER if any(char in raw for char in ".eE") else tag.INTEGER
    text = msgspec.json.decode(raw, type=str) if kind == tag.STRING else raw
    return Token(kind, text, raw)
