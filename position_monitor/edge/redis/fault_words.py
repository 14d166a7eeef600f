"""Why Redis gave no answer, in words for the one who asked: where it is and what it did, never a password."""

from __future__ import annotations

from typing import Final

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    InvalidResponse,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)

from position_monitor.edge.redis.connection import SOCKET_TIMEOUT_S, address_of
from position_monitor.edge.redis.published_text import harmless

_WORDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (AuthenticationError, "refused the user or the password"),
    (NoPermissionError, "does not permit this user the keys of the account (ACL)"),
    (BusyLoadingError, "is still loading its data"),
    (InvalidResponse, "does not answer as Redis does: something else listens there"),
    (ReadOnlyError, "is a replica that only reads"),
    (OutOfMemoryError, "is full"),
)
_SAYS: Final = (
    ("-LOADING", "is still loading its data"),
    ("NOAUTH", "wants a user or a password"),
    ("WRONGPASS", "refused the user or the password"),
    ("No master found", "was not reached: no Sentinel there names a master"),
    ("NOPERM", "does not permit this user the keys of the account (ACL)"),
)
"""What a server says while a connection is made; redis-py has no type of its own for it there."""
_MESSAGE_MAX: Final = 120


def in_words(url: str, fault: BaseException) -> str:
    """One sentence about what `fault` means; `url` says where Redis should be."""
    return f"Redis at {address_of(url)} {conduct(fault)}"


def conduct(fault: BaseException) -> str:
    """What Redis did, for a sentence of which it is the subject: `is full`, `did not answer: connection refused`."""
    for kind, words in _WORDS:
        if isinstance(fault, kind):
            return words
    text = str(fault)
    for start, words in _SAYS:
        if start in text:
            return words
    if isinstance(fault, ResponseError):
        return f"answered with an error: {harmless(text)[:_MESSAGE_MAX]}"
    return f"did not answer: {_silence(fault)}"


def _silence(fault: BaseException) -> str:
    """Why nothing came, as the system named it: redis-py wraps the cause in an error of its own."""
    cause: BaseException | None = fault
    for _ in range(5):
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        if cause is None:
            break
        cause = cause.__cause__ or cause.__context__
    if isinstance(fault, TimeoutError) or "imeout" in f"{type(fault).__name__}{fault}":
        return f"nothing came within {SOCKET_TIMEOUT_S:g} s"
    return "the connection was lost"
