"""SQL text as sqlglot's tree for `query.translation`: one reading statement in PostgreSQL's grammar.

Function calls stay as they were written, so that the table of functions is the only authority on what they mean.
"""

from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.tokens import TokenType

from datanexus_spec.errors import InvalidInput

Node = Any  # a node of sqlglot, whose types are not published
TEXT_MAX = 100_000  # characters of a query
DEPTH_MAX = 100  # nesting of a query; deeper ones exhaust the stack long before they are useful


class QueryError(InvalidInput):
    """A query that cannot be read or whose meaning here could differ from PostgreSQL's. `line`, `column` from 1."""

    def __init__(self, message: str, *, line: int, column: int, hint: str = "") -> None:
        super().__init__(f"query, line {line}, column {column}: {message}", reason="InvalidQuery", hint=hint)
        self.line = line
        self.column = column


class _Dialect(Postgres):  # type: ignore[misc]
    def to_json_path(self, path: Node) -> Node:
        return path

    class Parser(Postgres.Parser):  # type: ignore[misc]
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            name: parser
            for name, parser in Postgres.Parser.FUNCTION_PARSERS.items()
            if name in ("CAST", "EXTRACT", "SUBSTRING", "POSITION", "TRIM", "STRING_AGG")
        }

        def _parse_interval(self, require_interval: bool = True, parse_function_unit: bool = True) -> Node:  # noqa: ARG002
            start = self._index
            if not self._match(TokenType.INTERVAL):
                return None
            if not self._match(TokenType.STRING, advance=False):
                self._retreat(start)
                return None
            return exp.Interval(this=self._parse_primary(), unit=None)


_DIALECT = _Dialect()


class Source:
    """A query's text, to say where its parts stand."""

    def __init__(self, text: str) -> None:
        self.text = text

    def error(self, node: Node, message: str, hint: str = "") -> QueryError:
        """An error located at the first part of a node whose place the parser kept."""
        starts = [part.meta["start"] for part in node.walk() if "start" in part.meta]
        offset = min(starts, default=0)
        line, column = self.text.count("\n", 0, offset) + 1, offset - self.text.rfind("\n", 0, offset)
        return QueryError(message, line=line, column=column, hint=hint)


def parse_query(text: str) -> tuple[Source, Node]:
    """The tree of one statement. Raises: QueryError when the text is none, or several."""
    source = Source(text)
    if not text.strip().rstrip(";").strip():
        raise QueryError("found nothing, expected a SELECT", line=1, column=1)
    if len(text) > TEXT_MAX:
        raise QueryError(f"found {len(text)} characters, expected at most {TEXT_MAX}", line=1, column=1)
    if "\0" in text:
        raise QueryError("found a NUL character, expected text without it", line=1, column=1)
    try:
        trees = [tree for tree in _DIALECT.parse(text) if tree is not None and not isinstance(tree, exp.Semicolon)]
    except ParseError as error:
        raise _syntax_error(error) from None
    except SqlglotError:
        raise QueryError("found a quote or comment that is not closed", line=1, column=1) from None
    except RecursionError:
        raise QueryError(f"nested too deep, expected at most {DEPTH_MAX} levels", line=1, column=1) from None
    if len(trees) != 1:
        raise QueryError(f"found {len(trees)} statements, expected one SELECT", line=1, column=1)
    if _depth(trees[0]) > DEPTH_MAX:
        raise QueryError(f"nested too deep, expected at most {DEPTH_MAX} levels", line=1, column=1)
    return source, trees[0]


def _depth(root: Node) -> int:
    """Levels of nesting. A chain of AND or OR is one level, however long: it is translated without recursion."""
    deepest, level = 0, [root]
    while level and deepest <= DEPTH_MAX:
        deepest += 1
        level = [child for node in level for child in _children(node)]
    return deepest


def _children(node: Node) -> list[Node]:
    """The parts of a node; of a chain of AND or OR the parts of all its links."""
    links = [node]
    while isinstance(links[-1], exp.And | exp.Or) and type(links[-1].this) is type(links[-1]):
        links.append(links[-1].this)
    inner = {id(link) for link in links[1:]}
    return [child for link in links for child in link.iter_expressions() if id(child) not in inner]


def _syntax_error(error: ParseError) -> QueryError:
    detail = error.errors[0] if error.errors else {}
    highlight = str(detail.get("highlight") or "")
    line, column = int(detail.get("line") or 1), int(detail.get("col") or 1)
    # The parser counts to the last character of the token it stumbled over.
    column = max(column - max(len(highlight) - 1, 0), 1)
    return QueryError(f"found `{highlight}`, which does not fit there", line=line, column=column)
