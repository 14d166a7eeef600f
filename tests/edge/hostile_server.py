"""A real HTTP server whose answers are hostile: packed bombs, endless drips, endless bodies."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

MIB = 1 << 20
UNPACKED = 400 * MIB
DRIP_S = 0.05


def _bomb(wbits: int) -> bytes:
    packer = zlib.compressobj(9, wbits=wbits)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(UNPACKED // MIB)) + packer.flush()


BOMBS = {"gzip": _bomb(16 + zlib.MAX_WBITS), "deflate": _bomb(zlib.MAX_WBITS)}
"""400 KB each, which unpack to 400 MB."""
KINDS = ("gzip", "deflate", "chunked gzip", "endless", "drip", "header drip", "damaged", "brotli")


async def _answer(kind: str, writer: asyncio.StreamWriter) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    if kind in BOMBS:
        body = BOMBS[kind]
        writer.write(head + f"Content-Encoding: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    elif kind == "chunked gzip":
        body = BOMBS["gzip"]
        writer.write(head + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
    elif kind == "endless":
        writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
            await writer.drain()
    elif kind == "drip":
        writer.write(head + b"Content-Length: 60000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(DRIP_S)
    elif kind == "header drip":
        writer.write(head + b"X-Long: ")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(DRIP_S)
    elif kind == "damaged":
        body = gzip.compress(b"[]")[:-4] + b"abcd"
        writer.write(head + f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    else:
        writer.write(head + b"Content-Encoding: br\r\nContent-Length: 3\r\n\r\nabc")
    await writer.drain()


@asynccontextmanager
async def hostile(kind: str) -> AsyncIterator[str]:
    """The origin of a server that answers everything in this way."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.lower().split(b"\r\n")
                length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
                await reader.readexactly(length)
                await _answer(kind, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
