"""What a signature cannot say about a call's constants: units, zones, patterns and the digits of results."""

from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from datanexus.plan import patterns
from datanexus.plan.expression import Call, Expression, Literal
from datanexus.plan.functions import DATE_PARTS, DIGITS_MAX, EPOCH, SECONDS, TRUNCATION_UNITS, WHOLE_PART
from datanexus.plan.literals import LiteralError
from datanexus.plan.naming import near, one_of
from datanexus.plan.parsing import Node, ParsedText
from datanexus_spec.datatype import Kind, decimal


def checked(parsed: ParsedText, call: Call, nodes: list[Node], node: Node) -> Expression:
    """Look at constants that a signature cannot: units, zones, patterns, scales."""
    arguments = call.arguments
    match call.function:
        case "multiply" if call.type.kind is Kind.DECIMAL:
            if arguments[0].type.scale + arguments[1].type.scale > DIGITS_MAX:
                found = f"a product with {arguments[0].type.scale + arguments[1].type.scale} digits behind the point"
                raise parsed.error(node, found, f"at most {DIGITS_MAX}", "round(..., digits) around a factor")
        case "round" | "trunc" if len(arguments) > 1:
            return _rounded(call)
        case "date_trunc":
            _check_word(parsed, arguments[0], TRUNCATION_UNITS, "unit", nodes[0])
            if len(arguments) > 2:
                _check_zone(parsed, arguments[2], nodes[2])
        case "extract" | "date_part":
            return _extract_type(parsed, call, nodes[0])
        case "at_time_zone":
            _check_zone(parsed, arguments[1], nodes[1])
        case "regexp_like" | "regexp_replace" | "regexp_substr" | "regexp_match":
            return _check_pattern(parsed, call, nodes)
        case _:
            pass
    return call


def _check_pattern(parsed: ParsedText, call: Call, nodes: list[Node]) -> Expression:
    pattern = call.arguments[1]
    assert isinstance(pattern, Literal)
    flags = call.arguments[-1] if len(call.arguments) > (3 if call.function == "regexp_replace" else 2) else None
    allowed = "gi" if call.function == "regexp_replace" else "i"
    if call.function in ("regexp_like", "regexp_replace") and isinstance(flags, Literal):
        strange = sorted(set(str(flags.value or "")) - set(allowed))
        if strange:
            raise parsed.error(nodes[-1], f"the flag `{strange[0]}`", f"flags of `{allowed}`")
    if pattern.value is not None:
        check_pattern_text(parsed, lambda: patterns.check_regex(str(pattern.value)), nodes[1])
    return call


def check_pattern_text(parsed: ParsedText, check: Callable[[], object], node: Node) -> None:
    try:
        check()
    except LiteralError as error:
        raise parsed.error(node, error.message, "a pattern that can be matched") from None


def _extract_type(parsed: ParsedText, call: Call, node: Node) -> Expression:
    part = call.arguments[0]
    subject = call.arguments[1].type.kind
    _check_word(parsed, part, ("epoch",) if subject is Kind.INTERVAL else DATE_PARTS, "part", node)
    assert isinstance(part, Literal)
    word = str(part.value).lower()
    clock = ("second", "minute", "hour", "microseconds", "milliseconds")
    if subject is Kind.DATE and word in clock:
        raise parsed.error(node, f"the part {word} of a date", "a part of days, or a timestamp")
    if call.function == "date_part":
        return call
    fine = {"epoch": EPOCH, "second": SECONDS, "milliseconds": decimal(10, 3)}
    return Call(call.function, call.arguments, fine.get(word, WHOLE_PART))


def _check_word(
    parsed: ParsedText, argument: Expression, words: tuple[str, ...] | list[str], what: str, node: Node
) -> None:
    assert isinstance(argument, Literal)
    word = str(argument.value).lower()
    if word not in words:
        raise parsed.error(node, f"the {what} '{word}'", one_of(tuple(words), f"{what}s"), near(word, words))


def _check_zone(parsed: ParsedText, argument: Expression, node: Node) -> None:
    assert isinstance(argument, Literal)
    try:
        ZoneInfo(str(argument.value))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        expected = "a zone of the tz database, such as Europe/Berlin"
        raise parsed.error(node, f"the time zone '{argument.value}'", expected) from None


def _rounded(call: Call) -> Call:
    """round(decimal, digits) and trunc: the scale follows the constant."""
    value, digits = call.arguments
    assert isinstance(digits, Literal)
    scale = max(min(int(digits.value or 0), value.type.scale), 0)
    whole = value.type.precision - value.type.scale
    return Call(call.function, call.arguments, decimal(min(whole + 1 + scale, DIGITS_MAX), scale))
