"""A file with problems is read as far as can be, so that later checks tell theirs too; nothing of it is ever run."""

import pytest

from datanexus_spec.errors import InvalidSpec
from datanexus_spec.parser import InvalidDocuments, locate, parse_documents
from datanexus_spec.pipeline import Pipeline
from tests.unit.spec.test_parser import MINIMAL


def readable(text: str) -> Pipeline | None:
    with pytest.raises(InvalidSpec) as caught:
        parse_documents(text, "small.yaml", {})
    assert isinstance(caught.value, InvalidDocuments)
    first = next(iter(caught.value.readable), None)
    assert first is None or isinstance(first, Pipeline)
    return first


def test_what_was_probably_meant_is_taken() -> None:
    text = MINIMAL.replace("views:", "veiws:").replace("1h", "1 hour").replace("ndjson", "njson")
    mended = readable(text)
    assert mended is not None
    assert "1h" == str(mended.spec.views[0].window.tumbling.size)  # type: ignore[union-attr]


def test_a_mended_name_keeps_its_place() -> None:
    mended = readable(MINIMAL.replace("views:", "veiws:"))
    assert mended is not None
    line, column = locate(mended, "spec.views[0].aggregates[0].expr", column=10)
    assert MINIMAL.replace("views:", "veiws:").splitlines()[line - 1][column - 1 :].startswith("FILTER")


@pytest.mark.parametrize(
    "addition",
    ["  watermark: {delay: soon}\n", "  dedup: {key: [amount]}\n", "  nonsense: 7\n", "  scale: {partitions: -1}\n"],
)
def test_what_nobody_can_guess_is_left_out(addition: str) -> None:
    mended = readable(MINIMAL + addition)
    assert mended is not None
    assert readable(MINIMAL.replace("views:", "veiws:")) == mended


@pytest.mark.parametrize(
    ("old", "new"),
    [("stdin: {", "stdin: 7, x: {"), ("    eventTime: time\n", ""), ("type: timestamp", "type: [moment]")],
)
def test_what_cannot_be_left_out_ends_it(old: str, new: str) -> None:
    assert old in MINIMAL
    assert None is readable(MINIMAL.replace(old, new))


def test_sound_documents_beside_a_broken_one_are_readable() -> None:
    sound = readable(MINIMAL + "---\nkind: Nothing\n")
    assert sound is not None
    assert "small" == sound.metadata.name
