"""Samples of a user's own data for `init`, and the trial of the pipeline made from it. Beside `wiring`.

Reads through the adapters that a run reads with, so that decompression, byte order marks and headers are theirs.
"""

import asyncio
import glob
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from datanexus.adapters.connectors.byte_stream import GZIP_SUFFIXES, ZSTD_SUFFIXES, Broken, open_file
from datanexus.adapters.connectors.files import open_files
from datanexus.adapters.faults import os_fault
from datanexus.engine.decode import new_decoder
from datanexus.inference.finding import FormatFinding, Piece, Run, Sample
from datanexus.inference.forms import ROWS_MAX, text_form
from datanexus.pipeline_files import PlannedPipeline
from datanexus.ports.source import ColumnChunk, Damage, TextChunk
from datanexus_spec.errors import InvalidInput

HEAD_BYTES = 4 << 20  # of each file's beginning, less where there are many
PIECE_BYTES = 256 << 10  # of each place further on
PLACES = (0.25, 0.5, 0.75, 1.0)  # of a file's length, where a piece ends
FILES_MAX = 8  # that are looked into
TRIAL_ROWS = 50_000
_ARROW_FILE = b"ARROW1"
_ARROW_STREAM = b"\xff\xff\xff\xff"
_PARQUET = b"PAR1"


@dataclass(frozen=True, slots=True)
class Trial:
    """What a decode of the first records gave. `rejected`: how many of each reason; `messages`: the first of each."""

    records: int
    rejected: Mapping[str, int]
    messages: Sequence[str]


def data_files(data: str) -> tuple[str, tuple[Path, ...]]:
    """The pattern that names the data, and its files. A folder stands for its files of the most frequent extension.

    Raises: InvalidInput when there is none.
    """
    path = Path(data)
    pattern = glob.escape(data) if path.is_file() else data
    if path.is_dir():
        suffixes = Counter(
            _extension(file) for file in path.iterdir() if file.is_file() and not file.name.startswith(".")
        )
        if not suffixes:
            raise InvalidInput(
                f"{data}: the folder holds no files",
                reason="NoFile",
                hint="name a file, or a pattern such as 'logs/**/*.log'",
            )
        pattern = f"{glob.escape(str(path))}/*{glob.escape(suffixes.most_common(1)[0][0])}"
    found = sorted(map(Path, glob.glob(pattern, recursive=True)))  # noqa: PTH207 - as the engine reads patterns
    files = tuple(file for file in found if file.is_file())
    if not files:
        raise InvalidInput(
            f"{data}: there is no such file, and as a pattern it matches none",
            reason="NoFile",
            hint="quote a pattern so that the shell leaves it alone, as in 'logs/*.log'",
        )
    return pattern, files


def take_sample(pattern: str, files: Sequence[Path]) -> tuple[Sample, FormatFinding]:
    """Look into the files and find their format. Raises: InvalidInput, Unavailable."""
    try:
        return _taken(pattern, files)
    except OSError as error:
        raise os_fault(error, "cannot read", Path(error.filename or pattern)) from error


