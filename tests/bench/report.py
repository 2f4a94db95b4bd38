"""What a benchmark found: figures for `make acceptance`, lines of Markdown for docs/benchmarks.md.

A bar that is not reached is marked `below` or `above`. What could not be measured says so in its row and has no figure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

MISSED = ("**below**", "**above**")


@dataclass(frozen=True, slots=True)
class Bar:
    """A ratio of two speeds that must be reached."""

    measured: str
    peer: str
    least: float

    @property
    def name(self) -> str:
        return f"{self.measured} / {self.peer}"


@dataclass(frozen=True, slots=True)
class Limit:
    """A figure that must not be exceeded."""

    name: str
    most: float
    unit: str


@dataclass(slots=True)
class Report:
    """Grows while the benchmark runs; every line is printed when it is known. `figures`: name → value and bar."""

    figures: dict[str, dict[str, float]]
    lines: list[str] = field(default_factory=list)

    @property
    def is_reached(self) -> bool:
        """Whether no bar was missed."""
        return not any(mark in line for line in self.lines for mark in MISSED)

    def show(self, *lines: str) -> None:
        print("\n".join(lines), flush=True)
        self.lines += lines

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table and an empty line."""
        self.show(_row(head), "|" + "---|" * len(head), *map(_row, rows), "")

    def ratio(self, bar: Bar, value: float) -> tuple[str, str, str]:
        """Note a ratio: its value, its bar and the verdict as cells."""
        self.figures[bar.name] = {"value": value, "bar": bar.least}
        return f"{value:.2f}", f"{bar.least:g}", "at least" if value >= bar.least else MISSED[0]

    def limit(self, limit: Limit, value: float) -> tuple[str, str, str]:
        """Note a figure that is bounded from above: its value, its bar and the verdict as cells."""
        self.figures[limit.name] = {"value": value, "bar": limit.most, "at_most": 1}
        verdict = "at most" if value <= limit.most else MISSED[1]
        return f"{value:.4g} {limit.unit}", f"{limit.most:.4g} {limit.unit}", verdict

    def missing(self, name: str) -> None:
        """Forget what an earlier run noted for a figure that this one could not take."""
        self.figures.pop(name, None)


def millions(speed: float) -> str:
    """Records per second as a cell."""
    return f"{speed / 1e6:.3f} M" if speed < 1e6 else f"{speed / 1e6:.2f} M"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
