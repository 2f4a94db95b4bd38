"""SQL text as sqlglot's tree, for `plan.binding`: PostgreSQL's grammar with every function call left as it was written.

The parser of sqlglot rewrites known functions into nodes of its own and splits interval literals; both are switched off
here, so that names, arguments and texts reach the binder unchanged and the table of functions stays the only authority.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.tokens import TokenType

from datanexus.plan.expression import TextPosition
from datanexus_spec.errors import InvalidInput

Node = Any  # a node of sqlglot, whose types are not published
DEPTH_MAX = 200  # nesting of an expression; deeper ones exhaust the stack long before they are useful
_SHOWN_MAX = 120


class ExpressionError(InvalidInput):
    """An expression that cannot be understood. `position` counts inside its text; `suggestion` may be empty."""

    def __init__(self, *, text: str, position: TextPosition, found: str, expected: str, suggestion: str = "") -> None:
        words = " ".join(text.split())
        shown = words if len(words) <= _SHOWN_MAX else words[:_SHOWN_MAX] + "…"
        hint = f"write {suggestion}" if suggestion else ""
        super().__init__(
            f"expression `{shown}`, line {position.line}, column {position.column}: {found}; expected {expected}"
            + (f"; {hint}" if hint else ""),
            reason="InvalidExpression",
            hint=hint,
        )
        self.text = text
        self.position = position
        self.found = found
        self.expected = expected
        self.suggestion = suggestion


class _Dialect(Postgres):  # type: ignore[misc]
    def to_json_path(self, path: Node) -> Node:
        return path  # a key is a key in PostgreSQL, never a path

    class Parser(Postgres.Parser):  # type: ignore[misc]
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            name: parser
            for name, parser in Postgres.Parser.FUNCTION_PARSERS.items()
            if name in ("CAST", "EXTRACT", "SUBSTRING", "POSITION", "TRIM")
        }

        def _parse_interval(self, require_interval: bool = True, parse_function_unit: bool = True) -> Node:  # noqa: ARG002
            start = self._index
            if not self._match(TokenType.INTERVAL):
                return None
            if not self._match(TokenType.STRING, advance=False):
                self._retreat(start)
                return None
            return exp.Interval(this=self._parse_primary(), unit=self._parse_unit())

        def _parse_unit(self) -> Node:
            if self._curr and self._curr.text.upper() in self.dialect.VALID_INTERVAL_UNITS:
                word = self._curr.text
                self._advance()
                return exp.Var(this=word)
            return None


_DIALECT = _Dialect()


@dataclass(frozen=True, slots=True)
class ParsedText:
    """A text with its tree; knows where in the text a node stands."""

    text: str
    root: Node

    def position_of(self, node: Node) -> TextPosition:
        """Where a node begins, as far as the parser kept it: the first part of it with a known place."""
        starts = [part.meta["start"] for part in _parts(node) if "start" in part.meta]
        return position_at(self.text, min(starts, default=0))

    def error(self, node: Node, found: str, expected: str, suggestion: str = "") -> ExpressionError:
        """An error located at a node."""
        return ExpressionError(
            text=self.text, position=self.position_of(node), found=found, expected=expected, suggestion=suggestion
        )


def parse_expression(text: str) -> ParsedText:
    """The tree of one SQL expression; ExpressionError when the text is none."""
    if not text.strip():
        raise _unlocated(text, "nothing", "a SQL expression")
    if "\0" in text:
        raise ExpressionError(
            text=text.replace("\0", "␀"),
            position=position_at(text, text.index("\0")),
            found="a NUL character",
            expected="text without it",
        )
    try:
        trees = _DIALECT.parse(text)
    except ParseError as error:
        raise _syntax_error(text, error) from None
    except SqlglotError:
        raise _unlocated(text, "a quote or comment that is not closed", "its end") from None
    except RecursionError:
        raise _unlocated(text, "an expression nested too deep", f"at most {DEPTH_MAX} levels") from None
    if len(trees) != 1 or trees[0] is None or isinstance(trees[0], exp.Block):
        raise _unlocated(text, "several statements", "one SQL expression")
    parsed = ParsedText(text, trees[0])
    if _depth(parsed.root) > DEPTH_MAX:
        raise _unlocated(text, "an expression nested too deep", f"at most {DEPTH_MAX} levels")
    return parsed


def position_at(text: str, offset: int) -> TextPosition:
    """Line and column of a character, both from 1."""
    return TextPosition(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


def _parts(node: Node) -> Iterator[Node]:
    yield from node.walk()


def _depth(root: Node) -> int:
    deepest, level = 0, [root]
    while level and deepest <= DEPTH_MAX * 10:
        deepest += 1
        level = [child for node in level for child in node.iter_expressions()]
    return deepest


def _unlocated(text: str, found: str, expected: str) -> ExpressionError:
    return ExpressionError(text=text, position=TextPosition(), found=found, expected=expected)


def _syntax_error(text: str, error: ParseError) -> ExpressionError:
    detail = error.errors[0] if error.errors else {}
    highlight = str(detail.get("highlight") or "")
    line = int(detail.get("line") or 1)
    column = int(detail.get("col") or 1)
    # The parser counts to the last character of the token it stumbled over.
    position = TextPosition(line, max(column - max(len(highlight) - 1, 0), 1))
    description = str(detail.get("description") or "")
    if "missing for" in description:
        return ExpressionError(
            text=text, position=position, found=f"nothing behind `{highlight}`", expected="a value or expression"
        )
    if text.rstrip().endswith(highlight) and "Expecting" in description:
        end = position_at(text, len(text.rstrip()))
        return ExpressionError(text=text, position=end, found="the end of the expression", expected="`)`")
    expected = "`)`" if "Expecting )" in description else "an operator or the end of the expression"
    return ExpressionError(text=text, position=position, found=f"`{highlight}`", expected=expected)
