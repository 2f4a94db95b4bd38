"""Whatever a file holds, `init` finds a pipeline that can be planned, or refuses with a message."""

import random
import tempfile
from functools import cache
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from datanexus.inference.finding import Piece, Sample
from datanexus.inference.forms import text_form
from datanexus.inference.inferring import infer
from datanexus.inference.rendering import pipeline_text
from datanexus.inference.telling import findings_text
from datanexus.plan.planner import plan_pipeline
from datanexus_spec.errors import InvalidInput
from datanexus_spec.parser import parse_documents
from datanexus_spec.pipeline import Pipeline
from tests.init.awkward import REFUSED, RUNS

NO_TEXT = ("parquet", "arrow_of_many_types", "gzipped", "spreadsheet")
BITS = (
    b",",
    b'"',
    b"\n",
    b"{",
    b"}",
    b"\\",
    b"\0",
    b"null",
    b"1e999",
    b"NaN",
    b"-",
    b";",
    b"\t",
    b"${x}",
    b"\xff",
    b"9" * 50,
)
NOW_US = 1_800_000_000_000_000


@cache
def contents() -> tuple[bytes, ...]:
    """The beginnings of the awkward files."""
    made = []
    for name, make in {**RUNS, **REFUSED}.items():
        if name not in NO_TEXT:
            with tempfile.TemporaryDirectory() as folder:
                made.append(make(Path(folder)).read_bytes()[:3_000])
    return tuple(made)


def mutated(draw: random.Random) -> bytes:
    content = bytearray(draw.choice(contents()))
    for _ in range(draw.randint(0, 12)):
        at = draw.randint(0, len(content))
        match draw.randint(0, 4):
            case 0:
                content[at:at] = draw.choice(BITS)
            case 1:
                del content[at : at + draw.randint(1, 60)]
            case 2:
                content[at:at] = content[: draw.randint(0, 200)]
            case 3:
                lines = bytes(content).split(b"\n")
                draw.shuffle(lines)
                content = bytearray(b"\n".join(lines))
            case 4:
                content[at:] = draw.choice(contents())[-draw.randint(1, 500) :]
    return bytes(content)


@given(seed=st.integers(0, 2**32))
def test_a_pipeline_or_a_refusal(seed: int) -> None:
    content = mutated(random.Random(seed))
    piece = Piece("x.csv", 0, content, at_start=True, at_end=True)
    sample = Sample("x.csv", ["x.csv"], [piece], len(content), complete=True, now_us=NOW_US)
    try:
        findings = infer(sample, text_form(sample))
    except InvalidInput:
        return
    text = pipeline_text(findings, path="x.csv")
    (resource,) = parse_documents(text, Path("x.yaml").name, {})
    assert isinstance(resource, Pipeline)
    assert plan_pipeline(resource).record.event_time == findings.event_time.name
    assert findings_text(findings).isprintable() or "\n" in findings_text(findings)
