"""The head of a request as a value, read strictly: what is not plain HTTP/1 without a body is answered by a status."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

HEAD_BYTES_MAX: Final = 16 * 1024
HEADERS_MAX: Final = 100
QUERY_FIELDS_MAX: Final = 10
_REQUEST_LINE: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([!-~]{1,8192}) HTTP/(\d)\.(\d)")
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_ONCE: Final = ("host", "authorization", "content-length")
"""Headers that say two things when they stand there twice."""
_GZIP: Final = re.compile(r"(?:^|,)\s*(?:gzip|\*)\s*(?:;\s*q=([\d.]{1,6})\s*)?(?=,|$)")


class BadRequest(Exception):
    """The status to answer with, after which the connection is closed."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Request(NamedTuple):
    """One request."""

    method: str
    path: str
    """Decoded; empty for a method that is not answered."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By name in lower case."""
    keeps_alive: bool
    """Whether another request may follow on the connection."""

    @property
    def takes_gzip(self) -> bool:
        """Whether the answer may be compressed."""
        offer = _GZIP.search(self.headers.get("accept-encoding", ""))
        return offer is not None and (offer[1] is None or offer[1].strip("0.") != "")


def read_head(head: bytes) -> Request:
    """The request of a head that ends with an empty line. Raises `BadRequest`, which repeats nothing of it."""
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    line = _REQUEST_LINE.fullmatch(first)
    if line is None:
        raise BadRequest(400, "the first line is not that of a request")
    method, target, major, minor = line.groups()
    if major != "1":
        raise BadRequest(505, "HTTP/1.1 is spoken here")
    headers = _headers(lines)
    has_body = headers.get("content-length", "0").strip("0") != "" or "transfer-encoding" in headers
    asks_to_close = "close" in headers.get("connection", "").lower()
    keeps_alive = minor != "0" and not has_body and not asks_to_close
    if method not in ("GET", "HEAD"):
        return Request(method=method, path="", query={}, headers=headers, keeps_alive=keeps_alive)
    path, query = _target(target)
    return Request(method=method, path=path, query=query, headers=headers, keeps_alive=keeps_alive)


def _headers(lines: list[str]) -> dict[str, str]:
    if len(lines) > HEADERS_MAX:
        raise BadRequest(431, f"more than {HEADERS_MAX} headers")
    headers: dict[str, str] = {}
    for text in lines:
        header = _HEADER.fullmatch(text)
        if header is None:
            raise BadRequest(400, "a header is none")
        name, value = header[1].lower(), header[2].rstrip(" \t")
        if name in headers and name in _ONCE:
            raise BadRequest(400, f"{name} stands there twice")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _target(target: str) -> tuple[str, dict[str, str]]:
    """Path and query of `/path?query`, or of the whole address that a proxy sends."""
    if not target.startswith("/") and not target.lower().startswith(("http://", "https://")):
        raise BadRequest(400, "the target is not a path")
    try:
        parts = urlsplit(target if not target.startswith("/") else f"http://here{target}")
        fields = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX)
    except ValueError:
        raise BadRequest(400, "the target is not an address") from None
    return unquote(parts.path) or "/", dict(reversed(fields))
