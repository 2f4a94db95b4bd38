"""The strict lane of JSON: msgspec's verdict on one record, and what it does not look at.

Order of the checks, the first that fails names the reason: NUL byte, UTF-8, depth, JSON, object, NUL escape, used key
twice, unknown key. The values are then judged by `value`, field by field in the record's order.
"""

import re

import msgspec
import numpy as np

from datanexus.engine.decode import json_scan as tag
from datanexus.engine.decode.reason import Reason, Refusal, shown
from datanexus.engine.decode.value import ABSENT, Token

DEPTH_MAX = 200  # far below the interpreter's recursion limit, so that the verdict never depends on the call stack
_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_HALF_PAIR = re.compile(rb"(?<!\\)(?:\\\\)*\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")
_BOM = b"\xef\xbb\xbf"
_TAGS = {"n": tag.NULL, "t": tag.TRUE, "f": tag.FALSE, '"': tag.STRING, "{": tag.NESTED, "[": tag.NESTED}

Members = dict[str, Token]


def judge_object(line: bytes, used: frozenset[str], *, only_used: bool) -> Members | Refusal:
    """The members of one record, or why it is none.

    `used`: the keys that must not repeat; `only_used`: any other key is refused.
    """
    refusal = judge_text(line) or _judge_json(line)
    if refusal is not None:
        return refusal
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


def judge_text(line: bytes) -> Refusal | None:
    """What holds for a record of every text format: valid UTF-8 without NUL."""
    position = line.find(b"\x00")
    if position >= 0:
        message = f"found a NUL character at byte {position}, expected text without NUL"
        return Refusal(Reason.NUL_CHARACTER, message)
    try:
        line.decode()
    except UnicodeDecodeError as error:
        found = line[error.start : error.start + 4].hex(" ")
        message = f"found invalid UTF-8 at byte {error.start} (bytes {found}), expected UTF-8"
        return Refusal(Reason.INVALID_UTF8, message)
    return None


def _judge_json(line: bytes) -> Refusal | None:
    depth = tag.nesting_depth(np.frombuffer(line, np.uint8))
    if depth > DEPTH_MAX:
        message = f"found values nested {depth} deep, expected at most {DEPTH_MAX}"
        return Refusal(Reason.TOO_DEEP, message)
    try:
        decoded = msgspec.json.decode(line)
    except msgspec.ValidationError:
        message = "found a number beyond float64, expected numbers between -1.8e308 and 1.8e308"
        return Refusal(Reason.OUT_OF_RANGE, message)
    except msgspec.DecodeError as error:
        return Refusal(Reason.INVALID_JSON, _malformed(line, str(error)))
    except ValueError:
        return Refusal(Reason.OUT_OF_RANGE, "found a number of more than 4300 digits, expected a shorter one")
    if not isinstance(decoded, dict):
        return Refusal(Reason.NOT_AN_OBJECT, f"found {_kind(decoded)}, expected a JSON object")
    nul = _NUL_ESCAPE.search(line)
    if nul is not None:
        message = f"found a NUL character (\\u0000) at byte {nul.end() - 6}, expected text without NUL"
        return Refusal(Reason.NUL_CHARACTER, message)
    return None


def _malformed(line: bytes, verdict: str) -> str:
    if line.startswith(_BOM):
        return "found a byte order mark, expected one JSON object"
    half = _HALF_PAIR.search(line)
    if half is not None:
        found = line[half.end() - 6 : half.end()].decode()
        return f"found half a surrogate pair ({found}) at byte {half.end() - 6}, expected whole characters"
    if verdict == "Input data was truncated":
        return f"found the end of the record after {len(line)} bytes, expected the rest of a JSON value"
    return f"found malformed JSON ({verdict.removeprefix('JSON is malformed: ')}), expected one JSON object"


def _kind(decoded: object) -> str:
    if isinstance(decoded, list):
        return "an array"
    if isinstance(decoded, str):
        return "a string"
    return "null" if decoded is None else "true or false" if isinstance(decoded, bool) else "a number"


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