def _taken(pattern: str, files: Sequence[Path]) -> tuple[Sample, FormatFinding]:
    chosen = _spread(files)
    kinds = {_column_kind(file) for file in chosen}
    size = sum(file.stat().st_size for file in files)
    now_us = time.time_ns() // 1000
    if kinds & {"arrow", "parquet"}:
        found, complete = _typed_columns(pattern, chosen, kinds)
        sample = Sample(pattern, [*map(str, files)], (), size, complete and len(chosen) == len(files), now_us)
        return sample, found
    pieces: list[Piece] = []
    for file in chosen:
        pieces += asyncio.run(_pieces(file, HEAD_BYTES // len(chosen)))
    complete = len(chosen) == len(files) and all(piece.at_start and piece.at_end for piece in pieces)
    found = text_form(Sample(pattern, [*map(str, files)], pieces, size, complete, now_us))
    cut_off = any(len(run.records) >= ROWS_MAX for run in found.runs)
    return Sample(pattern, [*map(str, files)], pieces, size, complete and not cut_off, now_us), found


async def try_out(pipeline: PlannedPipeline) -> Trial:
    """Read and decode the first records of each file of a pipeline, as a run does."""
    records, rejected, messages = 0, Counter[str](), dict[str, str]()
    for source in pipeline.plan.sources:
        assert source.files is not None, "init makes sources of files"
        decoder = new_decoder(source.files.format, pipeline.plan.record)
        opened = open_files(source.name, source.files.path, source.files.format, pipeline.folder)
        for split in await opened.open({}):
            left = TRIAL_ROWS
            while left > 0 and (chunk := await split.read(left)) is not None:
                if isinstance(chunk, Damage):
                    rejected["Unreadable"] += 1
                    messages.setdefault("Unreadable", chunk.message)
                    break
                assert isinstance(chunk, TextChunk | ColumnChunk), "files hold no replays"
                left -= chunk.rows
                records += chunk.rows
                for refused in decoder.decode(chunk).rejected:
                    rejected[refused.reason] += 1
                    messages.setdefault(refused.reason, refused.message)
            await split.close()
    return Trial(records, rejected, tuple(f"{reason}: {message}" for reason, message in messages.items()))


def _extension(file: Path) -> str:
    compressed = file.suffix in (*GZIP_SUFFIXES, *ZSTD_SUFFIXES)
    return "".join(file.suffixes[-2:]) if compressed else file.suffix


def _spread(files: Sequence[Path]) -> Sequence[Path]:
    """Some of the files that hold something, first and last among them."""
    filled = [file for file in files if file.stat().st_size] or list(files)[:1]
    if len(filled) <= FILES_MAX:
        return filled
    step = (len(filled) - 1) / (FILES_MAX - 1)
    return [filled[round(number * step)] for number in range(FILES_MAX)]


async def _pieces(file: Path, head_bytes: int) -> list[Piece]:
    """The beginning of a file and, where it is not compressed, places further on; cut at line ends."""
    stream = open_file(file)
    buffer = bytearray(head_bytes)
    filled = 0
    try:
        while filled < head_bytes and (count := await stream.read_into(memoryview(buffer)[filled:])):
            filled += count
        at_end = filled < head_bytes or not await stream.read_into(memoryview(bytearray(1)))
    except Broken:
        at_end = True
    finally:
        stream.close()
    head = bytes(buffer[:filled])
    pieces = [Piece(str(file), 0, head if at_end else _whole_lines(head), at_start=True, at_end=at_end)]
    if at_end or file.suffix in (*GZIP_SUFFIXES, *ZSTD_SUFFIXES):
        return pieces
    return [*pieces, *_further_on(file, len(pieces[0].content))]


def _further_on(file: Path, position: int) -> Iterator[Piece]:
    size = file.stat().st_size
    with file.open("rb") as opened:
        for place in PLACES:
            start = max(position, int(size * place) - PIECE_BYTES)
            opened.seek(start)
            content = opened.read(PIECE_BYTES)
            begin = content.find(b"\n") + 1
            ended = start + len(content) >= size
            piece = content[begin:] if ended else _whole_lines(content[begin:])
            if piece:
                yield Piece(str(file), start + begin, piece, at_start=False, at_end=ended)
            position = start + len(content)


def _whole_lines(content: bytes) -> bytes:
    end = content.rfind(b"\n") + 1
    return content[:end] if end else content


def _column_kind(file: Path) -> str:
    with file.open("rb") as opened:
        head = opened.read(8)
    if head.startswith(_PARQUET):
        return "parquet"
    return "arrow" if head.startswith((_ARROW_FILE, _ARROW_STREAM)) else "text"


def _typed_columns(pattern: str, files: Sequence[Path], kinds: set[str]) -> tuple[FormatFinding, bool]:
    if len(kinds) > 1:
        raise InvalidInput(
            f"{pattern}: the files are of several formats: {', '.join(sorted(kinds))}",
            reason="UnknownFormat",
            hint="name files of one format; a pipeline can have several sources",
        )
    (kind,) = kinds
    runs, schema, complete = [], pa.schema([]), True
    for file in files:
        try:
            table, whole = _parquet(file) if kind == "parquet" else _arrow(file)
        except (pa.ArrowException, OSError) as error:
            raise InvalidInput(
                f"{file}: it begins like {kind} and cannot be read: {error}",
                reason="UnknownFormat",
                hint="is the file whole?",
            ) from error
        schema, complete = table.schema, complete and whole
        runs.append(Run(str(file), _plain_rows(table)))
    if not any(run.records for run in runs):
        raise InvalidInput(
            f"{pattern}: it has no rows", reason="NothingToRead", hint="init needs some records to look at"
        )
    types = {field.name: _type_of(field.type) for field in schema if not _is_beyond_fields(field.type)}
    notes = [
        f"the column `{field.name}` is left out: a field of the record cannot be of type {field.type}"
        for field in schema
        if field.name not in types
    ]
    label = {"parquet": "Parquet", "arrow": "Arrow IPC"}[kind]
    return FormatFinding(f"{{{kind}: {{}}}}", f"{label}, {len(schema)} columns", True, runs, notes, types), complete


def _parquet(file: Path) -> tuple[pa.Table, bool]:
    opened = pq.ParquetFile(file)
    batch = next(opened.iter_batches(batch_size=ROWS_MAX), None)
    table = pa.Table.from_batches([batch] if batch is not None else [], opened.schema_arrow)
    return table, table.num_rows == opened.metadata.num_rows


def _arrow(file: Path) -> tuple[pa.Table, bool]:
    with pa.memory_map(str(file)) as mapped:
        is_file = mapped.read(len(_ARROW_FILE)) == _ARROW_FILE
        mapped.seek(0)
        reader = pa.ipc.open_file(mapped) if is_file else pa.ipc.open_stream(mapped)
        table = reader.read_all()
        return table.slice(0, ROWS_MAX), table.num_rows <= ROWS_MAX


def _plain_rows(table: pa.Table) -> list[dict[str, object]]:
    """The rows as Python values, times as microseconds; without columns of which no field can be made."""
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
        if not _is_beyond_fields(column.type):
            columns[name] = column
    return pa.table(columns).to_pylist()  # type: ignore[no-any-return]


def _is_beyond_fields(given: pa.DataType) -> bool:
    """Whether no type of a record field takes a column's values."""
    tests = (pa.types.is_time, pa.types.is_duration, pa.types.is_interval)
    return any(test(given) for test in tests)


def _type_of(given: pa.DataType) -> str:
    """The record field's type for a column's."""
    tests = (
        (pa.types.is_boolean, "bool"),
        (pa.types.is_integer, "int64"),
        (pa.types.is_floating, "float64"),
        (pa.types.is_timestamp, "timestamp"),
        (pa.types.is_date, "date"),
        (pa.types.is_nested, "json"),
    )
    if pa.types.is_decimal(given):
        return f"decimal({min(given.precision, 38)},{given.scale})"
    if pa.types.is_dictionary(given):
        return _type_of(given.value_type)
    return next((name for test, name in tests if test(given)), "string")
