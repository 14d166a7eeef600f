"""`alert-test`: one message to every target of [alerts], and which of them took it."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import time

from position_monitor import __version__
from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.journal import open_journal
from position_monitor.cli.output import print_json, print_rendered, say
from position_monitor.config import Config, load_config
from position_monitor.core.publication.alert_text import Sender, trial
from position_monitor.edge.alerts.targets import Sent, WebAddress, name_of, send_by_apprise

NOBODY = "nobody would be called: neither urls nor webhook_url nor ping_url is set in [alerts]"


def execute(arguments: argparse.Namespace) -> int:
    """0 when every target took it, 1 when one did not or when there is none."""
    config = load_config(arguments.config, need_credentials=False)
    open_journal(config)
    results = asyncio.run(_send(config))
    if arguments.json:
        print_json({"targets": results})
    elif results:
        print_rendered(*(_line(one) for one in results))
    if not results:
        say(f"position-monitor: {NOBODY}")
    return ExitCode.OK if results and all(one.taken for one in results) else ExitCode.ERROR


async def _send(config: Config) -> list[Sent]:
    """Send to all at once."""
    section = config.alerts
    owner = f"{socket.gethostname()}:{os.getpid()}"
    sender = Sender(config.account, config.exchange.environment, owner, __version__)
    letter, document = trial(sender, time.time_ns() // 1_000_000)
    sending = []
    if section.webhook_url.get_secret_value():
        sending.append(WebAddress("webhook_url", section.webhook_url).post(document))
    if section.ping_url.get_secret_value():
        sending.append(WebAddress("ping_url", section.ping_url).get())
    named = [(name_of(index, url), url) for index, url in enumerate(section.urls)]
    services = send_by_apprise(named, letter) if named else _none()
    taken, others = await asyncio.gather(services, asyncio.gather(*sending))
    return [*taken, *others]


async def _none() -> tuple[Sent, ...]:
    return ()


def _line(sent: Sent) -> str:
    from rich.markup import escape

    mark = "[green]taken[/]    " if sent.taken else "[bold red]not taken[/]"
    return f"{mark} {escape(f'alerts.{sent.target}')}" + (f": {escape(sent.why)}" if sent.why else "")
