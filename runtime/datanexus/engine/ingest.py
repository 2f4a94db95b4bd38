"""What a producer sends: judged once for the answer, appended to the log as it came, answered when it is durable.

The verdicts are those of decoding and normalising; what later parts refuse (maxFuture, steps, late records) is in the
quarantine of the cut. Rejected records are in the log too, and reach the quarantine from there. A body that cannot be
read as a whole is refused with nothing logged.
"""

import asyncio
import csv
import enum
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import msgspec
import numpy as np
import pyarrow as pa
import xxhash

from datanexus.core.rejection import Rejection
from datanexus.engine.arrow_body import read_batches
from datanexus.engine.decode import Frames, frame_csv, frame_documents, frame_lines
from datanexus.engine.decode.body_decoder import BodyDecoder
from datanexus.plan.physical import RecordPlan
from datanexus.ports.log import Log, NewEntry, Repeat
from datanexus.ports.source import Chunk, ColumnChunk, TextChunk
from datanexus_spec.errors import InvalidInput
from datanexus_spec.format import CsvFormat
from datanexus_spec.pipeline import PipelineSource

REJECTIONS_LISTED = 100  # of one body; all are counted
REJECTED_MAX = 10_000  # of one body: what has more is not what it says it is, and judging it is slow
INLINE_BYTES = 256 << 10  # judged in the event loop: less than a millisecond; a larger body goes to a thread
# A small body that comes so soon behind another one is judged together with those that come within a moment.
NEIGHBOURS_S, GATHER_S = 0.005, 0.002
GATHERED_BYTES = 768 << 10  # judged at once, at the most about
_BLOCK_BYTES = 1 << 20  # framed and decoded at a time
_SLACK_BYTES = 64  # zeros behind a block, so that a scanner may load a whole vector
_CHUNK_ROWS = 8_192
_FORGET_EVERY_S = 60.0
_MARK = b"\xef\xbb\xbf"


class Content(enum.StrEnum):
    """How the records of a body are framed; the log keeps the word."""

    NDJSON = "ndjson"
    JSON = "json"
    CSV = "csv"
    ARROW = "arrow"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why one record was refused. `row` counts the body's records from 1."""

    row: int
    stage: str
    reason: str
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class IngestAnswer:
    """What the producer is told. `repeated`: the same request was answered before, and this is that answer again."""

    accepted: int
    rejected: int
    rejections: tuple[Verdict, ...]
    repeated: bool


