"""What is asked of a file that is read in place, but not to its end."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file: from `position` to `until`, or to its end. `header`, `was_damaged`: as of the position."""

    position: int
    until: int | None
    header: tuple[str, ...] = ()
    was_damaged: bool = False
