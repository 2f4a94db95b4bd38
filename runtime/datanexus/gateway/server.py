"""The HTTP server inside the caller's event loop: uvicorn without its signals, its log and its own idea of an end."""

import asyncio
import contextlib
import ipaddress
import logging
import resource
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import Server

from datanexus.gateway.http_protocol import BoundedProtocol
from datanexus_spec.errors import InvalidInput, Unavailable

_BACKLOG = 2048
_KEEP_ALIVE_S = 75
_GRACE_S = 1  # at a stop, for answers under way
_DESCRIPTORS = 8192  # one for each connection


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that listens already; whoever connects before `serve` waits."""

    socket: socket.socket
    host: str
    port: int

    @property
    def address(self) -> str:
        """HOST:PORT, as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return ipaddress.ip_address(self.host).is_loopback


def listen(host: str, port: int) -> Listener:
    """Take an address. Port 0 takes a free one; `localhost` is 127.0.0.1.

    Raises: InvalidInput for a host that is no address of this machine, Unavailable when the port is taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except socket.gaierror as error:
        raise InvalidInput(
            f"--listen {host}:{port}: the host is not known: {error.strerror}",
            reason="BadListenAddress",
            hint="use 127.0.0.1 for this machine alone, 0.0.0.0 for all networks",
        ) from error
    except OSError as error:
        raise Unavailable(
            f"--listen {host}:{port}: cannot listen there: {error.strerror}",
            reason="CannotListen",
            hint="another process may use the port; choose another one, or 0 for a free one",
        ) from error
    listening.setblocking(False)
    # Accepted sockets inherit it. Because: asyncio sets it only where the socket names its protocol, which this one
    # does not, and an answer in two parts waits 40 ms for the client's delayed acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bound = listening.getsockname()
    return Listener(listening, str(bound[0]), int(bound[1]))


class Application(Protocol):
    """An ASGI application with an end."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...

    def close(self) -> None:
        """End what goes on for ever."""
        ...


async def serve(app: Application, listener: Listener, stop: asyncio.Event) -> None:
    """Answer requests until `stop`; then take no more and return within about a second. Closes the listener."""
    _raise_descriptor_limit()
    # Because: of broken requests the client is told, own errors are logged by the application, a stop is no error.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    config = Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
        server_header=False,
        proxy_headers=False,
    )
    server = _QuietServer(config)
    serving = asyncio.create_task(server.serve(sockets=[listener.socket]))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        app.close()
        server.should_exit = True
        await serving


class _QuietServer(Server):
    """Signals are the caller's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
