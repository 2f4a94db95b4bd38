"""The gateway as one ASGI application: guards in front, ingestion beside the web framework, problems
for every error.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datanexus.engine.served_pipeline import Services
from datanexus.gateway.answers import abort, send_problem
from datanexus.gateway.ingest_endpoint import PREFIX, IngestEndpoint
from datanexus.gateway.live import STALLED_S
from datanexus.gateway.metrics import Metrics
from datanexus.gateway.openapi import described
from datanexus.gateway.page_files import PageFiles
from datanexus.gateway.problem import PROBLEM_MEDIA_TYPE, Problem, of_status, problem_of, unforeseen
from datanexus.gateway.routes import Surroundings, api_routes
from datanexus.gateway.server import Listener
from datanexus_spec.errors import DataNexusError

BODY_BYTES_MAX = 4 << 20  # of requests other than ingestion
UNREAD_S = 60.0  # for a client to read a part of its answer; then the connection ends
_log = logging.getLogger(__name__)
_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_GUARDS = (
    (b"content-security-policy", _CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


class Gateway:
    """Everything that answers HTTP. `close` before the server stops, so that streams end."""

    def __init__(
        self, framework: ASGIApp, ingest: IngestEndpoint, closing: asyncio.Event, hosts: frozenset[str]
    ) -> None:
        self._framework = framework
        self._ingest = ingest
        self._closing = closing
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        guarded = _Answer(send)
        try:
            self._check_origin(scope)
            if scope["path"].startswith(PREFIX):
                await self._ingest(scope, receive, guarded)
            else:
                await self._framework(scope, _bounded(receive), guarded)
        except Problem as problem:
            if not guarded.is_started:
                await send_problem(scope, guarded, problem)
        except TimeoutError:
            abort(scope)
        except Exception:  # noqa: BLE001 - logged, and the client is told
            _log.exception("%s %s", scope["method"], scope["path"])
            if not guarded.is_started:
                await send_problem(scope, guarded, unforeseen())
            elif not guarded.is_complete:
                abort(scope)

    def close(self) -> None:
        """End live streams."""
        self._closing.set()

    def _check_origin(self, scope: Scope) -> None:
        """A page of a stranger, in a browser on this machine, can send requests here; a name of its own that leads to
        127.0.0.1 would let it read the answers. Neither is answered."""
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if self._hosts and _host_name(host) not in self._hosts:
            raise Problem(
                421,
                "UnexpectedHost",
                f"the header Host says `{host}`; this server is asked as {' or '.join(sorted(self._hosts))}",
                "use that name; --listen makes the server known to others",
            )
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and scope["method"] not in ("GET", "HEAD") and urlsplit(origin).netloc != host:
            raise Problem(
                403,
                "ForeignOrigin",
                f"the request comes from a page of `{origin}`, which is not this server's",
                "send it from a program, or from the page of this server",
            )


def create_app(services: Services, listener: Listener, data: Path) -> Gateway:
    """The gateway of these services. On a loopback address it answers to the names of this machine only."""
    closing = asyncio.Event()
    metrics = Metrics(services)
    framework = FastAPI(
        title="DataNexus", version=version("datanexus"), docs_url=None, redoc_url=None, openapi_url=None
    )
    framework.include_router(api_routes(Surroundings(services, listener.address, str(data), metrics, closing)))
    _add_page(framework)
    _add_description(framework)
    _add_problems(framework)
    hosts = frozenset((*_LOCAL_NAMES, listener.host)) if listener.is_loopback else frozenset()
    return Gateway(framework, IngestEndpoint(services, metrics.ingest), closing, hosts)


def _add_page(framework: FastAPI) -> None:
    files = PageFiles()
    framework.add_route("/", files.index, include_in_schema=False)
    framework.add_route("/page/{name:path}", files.file, include_in_schema=False)


def _add_description(framework: FastAPI) -> None:
    async def openapi(_: Request) -> Response:
        return Response(described(framework), media_type="application/json")

    framework.add_route("/openapi.json", openapi, include_in_schema=False)


def _add_problems(framework: FastAPI) -> None:
    """Whatever a route or the framework raises leaves as a problem."""

    def handler(problem_for: Callable[[Exception], Problem]) -> Callable[[Request, Exception], Awaitable[Response]]:
        async def handle(request: Request, error: Exception) -> Response:
            problem = problem_for(error)
            return Response(
                problem.encoded(request.url.path),
                status_code=problem.status,
                media_type=PROBLEM_MEDIA_TYPE,
                headers=dict(problem.headers),
            )

        return handle

    framework.add_exception_handler(Problem, handler(_as_it_is))
    framework.add_exception_handler(DataNexusError, handler(_of_engine))
    framework.add_exception_handler(RequestValidationError, handler(_of_validation))
    framework.add_exception_handler(HTTPException, handler(_of_framework))
    framework.add_exception_handler(Exception, handler(lambda _: unforeseen()))


def _as_it_is(error: Exception) -> Problem:
    assert isinstance(error, Problem), "registered for problems"
    return error


def _of_engine(error: Exception) -> Problem:
    assert isinstance(error, DataNexusError), "registered for the engine's errors"
    return problem_of(error)


def _of_framework(error: Exception) -> Problem:
    assert isinstance(error, HTTPException), "registered for the framework's refusals"
    if isinstance(error.__cause__, Problem):  # of reading the body, which the framework takes for a bad one
        return error.__cause__
    headers = tuple((name.title(), value) for name, value in (error.headers or {}).items())
    return of_status(error.status_code, str(error.detail), headers)


def _of_validation(error: Exception) -> Problem:
    assert isinstance(error, RequestValidationError), "registered for invalid requests"
    found = [{"at": ".".join(str(part) for part in one["loc"]), "message": one["msg"]} for one in error.errors()]
    first = found[0] if found else {"at": "", "message": "it cannot be read"}
    return Problem(
        422,
        "InvalidRequest",
        f"{first['at']}: {first['message']}",
        "GET /openapi.json describes the request; `problems` lists all that is wrong",
        members={"problems": found},
    )


def _bounded(receive: Receive) -> Receive:
    """`receive` for requests with small bodies: within BODY_BYTES_MAX, and within STALLED_S for each part of one."""
    size = 0
    is_complete = False

    async def bounded() -> Message:
        nonlocal size, is_complete
        if is_complete:
            return await receive()
        try:
            async with asyncio.timeout(STALLED_S):
                message = await receive()
        except TimeoutError as error:
            raise Problem(408, "BodyTooSlow", f"no further part of the body came within {STALLED_S:g} s") from error
        size += len(message.get("body", b""))
        is_complete = not message.get("more_body", False)
        if size > BODY_BYTES_MAX:
            raise Problem(413, "BodyTooLarge", f"the body is larger than {BODY_BYTES_MAX:,} bytes", is_closing=True)
        return message

    return bounded


class _Answer:
    """`send` that adds the guards' headers, knows how far an answer is, and waits only so long for room to write it.

    Raises: TimeoutError.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.is_started = False
        self.is_complete = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.is_started = True
            message["headers"] = [*message.get("headers", ()), *_GUARDS]
            await self._send(message)
            return
        self.is_complete = not message.get("more_body", False)
        async with asyncio.timeout(UNREAD_S):
            await self._send(message)


def _host_name(host: str) -> str:
    """The name in a Host header, without port and brackets, lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
