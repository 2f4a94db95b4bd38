"""Progress of a run on standard error: a changing line on a terminal, JSON lines with --json, else nothing."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from datanexus.cli.message import Messages
from datanexus.cli.pace import Pace, Reading
from datanexus.engine.running import Progress

INTERVAL_S = {"terminal": 0.2, "json": 1.0}


class ProgressDisplay:
    """Shows what the engine reports. A context manager, so that the line is gone when the results come."""

    def __init__(self, messages: Messages, console: Console) -> None:
        self._messages = messages
        self._console = console
        self._live: Live | None = None
        self._paces: dict[str, Pace] = {}
        self._shown_s = 0.0
        if self._console.is_terminal and not messages.json_lines:
            self._live = Live(console=self._console, transient=True, auto_refresh=False)
        self._interval_s = INTERVAL_S["terminal" if self._live else "json"]

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def observe(self, progress: Progress) -> None:
        """Show a report, unless the last one was just now."""
        now_s = time.monotonic()
        if now_s - self._shown_s < self._interval_s:
            return
        self._shown_s = now_s
        pace = self._paces.setdefault(progress.pipeline, Pace())
        reading = pace.observe(progress, now_s, time.time_ns() // 1000)
        self._show(reading)

    def _show(self, reading: Reading) -> None:
        if self._live:
            self._live.update(Text(reading.text(), no_wrap=True, overflow="ellipsis"), refresh=True)
        else:
            self._messages.event(reading.fields())
