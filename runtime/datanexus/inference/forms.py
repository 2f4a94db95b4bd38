"""Which format a sample is in, or precisely why none: the first bytes, then one format after the other.

Arrow and Parquet are read by their libraries where files are sampled; here they arrive as typed runs.
"""

from collections.abc import Sequence

from datanexus.inference.delimited import delimited
from datanexus.inference.documents import json_document, json_lines
from datanexus.inference.finding import FormatFinding, Piece, Sample
from datanexus.inference.lines import is_yearless, text_lines
from datanexus_spec.errors import InvalidInput

ROWS_MAX = 20_000  # records of a file's beginning that are looked at; a tenth of it of each piece further on
CONTINUED_MIN = 0.4  # share of lines that a pattern matches where others go on with the one before, as stack traces do
_BINARY_SHARE = 0.05  # of bytes that are no text
_SHOWN_LINES = 3
_MAGIC = (
    (b"PK\x03\x04", "a zip file (an .xlsx is one too)", "unpack it, or save the sheet as CSV"),
    (b"SQLite format 3\x00", "an SQLite database", "export a table as CSV"),
    (b"Obj\x01", "an Avro file", "convert it to Parquet or NDJSON"),
    (b"ORC", "an ORC file", "convert it to Parquet"),
    (b"BZh", "a bzip2 file", "decompress it, or compress it with gzip or zstd"),
    (b"\xfd7zXZ", "an xz file", "decompress it, or compress it with gzip or zstd"),
    (b"\x1f\x8b", "a gzip file whose name does not end in .gz", "rename it: files are decompressed by their extension"),
    (
        b"\x28\xb5\x2f\xfd",
        "a zstd file whose name does not end in .zst",
        "rename it: files are decompressed by their extension",
    ),
    (b"\xff\xfe", "UTF-16 text", "save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text", "save it as UTF-8"),
    (b"%PDF", "a PDF", "export its table as CSV"),
    (b"\x89PNG", "a picture", "records are text, Arrow or Parquet"),
)
_TRIED = "NDJSON, a JSON document, CSV with comma, semicolon, tab or bar, access logs, log lines, key=value lines"


def text_form(sample: Sample) -> FormatFinding:
    """The format of text. Raises: InvalidInput, saying what was looked for and what was found."""
    pieces = [piece for piece in sample.pieces if piece.content.strip(b"\xef\xbb\xbf \t\r\n")]
    if not pieces:
        raise InvalidInput(
            f"{sample.path}: there is no record in it: {_emptiness(sample)}",
            reason="NothingToRead",
            hint="init needs some records to look at; ten are enough",
        )
    head = pieces[0].content
    _refuse_binary(sample.path, head)
    if is_yearless(pieces):
        raise _yearless(sample.path, pieces)
    for form in (json_lines, json_document, _preset, delimited, text_lines):
        found = form(pieces, ROWS_MAX)
        if found is not None and found.records:
            return found
    found = text_lines(pieces, ROWS_MAX, CONTINUED_MIN)
    if found is not None and found.records:
        return found
    raise _unrecognised(sample.path, pieces)


def _preset(pieces: Sequence[Piece], rows_max: int) -> FormatFinding | None:
    """Presets come before CSV, guessed patterns after it."""
    found = text_lines(pieces, rows_max)
    return found if found is not None and "preset" in found.text else None


def _emptiness(sample: Sample) -> str:
    if not sample.files:
        return "no file"
    if not sample.bytes_total:
        return "the file is empty" if len(sample.files) == 1 else f"all {len(sample.files)} files are empty"
    return "only blanks and line ends"


def _refuse_binary(path: str, head: bytes) -> None:
    for magic, what, hint in _MAGIC:
        if head.startswith(magic):
            raise InvalidInput(f"{path}: it begins like {what}, which is not read", reason="UnknownFormat", hint=hint)
    judged = head[: 64 << 10]
    controls = sum(judged.count(byte) for byte in (*range(9), *range(14, 32)))
    invalid = judged.decode("utf-8", "replace").count("�")
    if controls + invalid > _BINARY_SHARE * len(judged):
        found = f"{controls:,} control characters and {invalid:,} bytes that are no UTF-8 in the first {len(judged):,}"
        raise InvalidInput(
            f"{path}: it is binary, of no kind that is known: {found}; it begins with {head[:16].hex(' ')}; "
            "looked for the beginnings of Arrow, Parquet, gzip, zstd, zip, Avro, ORC, SQLite",
            reason="UnknownFormat",
            hint="export the data as NDJSON, CSV or Parquet",
        )


def _unrecognised(path: str, pieces: Sequence[Piece]) -> InvalidInput:
    return InvalidInput(
        f"{path}: no format was recognised; looked for {_TRIED}; the first lines are\n{_first_lines(pieces)}",
        reason="UnknownFormat",
        hint="write the pipeline by hand with `format: {text: {pattern: …}}`; docs/reference/formats.md says how",
    )


def _yearless(path: str, pieces: Sequence[Piece]) -> InvalidInput:
    return InvalidInput(
        f"{path}: lines begin with a time without a year, as syslog writes it, so no instant can be made of it; "
        f"the first lines are\n{_first_lines(pieces)}",
        reason="NoEventTime",
        hint="let the logger write ISO 8601 (rsyslog: RSYSLOG_FileFormat)",
    )


def _first_lines(pieces: Sequence[Piece]) -> str:
    lines = pieces[0].content.decode("utf-8-sig", "replace").splitlines()[:_SHOWN_LINES]
    return "\n".join(f"    {line[:100]}" for line in lines)
