"""Chunks of an http source are read as what they are."""

import numpy as np
import pyarrow as pa
import pytest

from datanexus.engine.decode import Decoder, source_decoder
from datanexus.ports.source import Chunk, ColumnChunk
from datanexus_spec.datatype import INT64
from datanexus_spec.pipeline import PipelineSource
from tests.fakes.chunks import field, reasons, record, text_chunk


def decoder() -> Decoder:
    given = {"name": "in", "http": {"format": {"csv": {"delimiter": ";"}}}}
    return source_decoder(PipelineSource.model_validate(given), record(field("n", INT64)))


COLUMNS = pa.record_batch({"n": [7], "time": pa.array([1000], pa.timestamp("us", "UTC"))})
CHUNKS: dict[str, Chunk] = {
    "json": text_chunk([b'{"n": 7, "time": 1}']),
    "csv": text_chunk([b"1;7"], header=("time", "n")),
    "arrow": ColumnChunk(COLUMNS, np.zeros(1, np.int64)),
}


@pytest.mark.parametrize("kind", CHUNKS)
def test_a_chunk_is_decoded_by_its_kind(kind: str) -> None:
    decoded = decoder().decode(CHUNKS[kind])
    assert [] == reasons(decoded)
    assert ([7], [1000]) == (decoded.records.column("n").to_pylist(), decoded.event_time_us.tolist())


@pytest.mark.parametrize("form", [{"ndjson": {}}, {"csv": {}}, {"text": {"preset": "common"}}])
def test_a_chunk_without_records_gives_none(form: dict[str, object]) -> None:
    given = PipelineSource.model_validate({"name": "in", "stdin": {"format": form}})
    decoded = source_decoder(given, record(field("n", INT64))).decode(text_chunk([]))
    assert (0, 0) == (decoded.records.num_rows, len(decoded.rejected))
