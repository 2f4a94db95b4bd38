"""/metrics in Prometheus' text format. Names and labels are documented in docs/reference/http.md and stay.

What a pipeline counts is read when it is asked for; what only the gateway sees is counted here.
"""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, disable_created_metrics, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from datanexus.core.emission import NO_WATERMARK
from datanexus.engine.ingest import IngestAnswer
from datanexus.engine.served_pipeline import Services
from datanexus.engine.status import CUT_BOUNDS_S, CutTimes
from datanexus.gateway.instants import now_us

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_UNKNOWN = ("", "")  # a pipeline or source that is not there: strangers' words make no labels
_LABELS = ("pipeline", "source")


class IngestMetrics:
    """Counts requests of the ingest endpoint."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "datanexus_ingest_requests", "Ingest requests by status; `gone`: the connection ended amid the body.",
            (*_LABELS, "status"), registry=registry,
        )  # fmt: skip
        self._records = Counter(
            "datanexus_ingest_records", "Records of answered ingest requests by verdict; repeats are not counted.",
            (*_LABELS, "verdict"), registry=registry,
        )  # fmt: skip
        self._bytes = Counter(
            "datanexus_ingest_bytes", "Bytes of answered ingest requests, decompressed.", _LABELS, registry=registry
        )

    def answered(self, target: tuple[str, str], answer: IngestAnswer, size: int) -> None:
        """A request was answered with 200."""
        self._requests.labels(*target, "200").inc()
        self._bytes.labels(*target).inc(size)
        if not answer.repeated:
            self._records.labels(*target, "accepted").inc(answer.accepted)
            self._records.labels(*target, "rejected").inc(answer.rejected)

    def refused(self, target: tuple[str, str] | None, status: str) -> None:
        """A request was not taken."""
        self._requests.labels(*(target or _UNKNOWN), status).inc()


class Metrics:
    """All metrics of the process."""

    def __init__(self, services: Services) -> None:
        # Because: nobody asks for the age of each counter, a series of its own
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self.ingest = IngestMetrics(self._registry)
        self._registry.register(_PipelineCollector(services))

    def text(self) -> bytes:
        """All of them, now."""
        return generate_latest(self._registry)


class _PipelineCollector(Collector):
    """What the services report, as families of all pipelines."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        records = CounterMetricFamily("datanexus_records", "Records by outcome.", labels=["pipeline", "outcome"])
        viewed = CounterMetricFamily(
            "datanexus_view_records", "Records of a view by outcome.", labels=["pipeline", "view", "outcome"]
        )
        lag = _gauge("datanexus_watermark_lag_seconds", "How far the watermark is behind the clock.")
        running = _gauge("datanexus_pipeline_running", "1 while the pipeline runs, else 0.")
        cuts = CounterMetricFamily("datanexus_cuts", "Cuts committed.", labels=["pipeline"])
        state = _gauge("datanexus_state_bytes", "Memory of windows and of what de-duplication remembers.")
        logged = _gauge("datanexus_log_bytes", "Bytes of the log that were not trimmed.")
        cut_times = HistogramMetricFamily("datanexus_cut_seconds", "What cuts cost.", labels=["pipeline"])
        behind = _gauge("datanexus_snapshot_cuts_behind", "Cuts since the last snapshot.")
        for name, service in sorted(self._services.pipelines.items()):
            report = service.report()
            for key, count in report.counters.items():
                _add_counter(records, viewed, name, key, count)
            if report.watermark_us != NO_WATERMARK:
                lag.add_metric([name], (now_us() - report.watermark_us) / 1e6)
            running.add_metric([name], float(report.phase == "running"))
            cuts.add_metric([name], report.seq)
            state.add_metric([name], report.state_bytes)
            logged.add_metric([name], service.storage.log.nbytes)
            behind.add_metric([name], report.seq - report.snapshot_seq)
            cut_times.add_metric([name], _buckets(service.cut_times), service.cut_times.seconds)
        yield from (records, viewed, lag, running, cuts, cut_times, state, logged, behind)


def _add_counter(
    records: CounterMetricFamily, viewed: CounterMetricFamily, pipeline: str, key: str, count: int
) -> None:
    if not key.startswith("view."):
        records.add_metric([pipeline, key], count)
        return
    view, _, outcome = key.removeprefix("view.").rpartition(".")
    viewed.add_metric([pipeline, view, outcome], count)


def _buckets(times: CutTimes) -> list[tuple[str, float]]:
    bounds = [*map(str, CUT_BOUNDS_S), "+Inf"]
    return list(zip(bounds, accumulate(times.counts), strict=True))


def _gauge(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=["pipeline"])
