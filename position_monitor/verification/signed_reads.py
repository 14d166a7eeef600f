"""Signed GET requests to the venue, one at a time, by httpx and the standard library's HMAC.

Source: Binance, USDⓈ-M futures, General Info: `signature` is the HMAC-SHA256 of the query with the secret, in hex, and
the last parameter; the key goes in the header X-MBX-APIKEY. No text of a failure holds an address with a query, a key
or a signature (invariant 15): the host, the port and the documented path are all that is named.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import ssl
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NoReturn
from urllib.parse import urlencode, urlsplit

import httpx

from position_monitor.errors import PositionMonitorError

RECV_WINDOW_MS: Final = 5_000
BODY_BYTES_MAX: Final = 8 << 20
_TOO_MUCH: Final = f"answered more than {BODY_BYTES_MAX} bytes"
WEIGHT_SHARE_1M: Final = 1_200
"""The weight of a minute, whoever used it, from which nothing more is asked before the next minute: half of it. The
daemon on the same address looks less often beyond it."""
_MINUTE_MS: Final = 60_000
_CLOCK_REFUSED: Final = -1021
_KEY_REFUSED: Final = (-2014, -2015)
_SIGNATURE_REFUSED: Final = -1022
_SAID_MAX: Final = 160
_USED_HEADER: Final = "x-mbx-used-weight-1m"

ORIGINS: Final[Mapping[str, str]] = {
    "live": "https://fapi.binance.com",
    "demo": "https://demo-fapi.binance.com",
}
"""Where each environment's futures interface is, when the configuration names no other address."""
WALLET_ORIGINS: Final[Mapping[str, str]] = {
    "live": "https://api.binance.com",
    "demo": "https://demo-api.binance.com",
}
"""Where the permissions of a key are asked (`/sapi`), when the configuration names no other address."""


class VenueUnread(PositionMonitorError):
    """The venue gave no answer that could be read. `http_status` and `code` are the venue's, where it gave any."""

    @property
    def key_refused(self) -> bool:
        """Whether the venue refused the key, its secret, or what it may do."""
        return self.http_status == httpx.codes.UNAUTHORIZED or self.code in (*_KEY_REFUSED, _SIGNATURE_REFUSED)

    def __init__(self, message: str, *, http_status: int | None = None, code: int | None = None) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.code = code


@dataclass(frozen=True, slots=True)
class Key:
    """A key and its secret. Neither is shown when it is printed."""

    api_key: str
    api_secret: str

    def __repr__(self) -> str:
        return "Key(***)"


