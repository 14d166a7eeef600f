"""What `check` says of [alerts] and [metrics]: a missing extra or an address nobody reads is an error before the start.

The daemon itself starts without them and protects: a package that is missing must not leave a position naked.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from position_monitor.config import Config
from position_monitor.core.publication.alert_text import Letter
from position_monitor.edge.alerts.targets import EXTRA_MISSING, apprise_is_installed, name_of, send_by_apprise
from position_monitor.edge.metrics import exposition


class OutletFinding(NamedTuple):
    """One thing that was looked at: is it fine, and if not, is that only advice?"""

    subject: str
    fine: bool
    words: str
    advice: bool = False


def outlet_findings(config: Config) -> list[OutletFinding]:
    """Whether what is configured can call somebody and show figures. Sends nothing."""
    return [*_alerts(config), *_metrics(config)]


def _alerts(config: Config) -> Iterator[OutletFinding]:
    section = config.alerts
    if not section.addresses:
        yield OutletFinding("alerts", True, "off: nobody is called when something is wrong")
        return
    if section.urls and not apprise_is_installed():
        yield OutletFinding("alerts.urls", False, EXTRA_MISSING)
    elif section.urls:
        named = [(name_of(index, url), url) for index, url in enumerate(section.urls)]
        read = asyncio.run(send_by_apprise(named, Letter("", "", urgent=False), really=False))
        yield from (OutletFinding(f"alerts.{one.target}", one.taken, one.why or "readable") for one in read)
    if section.webhook_url.get_secret_value():
        yield OutletFinding("alerts.webhook_url", True, "set")
    if section.ping_url.get_secret_value():
        yield OutletFinding("alerts.ping_url", True, "set")
    else:
        words = "not set: nobody is called when this host or this daemon dies"
        yield OutletFinding("alerts.ping_url", False, words, advice=True)


def _metrics(config: Config) -> Iterator[OutletFinding]:
    section = config.metrics
    if not section.wanted:
        return
    if not exposition.library_is_installed():
        yield OutletFinding("metrics", False, exposition.EXTRA_MISSING)
        return
    if section.port:
        yield OutletFinding("metrics.port", True, f"127.0.0.1:{section.port}")
    if section.textfile:
        there = Path(section.textfile).parent.is_dir()
        words = section.textfile if there else f"there is no directory {os.path.dirname(section.textfile)}"  # noqa: PTH120
        yield OutletFinding("metrics.textfile", there, words)
