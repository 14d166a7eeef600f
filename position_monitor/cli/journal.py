"""Opening the log of a command: redaction is on before anything that knows a secret runs (invariant 15)."""

from __future__ import annotations

import contextlib
from urllib.parse import urlsplit

from position_monitor.config import Config
from position_monitor.edge import log
from position_monitor.edge.alerts.secrets import hide
from position_monitor.errors import ConfigError


def open_journal(config: Config, level: str = "WARNING") -> None:
    """Send log lines to stderr (or the journal) without this configuration's secrets. Commands only warn."""
    log.configure(level=level)
    hide(config.alerts)
    log.name_account(config.account)
    secrets = [urlsplit(config.redis.url.get_secret_value()).password or ""]
    with contextlib.suppress(ConfigError):  # a command that needs no exchange key has none to hide
        secrets += [key.get_secret_value() for key in (config.credentials.api_key, config.credentials.api_secret)]
    for secret in secrets:
        log.register_secret(secret)