class Ingestion:
    """One http source of one revision. `threads` judge large bodies."""

    def __init__(self, pipeline: str, source: PipelineSource, record: RecordPlan, log: Log, threads: Executor) -> None:
        assert source.http is not None, "only an http source takes requests"
        self.pipeline = pipeline
        self.source = source.name
        self._http = source.http
        self._log = log
        self._threads = threads
        self._csv = source.http.format.csv or CsvFormat()
        self._decoder = BodyDecoder(self._csv, record)
        self._forgotten_s = 0.0
        self._came_s = -math.inf  # when the last small body came
        self._gathered: list[tuple[bytes, asyncio.Future[IngestAnswer]]] = []
        self._gathered_bytes = 0

    @property
    def bytes_max(self) -> int:
        """The largest body, as sent and as decompressed."""
        return self._http.body_bytes_max

    async def accept(self, body: bytes, content: Content, repeat_key: str | None) -> IngestAnswer:
        """Judge, append, answer; when it returns, the records survive a crash of the machine.

        Raises: InvalidInput (not readable as a whole; too many rejected; the key came with another body before),
        Unavailable (log full): nothing was appended.
        """
        if content is not Content.ARROW:
            body = body.removeprefix(_MARK)
        answer = await self._answer(body, content)
        if not answer.accepted + answer.rejected:
            return answer
        # Positions of Arrow are ordinals of records, of text they are bytes.
        extent = answer.accepted + answer.rejected if content is Content.ARROW else None
        entry = NewEntry(f"{self.source}/http", _closed(body, content), content.value, extent=extent)
        if repeat_key is None:
            await self._log.append(self.source, entry)
            return answer
        await self._forget_old_keys()
        digest = f"{content.value}:{xxhash.xxh3_128_hexdigest(body)}"
        told = msgspec.json.encode(answer).decode()
        appended = await self._log.append(self.source, entry, Repeat(repeat_key, digest, told, _now_us()))
        if appended.repeated is None:
            return answer
        return _repeated(repeat_key, digest, appended.repeated)

    async def _answer(self, body: bytes, content: Content) -> IngestAnswer:
        """The answer, should the log take the body. Raises: InvalidInput.

        Small bodies that come close together are judged at once; so they also share a sync of the log.
        """
        loop = asyncio.get_running_loop()
        if len(body) > INLINE_BYTES:
            return await loop.run_in_executor(self._threads, self._judged, body, content)
        before_s, self._came_s = self._came_s, time.monotonic()
        if content is not Content.NDJSON or self._came_s - before_s > NEIGHBOURS_S:
            return self._judged(body, content)
        if not self._gathered:
            loop.call_later(GATHER_S, self._judge_gathered)
        answer: asyncio.Future[IngestAnswer] = loop.create_future()
        self._gathered.append((body, answer))
        self._gathered_bytes += len(body)
        if self._gathered_bytes > GATHERED_BYTES:
            self._judge_gathered()
        return await answer

    def _judge_gathered(self) -> None:
        """Answer those that wait; who went away meanwhile is passed."""
        gathered = [(body, answer) for body, answer in self._gathered if not answer.done()]
        self._gathered.clear()
        self._gathered_bytes = 0
        try:
            answers = self._judged_at_once([body for body, _ in gathered]) if len(gathered) > 1 else None
        except Exception:  # noqa: BLE001 - one of them has to answer for it
            answers = None
        for number, (body, answer) in enumerate(gathered):
            try:
                answer.set_result(self._judged(body, Content.NDJSON) if answers is None else answers[number])
            except Exception as error:  # noqa: BLE001 - who waits is told
                answer.set_exception(error)

    def _judged_at_once(self, bodies: Sequence[bytes]) -> list[IngestAnswer] | None:
        """The answers to some bodies of NDJSON; None when that many records are refused that each is judged alone."""
        closed = [_closed(body, Content.NDJSON) for body in bodies]
        ends = np.cumsum([len(body) for body in closed]) + len(_MARK)
        rows_before = 0
        firsts = np.zeros(len(bodies), np.int64)  # of each body's records, counted through all bodies
        counts = np.zeros(len(bodies), np.int64)
        refused: list[list[Rejection]] = [[] for _ in bodies]
        data = np.frombuffer(b"".join((*closed, bytes(_SLACK_BYTES))), np.uint8)
        frames = frame_lines(data, len(data) - _SLACK_BYTES, at_end=True)
        for chunk in _line_chunks(data, frames, 0, 0):
            rejections = self._decoder.decode(chunk).rejected
            if len(rejections) + sum(map(len, refused)) > REJECTED_MAX:
                return None
            owners = np.searchsorted(ends, chunk.positions, side="right")
            counts += np.bincount(owners, minlength=len(bodies))
            firsts = np.cumsum(counts) - counts
            for rejection in rejections:
                owner = int(owners[rejection.row])
                refused[owner].append(replace(rejection, row=rows_before + rejection.row - int(firsts[owner])))
            rows_before += chunk.rows
        return [
            IngestAnswer(
                int(count) - len(rejections),
                len(rejections),
                tuple(_verdict(0, rejection) for rejection in rejections[:REJECTIONS_LISTED]),
                repeated=False,
            )
            for count, rejections in zip(counts, refused, strict=True)
        ]

    def _judged(self, body: bytes, content: Content) -> IngestAnswer:
        """The answer, should the log take the body. Raises: InvalidInput."""
        rows = rejected = 0
        listed: list[Verdict] = []
        for chunk in self._chunks(body, content):
            refused = self._decoder.decode(chunk).rejected
            listed += [_verdict(rows, rejection) for rejection in refused[: REJECTIONS_LISTED - len(listed)]]
            rows += chunk.rows
            rejected += len(refused)
            if rejected > REJECTED_MAX:
                raise InvalidInput(
                    f"{rejected:,} of the first {rows:,} records of the body are refused; the first: "
                    f"{listed[0].message}",
                    reason="TooManyRejections",
                    hint="check that the content type and the source's record fit the body; nothing of it was kept",
                )
        return IngestAnswer(rows - rejected, rejected, tuple(listed), repeated=False)

    def _chunks(self, body: bytes, content: Content) -> Iterator[Chunk]:
        if content is Content.ARROW:
            return _column_chunks(body, self.bytes_max)
        if content is Content.JSON:
            _check_closed(body)
        return self._text_chunks(body, content)

    def _text_chunks(self, body: bytes, content: Content) -> Iterator[TextChunk]:
        """Whole records of a text body, block by block: its frames would take more memory than the body itself."""
        header: tuple[str, ...] = tuple(self._csv.columns) if content is Content.CSV else ()
        given = np.frombuffer(body, np.uint8)
        begin, size = 0, _BLOCK_BYTES
        while begin < len(given):
            end = min(begin + size, len(given))
            data = np.empty(end - begin + _SLACK_BYTES, np.uint8)
            data[: end - begin] = given[begin:end]
            data[end - begin :] = 0
            frames = self._framed(data, end - begin, content, at_end=end == len(given))
            first = 0
            if content is Content.CSV and not header and len(frames.starts):
                header = _header(data[frames.starts[0] :][: frames.lengths[0]].tobytes(), self._csv)
                first = 1
            yield from _line_chunks(data, frames, first, begin, header)
            if end == len(given):
                return
            size = _BLOCK_BYTES if frames.consumed else 2 * size
            begin += frames.consumed

    def _framed(self, data: "np.typing.NDArray[np.uint8]", end: int, content: Content, *, at_end: bool) -> Frames:
        if content is Content.CSV:
            return frame_csv(data, end, delimiter=self._csv.delimiter, quote=self._csv.quote, at_end=at_end)
        return (frame_documents if content is Content.JSON else frame_lines)(data, end, at_end=at_end)

    async def _forget_old_keys(self) -> None:
        now_s = time.monotonic()
        if now_s - self._forgotten_s > _FORGET_EVERY_S:
            self._forgotten_s = now_s
            await self._log.forget_repeats(self.source, _now_us() - self._http.repeat_window.us)


