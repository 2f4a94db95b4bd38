"""Decompression gives what was compressed, in small pieces, whatever the pieces it is fed with."""

import gzip
from collections.abc import Callable

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from datanexus.gateway.inflation import PIECE_BYTES, BrokenBody, new_inflation

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd.compress, "identity": bytes}


@pytest.mark.parametrize("coding", COMPRESSORS)
@given(
    parts=st.lists(st.binary(min_size=1, max_size=300), min_size=1), repeat=st.sampled_from((1, 3_000)), data=st.data()
)
def test_parts_in_a_row_inflate_to_all_of_them(
    coding: str, parts: list[bytes], repeat: int, data: st.DataObject
) -> None:
    compress = COMPRESSORS[coding]
    body = b"".join(compress(part * repeat) for part in parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=5)))
    inflation = new_inflation(coding)
    assert inflation is not None
    pieces = [
        piece
        for begin, end in zip([0, *cuts], [*cuts, len(body)], strict=True)
        for piece in inflation.pieces(body[begin:end])
    ]
    assert b"".join(part * repeat for part in parts) == b"".join(pieces)
    assert inflation.is_whole
    assert coding == "identity" or max(map(len, pieces)) <= PIECE_BYTES


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@given(content=st.binary(min_size=1, max_size=500), data=st.data())
def test_a_stream_without_its_end_is_not_whole(coding: str, content: bytes, data: st.DataObject) -> None:
    body = COMPRESSORS[coding](content)
    inflation = new_inflation(coding)
    assert inflation is not None
    cut = data.draw(st.integers(1, len(body) - 1))
    assert content.startswith(b"".join(inflation.pieces(body[:cut])))
    assert not inflation.is_whole


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_what_is_not_compressed_is_told(coding: str) -> None:
    inflation = new_inflation(coding)
    assert inflation is not None
    with pytest.raises(BrokenBody, match=coding):
        list(inflation.pieces(b"plain text, nothing else"))


def test_other_codings_are_not_known() -> None:
    assert [] == [coding for coding in ("br", "deflate", "gzip, zstd") if new_inflation(coding) is not None]
