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

_MEMBERS_USUAL = 64

Members = dict[str, Token]


def judge_object(line: bytes, used: frozenset[str], *, only_used: bool) -> Members | Refusal:
    """The used members of one record, or why it is none.

    `used`: the keys that are read and must not repeat; `only_used`: any other key is refused.
    """
    refusal = judge_text(line) or judge_json(line)
    if refusal is not None:
        return refusal
    kind = _kind(line)
    if kind is not None:
        return Refusal(Reason.NOT_AN_OBJECT, f"found {kind}, expected a JSON object")
    return _members(line, used, only_used=only_used)


def member_at(members: Members, path: str) -> Token | Refusal:
    """The value of a key, or of a dotted path into nested objects; the key as it stands goes first."""
    if path in members or "." not in path:
        return members.get(path, ABSENT)
    first, *rest = path.split(".")
    token = members.get(first, ABSENT)
    for key in rest:
        if token.tag != tag.NESTED or not token.raw.startswith("{"):
            return ABSENT
        inner = _members(token.raw.encode(), frozenset({key}), only_used=False)
        if isinstance(inner, Refusal):
            return inner
        token = inner.get(key, ABSENT)
    return token


def _kind(line: bytes) -> str | None:
    """What a JSON value is that is no object."""
    first = line.lstrip(b" \t\r\n")[:1]
    names = {b"[": "an array", b'"': "a string", b"n": "null", b"t": "true", b"f": "false"}
    return None if first == b"{" else names.get(first, "a number")


def _members(line: bytes, used: frozenset[str], *, only_used: bool) -> Members | Refusal:
    data = np.frombuffer(line, np.uint8)
    spans = np.empty((_MEMBERS_USUAL, 4), np.int64)
    count = tag.member_spans(data, spans)
    if count > _MEMBERS_USUAL:
        spans = np.empty((count, 4), np.int64)
        tag.member_spans(data, spans)
    members: Members = {}
    unknown: Refusal | None = None
    for key_begin, key_end, begin, end in spans[:count].tolist():
        key = _text(line[key_begin:key_end].decode())
        if key in members:
            message = f'found the key "{shown(key)}" twice, expected it once'
            return Refusal(Reason.DUPLICATE_KEY, message, key)
        if key in used:
            members[key] = _token(line[begin:end].decode())
        elif only_used and unknown is None:
            message = f'found the key "{shown(key)}", expected only {", ".join(sorted(used))} (unknownFields: Reject)'
            unknown = Refusal(Reason.UNKNOWN_FIELD, message, key, line[begin:end].decode())
    return unknown or members


def _token(raw: str) -> Token:
    kind = _TAGS.get(raw[0])
    if kind is None:
        kind = tag.INTEGER if raw.removeprefix("-").isdigit() else tag.NUMBER
    return Token(kind, _text(raw) if kind == tag.STRING else raw, raw)


def _text(raw: str) -> str:
    """What a valid JSON string says."""
    text: str = msgspec.json.decode(raw, type=str) if "\\" in raw else raw[1:-1]
    return text
