"""POST /v1/ingest/{pipeline}/{source}: from bytes on the wire to an entry of the log, without the web framework.

The answer is sent after the log has the body on disk. A request whose connection ends before its body did logs nothing.
"""

from concurrent.futures import ThreadPoolExecutor

import msgspec
from starlette.types import Receive, Scope, Send

from datanexus.engine.ingest import Content, IngestAnswer, Ingestion
from datanexus.engine.served_pipeline import PipelineService, Services
from datanexus.gateway.answers import send_bytes, send_problem, send_problem_amid
from datanexus.gateway.body import Body, Budget, ClientGone
from datanexus.gateway.metrics import IngestMetrics
from datanexus.gateway.problem import RETRY_AFTER_S, Problem, problem_of
from datanexus_spec.errors import DataNexusError

PREFIX = "/v1/ingest/"
BUDGET_BYTES = 64 << 20  # of all bodies together; at least two of the largest that any source takes
KEY_CHARACTERS_MAX = 255
_CONTENTS = {
    "application/x-ndjson": Content.NDJSON,
    "application/ndjson": Content.NDJSON,
    "application/jsonl": Content.NDJSON,
    "application/json": Content.JSON,
    "text/csv": Content.CSV,
    "application/vnd.apache.arrow.stream": Content.ARROW,
}
_CHARSETS = ("", "utf-8", "utf8", "us-ascii")
_JSON = "application/json"


class IngestEndpoint:
    """The raw ASGI application of ingestion."""

    def __init__(self, services: Services, metrics: IngestMetrics) -> None:
        self._services = services
        self._metrics = metrics
        self._budget = Budget(BUDGET_BYTES)
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="judge")
        self._ingestions: dict[tuple[str, str], tuple[str, Ingestion]] = {}
        self._started: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = _Headers(scope)
        body = Body(self._budget, 1, headers.content_length, headers.coding, headers.is_empty)
        target: tuple[str, str] | None = None
        refusal: Problem
        try:
            ingestion = self._find(scope)
            target = (ingestion.pipeline, ingestion.source)
            answer = await self._answer(ingestion, headers, body, receive)
            self._metrics.answered(target, answer, body.bytes_held)
            await send_bytes(send, 200, _JSON, msgspec.json.encode(answer))
        except ClientGone:
            self._metrics.refused(target, "gone")
            return
        except Problem as problem:
            # Without its traceback, whose frames hold what was read of the body.
            refusal = problem.with_traceback(None)
        except DataNexusError as error:
            refusal = problem_of(error.with_traceback(None))
        else:
            return
        finally:
            body.release()
        self._metrics.refused(target, str(refusal.status))
        if body.is_complete:
            await send_problem(scope, send, refusal)
        else:
            await send_problem_amid(scope, receive, send, refusal, body)

    async def _answer(self, ingestion: Ingestion, headers: "_Headers", body: Body, receive: Receive) -> IngestAnswer:
        """Raises: Problem, ClientGone, DataNexusError."""
        body.bytes_max = ingestion.bytes_max
        self._budget.bytes_max = max(self._budget.bytes_max, 2 * ingestion.bytes_max)
        content, key = headers.content(), headers.repeat_key()
        return await ingestion.accept(await body.read(receive), content, key)

    def _find(self, scope: Scope) -> Ingestion:
        """Raises: Problem."""
        if scope["method"] != "POST":
            raise Problem(
                405,
                "MethodNotAllowed",
                f"found the method {scope['method']}, expected POST",
                "records are sent by POST",
                headers=(("Allow", "POST"),),
            )
        pipeline, _, source = scope["path"].removeprefix(PREFIX).partition("/")
        service = self._services.pipelines.get(pipeline)
        if service is None:
            names = ", ".join(sorted(self._services.pipelines)) or "none"
            raise Problem(
                404, "NoSuchPipeline", f"found no pipeline `{pipeline}`; there is {names}",
                f"the address is {PREFIX}PIPELINE/SOURCE",
            )  # fmt: skip
        self._check_started(service)
        plan = service.plan
        known = self._ingestions.get((pipeline, source))
        if known is not None and known[0] == plan.revision:
            return known[1]
        found = next((one for one in plan.sources if one.name == source and one.http is not None), None)
        if found is None:
            names = ", ".join(one.name for one in plan.sources if one.http is not None) or "none"
            raise Problem(
                404, "NoSuchSource", f"pipeline `{pipeline}` has no http source `{source}`; it has {names}",
                "a source that takes records by HTTP has `http: {}` in the pipeline's file",
            )  # fmt: skip
        ingestion = Ingestion(pipeline, found, plan.record, service.storage.log, self._threads)
        self._ingestions[pipeline, source] = (plan.revision, ingestion)
        return ingestion

    def _check_started(self, service: PipelineService) -> None:
        """Before its first start a pipeline may still be told to forget its log; after it the log takes everything."""
        if service.name in self._started:
            return
        if not service.running.is_set():
            raise Problem(
                503,
                "PipelineStarting",
                f"pipeline `{service.name}` has not started yet",
                "send it again after the time in Retry-After; GET /readyz says how far it is",
                headers=(("Retry-After", str(RETRY_AFTER_S)),),
            )
        self._started.add(service.name)


