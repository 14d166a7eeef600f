"""A request as a value: what h11 took for one, and what this server asks of it beyond the protocol."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

HEAD_BYTES_MAX: Final = 16 * 1024
HEADERS_MAX: Final = 100
QUERY_FIELDS_MAX: Final = 10
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

    @property
    def takes_gzip(self) -> bool:
        """Whether the answer may be compressed."""
        offer = _GZIP.search(self.headers.get("accept-encoding", ""))
        return offer is not None and (offer[1] is None or offer[1].strip("0.") != "")

    @property
    def has_body(self) -> bool:
        """Whether something follows the head. No route wants it."""
        return self.headers.get("content-length", "0").strip("0") != "" or "transfer-encoding" in self.headers


def request_of(message: h11.Request) -> Request:
    """The request that h11 read. Raises `BadRequest`, which repeats nothing of it."""
    if not message.http_version.startswith(b"1."):
        raise BadRequest(505, "HTTP/1.1 is spoken here")
    headers = _headers(message)
    method = message.method.decode("ascii")
    if method not in ("GET", "HEAD"):
        return Request(method=method, path="", query={}, headers=headers)
    path, query = _target(message.target.decode("ascii"))
    return Request(method=method, path=path, query=query, headers=headers)


def _headers(message: h11.Request) -> dict[str, str]:
    if len(message.headers) > HEADERS_MAX:
        raise BadRequest(431, f"more than {HEADERS_MAX} headers")
    headers: dict[str, str] = {}
    for raw_name, raw_value in message.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        if name in headers and name == "authorization":
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
