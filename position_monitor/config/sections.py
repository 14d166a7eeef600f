"""The sections of the configuration that say whom to talk to, how often, and what is believed when.

`config.example.toml` is generated from these descriptions, so what stands here is what an operator reads.
Percentages are named `_pct` (1.5 means 1.5 %), seconds `_s`. Rules between keys live in `config/rules.py`.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from position_monitor.config.values import (
    Count,
    HttpOrigin,
    HttpUrl,
    OrdersMax,
    RedisUrl,
    Seconds,
    Section,
    WsOrigin,
    allowed_is,
)


class ExchangeSection(Section):
    """Which venue is read and written. Keys come from credentials, never from this file."""

    id: Literal["binanceusdm"] = Field("binanceusdm", description="The venue, by its ccxt id.")
    environment: Literal["paper", "demo", "live"] = Field(
        "paper",
        description="paper: the local exchange of this package, no keys needed. demo: the venue's demo trading. "
        "live: real money. The default is the one that cannot cost anything.",
    )
    rest_url: HttpOrigin = Field(
        "",
        description="Origin of the REST API instead of the venue's own, e.g. http://127.0.0.1:8799. "
        "Empty: the venue's (paper: http://127.0.0.1:8799).",
        json_schema_extra=allowed_is("empty, or http:// or https:// with a host and perhaps a port"),
    )
    stream_url: WsOrigin = Field(
        "",
        description="Origin of the WebSocket streams, e.g. ws://127.0.0.1:8799. Empty: derived from rest_url, "
        "or the venue's own.",
        json_schema_extra=allowed_is("empty, or ws:// or wss:// with a host and perhaps a port"),
    )
    request_timeout_s: Seconds = Field(
        4.0,
        ge=0.2,
        le=30,
        description="Seconds until a request to the exchange counts as failed. A write that timed out is queried by "
        "its client id, never sent blindly again.",
    )

    @property
    def effective_rest_url(self) -> str:
        """The REST origin to use, or empty for the venue's own."""
        return self.rest_url or ("http://127.0.0.1:8799" if self.environment == "paper" else "")

    @property
    def place(self) -> str:
        """Where the exchange is, for messages: host and port, never user or password."""
        return urlsplit(self.effective_rest_url).netloc.rpartition("@")[2] or f"its own {self.environment} address"

    @property
    def effective_stream_url(self) -> str:
        """The stream origin to use, or empty for the venue's own. An http origin becomes its ws twin."""
        return self.stream_url or self.effective_rest_url.replace("http", "ws", 1)


class LoopSection(Section):
    """How often the daemon looks."""

    check_interval_s: Seconds = Field(
        10.0,
        ge=1,
        le=60,
        description="Seconds between two full checks of all positions. A fill wakes the loop at once; this is the "
        "longest a missed event of a position can go unseen. Overridden by CHECK_INTERVAL.",
    )
    full_sweep_s: Seconds = Field(
        60.0,
        ge=1,
        le=600,
        description="Seconds between two reads of every order list of the account, foreign orders included.",
    )
    cycle_deadline_s: Seconds = Field(
        20.0,
        ge=1,
        le=29,
        description="Seconds after which a cycle is given up and the next begins. Below half of the unit's "
        "WatchdogSec=60, so one slow exchange answer never looks like a hang.",
    )


class EvidenceSection(Section):
    """How much must be seen before something is believed gone or safe to remove."""

    flat_reads: Count = Field(
        3,
        ge=2,
        le=20,
        description="Reads in a row without a position before it may count as flat, besides one row that says zero. "
        "One empty answer is never evidence.",
    )
    replacement_reads: Count = Field(
        2,
        ge=1,
        le=10,
        description="Reads in which a new stop was seen resting before the stop it replaces may be cancelled.",
    )
    listing_grace_s: Seconds = Field(
        2.0,
        ge=0,
        le=60,
        description="Seconds a just-placed order may be absent from the order lists before it counts as missing; "
        "until then it is queried by its client id.",
    )
    triggering_grace_s: Seconds = Field(
        10.0,
        ge=1,
        le=120,
        description="Seconds an order may stay TRIGGERING before it is reported as stuck. It does not protect "
        "meanwhile: only NEW does.",
    )