def _line_chunks(
    data: "np.typing.NDArray[np.uint8]", frames: Frames, first: int, begin: int, header: tuple[str, ...] = ()
) -> Iterator[TextChunk]:
    """The records of a block from the `first` on. `begin`: where the block is."""
    for row in range(first, len(frames.starts), _CHUNK_ROWS):
        starts = frames.starts[row : row + _CHUNK_ROWS]
        # No record is at 0: there a byte order mark would be looked for.
        yield TextChunk(data, starts, frames.lengths[row : row + _CHUNK_ROWS], starts + (begin + len(_MARK)), header)


def _column_chunks(body: bytes, bytes_max: int) -> Iterator[ColumnChunk]:
    row = 0
    for batch in read_batches(body, bytes_max):
        for begin in range(0, batch.num_rows, _CHUNK_ROWS):
            part: pa.RecordBatch = batch.slice(begin, _CHUNK_ROWS)
            yield ColumnChunk(part, np.arange(row, row + part.num_rows, dtype=np.int64))
            row += part.num_rows


def _check_closed(body: bytes) -> None:
    """Raises: InvalidInput for an array without its end: the body is a part of what was meant."""
    if body[:64].lstrip()[:1] == b"[" and body[-64:].rstrip()[-1:] != b"]":
        raise InvalidInput(
            "the body begins a JSON array and ends without closing it",
            reason="TruncatedJson",
            hint="send all of the array, or one object a line as application/x-ndjson; nothing of it was kept",
        )


def _header(line: bytes, form: CsvFormat) -> tuple[str, ...]:
    """The column names in a body's first record. Raises: InvalidInput."""
    try:
        return tuple(next(csv.reader([line.decode()], delimiter=form.delimiter, quotechar=form.quote)))
    except (UnicodeDecodeError, csv.Error, StopIteration) as error:
        raise InvalidInput(
            f"the first line of the CSV body names no columns: {error}",
            reason="BadCsvHeader",
            hint="each body begins with a line of column names, in UTF-8; nothing of it was kept",
        ) from error


def _closed(body: bytes, content: Content) -> bytes:
    """A body that the next one can follow."""
    return body if content is Content.ARROW or body.endswith(b"\n") else body + b"\n"


def _verdict(rows_before: int, rejection: Rejection) -> Verdict:
    return Verdict(
        row=rows_before + rejection.row + 1,
        stage=rejection.stage.value,
        reason=rejection.reason,
        field=rejection.subject,
        message=rejection.message,
    )


def _repeated(key: str, digest: str, known: Repeat) -> IngestAnswer:
    if known.digest != digest:
        raise InvalidInput(
            f"the Idempotency-Key `{key}` came before with another body",
            reason="IdempotencyKeyReused",
            hint="use a new key for each body, and the same key only to send the same body again",
        )
    answer = msgspec.json.decode(known.answer, type=IngestAnswer)
    return replace(answer, repeated=True)


def _now_us() -> int:
    return time.time_ns() // 1000
