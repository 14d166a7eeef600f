"""Where a command looked in Redis, for an answer that is none: a wrong Redis, prefix or account is silent as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from position_monitor.config import Config


def keys_in_redis(config: Config) -> str:
    """The Redis, and the keys of the account: `Redis at 127.0.0.1:6379, keys quantum:position_monitor:main:*`."""
    from position_monitor.edge.redis.connection import address_of

    place = address_of(config.redis.url.get_secret_value())
    return f"Redis at {place}, keys {config.redis.prefix}:{config.account}:*"


def unheard_advice(config: Config) -> str:
    """What to do where no daemon speaks there."""
    return (
        f"looked in {keys_in_redis(config)}; start the daemon (systemctl status quantum-position-monitor), or correct "
        "redis.url, redis.prefix or account if it writes elsewhere"
    )
