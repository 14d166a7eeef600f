"""A body is unpacked up to its limit and not a byte further (row 5.4)."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from position_monitor.edge.http.bounded_body import BodyTooLarge, BodyUnreadable, gathered, unpacked

MIB = 1 << 20
BOMB = gzip.compress(bytes(100 * MIB), 9)


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


PACKERS = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZIP ": gzip.compress,
    "deflate": zlib.compress,
}


@given(st.sampled_from(sorted(PACKERS)), st.binary(max_size=2_000), st.integers(0, 2_000))
def test_what_fits_comes_out_whole_and_nothing_larger_does(encoding: str, body: bytes, most: int) -> None:
    packed = PACKERS[encoding](body)
    if len(body) <= most:
        assert unpacked(packed, encoding, most) == body
    else:
        with pytest.raises(BodyTooLarge):
            unpacked(packed, encoding, most)


def test_deflate_without_its_header_and_gzip_in_parts() -> None:
    assert unpacked(raw_deflate(b"[1]"), "deflate", 10) == b"[1]"
    assert unpacked(gzip.compress(b"[1") + gzip.compress(b"]") + b"\0\0", "gzip", 3) == b"[1]"
    with pytest.raises(BodyTooLarge):
        unpacked(gzip.compress(b"[1") + gzip.compress(b"]"), "gzip", 2)
    with pytest.raises(BodyUnreadable):
        unpacked(gzip.compress(b"") * 1_000, "gzip", 10)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress", "no", "gzip", "deflate"])
def test_what_cannot_be_unpacked_is_said(encoding: str) -> None:
    with pytest.raises(BodyUnreadable):
        unpacked(b"\x78[not packed]", encoding, 100)
    if encoding in ("gzip", "deflate"):
        with pytest.raises(BodyUnreadable):
            unpacked(PACKERS[encoding](b"[1, 2]")[:-3], encoding, 100)


@pytest.mark.parametrize(
    ("encoding", "bomb"),
    [("gzip", BOMB), ("deflate", zlib.compress(bytes(100 * MIB), 9)), ("gzip", gzip.compress(b"x") + BOMB)],
)
def test_a_bomb_costs_its_limit(encoding: str, bomb: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(BodyTooLarge):
        unpacked(bomb, encoding, MIB)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MIB


async def test_a_stream_of_chunks_ends_at_the_limit() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 10

    with pytest.raises(BodyTooLarge):
        await gathered(chunks(), 95)
