"""Bodies that are judged at once are answered as each alone."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given, settings
from hypothesis import strategies as st

from datanexus.engine.ingest import Content, IngestAnswer, Ingestion
from datanexus_spec.datatype import INT64
from datanexus_spec.errors import InvalidInput
from datanexus_spec.pipeline import PipelineSource
from tests.fakes.chunks import field, record
from tests.fakes.log import MemoryLog

RECORD = record(field("a", INT64, required=True))
SOURCE = PipelineSource.model_validate({"name": "in", "http": {}})
GOOD = b'{"a":1,"time":"2026-01-01T00:00:00Z"}'
LINES = st.sampled_from([GOOD, GOOD, b'{"a":"x"}', b"{", b"", b"\xff", b'{"b":1}'])
BODIES = st.lists(LINES, max_size=6).map(b"\n".join)


async def answers(bodies: list[bytes], *, at_once: bool) -> tuple[list[object], list[bytes]]:
    """What each producer is told, or why it is refused; and what the log has."""
    log = MemoryLog()
    with ThreadPoolExecutor(1) as threads:
        ingestion = Ingestion("p", SOURCE, RECORD, log, threads)
        if at_once:
            told = await asyncio.gather(
                *(ingestion.accept(body, Content.NDJSON, None) for body in bodies), return_exceptions=True
            )
        else:
            told = [
                await Ingestion("p", SOURCE, RECORD, log, threads).accept(body, Content.NDJSON, None) for body in bodies
            ]
    return list(told), [entry.data for entry in await log.read("in", "in/http", 0, 1000)]


@settings(max_examples=60, deadline=None)
@given(bodies=st.lists(BODIES, min_size=2, max_size=8))
def test_bodies_that_come_together_are_answered_as_each_alone(bodies: list[bytes]) -> None:
    alone, logged_alone = asyncio.run(answers(bodies, at_once=False))
    together, logged = asyncio.run(answers(bodies, at_once=True))
    assert alone == together
    assert sorted(logged_alone) == sorted(logged)


def test_a_body_that_is_refused_as_a_whole_does_not_refuse_its_neighbours() -> None:
    bodies = [GOOD, b"x\n" * 10_001, GOOD, GOOD]
    told, logged = asyncio.run(answers(bodies, at_once=True))
    assert isinstance(told[1], InvalidInput)
    assert "TooManyRejections" == told[1].reason
    assert [IngestAnswer(1, 0, (), repeated=False)] * 3 == [told[0], told[2], told[3]]
    assert [GOOD + b"\n"] * 3 == logged