class SignedReads:
    """Reads of one account. Nothing but GET is ever sent."""

    def __init__(
        self, origin: str, key: Key, *, timeout_s: float, tell: Callable[[str], object] = lambda _: None
    ) -> None:
        """`origin` is scheme, host and port; `timeout_s` is for the whole of one answer; `tell` hears of a wait."""
        self._origin = origin.rstrip("/")
        self._key = key
        self._timeout_s = timeout_s
        self._tell = tell
        self.place = place_of(origin)
        """Host and port, for messages."""
        self.offset_ms = 0
        """The venue's clock minus this host's, measured by `measure_clock`."""
        self.weight_used_1m: int | None = None
        """What the venue last said this address used of the running minute."""
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_s),
            headers={"Accept-Encoding": "identity"},
            follow_redirects=False,  # the key must never follow one to another host
            trust_env=False,
            verify=_trust(origin),
        )

    def beside(self, origin: str) -> SignedReads:
        """The same key and patience at another address of the venue."""
        return SignedReads(origin, self._key, timeout_s=self._timeout_s, tell=self._tell)

    def keeping_time_of(self, other: SignedReads) -> SignedReads:
        """These reads, stamped by the clock that another address of the venue was measured by."""
        self.offset_ms = other.offset_ms
        return self

    async def measure_clock(self) -> int:
        """Ask the venue's time and keep the offset; returns it in ms. Half of the round trip is taken off."""
        began_s = time.monotonic()
        body = await self.ask("/fapi/v1/time", signed=False)
        trip_ms = (time.monotonic() - began_s) * 1000
        stated = body.get("serverTime") if isinstance(body, Mapping) else None
        if not isinstance(stated, int) or isinstance(stated, bool):
            self._unread("/fapi/v1/time", "its body was not the documented one")
        self.offset_ms = round(stated - now_ms() + trip_ms / 2)
        return self.offset_ms

    async def make_room(self, weight: int) -> None:
        """Wait for the next minute where this one has no room for `weight`: a minute at most."""
        if self.weight_used_1m is None or self.weight_used_1m + weight <= WEIGHT_SHARE_1M:
            return
        wait_s = (_MINUTE_MS - (now_ms() + self.offset_ms) % _MINUTE_MS) / 1000 + 0.5
        self._tell(
            f"{self.weight_used_1m} of this minute's request weight at {self.place} are used; the rest is left to the "
            f"daemon, and the next minute is waited for: {wait_s:.0f} s"
        )
        await asyncio.sleep(wait_s)
        self.weight_used_1m = None

    async def ask(self, path: str, params: Mapping[str, str] | None = None, *, signed: bool = True) -> Any:  # noqa: ANN401
        """The parsed body of a 200 answer, fractions as `Decimal`. Raises `VenueUnread`.

        A refused time stamp is measured anew, once.
        """
        try:
            return await self._ask_once(path, dict(params or {}), signed=signed)
        except VenueUnread as refused:
            if not signed or refused.code != _CLOCK_REFUSED:
                raise
        await self.measure_clock()
        return await self._ask_once(path, dict(params or {}), signed=signed)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask_once(self, path: str, params: dict[str, str], *, signed: bool) -> Any:  # noqa: ANN401
        headers = {}
        if signed:
            params |= {"recvWindow": str(RECV_WINDOW_MS), "timestamp": str(now_ms() + self.offset_ms)}
            headers["X-MBX-APIKEY"] = self._key.api_key
        query = urlencode(params)
        if signed:
            query += f"&signature={signature(query, self._key.api_secret)}"
        status, raw, why = await self._exchanged(f"{self._origin}{path}{'?' if query else ''}{query}", headers)
        if status is None:
            self._unread(path, why)
        return self._body(path, status, raw, why)

    async def _exchanged(self, url: str, headers: Mapping[str, str]) -> tuple[int | None, bytes, str]:
        """Status, body and the stated wait; or None and why no answer came.

        No exception leaves here: the client library's own carry the signed address.
        """
        raw = bytearray()
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream("GET", url, headers=dict(headers)) as reply,
            ):
                self._note_weight(reply.headers)
                async for part in reply.aiter_raw():
                    raw += part
                    if len(raw) > BODY_BYTES_MAX:
                        return None, b"", _TOO_MUCH
                body = _unpacked(bytes(raw), reply.headers.get("content-encoding", ""))
                if len(body) > BODY_BYTES_MAX:
                    return None, b"", _TOO_MUCH
                return reply.status_code, body, reply.headers.get("retry-after", "")
        except (httpx.TimeoutException, TimeoutError):
            return None, b"", f"did not answer within {self._timeout_s:g} s"
        except httpx.ConnectError:
            return None, b"", "cannot be reached: no connection could be made; check exchange.rest_url and the network"
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError, zlib.error):
            return None, b"", "broke off its answer or sent no HTTP"

    def _note_weight(self, headers: httpx.Headers) -> None:
        used = headers.get(_USED_HEADER, "")
        if re.fullmatch(r"\d{1,6}", used, re.ASCII):
            self.weight_used_1m = int(used)

    def _body(self, path: str, status: int, raw: bytes, retry_after: str) -> Any:  # noqa: ANN401
        body = _parsed(raw)
        code, said = _code_and_words(body)
        if status in (418, 429):
            again = f"; it wants silence for {retry_after} s" if re.fullmatch(r"\d{1,9}", retry_after, re.ASCII) else ""
            word = "bans this address" if status == 418 else "limits this address"
            self._unread(path, f"{word} (HTTP {status}){again}{_quoted(said)}", status=status, code=code)
        if code is not None and code < 0:
            refused = f"refused (HTTP {status}, code {code}){_quoted(said)}{_advice(code)}"
            self._unread(path, refused, status=status, code=code)
        if status != httpx.codes.OK:
            self._unread(path, f"answered HTTP {status}", status=status)
        if body is _NOT_JSON:
            self._unread(path, "answered with something that is not JSON: exchange.rest_url may be a web page or proxy")
        return body

    def _unread(self, path: str, why: str, *, status: int | None = None, code: int | None = None) -> NoReturn:
        raise VenueUnread(f"the exchange at {self.place} {why} [GET {path}]", http_status=status, code=code) from None


def _trust(origin: str) -> ssl.SSLContext:
    """The authorities of this host. Where no TLS is spoken they are not loaded: that takes longer than a look."""
    return ssl.create_default_context() if origin.startswith("https") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def signature(query: str, secret: str) -> str:
    """HMAC-SHA256 of the query with the secret, in hex."""
    return hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()


def now_ms() -> int:
    """This host's clock, ms UTC."""
    return time.time_ns() // 1_000_000


def place_of(origin: str) -> str:
    """Host and port of an origin."""
    parts = urlsplit(origin)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    host = parts.hostname or "?"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


_NOT_JSON: Final = object()


def _unpacked(raw: bytes, encoding: str) -> bytes:
    """The body as its header says it is packed, no further than one byte beyond what is allowed."""
    if encoding.strip().lower() in ("", "identity") or not raw:
        return raw
    if encoding.strip().lower() not in ("gzip", "deflate"):
        raise ValueError("packed in a way that nobody asked for")
    return zlib.decompressobj(32 + zlib.MAX_WBITS).decompress(raw, BODY_BYTES_MAX + 1)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _parsed(raw: bytes) -> Any:  # noqa: ANN401
    try:
        return json.loads(raw, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, ArithmeticError, RecursionError):
        return _NOT_JSON


def _code_and_words(body: object) -> tuple[int | None, str]:
    if not isinstance(body, Mapping):
        return None, ""
    code, words = body.get("code"), body.get("msg")
    number = code if isinstance(code, int) and not isinstance(code, bool) else None
    return number, words if isinstance(words, str) else ""


def _quoted(words: str) -> str:
    """The venue's own words, without anything that may be an address, a key or a signature."""
    text = re.sub(r"\S*(?:://|signature|apikey|secret)\S*", "<removed>", words[:2_000], flags=re.IGNORECASE)
    text = (
        re.sub(r"[A-Za-z0-9+/=_-]{32,}", "<removed>", re.sub(r"[^\x20-\x7e]+", " ", text))
        .strip()[:_SAID_MAX]
        .rstrip(".")
    )
    return f": {text}" if text else ""


def _advice(code: int) -> str:
    if code in _KEY_REFUSED:
        return "; check the key, the address it is restricted to, and that it may read futures"
    if code == _SIGNATURE_REFUSED:
        return "; check the secret that belongs to the key"
    return "; check this host's clock (NTP)" if code == _CLOCK_REFUSED else ""
