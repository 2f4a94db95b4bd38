"""What the reference is told: a pipeline with Python callables in place of SQL, its raw records and its cuts.

Times and durations are int microseconds. Values are None, bool, int, float, Decimal or str; timestamps are int.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

Value = None | bool | int | float | Decimal | str
Row = dict[str, Value]
NO_WATERMARK = -(2**63)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A raw record that is no valid record; `stage` is where it must be refused: decode or normalise."""

    stage: str


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record as it stands in a split, in arrival order. `position`: as the engine names it."""

    position: int
    content: Row | Malformed


@dataclass(frozen=True, slots=True)
class SetStep:
    """A column computed from the row. ArithmeticError or ValueError means: this record fails in stage `step`."""

    name: str
    compute: Callable[[Row], Value]


@dataclass(frozen=True, slots=True)
class FilterStep:
    """None does not pass."""

    condition: Callable[[Row], bool | None]


@dataclass(frozen=True, slots=True)
class Dedup:
    key: tuple[str, ...]
    horizon_us: int


@dataclass(frozen=True, slots=True)
class Watermark:
    delay_us: int
    max_future_us: int


@dataclass(frozen=True, slots=True)
class Tumbling:
    size_us: int


@dataclass(frozen=True, slots=True)
class Hopping:
    size_us: int
    slide_us: int


@dataclass(frozen=True, slots=True)
class Session:
    gap_us: int


@dataclass(frozen=True, slots=True)
class Global:
    every_us: int


Window = Tumbling | Hopping | Session | Global


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`function`: a name of the closed list, or `count_all` for count(*). `kind`: type of the argument as resources
    name it; it decides what an exact sum of it looks like and how its values are hashed."""

    name: str
    function: str
    kind: str = ""
    value: Callable[[Row], Value] | None = None
    condition: Callable[[Row], bool | None] | None = None
    parameters: tuple[float | int, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    name: str
    window: Window
    group_by: tuple[str, ...]
    aggregates: tuple[Aggregate, ...]
    allowed_lateness_us: int = 0
    late: str = "quarantine"


@dataclass(frozen=True, slots=True)
class Pipeline:
    event_time: str
    views: tuple[View, ...]
    watermark: Watermark
    steps: tuple[SetStep | FilterStep, ...] = ()
    dedup: Dedup | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """What one cut covers: the reads in order, and which splits had been read to their end when it was made."""

    reads: tuple[tuple[str, int], ...]
    finished: frozenset[str]


Splits = Mapping[str, Sequence[RawRecord]]
RowKey = tuple[int | None, tuple[Value, ...]]  # window start, group values


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a view. `values`: the aggregates in order."""

    window_start_us: int | None
    window_end_us: int | None
    group: tuple[Value, ...]
    values: tuple[object, ...]
    final: bool = False


@dataclass(frozen=True, slots=True)
class Quarantined:
    """`subject` is the view for stage `late`, else empty."""

    split: str
    position: int
    stage: str
    subject: str = ""


Table = dict[RowKey, TableRow]


@dataclass(frozen=True, slots=True)
class CutResult:
    """Everything visible right after a cut. Counters and quarantine are sums since the start; `finals` of this cut."""

    watermark_us: int
    split_watermarks_us: dict[str, int]
    tables: dict[str, Table]
    finals: dict[str, tuple[TableRow, ...]]
    counters: dict[str, int]
    quarantine: tuple[Quarantined, ...]


@dataclass(frozen=True, slots=True)
class End:
    """What the end of input adds after a cut: the rows it makes final, and the tables a query then sees."""

    terminal: dict[str, tuple[TableRow, ...]]
    tables: dict[str, Table]


@dataclass(frozen=True, slots=True)
class Outcome:
    """All cuts, and the ends of input that were asked for, by the number of cuts before them."""

    cuts: tuple[CutResult, ...]
    ends: dict[int, End]

    @property
    def terminal(self) -> dict[str, tuple[TableRow, ...]]:
        """The rows that the last end makes final."""
        return self.ends[max(self.ends)].terminal

    @property
    def tables(self) -> dict[str, Table]:
        """What a query sees after the last end."""
        return self.ends[max(self.ends)].tables
