"""From an entry of a pipeline to its adapter."""

from pathlib import Path

from datanexus.adapters.connectors.file_sink import FileSink
from datanexus.adapters.connectors.files import open_files
from datanexus.adapters.connectors.followed_files import open_followed
from datanexus.adapters.connectors.generator import open_generator
from datanexus.adapters.connectors.http_source import open_http
from datanexus.adapters.connectors.stdin import open_stdin
from datanexus.plan.physical import SinkPlan
from datanexus.ports.log import Log
from datanexus.ports.sink import Sink
from datanexus.ports.source import Source
from datanexus_spec.pipeline import PipelineSource


def open_source(source: PipelineSource, base: Path, log: Log, *, follow: bool = False) -> Source:
    """The adapter of one of `sources`. `base`: what relative paths count from. `follow`: input goes on, and files
    enter the log as they are read; otherwise they are read in place to their end.
    """
    if source.files is not None:
        files = open_files(source.name, source.files.path, source.files.format, base)
        return open_followed(files, source.files.format, log, follows=follow)
    if source.stdin is not None:
        return open_stdin(source.name, source.stdin.format, log)
    if source.http is not None:
        return open_http(source.name, source.http, log)
    if source.generator is not None:
        return open_generator(source.name, source.generator, log)
    raise AssertionError(f"source {source.name}: validation lets no other kind through")


def open_sink(sink: SinkPlan, base: Path) -> Sink:
    """The adapter of one of `sinks`. `base`: what a relative path counts from."""
    return FileSink(base / sink.path, sink)
