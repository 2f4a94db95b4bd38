"""The typed tree of the expression language. Data only: no parsing, no evaluation, no column library.

`plan.binding` makes these trees from SQL text; `engine.evaluate` runs them over columns; `plan.explain` prints them.
Every node knows its type; the function names come from the closed table in `plan.functions`.
"""

from dataclasses import dataclass, field

from datanexus_spec.datatype import DataType

Constant = bool | int | float | str | None  # decimals, timestamps, dates and intervals as str / int, see `Literal`


@dataclass(frozen=True, slots=True)
class Schema:
    """Names and types an expression may use, in column order."""

    columns: tuple[tuple[str, DataType], ...]

    def type_of(self, name: str) -> DataType | None:
        return next((data_type for column, data_type in self.columns if column == name), None)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.columns)

    def with_column(self, name: str, data_type: DataType) -> "Schema":
        """This schema with one more column, or with the type of an existing one replaced."""
        if self.type_of(name) is None:
            return Schema((*self.columns, (name, data_type)))
        return Schema(tuple((column, data_type if column == name else old) for column, old in self.columns))


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant. Units: timestamp and interval int microseconds, date int days, decimal its text."""

    value: Constant
    type: DataType


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the schema the expression was bound to."""

    name: str
    type: DataType


@dataclass(frozen=True, slots=True)
class Call:
    """A function or operator of `plan.functions`, its arguments already of the types the function takes."""

    function: str
    arguments: "tuple[Expression, ...]"
    type: DataType


@dataclass(frozen=True, slots=True)
class Cast:
    """A conversion that may fail for a record (never silently)."""

    argument: "Expression"
    type: DataType


@dataclass(frozen=True, slots=True)
class Case:
    """CASE WHEN … END. A branch is evaluated only for the rows that reach it."""

    branches: "tuple[tuple[Expression, Expression], ...]"
    otherwise: "Expression | None"
    type: DataType


Expression = Literal | Column | Call | Cast | Case


@dataclass(frozen=True, slots=True)
class BoundExpression:
    """A tree with the text it came from, which errors and `explain` show."""

    text: str
    root: Expression

    @property
    def type(self) -> DataType:
        return self.root.type


@dataclass(frozen=True, slots=True)
class BoundAggregate:
    """One aggregate call with its FILTER. `parameters`: the quantile, the k of top_k; empty for the others.

    `function` is one of core.aggregate.FUNCTIONS. `argument` is None for count(*).
    """

    text: str
    function: str
    argument: Expression | None
    parameters: tuple[float | int, ...]
    filter: Expression | None
    type: DataType


def columns_of(expression: Expression | None) -> frozenset[str]:
    """The names of all columns an expression reads."""
    match expression:
        case None | Literal():
            return frozenset()
        case Column(name=name):
            return frozenset((name,))
        case Call(arguments=arguments):
            return frozenset().union(*map(columns_of, arguments))
        case Cast(argument=argument):
            return columns_of(argument)
        case Case(branches=branches, otherwise=otherwise):
            parts = [part for branch in branches for part in branch]
            return columns_of(otherwise).union(*map(columns_of, parts))


@dataclass(frozen=True, slots=True)
class TextPosition:
    """Where in an expression's text something stands; both count from 1."""

    line: int = field(default=1)
    column: int = field(default=1)
