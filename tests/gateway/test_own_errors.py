"""What goes wrong inside of the server: the client gets a problem without the details, which are in the server's log;
and who does not read its answer is let go.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from starlette.types import Message, Receive, Scope, Send

from datanexus.gateway import app
from datanexus.gateway.answers import ABORT
from datanexus.gateway.app import Gateway
from datanexus.gateway.ingest_endpoint import IngestEndpoint

SCOPE: dict[str, Any] = {"type": "http", "method": "GET", "path": "/v1/info", "headers": [(b"host", b"localhost")]}
START: Message = {"type": "http.response.start", "status": 200, "headers": []}


async def fail_at_once(_: Scope, __: Receive, ___: Send) -> None:
    raise ValueError("a secret")


async def fail_amid(_: Scope, __: Receive, send: Send) -> None:
    await send(START)
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise ValueError("a secret")


async def answer(_: Scope, __: Receive, send: Send) -> None:
    await send(START)
    await send({"type": "http.response.body", "body": b"unread"})


def told_by(framework: Callable[[Scope, Receive, Send], Awaitable[None]], send: Send) -> list[str]:
    """Ask a gateway whose framework does this; what was aborted."""
    aborted: list[str] = []
    gateway = Gateway(framework, cast("IngestEndpoint", None), asyncio.Event(), frozenset())

    async def receive() -> Message:
        return {"type": "http.request"}

    async def ask() -> None:
        await gateway({**SCOPE, "extensions": {ABORT: lambda: aborted.append("aborted")}}, receive, send)

    asyncio.run(ask())
    return aborted


def test_an_error_of_its_own_is_a_problem_without_details(caplog: pytest.LogCaptureFixture) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    with caplog.at_level(logging.ERROR):
        assert [] == told_by(fail_at_once, send)
    problem = json.loads(sent[1]["body"])
    assert (500, "InternalError") == (sent[0]["status"], problem["reason"])
    assert "secret" not in str(sent)
    assert "secret" in caplog.text


def test_an_error_amid_an_answer_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    """Else the client would take half of the answer for all of it."""

    async def send(_: Message) -> None:
        return

    with caplog.at_level(logging.ERROR):
        assert ["aborted"] == told_by(fail_amid, send)


def test_who_does_not_read_its_answer_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "UNREAD_S", 0.01)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    assert ["aborted"] == told_by(answer, send)
