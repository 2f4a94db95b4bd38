"""A page of documentation as something to do: its files are written, its commands run, its outputs compared.

In a page, `<!-- file: NAME -->` before a code block makes the block a file. A `console` block holds commands behind
`$ ` with their output; all of a page run in one folder. A `console server` block starts a command that goes on; without
a command it shows what the server said next. UPDATE_GOLDEN=1 writes the outputs seen into the page.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

DEADLINE_S = 90.0
DEFAULT_PORT = "7700"
_SETTLED_S = 4.0  # while updating: after that a server has said all it had to
_BLOCK = re.compile(
    r"^(?P<file><!-- file: (?P<name>\S+) -->\n+)?```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
_ASKING = re.compile(
    r"datanexus (query|status|quarantine (list|show)|plan|explain|validate)\b|curl -s (?:-w '\\n' )?\S+(?: \| .*)?$"
)
_VARYING = (  # what differs from run to run
    (re.compile(r"in [\d.]+ (?:s|m) \([\d,]+/s\)"), "in … s (…/s)"),
    (re.compile(r"pause of \d+ ms"), "pause of … ms"),
    (re.compile(r"\d+ ms ago|up [\d.]+ \w+|lag [\d.]+ \w+|[\d.,]+/s"), "…"),
    (re.compile(r"cut \d+\b|pid \d+|process \d+"), "…"),
    (re.compile(r'"seq":\d+|^id: .*|[\d.]+ \w+ behind the clock|now: .* to quarantine', re.MULTILINE), "…"),
)


def steady(text: str) -> str:
    """A text without what differs from run to run."""
    for pattern, plain in _VARYING:
        text = pattern.sub(plain, text)
    return "\n".join(line.rstrip() for line in text.splitlines())


@dataclass
class Server:
    """A command that goes on, and what it has said."""

    process: "subprocess.Popen[str]"
    lines: list[str] = field(default_factory=list)
    shown: int = 0

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(iter(self.process.stdout.readline, ""))

    def next_lines(self, count: int) -> str:
        """The next `count` lines, waited for."""
        deadline_s = time.monotonic() + DEADLINE_S
        while len(self.lines) < self.shown + count and time.monotonic() < deadline_s and self._reader.is_alive():
            time.sleep(0.02)
        if os.environ.get("UPDATE_GOLDEN"):
            time.sleep(_SETTLED_S)
            count = len(self.lines) - self.shown
        told = self.lines[self.shown : self.shown + count]
        self.shown += count
        return "".join(told)

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(DEADLINE_S)
        self._reader.join(DEADLINE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()


class Walkthrough:
    """Does what one page says, in a folder; `problems` are outputs that differ."""

    def __init__(self, page: Path, folder: Path) -> None:
        self._page = page
        self._folder = folder
        self._port = _free_port()
        self._servers: list[Server] = []
        self.commands = 0
        self.problems: list[str] = []

    def follow(self) -> None:
        """Go through the page from top to bottom."""
        text = self._page.read_text("utf-8")
        try:
            seen = _BLOCK.sub(self._do, text)
        finally:
            for server in self._servers:
                server.end()
        if os.environ.get("UPDATE_GOLDEN") and seen != text:
            self._page.write_text(seen, "utf-8")

    def _do(self, block: "re.Match[str]") -> str:
        """Do one block; returns it with the outputs seen."""
        whole, kind, text = block.group(0), block.group("kind").strip(), block.group("text")
        if block.group("name"):
            path = self._folder / block.group("name")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace(DEFAULT_PORT, self._port), "utf-8")
        elif kind in ("console", "console server"):
            return whole.replace(text, self._console(text, is_server=kind != "console"))
        return whole

    def _console(self, text: str, *, is_server: bool) -> str:
        if is_server and not text.startswith("$ "):
            return self._compare("the server", text, self._servers[-1].next_lines(text.count("\n")))
        steps = re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)
        seen = []
        for command, expected in steps:
            self.commands += 1
            run = self._serve if is_server else self._run
            seen.append(f"$ {command}\n{self._compare(command, expected, run(command, expected))}")
        return "".join(seen)

    def _compare(self, command: str, expected: str, found: str) -> str:
        found = found.replace(self._port, DEFAULT_PORT).replace(f"{self._folder}/", "")
        if steady(expected) == steady(found):
            return expected
        self.problems.append(f"{self._page.name}: {command}\nexpected:\n{expected}found:\n{found}")
        return found

    def _serve(self, command: str, expected: str) -> str:
        server = Server(self._start(f"exec {command}"))
        self._servers.append(server)
        return server.next_lines(expected.count("\n"))

    def _run(self, command: str, expected: str) -> str:
        """What a command says. One that only asks is asked again until it says what is expected, or time is up."""
        deadline_s = time.monotonic() + (DEADLINE_S if self._servers and _ASKING.match(command) else 0.0)
        while True:
            process = self._start(command)
            found, _ = process.communicate(timeout=DEADLINE_S)
            said = found.replace(self._port, DEFAULT_PORT).replace(f"{self._folder}/", "")
            if steady(said) == steady(expected) or time.monotonic() >= deadline_s:
                return found
            if os.environ.get("UPDATE_GOLDEN"):
                deadline_s = min(deadline_s, time.monotonic() + 5.0)
            time.sleep(0.1)

    def _start(self, command: str) -> "subprocess.Popen[str]":
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.Popen(
            ["/bin/bash", "-c", command.replace(DEFAULT_PORT, self._port)],
            cwd=self._folder,
            env={**os.environ, "PATH": path, "COLUMNS": "120", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def _free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return str(listening.getsockname()[1])
