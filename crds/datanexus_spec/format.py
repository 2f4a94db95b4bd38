"""How the records of a source, or the rows of a sink, are written as bytes."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from datanexus_spec.element import Element, Finding, Flag, List, Pattern, Rule, Text, quoted

_ONE_CHARACTER = Pattern(r"^[ -~\t]$", "one character", 1)
_GROUP = "(?P<"  # a pattern without a named group yields no column


class NdjsonFormat(Element):
    """One JSON object a line."""


class JsonFormat(Element):
    """One JSON document: an object, or an array of objects."""


class CsvFormat(Element):
    """Lines of values."""

    delimiter: Annotated[str, _ONE_CHARACTER] = ","
    """Between two values; one character."""
    quote: Annotated[str, _ONE_CHARACTER] = '"'
    """Around a value that holds a delimiter or a line end; doubled inside one."""
    header: Flag = True
    """Whether the first line names the columns."""
    columns: List[Text] = ()
    """The columns' names, where the file has no header."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("!has(self.header) || self.header || has(self.columns)", "columns is needed where header is false"),
        Rule("!has(self.columns) || (has(self.header) && !self.header)", "columns only where header is false"),
    )

    @classmethod
    def findings(cls, given: Mapping[str, Any]) -> Iterator[Finding]:
        header, columns = given.get("header", True), given.get("columns")
        if header is False and not columns:
            yield Finding((), "header: false", "columns, as the file does not name them")
        if header is True and columns:
            yield Finding(("columns",), "columns beside header: true", "one of the two", "write `header: false`")
        if given.get("delimiter", ",") == given.get("quote", '"'):
            yield Finding((), "the same delimiter and quote", "two different characters")


class ArrowFormat(Element):
    """An Arrow IPC file or stream."""


class ParquetFormat(Element):
    """A Parquet file."""


class TextFormat(Element):
    """Lines of text, taken apart by a regular expression."""

    preset: Literal["combined", "common"] | None = None
    """A well-known format: the access logs of web servers. Its columns: `clientip ident auth timestamp verb request
    httpversion response bytes`, and with `combined` also `referrer agent`."""
    pattern: Text | None = None
    """An RE2 expression that matches a whole line; its named groups are the columns."""

    one_of: ClassVar[tuple[str, ...]] = ("preset", "pattern")

    @classmethod
    def findings(cls, given: Mapping[str, Any]) -> Iterator[Finding]:
        pattern = given.get("pattern")
        if isinstance(pattern, str) and _GROUP not in pattern:
            yield Finding(("pattern",), quoted(pattern), "an expression with named groups, such as (?P<status>[0-9]+)")


class Format(Element):
    """How records are written: exactly one of these."""

    ndjson: NdjsonFormat | None = None
    """One JSON object a line."""
    json_document: JsonFormat | None = Field(default=None, alias="json")
    """One JSON document: an object, or an array of objects."""
    csv: CsvFormat | None = None
    """Lines of values."""
    arrow: ArrowFormat | None = None
    """Arrow IPC, file or stream."""
    parquet: ParquetFormat | None = None
    """Parquet."""
    text: TextFormat | None = None
    """Lines of text, by preset or pattern."""

    one_of: ClassVar[tuple[str, ...]] = ("ndjson", "json_document", "csv", "arrow", "parquet", "text")


class SinkFormat(Element):
    """How rows are written: exactly one of these."""

    parquet: ParquetFormat | None = None
    """Parquet."""
    ndjson: NdjsonFormat | None = None
    """One JSON object a line."""
    csv: CsvFormat | None = None
    """Lines of values."""

    one_of: ClassVar[tuple[str, ...]] = ("parquet", "ndjson", "csv")
