"""Reading the body of a request, so that no client can hold or take more than its share.

Bounds: the size as sent and as decompressed, the bytes all requests hold together, and the time for each further part
of a body. Whatever ends early is a Problem; a client that went away is `ClientGone`, and then nobody is answered.
"""

import asyncio
import time
from dataclasses import dataclass

from starlette.types import Message, Receive

from datanexus.gateway.inflation import BrokenBody, new_inflation
from datanexus.gateway.problem import RETRY_AFTER_S, Problem

PART_BYTES = 64 << 10  # of a body ...
PART_S = 10.0  # ... must come within this time: about 50 kbit/s, and what stalls holds memory no longer than this
DISCARD_S = (
    5.0  # after a refusal the rest is read and thrown away for so long, as a client reads no answer while it sends
)
DISCARD_BYTES = 256 << 20
YIELD_BYTES = 1 << 20  # decompressed between two turns of the event loop


class ClientGone(Exception):
    """The connection ended before the body did."""


class Budget:
    """Bytes that the bodies of all requests may take together."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.bytes_held = 0

    def take(self, size: int) -> None:
        """Raises: Problem when that is more than there is."""
        if self.bytes_held + size > self.bytes_max:
            raise Problem(
                503,
                "TooManyBytesInFlight",
                f"all requests together hold {self.bytes_held:,} bytes of bodies; at most {self.bytes_max:,} are taken",
                "send it again after the time in Retry-After, or with fewer connections",
                headers=(("Retry-After", str(RETRY_AFTER_S)),),
                is_closing=True,
            )
        self.bytes_held += size

    def give_back(self, size: int) -> None:
        self.bytes_held -= size


@dataclass(slots=True)
class Body:
    """One request's body. Call `release` when its bytes are not needed any more, however reading ended."""

    budget: Budget
    bytes_max: int
    content_length: int | None
    coding: str
    is_complete: bool
    _held: int = 0

    async def read(self, receive: Receive) -> bytes:
        """All of it, decompressed. Raises: Problem, ClientGone."""
        self._check_announced()
        inflation = new_inflation(self.coding)
        if inflation is None:
            raise Problem(
                415,
                "UnsupportedContentEncoding",
                f"found the content encoding `{self.coding}`, expected gzip, zstd or none",
                "send the body uncompressed, or compress it with one of these",
                headers=(("Accept-Encoding", "gzip, zstd"),),
                is_closing=True,
            )
        pieces: list[bytes] = []
        sent = total = turn = 0
        part, deadline_s = 0, time.monotonic() + PART_S
        while not self.is_complete:
            message = await _next(receive, deadline_s, sent)
            data: bytes = message.get("body", b"")
            self.is_complete = not message.get("more_body", False)
            sent += len(data)
            if sent > self.bytes_max:
                raise self._too_large("the body is", sent)
            part += len(data)
            if part >= PART_BYTES:
                part, deadline_s = 0, time.monotonic() + PART_S
            try:
                for piece in inflation.pieces(data):
                    total += len(piece)
                    if total > self.bytes_max:
                        raise self._too_large("decompressed, the body is", total)
                    self.budget.take(len(piece))
                    self._held += len(piece)
                    pieces.append(piece)
                    if total - turn > YIELD_BYTES:
                        turn = total
                        await asyncio.sleep(0)
            except BrokenBody as broken:
                raise Problem(
                    400, "BrokenCompression", str(broken), "compress the body anew; nothing of it was kept",
                    is_closing=not self.is_complete,
                ) from broken  # fmt: skip
        if sent and not inflation.is_whole:
            raise Problem(
                400,
                "TruncatedCompression",
                f"the {self.coding} stream breaks off after {sent:,} bytes; its end is missing",
                "send it again as a whole; nothing of it was kept",
            )
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def discard(self, receive: Receive) -> None:
        """Read what is left and keep nothing, within bounds."""
        discarded = 0
        try:
            async with asyncio.timeout(DISCARD_S):
                while not self.is_complete and discarded < DISCARD_BYTES:
                    message = await receive()
                    if message["type"] != "http.request":
                        return
                    discarded += len(message.get("body", b""))
                    self.is_complete = not message.get("more_body", False)
        except TimeoutError:
            return

    @property
    def bytes_held(self) -> int:
        """Its size, decompressed, as far as it was read."""
        return self._held

    def release(self) -> None:
        self.budget.give_back(self._held)
        self._held = 0

    def _check_announced(self) -> None:
        if self.content_length is not None and self.content_length > self.bytes_max:
            raise self._too_large("Content-Length says", self.content_length)

    def _too_large(self, what: str, size: int) -> Problem:
        return Problem(
            413,
            "BodyTooLarge",
            f"{what} {'' if what.startswith('Content') else 'at least '}{size:,} bytes; "
            f"this source takes at most {self.bytes_max:,}",
            "send fewer records at once, or raise bodyBytesMax of the source",
            members={"bytes_max": self.bytes_max},
            is_closing=True,
        )


async def _next(receive: Receive, deadline_s: float, sent: int) -> Message:
    try:
        async with asyncio.timeout(max(0.0, deadline_s - time.monotonic())):
            message = await receive()
    except TimeoutError as error:
        raise Problem(
            408,
            "BodyTooSlow",
            f"after {sent:,} bytes no further {PART_BYTES:,} bytes of the body came within {PART_S:g} s",
            "send it again as a whole; nothing of it was kept",
            is_closing=True,
        ) from error
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message
