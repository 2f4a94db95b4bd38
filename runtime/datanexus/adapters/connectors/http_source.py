"""An http source: what producers send is in the log before they are answered; here it is read from there.

All of a source is one split, `<source>/http`, in the order in which the log took it. A request is one entry; a record's
position is that of its first byte, or of Arrow its ordinal in the entry behind the entry's position.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from datanexus.adapters.connectors.logged_split import LoggedSplit, logged_split, trim_read, unread_splits
from datanexus.ports.log import Log
from datanexus.ports.source import Split, SplitName, SplitState
from datanexus_spec.format import Format
from datanexus_spec.pipeline import HttpSource


@dataclass(slots=True)
class HttpInput:
    """The one split of an http source."""

    name: str
    format: Format
    log: Log
    _split: LoggedSplit | None = field(default=None)

    async def open(self, states: Mapping[SplitName, SplitState]) -> Sequence[Split]:
        name = f"{self.name}/http"
        known = {name: states[name]} if name in states else {}
        unread = await unread_splits(self.log, self.name, known)
        end = self.log.split_end(self.name, name)
        first = unread.get(name, end.offset if end else 0)
        self._split = logged_split(self.log, self.name, name, self.format, known.get(name), first)
        return (self._split,)

    async def refresh(self) -> Sequence[Split]:
        return ()

    def watch(self, arrived: Callable[[], None]) -> None:
        if self._split is not None:
            self._split.goes_on = True
        self.log.watch(self.name, arrived)

    async def release(self, states: Mapping[SplitName, SplitState]) -> None:
        await trim_read(self.log, self.name, states)

    def notices(self) -> Sequence[str]:
        return ()


def open_http(name: str, given: HttpSource, log: Log) -> HttpInput:
    """The http source of one entry of a pipeline's `sources`."""
    return HttpInput(name, given.format, log)
