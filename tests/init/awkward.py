"""Awkward data sets, made from a seed: each a few hundred records that someone might really have."""

import gzip
import json
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 400
START_S = 1_714_557_600  # 2024-05-01T10:00:00Z


def _random() -> random.Random:
    return random.Random(7)


def semicolon_csv(folder: Path) -> Path:
    """Spreadsheet of a German shop: semicolons, decimal commas, day first, CRLF."""
    draw = _random()
    lines = ["Bestellnr;Datum;Land;Betrag"]
    for row in range(ROWS):
        price = f"{draw.randint(1, 99)},{draw.randint(0, 99):02}"
        lines.append(f"{1000 + row};{1 + row // 20:02}.05.2024 {row % 20:02}:15:00;{draw.choice('DAF')}E;{price}")
    return _written(folder / "bestellungen.csv", "\r\n".join(lines) + "\r\n")


def byte_order_mark(folder: Path) -> Path:
    """CSV as Excel saves it: a byte order mark in front of the header."""
    lines = ["time,sensor,value"] + [f"{_iso(row * 60)},s{row % 4},{20 + row % 7}.5" for row in range(ROWS)]
    return _written(folder / "bom.csv", "﻿" + "\n".join(lines) + "\n")


def epoch_micros(folder: Path) -> Path:
    """NDJSON with times as microseconds since 1970."""
    lines = [
        json.dumps({"ts": (START_S + row) * 1_000_000 + row, "device": f"d{row % 5}", "watt": row % 90})
        for row in range(ROWS)
    ]
    return _written(folder / "micros.ndjson", "\n".join(lines) + "\n")


def nested_json(folder: Path) -> Path:
    """Objects in objects, lists, keys that are missing in some records, keys that are data."""
    draw = _random()
    lines = []
    for row in range(ROWS):
        event: dict[str, object] = {
            "event": {"id": f"e{row}", "at": _iso(row * 7), "kind": draw.choice(["view", "buy"])},
            "user": {"id": draw.randint(1, 50), "tags": ["a", "b"][: row % 3]},
            "counts": {f"k{draw.randint(0, 300)}.x": row},
        }
        if row % 5 == 0:
            event["coupon"] = "SPRING"
        lines.append(json.dumps(event))
    return _written(folder / "events.jsonl", "\n".join(lines) + "\n")


def mixed_types(folder: Path) -> Path:
    """A field that is a number in half of the records and a text in the others; another that is mostly a number."""
    lines = [
        json.dumps(
            {
                "time": _iso(row * 30),
                "code": row if row % 2 else f"E{row}",
                "load": "N/A" if row % 50 == 0 else row / 8,
                "note": None if row % 3 else "x",
            }
        )
        for row in range(ROWS)
    ]
    return _written(folder / "mixed.ndjson", "\n".join(lines) + "\n")


def no_header(folder: Path) -> Path:
    """CSV without a header, tab-separated."""
    lines = [f"{_iso(row * 10)}\thost{row % 3}\t{row * 3 % 100}\t{'up' if row % 9 else 'down'}" for row in range(ROWS)]
    return _written(folder / "export.tsv", "\n".join(lines) + "\n")


def quoted_newlines(folder: Path) -> Path:
    """CSV whose texts hold commas, doubled quotes and line ends."""
    rows = ["id,created_at,comment,stars"]
    for row in range(ROWS):
        comment = f'"said ""hello"", twice\nand left {row}"' if row % 4 == 0 else f"plain {row}"
        rows.append(f"{row},{_iso(row * 600)},{comment},{1 + row % 5}")
    return _written(folder / "reviews.csv", "\n".join(rows) + "\n")


def gzipped(folder: Path) -> Path:
    """NDJSON in gzip, with every tenth record sent twice."""
    lines = []
    for row in range(ROWS):
        lines.append(
            json.dumps(
                {
                    "order_id": row,
                    "time": _iso(row * 20),
                    "amount": row % 40 + 0.5,
                    "country": "DE FR"[row % 2 * 3 :][:2],
                }
            )
        )
        if row % 10 == 9:
            lines.append(lines[-1])
    path = folder / "orders.ndjson.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode() + b"\n"))
    return path


def unordered(folder: Path) -> Path:
    """NDJSON whose times lie up to two minutes behind their turn."""
    draw = _random()
    lines = [json.dumps({"timestamp": _iso(row * 10 - draw.randint(0, 120)), "value": row}) for row in range(ROWS)]
    return _written(folder / "unordered.ndjson", "\n".join(lines) + "\n")


def log_lines(folder: Path) -> Path:
    """Log lines of a program, with a comma in the seconds."""
    draw = _random()
    levels = ["INFO", "INFO", "WARNING", "ERROR"]
    lines = [
        f"2024-05-01 10:{row // 60 % 60:02}:{row % 60:02},{row:03} {draw.choice(levels)} app.worker: did {row} things"
        for row in range(ROWS)
    ]
    return _written(folder / "app.log", "\n".join(lines) + "\n")


def key_values(folder: Path) -> Path:
    """Lines of key=value."""
    lines = [f'ts={_iso(row)} level=info path=/p/{row % 9} took={row % 40} msg="done {row}"' for row in range(ROWS)]
    return _written(folder / "service.log", "\n".join(lines) + "\n")


def json_array(folder: Path) -> Path:
    """One JSON document over many lines."""
    records = [{"when": _iso(row * 3), "Player Name": f"p{row % 11}", "score": row % 17} for row in range(ROWS)]
    return _written(folder / "scores.json", json.dumps(records, indent=2))


