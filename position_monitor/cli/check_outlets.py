"""What `check` says of [alerts] and [metrics]: a missing extra or an address nobody reads is an error before the start.

The daemon itself starts without them and protects: a package that is missing must not leave a position naked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

from position_monitor.config import Config
from position_monitor.core.publication.alert_text import Letter
from position_monitor.edge.alerts.targets import EXTRA_MISSING, Sent, apprise_is_installed, name_of, send_by_apprise
from position_monitor.edge.metrics import exposition
from position_monitor.preflight import Finding, Outcome
from position_monitor.preflight.findings import ok, warning


def outlet_findings(config: Config) -> list[Finding]:
    """Whether what is configured can call somebody and show figures. Sends nothing."""
    return [*_alerts(config), *_metrics(config)]


def _alerts(config: Config) -> Iterator[Finding]:
    section = config.alerts
    if not section.addresses:
        yield ok("alerts", "off: nobody is called when something is wrong")
        return
    if section.urls and not apprise_is_installed():
        yield Finding("alerts.urls", Outcome.ERROR, EXTRA_MISSING)
    elif section.urls:
        named = [(name_of(index, url), url) for index, url in enumerate(section.urls)]
        read = asyncio.run(send_by_apprise(named, Letter("", "", urgent=False), really=False))
        yield from (_answer(one) for one in read)
    if section.webhook_url.get_secret_value():
        yield ok("alerts.webhook_url", "set")
    if section.ping_url.get_secret_value():
        yield ok("alerts.ping_url", "set")
    else:
        yield warning("alerts.ping_url", "not set: nobody is called when this host or this daemon dies")


def _answer(sent: Sent) -> Finding:
    """What the library says of one address."""
    subject = f"alerts.{sent.target}"
    return ok(subject, "readable") if sent.taken else Finding(subject, Outcome.ERROR, sent.why)


def _metrics(config: Config) -> Iterator[Finding]:
    section = config.metrics
    if not section.wanted:
        return
    if not exposition.library_is_installed():
        yield Finding("metrics", Outcome.ERROR, exposition.EXTRA_MISSING)
        return
    if section.port:
        yield ok("metrics.port", f"127.0.0.1:{section.port}")
    if section.textfile:
        folder = Path(section.textfile).parent
        outcome = Outcome.OK if folder.is_dir() else Outcome.ERROR
        words = section.textfile if folder.is_dir() else f"there is no directory {folder}"
        yield Finding("metrics.textfile", outcome, words)
