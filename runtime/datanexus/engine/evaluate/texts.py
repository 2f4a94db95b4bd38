"""Functions of text, counted in characters (code points): as column kernels where the arguments are constants."""

import hashlib
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from datanexus.engine.evaluate.arithmetic import Operation
from datanexus.engine.evaluate.arrays import column_of, flags_of, valid_flags
from datanexus.engine.evaluate.faults import Frame, Operand, Reason
from datanexus.engine.evaluate.rows import RowError, row_by_row
from datanexus.plan.expression import Call, Literal

TEXT_MAX = 1_000_000  # characters that lpad, rpad and repeat may make
_SHARP_S = "ß"  # Arrow has an upper case for it, PostgreSQL's locale has not
_TRIMS = {"trim": pc.utf8_trim, "ltrim": pc.utf8_ltrim, "rtrim": pc.utf8_rtrim}
_EMPTY = pa.scalar("")


def letter_case(call: Call) -> Operation:
    """lower and upper, one character for one."""
    if call.function == "lower":
        return lambda _, operands: pc.utf8_lower(operands[0])

    def upper(frame: Frame, operands: list[Operand]) -> Operand:
        plain = pc.utf8_upper(operands[0])
        doubtful = pc.match_substring(operands[0], _SHARP_S)
        if not pc.any(doubtful).as_py():
            return plain
        careful = row_by_row(call, frame, operands, _upper, flags_of(doubtful, frame.rows))
        return pc.if_else(doubtful, careful, plain)

    return upper


def _upper(text: str) -> str:
    return "".join(character.upper() if len(character.upper()) == 1 else character for character in text)


def trimmed(call: Call) -> Operation:
    """trim, ltrim, rtrim: of spaces, or of any of the characters given."""
    trim = _TRIMS[call.function]
    strip = {"trim": str.strip, "ltrim": str.lstrip, "rtrim": str.rstrip}[call.function]

    def by_constant(_: Frame, operands: list[Operand], characters: Any) -> Operand:
        return trim(operands[0], characters=characters) if characters else operands[0]

    if len(call.arguments) == 1:
        return lambda _, operands: trim(operands[0], characters=" ")
    return _by_constants(call, by_constant, lambda text, characters: strip(text, characters) if characters else text)


def length(call: Call) -> Operation:
    """length in characters, octet_length in bytes."""
    measure = pc.utf8_length if call.function == "length" else pc.binary_length
    return lambda _, operands: measure(operands[0])


def substring(call: Call) -> Operation:
    """substring(s, from [, count]); `from` may lie before the text."""

    def by_constants(frame: Frame, operands: list[Operand], first: int, count: int | None = None) -> Operand:
        if count is None:
            return pc.utf8_slice_codeunits(operands[0], max(first - 1, 0))
        if count < 0:
            what = "negative substring length"
            frame.fail(valid_flags((operands[0],), frame.rows), Reason.INVALID_ARGUMENT, what, (call, operands))
            return pa.nulls(frame.rows, pa.string())
        stop = max(first + count - 1, 0)
        return pc.utf8_slice_codeunits(operands[0], min(max(first - 1, 0), stop), stop)

    return _by_constants(call, by_constants, _substring)


def _substring(text: str, first: int, count: int | None = None) -> str:
    if count is None:
        return text[max(first - 1, 0) :]
    if count < 0:
        raise RowError(Reason.INVALID_ARGUMENT, "negative substring length")
    return text[max(first - 1, 0) : max(first + count - 1, 0)]


def left(call: Call) -> Operation:
    """The first `count` characters; all but the last |count| when it is negative."""
    return _by_constants(
        call,
        lambda _, operands, count: pc.utf8_slice_codeunits(operands[0], 0, count),
        lambda text, count: text[:count],
    )


def right(call: Call) -> Operation:
    """The last `count` characters; all but the first |count| when it is negative."""

    def by_constant(_: Frame, operands: list[Operand], count: int) -> Operand:
        if count == 0:
            return pc.utf8_slice_codeunits(operands[0], 0, 0)
        return pc.utf8_slice_codeunits(operands[0], -count)

    return _by_constants(call, by_constant, lambda text, count: text[-count:] if count else "")


def split_part(call: Call) -> Operation:
    """The n-th field between delimiters, counted from the end when n is negative; empty when there is none."""

    def by_constants(frame: Frame, operands: list[Operand], delimiter: str, n: int) -> Operand:
        if n == 0 or not delimiter:
            return row_by_row(call, frame, operands, _split_part)
        lists = pc.split_pattern(operands[0], delimiter, max_splits=n if n > 0 else None)
        starts = lists.offsets.to_numpy()
        places = starts[:-1] + n - 1 if n > 0 else starts[1:] + n
        inside = (places >= starts[:-1]) & (places < starts[1:])
        parts = pc.take(lists.values, pa.array(places, mask=~inside))
        found = pc.fill_null(parts, "")
        return found if not lists.null_count else pc.if_else(lists.is_valid(), found, pa.scalar(None, pa.string()))

    return _by_constants(call, by_constants, _split_part)


