"""The command `up`: pipelines served until Ctrl-C or SIGTERM. Says where it listens and what happens; results are asked
for over HTTP, by `query` and on the page."""

import asyncio
import os
import signal
import sys
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from datanexus.cli.message import Messages, reporting
from datanexus.gateway.server import Listener
from datanexus.serving import Audience, ServeSettings, serve_pipelines
from datanexus.wiring import FAILPOINT_VARIABLE
from datanexus_spec.errors import InvalidInput


def up(files: Sequence[Path], data: Path, listen: str, *, fresh: bool, browse: bool, json_lines: bool) -> int:
    """Serve pipelines; returns the exit code."""
    with reporting(json_lines=json_lines) as messages:
        host, port = _host_and_port(listen)
        settings = ServeSettings(data, host, port, fresh=fresh, failpoint=os.environ.get(FAILPOINT_VARIABLE, ""))
        asyncio.run(_up(files, settings, messages, browse=browse))
    return messages.exit_code


async def _up(files: Sequence[Path], settings: ServeSettings, messages: Messages, *, browse: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def listening(listener: Listener) -> None:
        messages.note(f"page and API: http://{listener.address}/", address=listener.address)
        if listener.is_loopback:
            messages.note("only this machine can connect; --listen HOST:PORT opens it to others")
        else:
            messages.note("others can connect, and there is no authentication yet: keep it inside a trusted network")
        if browse and _has_display():
            threading.Thread(target=webbrowser.open, args=(f"http://{listener.address}/",), daemon=True).start()

    await serve_pipelines(files, os.environ, settings, Audience(listening, messages.note, messages.error), stop)
    messages.note("stopped; the next start goes on from here")


def _has_display() -> bool:
    """Whether a browser would get a window of its own; a text browser would take the terminal."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _host_and_port(listen: str) -> tuple[str, int]:
    """HOST:PORT, :PORT or PORT. Raises: InvalidInput."""
    host, _, port = listen.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise InvalidInput(
            f"--listen {listen}: found no port at its end",
            reason="BadListenAddress",
            hint="write HOST:PORT as in 127.0.0.1:7700, or 0.0.0.0:7700 to let others connect",
        )
    return host.strip("[]") or "127.0.0.1", int(port)
