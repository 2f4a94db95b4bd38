"""Chunks of an http source to the normalised record: each chunk says by its kind how it is written."""

from datanexus.engine.decode.column_decoder import ColumnDecoder
from datanexus.engine.decode.csv_decoder import CsvDecoder
from datanexus.engine.decode.json_decoder import JsonDecoder
from datanexus.engine.decode.normalise import Decoded
from datanexus.plan.physical import RecordPlan
from datanexus.ports.source import Chunk, ColumnChunk
from datanexus_spec.format import CsvFormat


class BodyDecoder:
    """Columns are Arrow, text with column names is CSV, other text is JSON."""

    def __init__(self, form: CsvFormat, record: RecordPlan) -> None:
        self._columns = ColumnDecoder(record)
        self._csv = CsvDecoder(form, record)
        self._json = JsonDecoder(record)

    def decode(self, chunk: Chunk) -> Decoded:
        """Read all records of a chunk."""
        if isinstance(chunk, ColumnChunk):
            return self._columns.decode(chunk)
        return (self._csv if chunk.header else self._json).decode(chunk)
