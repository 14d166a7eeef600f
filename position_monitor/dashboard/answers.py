"""Answers as values: a body with its compressed form, made once however many take it, and a stream without an end."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Mapping
from typing import Final, NamedTuple

TEXT: Final = "text/plain; charset=utf-8"


class Body:
    """The bytes of an answer, and the same compressed when somebody wants that; made once, however many take it."""

    __slots__ = ("_compressed", "plain")

    def __init__(self, plain: bytes) -> None:
        self.plain = plain
        self._compressed: bytes | None = None

    @property
    def compressed(self) -> bytes:
        """As gzip."""
        if self._compressed is None:
            packing = zlib.compressobj(level=1, wbits=31)
            self._compressed = packing.compress(self.plain) + packing.flush()
        return self._compressed


class Answer(NamedTuple):
    """One answer with its length."""

    body: Body
    content_type: str = TEXT
    status: int = 200
    headers: Mapping[str, str] = {}


class Stream(NamedTuple):
    """An answer without an end; the connection is closed with it."""

    pieces: AsyncGenerator[bytes]
    content_type: str


def said(status: int, words: str, **headers: str) -> Answer:
    """An answer in one line of words; an underscore in the name of a header is a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(Body(f"{words}\n".encode()), status=status, headers=named)
