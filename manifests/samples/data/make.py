"""Makes the data of the samples from a fixed seed: the same files on every machine. Needs nothing but Python.

    python manifests/samples/data/make.py [FOLDER]

Made, not measured: the people, shops and machines in them do not exist. `access.log` is not made here; it is real.
"""

import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

SEED = 2024
START = datetime(2024, 5, 1, 8, tzinfo=UTC)
COUNTRIES = ("DE", "FR", "ES", "IT")
PAGES = ("/", "/search", "/shoes", "/shirts", "/cart", "/checkout", "/help")


def main() -> None:
    """Write all files into a folder: the one given, or the one this file is in."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    write_lines(folder / "orders.ndjson", map(json_text, orders()))
    write_lines(folder / "counters.ndjson", map(json_text, counters()))
    write_lines(folder / "sensors.csv", sensors())
    gateway, billing = payments()
    write_lines(folder / "payments-gateway.ndjson", map(json_text, gateway))
    write_lines(folder / "payments-billing.csv", billing)
    write_lines(folder / "clicks.ndjson", map(json_text, clicks()))


def orders() -> list[dict[str, Any]]:
    """600 orders of a day; one in twelve is sent again within a minute, a few come without an amount."""
    draw = random.Random(SEED)  # noqa: S311 - data, no secrets
    made: list[tuple[datetime, dict[str, Any]]] = []
    for number in range(600):
        at = START + timedelta(seconds=draw.randint(0, 12 * 3600 - 1))
        order = {
            "order_id": f"o-{number:05}",
            "at": iso(at),
            "customer": f"c-{draw.randint(1, 80):03}",
            "country": draw.choice(COUNTRIES),
            "amount": round(draw.uniform(5, 250), 2),
        }
        if draw.random() < 0.01:
            del order["amount"]
        made.append((at + timedelta(seconds=draw.randint(0, 5)), order))
        if draw.random() < 1 / 12:
            made.append((at + timedelta(seconds=draw.randint(6, 60)), order))
    return [order for _, order in sorted(made, key=lambda pair: pair[0])]


def counters() -> Iterator[dict[str, Any]]:
    """Status of three web servers each 10 s for two hours, in the shape of nginx's status page; each is restarted at
    some moment, and its counters start again from zero."""
    draw = random.Random(SEED + 1)  # noqa: S311
    servers = {f"web-{number}": {"accepted": 10_000 * number, "requests": 90_000 * number} for number in (1, 2, 3)}
    for step in range(720):
        at = START + timedelta(seconds=10 * step)
        for number, (server, state) in enumerate(servers.items(), start=1):
            if step == 180 * number:
                state["accepted"] = state["requests"] = 0
            busy = number * (2 if 300 <= step < 420 else 1)
            state["accepted"] += draw.randint(1, 4 * busy)
            state["requests"] += draw.randint(10, 40) * busy
            yield {
                "timestamp": int(at.timestamp() * 1000) + draw.randint(0, 999),
                "address": server,
                "connections": {"accepted": state["accepted"], "active": draw.randint(1, 9) * busy},
                "requests": {"total": state["requests"], "current": draw.randint(0, busy)},
            }


def sensors() -> Iterator[str]:
    """Eight sensors each minute for eight hours, up to 90 s out of order; some values are not there (`NaN`), and sensor
    s7 was cut off for an hour and delivers that hour when it is back."""
    draw = random.Random(SEED + 2)  # noqa: S311
    made: list[tuple[datetime, str]] = []
    for minute in range(480):
        for number in range(8):
            at = START + timedelta(minutes=minute, seconds=draw.randint(0, 59))
            arrival = at + timedelta(seconds=draw.randint(0, 90))
            if number == 7 and 200 <= minute < 260:
                arrival = START + timedelta(minutes=260, seconds=minute)
            degrees = 18 + number + 4 * (minute % 240) / 240 + draw.gauss(0, 0.2)
            value = "NaN" if draw.random() < 0.01 else f"{degrees:.2f}"
            made.append((arrival, f"{iso(at)};s{number};{value};{draw.randint(70, 100)}"))
    yield "measured;sensor;celsius;battery"
    yield from (line for _, line in sorted(made))


def payments() -> tuple[list[dict[str, Any]], list[str]]:
    """500 payments as a gateway tells them, and as a billing system does: other names, other formats, the same facts.
    Each misses a few that the other has."""
    draw = random.Random(SEED + 3)  # noqa: S311
    gateway, billing = [], ["transaction,booked,value,currency"]
    for number in range(500):
        at = START + timedelta(seconds=number * 60 + draw.randint(0, 59))
        amount = f"{draw.randint(100, 90_000) / 100:.2f}"
        currency = draw.choice(("EUR", "EUR", "GBP"))
        if draw.random() > 0.04:
            gateway.append({"id": f"t{number:04}", "time": iso(at), "amount": amount, "currency": currency})
        if draw.random() > 0.04:
            booked = (at + timedelta(seconds=draw.randint(0, 20))).strftime("%d.%m.%Y %H:%M:%S")
            billing.append(f"t{number:04},{booked},{amount},{currency}")
    return gateway, billing


def clicks() -> list[dict[str, Any]]:
    """Visits of sixty people over a day: a few pages each, some minutes apart; and one robot that never rests."""
    draw = random.Random(SEED + 4)  # noqa: S311
    made: list[tuple[datetime, dict[str, Any]]] = []
    for person in range(60):
        for _ in range(draw.randint(1, 4)):
            at = START + timedelta(seconds=draw.randint(0, 10 * 3600))
            for number in range(draw.randint(1, 12)):
                page = "/" if number == 0 else draw.choice(PAGES)
                made.append((at, {"user": f"u{person:02}", "at": iso(at), "page": page, "agent": "browser"}))
                at += timedelta(seconds=draw.randint(5, 600))
    for minute in range(0, 600, 2):
        at = START + timedelta(minutes=minute)
        made.append((at, {"user": "robot", "at": iso(at), "page": PAGES[minute // 2 % 7], "agent": "crawler"}))
    return [click for _, click in sorted(made, key=lambda pair: (pair[0], pair[1]["user"]))]


def iso(at: datetime) -> str:
    """`2024-05-01T08:00:00Z`."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def json_text(record: dict[str, Any]) -> str:
    """One line of NDJSON."""
    return json.dumps(record, separators=(",", ":"))


def write_lines(path: Path, lines: Iterator[str] | list[str]) -> None:
    """Write lines with line ends that are the same everywhere."""
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8", newline="\n")


if __name__ == "__main__":
    main()
