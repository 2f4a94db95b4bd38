"""What holds for the text of a record, and for a JSON value in it, before anyone looks inside. msgspec is the judge."""

import re

import msgspec
import numpy as np

from datanexus.engine.decode.json_scan import DOUBT, Bytes, Longs, nesting_depth
from datanexus.engine.decode.reason import Reason, Refusal

DEPTH_MAX = 200  # far below the interpreter's recursion limit, so that the verdict never depends on the call stack
RECORD_BYTES_MAX = 64 << 20  # readers hand out the beginning of a longer one
_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_HALF_PAIR = re.compile(rb"(?<!\\)(?:\\\\)*\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def doubt_long(lengths: Longs, status: Bytes) -> None:
    """Leave records beyond RECORD_BYTES_MAX to the judge."""
    if len(lengths) and lengths.max() > RECORD_BYTES_MAX:
        status[lengths > RECORD_BYTES_MAX] = DOUBT


def judge_text(line: bytes) -> Refusal | None:
    """What holds for a record of every text format: valid UTF-8 without NUL."""
    if len(line) > RECORD_BYTES_MAX:
        message = f"found a record of more than {RECORD_BYTES_MAX >> 20} MiB, expected a shorter one"
        return Refusal(Reason.TOO_LONG, message)
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


def judge_json(line: bytes) -> Refusal | None:
    """Whether a text that `judge_text` passed is one JSON value."""
    if line.count(b"{") + line.count(b"[") > DEPTH_MAX:
        depth = nesting_depth(np.frombuffer(line, np.uint8))
        if depth > DEPTH_MAX:
            message = f"found values nested {depth} deep, expected at most {DEPTH_MAX}"
            return Refusal(Reason.TOO_DEEP, message)
    try:
        msgspec.json.decode(line)
    except msgspec.ValidationError:
        message = "found a number beyond float64, expected numbers between -1.8e308 and 1.8e308"
        return Refusal(Reason.OUT_OF_RANGE, message)
    except msgspec.DecodeError as error:
        return Refusal(Reason.INVALID_JSON, _malformed(line, str(error)))
    except ValueError:
        return Refusal(Reason.OUT_OF_RANGE, "found a number of more than 4300 digits, expected a shorter one")
    nul = _NUL_ESCAPE.search(line) if b"\\u0000" in line else None
    if nul is not None:
        message = f"found a NUL character (\\u0000) at byte {nul.end() - 6}, expected text without NUL"
        return Refusal(Reason.NUL_CHARACTER, message)
    return None


def _malformed(line: bytes, verdict: str) -> str:
    if line.startswith(_BYTE_ORDER_MARK):
        return "found a byte order mark, expected one JSON object"
    half = _HALF_PAIR.search(line) if b"\\u" in line else None
    if half is not None:
        found = line[half.end() - 6 : half.end()].decode()
        return f"found half a surrogate pair ({found}) at byte {half.end() - 6}, expected whole characters"
    if verdict == "Input data was truncated":
        return f"found the end of the record after {len(line)} bytes, expected the rest of a JSON value"
    return f"found malformed JSON ({verdict.removeprefix('JSON is malformed: ')}), expected one JSON object"
