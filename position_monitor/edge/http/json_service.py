"""Questions to a JSON service of the stack: short time-outs, bounded bodies, few retries, errors without addresses.

Only for questions that change nothing and may be repeated.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from http import HTTPStatus
from ssl import SSLContext
from typing import Any, Final

import tenacity

from position_monitor.edge.clock import Clock
from position_monitor.edge.http.bounded_body import ENCODINGS, BodyTooLarge, BodyUnreadable, gathered, unpacked
from position_monitor.errors import ConfigError, PositionMonitorError

REQUEST_TIMEOUT_S: Final = 2.0
"""For the whole of an answer, from the opening of the connection to its last byte."""
RETRY_FOR_S: Final = 3.0
"""No further attempt once this much time went into a question; so it ends within this and one more attempt."""
RETRY_PAUSE_S: Final = 0.2
ATTEMPTS_MAX: Final = 3
BODY_BYTES_MAX: Final = 64 * 1024
CONNECTIONS_MAX: Final = 4


class ServiceDown(PositionMonitorError):
    """The service gave no usable answer. The text never holds its address, which may hold a password."""


class _Transient(ServiceDown):
    """Worth asking again: no answer, or a server error."""


class NothingThere(PositionMonitorError):
    """The service answered 404."""


@lru_cache(maxsize=1)
def _certificates() -> SSLContext:
    """Those that every service is checked against: a megabyte each time they are loaded."""
    from position_monitor.edge.http.httpx_alone import httpx

    return httpx.create_ssl_context(trust_env=False)


class JsonService:
    """One service behind a base URL. `ask` returns the raw JSON bytes of a 200 answer."""

    def __init__(self, base_url: str, clock: Clock, *, timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        """Raises `ConfigError` when `base_url` is not an http or https address."""
        # here, because a daemon that asks no service starts sooner without it
        from position_monitor.edge.http.httpx_alone import httpx

        try:
            url = httpx.URL(base_url)
        except httpx.InvalidURL:
            url = httpx.URL("")
        if url.scheme not in ("http", "https") or not url.host:
            raise ConfigError("the address of a service was not an http:// or https:// URL")
        self._clock = clock
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            base_url=url.copy_with(userinfo=b""),  # a password in an address is sent as a header and shown nowhere
            auth=(url.username, url.password) if url.userinfo else None,
            timeout=httpx.Timeout(timeout_s),
            verify=_certificates(),
            headers={"Accept-Encoding": ENCODINGS},
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
            follow_redirects=False,
            trust_env=False,  # a proxy of the host has no business with addresses inside the stack
        )

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
        """The body of a 200 answer. Raises `NothingFound` for 404 and `ServiceDown` for everything else."""
        async for attempt in tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(_Transient),
            stop=tenacity.stop_after_delay(RETRY_FOR_S) | tenacity.stop_after_attempt(ATTEMPTS_MAX),
            wait=tenacity.wait_fixed(RETRY_PAUSE_S),
            sleep=self._clock.sleep,
            reraise=True,
        ):
            with attempt:
                return await self._ask_once(method, path, body)
        raise ServiceDown("was not asked")  # unreachable: tenacity returns or raises

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def _ask_once(self, method: str, path: str, body: dict[str, Any] | None) -> bytes:
        from position_monitor.edge.http.httpx_alone import httpx

        try:
            # httpx counts from byte to byte: a service that sends one a second would be waited for until its last one.
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream(method, path, json=body) as reply,
            ):
                _check(reply.status_code)
                raw = await gathered(reply.aiter_raw(), BODY_BYTES_MAX)
            return unpacked(raw, reply.headers.get("content-encoding", ""), BODY_BYTES_MAX)
        except (httpx.TimeoutException, TimeoutError):
            raise _Transient("did not answer in time") from None
        except BodyTooLarge:
            raise ServiceDown(f"answered more than {BODY_BYTES_MAX} bytes") from None
        except BodyUnreadable as fault:
            raise ServiceDown(f"answered with a body that is {fault}") from None
        except (httpx.HTTPError, httpx.StreamError, OSError) as fault:
            raise _Transient(f"could not be reached ({type(fault).__name__})") from None


def _check(status: int) -> None:
    if status == HTTPStatus.NOT_FOUND:
        raise NothingThere("has nothing")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise _Transient(f"answered HTTP {status}")
    if status != HTTPStatus.OK:
        raise ServiceDown(f"answered HTTP {status}")
