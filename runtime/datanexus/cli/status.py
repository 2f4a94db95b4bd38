"""The command `status`: how the pipelines of a data folder are, from the process that serves it, or as it left them."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from datanexus.cli import wording
from datanexus.cli.message import reporting, result
from datanexus.cli.owner import Owner, owner_of
from datanexus.stored_results import stored_results

_LANES = ("in", "passed", "filtered", "duplicate", "quarantined")


def status(data: Path, *, json_lines: bool) -> int:
    """Print one block for each pipeline; returns the exit code: 1 when one of them has failed."""
    with reporting(json_lines=json_lines) as messages:
        owner = owner_of(data)
        told = asyncio.run(_stored(data)) if owner is None else _served(owner)
        lines = (json.dumps(one, ensure_ascii=False) + "\n" for one in told)
        result("".join(lines if json_lines else map(status_text, told)))
        messages.exit_code = int(any(one["state"] == "failed" for one in told))
    return messages.exit_code


def status_text(told: Mapping[str, Any]) -> str:
    """A pipeline for people."""
    return "\n".join(_lines(told)) + "\n"


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    counters = told["counters"]
    yield f"{told['name']}: {told['state']}, cut {told['seq']}"
    if told.get("error"):
        yield f"  error: {told['error']}"
    if told.get("refused"):
        yield f"  a changed spec was refused at {told['refused']['at']}: {told['refused']['text']}"
    yield "  " + ", ".join(f"{name} {counters.get(name, 0):,}" for name in _LANES)
    if told["watermark"] is None:
        yield "  watermark: none yet"
    else:
        yield f"  watermark: {told['watermark']}{_behind(told)}"
    if told.get("holder"):
        yield f"  held by {told['holder']}: {told['watermark_reason']}"
    if told.get("rates"):
        rates = told["rates"]
        yield f"  now: {rates['in_per_s']:,.1f} records/s, {rates['quarantined_per_s']:,.1f} of them to quarantine"
    for notice in told.get("notices", ()):
        yield f"  note: {notice}"


def _behind(told: Mapping[str, Any]) -> str:
    return "" if told.get("lag_s") is None else f", {wording.span(max(told['lag_s'], 0.0))} behind the clock"


def _served(owner: Owner) -> list[dict[str, Any]]:
    statuses: list[dict[str, Any]] = owner.get("/v1/pipelines")["pipelines"]
    return statuses


async def _stored(data: Path) -> list[dict[str, Any]]:
    """What the folder says while nobody serves it."""
    told: list[dict[str, Any]] = []
    async with stored_results(data) as store:
        for record in await store.pipelines():
            cuts = await store.cuts(record.name, 0)
            told.append(
                {
                    "name": record.name,
                    "state": "stopped",
                    "revision": record.revision,
                    "seq": cuts[-1].seq if cuts else 0,
                    "watermark": (wording.instant(cuts[-1].watermark_us) or None) if cuts else None,
                    "counters": dict(await store.counters(record.name)),
                }
            )
    return told
