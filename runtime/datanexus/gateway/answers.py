"""How answers leave the server without the web framework: JSON and problems, over plain ASGI."""

from collections.abc import Callable, Iterable

from starlette.types import Receive, Scope, Send

from datanexus.gateway.body import Body
from datanexus.gateway.problem import PROBLEM_MEDIA_TYPE, Problem

Header = tuple[bytes, bytes]
ABORT = "datanexus.abort"  # extension of the server: a function that ends the connection at once


def abort(scope: Scope) -> None:
    """End the connection and forget what was not sent, as a close would wait for the client to read it."""
    end: Callable[[], None] | None = scope.get("extensions", {}).get(ABORT)
    if end is not None:
        end()


async def send_bytes(send: Send, status: int, media_type: str, body: bytes, headers: Iterable[Header] = ()) -> None:
    """A whole answer."""
    await _send_start(send, status, media_type, len(body), headers)
    await send({"type": "http.response.body", "body": body})


async def send_problem(scope: Scope, send: Send, problem: Problem) -> None:
    """A refusal, when all of the request was read or none of it comes."""
    body = problem.encoded(scope["path"])
    await send_bytes(send, problem.status, PROBLEM_MEDIA_TYPE, body, _headers_of(problem))


async def send_problem_amid(scope: Scope, receive: Receive, send: Send, problem: Problem, body: Body) -> None:
    """A refusal while the client still sends: the rest is read and thrown away before the connection closes, as a
    close with unread bytes would take the answer back."""
    content = problem.encoded(scope["path"])
    headers = [*_headers_of(problem), (b"connection", b"close")]
    await _send_start(send, problem.status, PROBLEM_MEDIA_TYPE, len(content), headers)
    await send({"type": "http.response.body", "body": content, "more_body": True})
    await body.discard(receive)
    await send({"type": "http.response.body", "body": b""})


async def _send_start(send: Send, status: int, media_type: str, size: int, headers: Iterable[Header]) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", media_type.encode()),
                (b"content-length", str(size).encode()),
                *headers,
            ],
        }
    )


def _headers_of(problem: Problem) -> list[Header]:
    return [(name.lower().encode(), value.encode()) for name, value in problem.headers]
