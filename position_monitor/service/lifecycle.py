"""The first and the last line of a daemon, and its first event: which account, which exchange, which settings."""

from __future__ import annotations

from urllib.parse import urlsplit

from position_monitor.config import Config
from position_monitor.core.model.events import Detail, Event
from position_monitor.core.publication import sentence
from position_monitor.core.publication.journal_line import Level, Line


def redis_place(url: str) -> str:
    """Where a Redis URL points to, host, port and database, without user and password."""
    parts = urlsplit(url)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"


def started(config: Config, version: str, now_ms: int) -> Event:
    """The event of the start."""
    details: dict[str, Detail] = {
        "version": version,
        "environment": config.exchange.environment,
        "mode": config.protection.mode,
        "redis": redis_place(config.redis.url.get_secret_value()),
        "config_hash": config.config_hash,
        "check_interval_s": f"{config.loop.check_interval_s:g}",
    }
    return Event("Started", now_ms, details=details)


def started_line(config: Config, version: str) -> Line:
    """The line of the start."""
    words = sentence.started(config.loop.check_interval_s)
    redis = redis_place(config.redis.url.get_secret_value())
    about = (
        f"version {version}, account {config.account}, {config.exchange.environment}, mode {config.protection.mode}, "
        f"Redis {redis}, configuration {config.config_hash}"
    )
    return Line(Level.INFO, f"{words} ({about})", event="Started")


def stopped_line(config: Config) -> Line:
    """The line of the end."""
    text = f"Stopped (account {config.account}); all orders stay on the exchange"
    return Line(Level.INFO, text, event="Stopped")