def _split_part(text: str, delimiter: str, n: int) -> str:
    if n == 0:
        raise RowError(Reason.INVALID_ARGUMENT, "field position zero")
    parts = text.split(delimiter) if delimiter else [text]
    return parts[n - 1 if n > 0 else n] if -len(parts) <= (n - 1 if n > 0 else n) < len(parts) else ""


def replaced(call: Call) -> Operation:
    """Every occurrence of a part replaced; an empty part occurs nowhere."""

    def by_constants(_: Frame, operands: list[Operand], part: str, other: str) -> Operand:
        return pc.replace_substring(operands[0], part, other) if part else operands[0]

    return _by_constants(call, by_constants, lambda text, part, other: text.replace(part, other) if part else text)


def position(call: Call) -> Operation:
    """Where a part first occurs, from 1; 0 when it does not."""

    def by_constant(frame: Frame, operands: list[Operand], part: str) -> Operand:
        text = operands[0]
        if not pc.all(pc.string_is_ascii(text), min_count=0).as_py():
            return row_by_row(call, frame, operands, lambda text, part: text.find(part) + 1)
        return pc.add(pc.find_substring(text, part), pa.scalar(1, pa.int32()))

    return _by_constants(call, by_constant, lambda text, part: text.find(part) + 1)


def joined(call: Call) -> Operation:
    """a || b, NULL when one is; concat, where NULL counts as empty."""
    if call.function == "concat_operator":
        return lambda _, operands: pc.binary_join_element_wise(*operands, "")

    def run(_: Frame, operands: list[Operand]) -> Operand:
        return pc.binary_join_element_wise(*operands, "", null_handling="replace", null_replacement="")

    return run


def starts_with(call: Call) -> Operation:
    return _by_constants(call, lambda _, operands, prefix: pc.starts_with(operands[0], prefix), str.startswith)


def padded(call: Call) -> Operation:
    """lpad and rpad to a length in characters; longer texts are cut on the right."""
    pad = pc.utf8_lpad if call.function == "lpad" else pc.utf8_rpad

    def compute(text: str, width: int, fill: str = " ") -> str:
        if width > TEXT_MAX:
            raise RowError(Reason.TEXT_TOO_LONG, f"more than {TEXT_MAX:,} characters")
        missing = max(width, 0) - len(text)
        if missing <= 0 or not fill:
            return text[: max(width, 0)]
        filling = (fill * (missing // len(fill) + 1))[:missing]
        return filling + text if call.function == "lpad" else text + filling

    def by_constants(frame: Frame, operands: list[Operand], width: int, fill: str = " ") -> Operand:
        if len(fill) != 1 or width > TEXT_MAX or width <= 0:
            return row_by_row(call, frame, operands, compute)
        return pad(pc.utf8_slice_codeunits(operands[0], 0, width), width, fill)

    return _by_constants(call, by_constants, compute)


def repeated(call: Call) -> Operation:
    def compute(text: str, times: int) -> str:
        if times > 0 and len(text) * times > TEXT_MAX:
            raise RowError(Reason.TEXT_TOO_LONG, f"more than {TEXT_MAX:,} characters")
        return text * times

    return lambda frame, operands: row_by_row(call, frame, operands, compute)


def backwards(_: Call) -> Operation:
    return lambda _frame, operands: pc.utf8_reverse(operands[0])


def md5(call: Call) -> Operation:
    """The MD5 digest in hexadecimal digits; no column kernel exists for it."""

    def compute(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    return lambda frame, operands: row_by_row(call, frame, operands, compute)


def _by_constants(call: Call, by_constants: Callable[..., Operand], by_rows: Callable[..., Any]) -> Operation:
    """The column kernel when all arguments but the first are constants, else the row function."""
    constants = [argument.value if isinstance(argument, Literal) else None for argument in call.arguments[1:]]
    if not all(isinstance(argument, Literal) for argument in call.arguments[1:]):
        return lambda frame, operands: row_by_row(call, frame, operands, by_rows)
    if None in constants:
        return lambda frame, operands: pa.nulls(frame.rows, pc.coalesce(operands[0]).type).cast(_result_type(call))
    return lambda frame, operands: by_constants(frame, [column_of(operands[0], frame.rows), *operands[1:]], *constants)


def _result_type(call: Call) -> pa.DataType:
    return {"bool": pa.bool_(), "int32": pa.int32()}.get(call.type.kind.value, pa.string())