class _Headers:
    """What a request says of its body."""

    def __init__(self, scope: Scope) -> None:
        self._values: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            self._values.setdefault(name, []).append(value.decode("latin-1").strip())

    @property
    def content_length(self) -> int | None:
        text = self._one(b"content-length")
        return int(text) if text.isdecimal() else None

    @property
    def is_empty(self) -> bool:
        """Whether no body follows."""
        return self.content_length in (None, 0) and b"transfer-encoding" not in self._values

    @property
    def coding(self) -> str:
        return ", ".join(self._values.get(b"content-encoding", [])).lower()

    def content(self) -> Content:
        """Raises: Problem."""
        text = self._one(b"content-type")
        media_type, _, parameters = text.partition(";")
        content = _CONTENTS.get(media_type.strip().lower())
        if content is None:
            found = f"found the content type `{text}`" if text else "found no content type"
            raise Problem(
                415,
                "UnsupportedContentType",
                f"{found}, expected application/x-ndjson, application/json, text/csv or "
                "application/vnd.apache.arrow.stream",
                "say in Content-Type how the records are written",
                headers=(("Accept-Post", ", ".join(_CONTENTS)),),
                is_closing=True,
            )
        charset = _parameter(parameters, "charset")
        if charset not in _CHARSETS:
            raise Problem(
                415,
                "UnsupportedCharset",
                f"found the charset `{charset}`, expected utf-8",
                "send UTF-8",
                is_closing=True,
            )
        return content

    def repeat_key(self) -> str | None:
        """The Idempotency-Key; in quotes, as the header's draft has it, or bare. Raises: Problem."""
        values = self._values.get(b"idempotency-key")
        if values is None:
            return None
        key = values[0]
        if len(key) > 1 and key[0] == key[-1] == '"':
            key = key[1:-1]
        if len(values) > 1 or not 0 < len(key) <= KEY_CHARACTERS_MAX or not (key.isascii() and key.isprintable()):
            raise Problem(
                400,
                "BadIdempotencyKey",
                f"found {len(values)} keys, the first of {len(key)} characters; "
                f"expected one of 1 to {KEY_CHARACTERS_MAX} printable ASCII characters",
                "a random UUID for each body will do",
                is_closing=True,
            )
        return key

    def _one(self, name: bytes) -> str:
        return self._values.get(name, [""])[-1]


def _parameter(parameters: str, wanted: str) -> str:
    for part in parameters.split(";"):
        name, _, value = part.partition("=")
        if name.strip().lower() == wanted:
            return value.strip().strip('"').lower()
    return ""
