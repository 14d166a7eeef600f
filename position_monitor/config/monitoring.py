"""The sections that say who is called when something is wrong, and where figures are shown.

The addresses in [alerts] are secrets from their first character on: a bot's token stands in the place of a host, a
topic or a key in the path. So nothing of them is shown but the scheme (invariant 15).
"""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, SecretStr

from position_monitor.config.values import Count, Seconds, Section, allowed_is

URLS_MAX: Final = 20
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)")
_SPLIT: Final = re.compile(r"[/?&=:@,;#]")
_HOST: Final = re.compile(r"[a-z0-9.-]+")
_PLAIN_WORD: Final = re.compile(r"[a-z_-]+|[0-9]{1,5}")


class SecretUrl(SecretStr):
    """An address that is a secret as a whole. `str` and `repr` hide it; `shown` keeps its scheme."""

    @property
    def shown(self) -> str:
        """The scheme, and that there is something behind it; empty for an empty one."""
        return shown_address(self.get_secret_value())

    @property
    def parts(self) -> tuple[str, ...]:
        """The whole address and every part of it, as written and decoded: what a text about it must not repeat."""
        text = self.get_secret_value()
        pieces = [piece for piece in _SPLIT.split(text.partition("://")[2]) if piece]
        return tuple(dict.fromkeys([text, *pieces, *map(unquote, pieces)])) if text else ()

    @property
    def tokens(self) -> tuple[str, ...]:
        """The whole address and those parts that are no host and no plain word: hidden in every text there is."""
        return tuple(piece for piece in self.parts if "://" in piece or _is_token(piece))


def _is_token(piece: str) -> bool:
    host = piece == "localhost" or (_HOST.fullmatch(piece) is not None and "." in piece)
    return not host and _PLAIN_WORD.fullmatch(piece) is None


def shown_address(text: str) -> str:
    """What may be shown of an address in [alerts]: its scheme."""
    scheme = _SCHEME.match(text)
    return f"{scheme.group()}://***" if scheme else "***" if text else ""


def _target(value: SecretUrl) -> SecretUrl:
    text = value.get_secret_value()
    scheme = _SCHEME.match(text)
    if scheme is None or len(text) == len(scheme.group()) + 3:
        raise ValueError("the address must be SCHEME://REST of a notification service")
    if any(char.isspace() or not char.isprintable() for char in text):
        raise ValueError("the address must hold no blank and no control character")
    return value


def _http(value: SecretUrl) -> SecretUrl:
    text = value.get_secret_value()
    if not text:
        return value
    if any(char.isspace() or not char.isprintable() for char in text):
        raise ValueError("the address must hold no blank and no control character")
    try:
        parts = urlsplit(text)
        possible = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        possible = False
    if not possible:
        raise ValueError("the URL must start with http:// or https:// and name a host")
    return value


def _prom_file(value: str) -> str:
    if value and not (value.startswith("/") and value.endswith(".prom")):
        raise ValueError("the path must be absolute and end with .prom")
    return value


PromFile = Annotated[str, AfterValidator(_prom_file)]
NotificationUrl = Annotated[SecretUrl, AfterValidator(_target)]
SecretHttpUrl = Annotated[SecretUrl, AfterValidator(_http)]
_HTTP_WORDS: Final = "empty, or an http:// or https:// URL"


class AlertsSection(Section):
    """Who is called, and when. Nothing here is on the way to a stop.
    The addresses are secrets. This file is readable by others on the host, so put them into the service's environment
    file as ALERTS_URLS, ALERTS_WEBHOOK_URL and ALERTS_PING_URL (docs/operations.md, Alerts)."""

    urls: tuple[NotificationUrl, ...] = Field(
        (),
        max_length=URLS_MAX,
        description="Notification services in the form of the library apprise, e.g. ntfy://TOPIC, tgram://TOKEN/CHAT, "
        "mailtos://USER:PASSWORD@HOST. They need the extra alerts (pip install 'quantum-position-monitor[alerts]'). "
        "Overridden by ALERTS_URLS, separated by blanks.",
        json_schema_extra=allowed_is(f"a list of at most {URLS_MAX} addresses SCHEME://REST"),
    )
    webhook_url: SecretHttpUrl = Field(
        SecretUrl(""),
        description="An address that takes each message as JSON by POST; needs no extra. Empty: none. Overridden by "
        "ALERTS_WEBHOOK_URL.",
        json_schema_extra=allowed_is(_HTTP_WORDS),
    )
    ping_url: SecretHttpUrl = Field(
        SecretUrl(""),
        description="An address of a dead-man service, e.g. of healthchecks.io: asked by GET after a finished cycle "
        "that read the positions, at most once a minute. When the pings end, that service calls you. Empty: none. "
        "Overridden by ALERTS_PING_URL.",
        json_schema_extra=allowed_is(_HTTP_WORDS),
    )
    repeat_s: Seconds = Field(
        3600.0, ge=60, le=86_400, description="Seconds after which an alert that is still in force is sent again."
    )
    naked_after_s: Seconds = Field(
        15.0, ge=1, le=3600, description="Seconds a position may be without full stop cover before somebody is called."
    )
    unknown_after_s: Seconds = Field(
        60.0, ge=1, le=3600, description="Seconds a position, or the account, may be UNKNOWN before somebody is called."
    )

    @property
    def addresses(self) -> tuple[SecretUrl, ...]:
        """Every address that is set."""
        return tuple(url for url in (*self.urls, self.webhook_url, self.ping_url) if url.get_secret_value())


class MetricsSection(Section):
    """Figures for Prometheus. Both need the extra metrics (pip install 'quantum-position-monitor[metrics]')."""

    textfile: PromFile = Field(
        "",
        max_length=1000,
        description="A file that is written after a cycle for node_exporter's textfile collector; its name ends with "
        ".prom. Its directory must be writable for the service (docs/operations.md, Metrics). Empty: none.",
        json_schema_extra=allowed_is("empty, or an absolute path that ends with .prom"),
    )
    port: Count = Field(
        0, ge=0, le=65_535, description="A port on 127.0.0.1 that answers /metrics, /healthz and /readyz. 0: none."
    )

    @property
    def wanted(self) -> bool:
        """Whether figures are shown anywhere."""
        return bool(self.textfile or self.port)
