"""LIKE and regular expressions, by RE2. Patterns are constants and are compiled (tried) once, with the expression."""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from datanexus.engine.evaluate.arithmetic import Operation
from datanexus.engine.evaluate.faults import Frame, Operand
from datanexus.plan import patterns
from datanexus.plan.expression import Call, Literal
from datanexus_spec.datatype import Kind
from datanexus_spec.errors import InvalidInput


def like(call: Call) -> Operation:
    """LIKE, ILIKE (both sides in lower case, as PostgreSQL does it)."""
    pattern = _constant(call, 1)
    if pattern is None:
        return _nothing(call)
    folds = call.function == "ilike"
    if folds:
        pattern = pc.utf8_lower(pa.scalar(pattern)).as_py()
    match = _like_matcher(pattern)
    return lambda _, operands: match(pc.utf8_lower(operands[0]) if folds else operands[0])


def _like_matcher(pattern: str) -> Callable[[Operand], Operand]:
    parts = patterns.like_parts(pattern)
    wild = [place for place, (_, wildcard) in enumerate(parts) if wildcard]
    text = "".join(character for character, wildcard in parts if not wildcard)
    at_start = bool(parts) and parts[0] == ("%", True)
    at_end = bool(parts) and parts[-1] == ("%", True)
    if not wild:
        return lambda operand: pc.equal(operand, pa.scalar(text))
    if text and len(wild) == 1 and at_end:
        return lambda operand: pc.starts_with(operand, text)
    if text and len(wild) == 1 and at_start:
        return lambda operand: pc.ends_with(operand, text)
    if text and len(wild) == 2 and at_start and at_end:
        return lambda operand: pc.match_substring(operand, text)
    regex = patterns.like_regex(pattern)
    return lambda operand: pc.match_substring_regex(operand, regex)


def regexp_like(call: Call) -> Operation:
    pattern = _pattern(call, flags_at=2)
    if pattern is None:
        return _nothing(call)
    return lambda _, operands: pc.match_substring_regex(operands[0], pattern)


def regexp_replace(call: Call) -> Operation:
    """The first match replaced, or with the flag g all of them."""
    pattern, replacement = _pattern(call, flags_at=3), _constant(call, 2)
    if pattern is None or replacement is None:
        return _nothing(call)
    flags = _constant(call, 3) if len(call.arguments) > 3 else ""
    rewritten = patterns.replacement_text(replacement)
    limit = None if "g" in (flags or "") else 1
    _try(lambda: pc.replace_substring_regex(pa.array(["a"]), pattern, rewritten, max_replacements=limit), call)
    return lambda _, operands: pc.replace_substring_regex(operands[0], pattern, rewritten, max_replacements=limit)


def regexp_group(call: Call) -> Operation:
    """The text of one group of the first match; NULL without a match, or when the group took no part in it."""
    pattern = _constant(call, 1)
    if pattern is None:
        return _nothing(call)
    groups = patterns.group_count(pattern)
    wanted = _constant_number(call) if call.function == "regexp_match" else 1
    if wanted is None or wanted < 1 or wanted > max(groups, 1):
        return _nothing(call)
    named = patterns.with_named_groups(patterns.for_re2(pattern)) if groups else f"(?P<g1>{patterns.for_re2(pattern)})"
    named = f"(?s){named}"
    _try(lambda: pc.extract_regex_span(pa.array(["a"]), named), call)

    def run(_: Frame, operands: list[Operand]) -> Operand:
        found = pc.extract_regex(operands[0], named)
        text = pc.struct_field(found, [wanted - 1])
        if groups == 0:
            return text
        span = pc.struct_field(pc.extract_regex_span(operands[0], named), [wanted - 1])
        return pc.if_else(pc.is_valid(span), text, pa.scalar(None, pa.string()))

    return run


def _nothing(call: Call) -> Operation:
    result = pa.bool_() if call.type.kind is Kind.BOOL else pa.string()
    return lambda frame, _: pa.nulls(frame.rows, result)


def _constant(call: Call, place: int) -> str | None:
    literal = call.arguments[place]
    assert isinstance(literal, Literal)
    return None if literal.value is None else str(literal.value)


def _constant_number(call: Call) -> int | None:
    literal = call.arguments[2]
    assert isinstance(literal, Literal)
    return literal.value if isinstance(literal.value, int) else None


def _pattern(call: Call, flags_at: int) -> str | None:
    """The pattern with its flags in it; a dot matches a line end, as in PostgreSQL."""
    pattern = _constant(call, 1)
    flags = _constant(call, flags_at) if len(call.arguments) > flags_at else ""
    if pattern is None or flags is None:
        return None
    full = f"(?s{'i' if 'i' in flags else ''}){patterns.for_re2(pattern)}"
    _try(lambda: pc.match_substring_regex(pa.array(["a"]), full), call)
    return full


def _try(run: Callable[[], object], call: Call) -> None:
    try:
        run()
    except pa.ArrowInvalid as error:
        detail = str(error).split(": ", 1)[-1]
        raise InvalidInput(
            f"the pattern '{_constant(call, 1)}' of {call.function} is no RE2 regular expression: {detail}",
            reason="InvalidPattern",
            hint="see the syntax of RE2; it has no back references and no look-around",
        ) from None
