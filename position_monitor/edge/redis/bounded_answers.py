"""What a reader takes of Redis, bounded while it is being read: whoever may write a key may write 512 MB into it.

A value beyond the bound is cut and the rest of it thrown away as it comes, so that one of them hides no other; every
document that can be read is far shorter, so that a cut one never reads as a whole. An answer that is too large as a
whole is given up with its connection.
"""

from __future__ import annotations

from typing import Any, Final

from redis.asyncio import connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse

from position_monitor.edge.redis.published_text import DOCUMENT_LENGTH_MAX

VALUE_BYTES_MAX: Final = 4 * (DOCUMENT_LENGTH_MAX + 1)
"""A character of UTF-8 has four bytes at the most: what is cut still has more characters than a document may have."""
ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
"""Two thousand positions are an eighth of it."""
VALUE_COST_BYTES: Final = 64
"""What a value costs here beside its bytes; a set of a million short members is large as well."""
PIECE_BYTES: Final = 64 * 1024

_Parser: Any = getattr(connection, "_AsyncRESP3Parser")  # noqa: B009  redis-py takes a parser and exports none


class AnswerTooLarge(InvalidResponse):
    """Redis holds more than a reader takes."""


class BoundedAnswers(_Parser):  # type: ignore[misc]
    """redis-py's own parser with the bounds above. Given as `parser_class`."""

    _taken = 0

    async def read_response(self, disable_decoding: bool = False, push_request: bool = False) -> Any:  # noqa: ANN401
        """One whole answer; of a transaction that is all of its answers."""
        self._taken = 0
        return await super().read_response(disable_decoding=disable_decoding, push_request=push_request)

    async def _read(self, length: int) -> bytes:
        self._taken += min(length, VALUE_BYTES_MAX) + VALUE_COST_BYTES
        if self._taken > ANSWER_BYTES_MAX:
            raise AnswerTooLarge(f"an answer of more than {ANSWER_BYTES_MAX >> 20} MiB")
        if length <= VALUE_BYTES_MAX:
            whole: bytes = await super()._read(length)
            return whole
        begun: bytes = await super()._read(VALUE_BYTES_MAX - 2)  # which takes two more, as if they ended the line
        left = length + 2 - VALUE_BYTES_MAX
        while left:
            piece = await self._stream.read(min(left, PIECE_BYTES))
            if not piece:
                raise RedisConnectionError("Redis closed the connection within an answer")
            left -= len(piece)
        return begun