class LimitsSection(Section):
    """Bounds on what the daemon may hold and send."""

    conditional_orders_max: OrdersMax = Field(
        0,
        ge=0,
        le=1000,
        description="Open conditional orders the account may have, foreign ones included. 0: as many as the venue "
        "allows; a number can only lower that. Stops are reserved first; ladders shrink to fit.",
        json_schema_extra=allowed_is("0, or a whole number from 10 to 1000"),
    )
    owned_orders_per_position_max: Count = Field(
        10, ge=3, le=40, description="Orders of ours that may rest for one position, replacements in flight included."
    )
    actions_per_symbol_max: Count = Field(
        12, ge=2, le=100, description="Writes one check may send for one symbol; the rest waits for the next check."
    )
    closes_per_minute_max: Count = Field(
        6, ge=1, le=60, description="Closing orders per minute for the whole account (on_breach = close)."
    )
    refusals_before_close: Count = Field(
        3,
        ge=1,
        le=20,
        description="Refusals in a row because the stop would trigger at once (-2021) before the position is closed.",
    )


class RedisSection(Section):
    """Where the state is told. Redis is never needed to protect."""

    url: RedisUrl = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="Redis or Valkey; redis+sentinel://host:port,host:port/service/db for Sentinel. A password in "
        "the URL is hidden everywhere. Overridden by REDIS_URL.",
        json_schema_extra=allowed_is("a redis://, rediss://, unix:// or redis+sentinel:// URL"),
    )
    prefix: str = Field(
        "quantum:position_monitor",
        min_length=1,
        max_length=100,
        pattern=r"^[A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+)*$",
        description="Beginning of every key; the account follows: quantum:position_monitor:main:status.",
        json_schema_extra=allowed_is("letters, digits, _ . - in parts joined by colons"),
    )
    lease_ttl_s: Seconds = Field(
        0.0,
        ge=0,
        le=300,
        description="Seconds the right to remove orders outlives its owner. 0: derived, at least 20 and at least "
        "check_interval_s + 2 * request_timeout_s.",
    )


class EventsSection(Section):
    """Whether events are also told on the trading stack's own bus."""

    mirror: bool = Field(
        False,
        description="true: each event is also appended to the stream <mirror_prefix><type>, as JSON in the field data, "
        "in the same step. The Redis user must be allowed to write there.",
    )
    mirror_prefix: str = Field(
        "quantum:stream:",
        min_length=1,
        max_length=100,
        pattern=r"^[A-Za-z0-9_.:-]+$",
        description="What precedes the type of the event: quantum:stream:StopFired.",
        json_schema_extra=allowed_is("letters, digits, _ . - and colons"),
    )


class AiEngineSection(Section):
    """The advisor. It may tighten stops inside [bounds]; it is never needed and never waited for."""

    url: HttpUrl = Field(
        "",
        description="Base URL of the AI engine, e.g. http://127.0.0.1:8001. Empty: none. Overridden by AI_ENGINE_URL.",
        json_schema_extra=allowed_is("empty, or an http:// or https:// URL without user and password"),
    )
    timeout_s: Seconds = Field(3.0, ge=0.1, le=30, description="Seconds until a question counts as unanswered.")
    poll_s: Seconds = Field(30.0, ge=1, le=3600, description="Seconds between two questions about one symbol.")


class BackendSection(Section):
    """The trading backend, whose circuit breaker is shown. It never blocks protection."""

    url: HttpUrl = Field(
        "",
        description="Base URL of the backend, e.g. http://127.0.0.1:8000. Empty: none. Overridden by BACKEND_URL.",
        json_schema_extra=allowed_is("empty, or an http:// or https:// URL without user and password"),
    )
    timeout_s: Seconds = Field(3.0, ge=0.1, le=30, description="Seconds until a question counts as unanswered.")
    poll_s: Seconds = Field(10.0, ge=1, le=3600, description="Seconds between two reads of the circuit breaker.")
