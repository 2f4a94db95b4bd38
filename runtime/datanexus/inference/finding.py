"""What was found in a sample, and what it rests on. Data only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Value = object  # of a raw record: str, int, float, bool, list, dict, datetime, …; None is NULL
Record = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one file, cut at line ends where it does not begin or end the file. `offset`: of its first byte."""

    file: str
    offset: int
    content: bytes
    at_start: bool
    at_end: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """What was read of the data. `files`: all there are; `path`: as a pipeline names them. `bytes_total`: on disk.

    `now_us`: the clock when it was taken."""

    path: str
    files: Sequence[str]
    pieces: Sequence[Piece]
    bytes_total: int
    complete: bool
    now_us: int


@dataclass(frozen=True, slots=True)
class Run:
    """Records that follow each other in one file."""

    file: str
    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class FormatFinding:
    """How records are written. `text`: the value of `format` as YAML; `label`: in words. `typed`: raw values have
    types of their own, so a text is no number. `unread`: records of the sample that do not fit the format."""

    text: str
    label: str
    typed: bool
    runs: Sequence[Run]
    notes: Sequence[str] = ()
    types: Mapping[str, str] = field(default_factory=dict)  # of columns that come with one
    unread: int = 0

    @property
    def records(self) -> int:
        return sum(len(run.records) for run in self.runs)


@dataclass(frozen=True, slots=True)
class FieldFinding:
    """One field of the record. `raw`: its name in the data. `values`: of all sampled records in order, read as the type
    says; of a timestamp microseconds; None where there is none."""

    raw: str
    name: str
    type: str
    formats: tuple[str, ...]
    null_if: tuple[str, ...]
    required: bool
    notes: tuple[str, ...]
    values: Sequence[Value]
    example: str = ""

    @property
    def present(self) -> list[Value]:
        return [value for value in self.values if value is not None]

    @property
    def is_number(self) -> bool:
        return self.type in ("int64", "float64") or self.type.startswith("decimal")


@dataclass(frozen=True, slots=True)
class OrderFinding:
    """How far event times go back against the latest one before them in their file, over the records that do.

    `delay_us`: the watermark.delay to use; `beyond`: records of the sample that come later than that."""

    records: int
    backward: int
    quantiles_us: Mapping[str, int]
    max_us: int
    delay_us: int
    beyond: int
    reason: str
    first_us: int
    last_us: int

    @property
    def span_us(self) -> int:
        return self.last_us - self.first_us


@dataclass(frozen=True, slots=True)
class IdentityFinding:
    """What tells one record from another. `active`: whether it is written into the pipeline or only as a comment."""

    key: tuple[str, ...]
    horizon_us: int
    repeats: int
    active: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ViewDraft:
    """A first view. `aggregates`: pairs of name and expression."""

    name: str
    group_by: tuple[str, ...]
    size_us: int
    aggregates: tuple[tuple[str, str], ...]
    reason: str


@dataclass(frozen=True, slots=True)
class StepDraft:
    """A computed column."""

    name: str
    expression: str
    reason: str


@dataclass(frozen=True, slots=True)
class Findings:
    """All of it: what the pipeline is rendered from."""

    sample: Sample
    format: FormatFinding
    fields: Sequence[FieldFinding]
    left_out: Sequence[str]
    event_time: FieldFinding
    event_time_notes: Sequence[str]
    order: OrderFinding
    max_future_us: int | None
    identity: IdentityFinding | None
    steps: Sequence[StepDraft]
    views: Sequence[ViewDraft]