def parquet(folder: Path) -> Path:
    """Parquet with timestamps of its own."""
    times = pa.array([(START_S + row) * 1000 for row in range(ROWS)], pa.timestamp("ms", "UTC"))
    table = pa.table({"at": times, "shop": [f"s{row % 4}" for row in range(ROWS)], "sold": list(range(ROWS))})
    path = folder / "sales.parquet"
    pq.write_table(table, path)
    return path


def arrow_of_many_types(folder: Path) -> Path:
    """Arrow with dates, decimals, a dictionary, lists, objects, and a type that no field takes."""
    rows = range(ROWS)
    table = pa.table(
        {
            "day": pa.array([19_844 + row // 4 for row in rows], pa.int32()).cast(pa.date32()),
            "price": pa.array([Decimal(row) / 100 for row in rows], pa.decimal128(12, 2)),
            "shop": pa.array([f"s{row % 3}" for row in rows]).dictionary_encode(),
            "clock": pa.array(list(rows), pa.time32("s")),
            "tags": pa.array([["a", str(row)] for row in rows]),
            "place": pa.array([{"x": row, "y": 0.5} for row in rows]),
            "nothing": pa.nulls(ROWS),
        }
    )
    path = folder / "many.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return path


def day_or_month_first(folder: Path) -> Path:
    """Dates that fit both ways."""
    lines = ["date,visits"] + [f"0{1 + row % 9}/0{1 + row // 9 % 9}/2024,{row}" for row in range(81)]
    return _written(folder / "visits.csv", "\n".join(lines) + "\n")


def newest_first(folder: Path) -> Path:
    """CSV with the newest line on top."""
    lines = ["time,temp"] + [f"{_iso((ROWS - row) * 60)},{row % 30}" for row in range(ROWS)]
    return _written(folder / "newest.csv", "\n".join(lines) + "\n")


def ahead_of_the_clock(folder: Path) -> Path:
    """A forecast: times in the year 2090."""
    lines = [
        json.dumps({"time": f"2090-01-{1 + row // 24:02}T{row % 24:02}:00:00Z", "load": row}) for row in range(240)
    ]
    return _written(folder / "forecast.ndjson", "\n".join(lines) + "\n")


def day_and_clock_apart(folder: Path) -> Path:
    """The day in one column, the time of day in another."""
    lines = ["Date;Time;Power"] + [f"{1 + row // 24:02}/05/2024;{row % 24:02}:00:00;{row % 7}.5" for row in range(ROWS)]
    return _written(folder / "power.csv", "\n".join(lines) + "\n")


RUNS: dict[str, Callable[[Path], Path]] = {
    made.__name__: made
    for made in (
        semicolon_csv, byte_order_mark, epoch_micros, nested_json, mixed_types, no_header, quoted_newlines, gzipped,
        unordered, log_lines, key_values, json_array, parquet, arrow_of_many_types, day_or_month_first,
        newest_first, ahead_of_the_clock, day_and_clock_apart,
    )
}  # fmt: skip


def no_time(folder: Path) -> Path:
    """A table of things, not of events."""
    return _written(folder / "countries.csv", "name,code,population\nGermany,DE,84\nFrance,FR,68\nSpain,ES,48\n")


def syslog(folder: Path) -> Path:
    """Times without a year."""
    return _written(
        folder / "sys.log", "".join(f"May  1 10:00:{row:02} host sshd[1]: message {row}\n" for row in range(60))
    )


def binary(folder: Path) -> Path:
    """Rubbish."""
    path = folder / "rubbish.bin"
    path.write_bytes(_random().randbytes(5_000))
    return path


def empty(folder: Path) -> Path:
    """Nothing."""
    return _written(folder / "empty.ndjson", "")


def spreadsheet(folder: Path) -> Path:
    """A zip file under another name."""
    path = folder / "table.xlsx"
    path.write_bytes(b"PK\x03\x04" + bytes(500))
    return path


def prose(folder: Path) -> Path:
    """Sentences."""
    text = "It was a bright cold day in April.\nThe clocks were striking\nand nobody said when; not one of them\n"
    return _written(folder / "novel.txt", text * 5)


def utf16(folder: Path) -> Path:
    """CSV in UTF-16."""
    path = folder / "wide.csv"
    path.write_bytes("time,value\n2024-05-01,1\n".encode("utf-16"))
    return path


def unreadable_times(folder: Path) -> Path:
    """Times with hours of one digit, which no format reads."""
    lines = ["when,value"] + [f"5/{1 + row}/2024 {row % 9 + 1}:05 PM,{row}" for row in range(20)]
    return _written(folder / "us.csv", "\n".join(lines) + "\n")


def list_in_an_object(folder: Path) -> Path:
    """One object whose list holds the records."""
    return _written(folder / "page.json", json.dumps({"page": 1, "items": [{"at": _iso(row)} for row in range(9)]}))


REFUSED: dict[str, Callable[[Path], Path]] = {
    made.__name__: made
    for made in (
        no_time, syslog, binary, empty, spreadsheet, prose, utf16, unreadable_times, list_in_an_object,
    )
}  # fmt: skip


def _iso(offset_s: int) -> str:
    seconds = START_S + offset_s
    minutes, second = divmod(seconds - START_S + 10 * 3600, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"2024-05-{1 + days:02}T{hour:02}:{minute:02}:{second:02}Z"


def _written(path: Path, text: str) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
    return path
