"""`datanexus up`: pipelines served until told to stop, their files watched, with the HTTP API in the same event loop.

The end: the gateway takes no more requests; then each pipeline commits its open cut and leaves a snapshot.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from datanexus.adapters.embedded.log import log_of
from datanexus.adapters.embedded.log_file import LogFile, open_log_file
from datanexus.engine.reader import CutSchedule
from datanexus.engine.served_pipeline import PipelineService, Services, ServiceSettings
from datanexus.gateway.app import create_app
from datanexus.gateway.server import Listener, listen, serve
from datanexus.pipeline_files import PlannedPipeline, read_pipelines
from datanexus.wiring import Adapters, opened_adapters
from datanexus_spec.errors import DataNexusError

WATCH_S = 0.5  # between looks at the pipeline files
LOG_BYTES_MAX = 8 << 30  # of one pipeline; beyond it nothing is taken in until a snapshot lets entries go


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """How `datanexus up` behaves. `fresh`: forget what the data folder has of these pipelines and start over.
    `log_bytes_max`: bound of the log of each."""

    data: Path
    host: str
    port: int
    fresh: bool = False
    schedule: CutSchedule = field(default_factory=CutSchedule)
    snapshot_every_cuts: int | None = None
    failpoint: str = ""
    log_bytes_max: int = LOG_BYTES_MAX


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told what happens. `listening`: once the address is taken; `tell`: a sentence; `fault`: an error in a
    changed file, after which all goes on as before."""

    listening: Callable[[Listener], None]
    tell: Callable[[str], None]
    fault: Callable[[DataNexusError], None]


async def serve_pipelines(
    files: Sequence[Path],
    environment: Mapping[str, str],
    settings: ServeSettings,
    audience: Audience,
    stop: asyncio.Event,
) -> None:
    """Serve the pipelines of these files until `stop`. Raises: as read_pipelines, and what keeps it from starting."""
    watched = [_Watched(file) for file in files]
    pipelines = read_pipelines(files, environment)
    async with (
        opened_adapters(settings.data, settings.failpoint) as adapters,
        _opened_log(adapters.folder.log_path, settings.log_bytes_max) as log_file,
    ):
        listener = listen(settings.host, settings.port)
        adapters.folder.announce(listener.address)
        crew = _Crew(Services(adapters.store), adapters, log_file, settings, audience)
        for pipeline in pipelines:
            crew.start(pipeline)
        audience.listening(listener)
        watching = asyncio.create_task(_watch(watched, files, environment, crew))
        try:
            await serve(create_app(crew.services, listener, settings.data), listener, stop)
        finally:
            watching.cancel()
            await crew.stop()


@asynccontextmanager
async def _opened_log(path: Path, bytes_max: int) -> AsyncIterator[LogFile]:
    """One file, and one sync with the disk for all pipelines that append at a time."""
    log_file = open_log_file(path, bytes_max)
    try:
        yield log_file
    finally:
        await log_file.close()


class _Crew:
    """The running services, and their end."""

    def __init__(
        self,
        services: Services,
        adapters: Adapters,
        log_file: LogFile,
        settings: ServeSettings,
        audience: Audience,
    ) -> None:
        self.services = services
        self.audience = audience
        self._adapters = adapters
        self._settings = settings
        self._log_file = log_file
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, pipeline: PlannedPipeline) -> None:
        """Serve one pipeline from now on."""
        log = log_of(self._log_file, pipeline.plan.pipeline)
        service = PipelineService(
            pipeline.resource,
            pipeline.plan,
            self._adapters.storage(pipeline, log, follow=True),
            ServiceSettings(self._settings.fresh, self._settings.schedule, self._settings.snapshot_every_cuts),
            self.audience.tell,
        )
        service.file = str(pipeline.file)
        self.services.pipelines[service.name] = service
        self._tasks.append(asyncio.create_task(service.run(self._stop)))

    async def take(self, pipelines: Sequence[PlannedPipeline]) -> None:
        """The files say this now: switch what changed, start what is new."""
        for pipeline in pipelines:
            service = self.services.pipelines.get(pipeline.plan.pipeline)
            if service is None:
                self.audience.tell(f"{pipeline.plan.pipeline}: new in {pipeline.file}, it starts")
                self.start(pipeline)
            else:
                await service.change(pipeline.resource)
        gone = self.services.pipelines.keys() - {pipeline.plan.pipeline for pipeline in pipelines}
        for name in sorted(gone):
            self.audience.tell(f"{name}: no longer in the files; it is served until the next start")

    async def stop(self) -> None:
        """Let every service end in order."""
        self._stop.set()
        await asyncio.gather(*self._tasks)


class _Watched:
    """One file on the command line, by what a change of it shows in."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen = self._stamp()

    def has_changed(self) -> bool:
        """Whether the file is another than at the last call."""
        before, self._seen = self._seen, self._stamp()
        return before != self._seen

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns


async def _watch(
    watched: Sequence[_Watched], files: Sequence[Path], environment: Mapping[str, str], crew: _Crew
) -> None:
    """Take over changed files; an error in them is told and changes nothing."""
    while True:
        await asyncio.sleep(WATCH_S)
        changed = [file for file in watched if file.has_changed()]
        if not changed:
            continue
        try:
            await crew.take(read_pipelines(files, environment))
        except DataNexusError as error:
            crew.audience.fault(error)
