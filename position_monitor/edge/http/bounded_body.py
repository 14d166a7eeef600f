"""The body of an answer, unpacked no further than a limit: 400 KB on the wire may stand for 400 MB."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import Final

ENCODINGS: Final = "gzip, deflate"
"""What is asked for, as an `Accept-Encoding` header."""
_GZIP: Final = 16 + zlib.MAX_WBITS
_MEMBERS_MAX: Final = 64


class BodyTooLarge(Exception):
    """The body is larger than its limit, packed or unpacked."""


class BodyUnreadable(Exception):
    """The body is not packed as its header says, or in a way that nobody asked for."""


async def gathered(chunks: AsyncIterator[bytes], most: int) -> bytes:
    """The chunks together; raises `BodyTooLarge` as soon as they are more than `most` bytes."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > most:
            raise BodyTooLarge
    return bytes(body)


def unpacked(raw: bytes, encoding: str, most: int) -> bytes:
    """A body as its `Content-Encoding` says; never makes more than `most` bytes of it.

    Raises `BodyTooLarge`, or `BodyUnreadable` for an encoding that was not asked for and for a damaged body.
    """
    name = encoding.strip().lower()
    if name in ("", "identity") or not raw:
        if len(raw) > most:
            raise BodyTooLarge
        return raw
    try:
        if name in ("gzip", "x-gzip"):
            return _members(raw, most)
        if name == "deflate":
            # The header means zlib; some servers send the bare stream. The first half byte of zlib says "deflate".
            return _stream(zlib.decompressobj(zlib.MAX_WBITS if raw[0] & 0xF == 8 else -zlib.MAX_WBITS), raw, most)[0]
    except zlib.error:
        raise BodyUnreadable("damaged") from None
    raise BodyUnreadable("packed in a way that was not asked for")


def _members(raw: bytes, most: int) -> bytes:
    """A gzip body of one part or, rarely, of several one after the other."""
    body = b""
    for _ in range(_MEMBERS_MAX):
        part, raw = _stream(zlib.decompressobj(_GZIP), raw, most - len(body))
        body += part
        if not raw.strip(b"\0"):
            return body
    raise BodyUnreadable("of too many parts")


def _stream(unpacker: zlib._Decompress, raw: bytes, most: int) -> tuple[bytes, bytes]:
    """One packed stream, and what follows it. One byte more than allowed is asked for, to know of it."""
    body = unpacker.decompress(raw, most + 1)
    if len(body) > most:
        raise BodyTooLarge
    if not unpacker.eof:
        raise BodyUnreadable("cut off")
    return body, unpacker.unused_data
