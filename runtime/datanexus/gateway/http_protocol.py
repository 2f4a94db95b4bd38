"""uvicorn's HTTP/1.1 connection with the bounds it lacks: on the size of a request's head, on the time for it, and with
problems instead of plain text for what is no HTTP.
"""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from datanexus.gateway.answers import ABORT
from datanexus.gateway.problem import PROBLEM_MEDIA_TYPE, Problem

HEAD_BYTES_MAX = 32 << 10
HEAD_S = 10.0  # from the connection, or the head's first byte, to the head's end


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self._refuse(
                Problem(
                    431,
                    "HeadTooLarge",
                    f"the request's head is longer than {HEAD_BYTES_MAX:,} bytes",
                    "send shorter headers",
                )
            )

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client that has sent all of its request and closed its half still gets its answer."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body or cycle.scope["method"] != "POST":
            return False
        cycle.keep_alive = False
        return True

    def on_body(self, body: bytes) -> None:
        """The next bytes of a body. What comes first is kept as it is: most bodies come whole, and copying them and
        pausing the connection costs more than reading them."""
        cycle = self.cycle
        if cycle.body or cycle.response_complete or self._should_upgrade():
            super().on_body(body)
            return
        cycle.body = body  # type: ignore[assignment] # bytes do for what uvicorn does with it
        cycle.message_event.set()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: self.transport.abort}  # type: ignore[dict-item]
        self._in_head = True
        if self._head_timer is None:
            self._start_head_timer()

    def on_headers_complete(self) -> None:
        self._stop_head_timer()
        self._in_head = False
        self._head_bytes = 0
        try:
            super().on_headers_complete()
        except (httptools.HttpParserInvalidURLError, UnicodeDecodeError) as error:
            raise httptools.HttpParserError("the request's address cannot be read") from error

    def send_400_response(self, msg: str) -> None:
        self._refuse(Problem(400, "NotHttp", msg, "send HTTP/1.1; a body needs Content-Length or chunked encoding"))

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_S, self._head_too_late)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_too_late(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self._refuse(
                Problem(
                    408,
                    "HeadTooSlow",
                    f"the request's head was not complete within {HEAD_S:g} s",
                    "send it again as a whole",
                )
            )

    def _refuse(self, problem: Problem) -> None:
        """Answer without the application and close."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.close()  # another answer of this connection is under way
            return
        body = problem.encoded("")
        head = [
            STATUS_LINE[problem.status],
            f"content-type: {PROBLEM_MEDIA_TYPE}\r\n".encode(),
            f"content-length: {len(body)}\r\n".encode(),
            b"connection: close\r\n\r\n",
        ]
        self.transport.write(b"".join([*head, body]))
        self.transport.close()
