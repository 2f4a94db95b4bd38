"""The decoders by format."""

from typing import Protocol

from datanexus.engine.decode.body_decoder import BodyDecoder
from datanexus.engine.decode.column_decoder import ColumnDecoder
from datanexus.engine.decode.csv_decoder import CsvDecoder
from datanexus.engine.decode.json_decoder import JsonDecoder
from datanexus.engine.decode.normalise import Decoded
from datanexus.engine.decode.text_decoder import TextDecoder
from datanexus.plan.physical import RecordPlan
from datanexus.ports.source import Chunk
from datanexus_spec.format import CsvFormat, Format
from datanexus_spec.pipeline import PipelineSource


class Decoder(Protocol):
    """Turns chunks of one source into the normalised record. Keeps no state between chunks."""

    def decode(self, chunk: Chunk) -> Decoded:
        """Decode all rows of a chunk: each is in `rows` or in `rejected`, never both."""
        ...


def source_decoder(source: PipelineSource, record: RecordPlan) -> Decoder:
    """The decoder of what a source's splits give. Raises: as `new_decoder`."""
    if source.http is not None:
        return BodyDecoder(source.http.format.csv or CsvFormat(), record)
    if source.files is not None:
        return new_decoder(source.files.format, record)
    if source.stdin is not None:
        return new_decoder(source.stdin.format, record)
    return ColumnDecoder(record)


def new_decoder(form: Format, record: RecordPlan) -> Decoder:
    """The decoder of one format.

    Raises: InvalidInput for a timestamp format, a time zone or a pattern that cannot be read.
    """
    if form.ndjson is not None or form.json_document is not None:
        return JsonDecoder(record)
    if form.csv is not None:
        return CsvDecoder(form.csv, record)
    if form.text is not None:
        return TextDecoder(form.text, record)
    return ColumnDecoder(record)
