"""`demo`: the night of the incident on one machine, and what this daemon makes of it.

An embedded Valkey, the paper exchange holding the seven naked positions, an AI engine that has no signal, a backend
with an open circuit breaker, and the daemon with the incident's own contradicting switches. Nothing outlives the demo.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from rich.console import Group
from rich.live import Live
from rich.text import Text

from position_monitor.cli.demo_book import REQUEST_TIMEOUT_S, ExchangeBook, PaperClient, book_table
from position_monitor.cli.demo_children import Child
from position_monitor.cli.demo_neighbours import neighbours
from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.output import console, print_json, print_rendered, say
from position_monitor.cli.status import Overview, exit_code, redis_look, render
from position_monitor.config import Config, load_config
from position_monitor.edge.redis.embedded import EmbeddedRedis
from position_monitor.edge.redis.reader import RedisUnreachable

FIRST_WORD_WITHIN_S = 60.0
"""How much longer than asked the demo waits for a daemon that has not spoken yet."""
REFRESH_S = 0.25
DASHBOARD_PORT = 8790
UNANSWERED_MAX = 5
"""Looks in a row that Redis may leave unanswered, each of them for some seconds, before the demo gives up."""
INCIDENT = {
    "CHECK_INTERVAL": "10",
    "EXIT_MODE": "LEGACY",
    "EXIT_EXECUTOR_MODE": "SHADOW",
    "EXIT_BRAIN_V3_LIVE_ROLLOUT": "DISABLED",
    "EXIT_BRAIN_PROFILE": "DEFAULT",
    "EXIT_BRAIN_V3_ENABLED": "true",
}
"""The switches as they stood that night."""
FOREIGN_VARIABLES = ("EXIT_", "EXCHANGE_", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_", "STATE_DIRECTORY")
"""What the demo's processes must not inherit: real keys, real switches, somebody else's service manager."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs during the demo."""

    config: Config
    paper: Child
    daemon: Child
    page_url: str
    client: PaperClient
    before: ExchangeBook
    """What rested on the exchange before the daemon was started: nothing."""
    began_s: float

    @property
    def elapsed_s(self) -> float:
        """Seconds since the daemon was started."""
        return time.monotonic() - self.began_s


@dataclass(frozen=True, slots=True)
class Ending:
    """How it went: the last look, and when all positions were first published as protected."""

    overview: Overview
    protected_after_s: float | None


def execute(arguments: argparse.Namespace) -> int:
    """Play the demo; returns the exit code `status` would give at its end."""
    return asyncio.run(_demo(arguments.for_s, as_json=arguments.json))


async def _demo(for_s: float | None, *, as_json: bool) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        stage = await _set_up(stack)
        if not as_json:
            print_rendered(book_table(stage.before))
        try:
            ending = await _play(stage, stop, for_s)
        finally:
            await stage.daemon.stop()
        # Listed after the daemon has gone: what protects is what rests on the exchange.
        _curtain(stage.config, ending, await stage.client.book(), as_json=as_json)
    return exit_code(ending.overview)


async def _set_up(stack: AsyncExitStack) -> Stage:
    """Start every part in order; the stack ends them in reverse, also when a later one fails."""
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="position-monitor-demo-")))
    redis = stack.enter_context(EmbeddedRedis())
    stack_url = await stack.enter_async_context(neighbours())
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
    session = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))

    port = _free_port()
    base = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN_VARIABLES)}
    arguments = ["paper-exchange", "--port", str(port), "--scenario", "seven-naked"]
    paper = await Child.start("paper exchange", arguments, base, directory / "paper.log")
    stack.push_async_callback(paper.stop)

    path = directory / "config.toml"
    path.write_text(_config_text(port), encoding="utf-8")
    environ = base | INCIDENT | {"REDIS_URL": redis.url, "AI_ENGINE_URL": stack_url, "BACKEND_URL": stack_url}
    config = load_config(path, environ)
    keys = config.credentials
    url = config.exchange.effective_rest_url
    client = PaperClient(session, url, keys.api_key.get_secret_value(), keys.api_secret.get_secret_value())
    await client.wait_ready(paper)
    before = await client.book()
    say(f"paper exchange: {len(before.positions)} positions, {before.with_stop} with a stop; starting the daemon")
    began_s = time.monotonic()
    daemon = await Child.start("daemon", ["run", "--config", str(path)], environ, directory / "daemon.log")
    stack.push_async_callback(daemon.stop)
    page_url = await _dashboard(stack, path, environ, directory / "dashboard.log")
    return Stage(
        config=config, paper=paper, daemon=daemon, page_url=page_url, client=client, before=before, began_s=began_s
    )


async def _dashboard(stack: AsyncExitStack, config: Path, environ: Mapping[str, str], log: Path) -> str:
    """Starts the page on its usual port, or a free one, and gives its address. The demo goes on without it."""
    port = DASHBOARD_PORT if _is_free(DASHBOARD_PORT) else _free_port()
    arguments = ["dashboard", "--config", str(config), "--port", str(port)]
    page = await Child.start("dashboard", arguments, environ, log)
    stack.push_async_callback(page.stop)
    address = f"http://127.0.0.1:{port}/"
    say(f"the page: {address} (as soon as it has started)")
    return address


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _config_text(port: int) -> str:
    return (
        'account = "demo"\n'
        '[exchange]\nenvironment = "paper"\n'
        f'rest_url = "http://127.0.0.1:{port}"\nstream_url = "ws://127.0.0.1:{port}"\n'
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def _play(stage: Stage, stop: asyncio.Event, for_s: float | None) -> Ending:
    """Show what Redis says until it is time to end."""
    look = redis_look(stage.config)
    screen = Live(console=console(), auto_refresh=False, transient=True)
    overview, last_line, protected_after_s, unanswered = Overview(None), "", None, 0
    with screen if screen.console.is_terminal else nullcontext():
        while not stop.is_set() and not _is_over(stage, overview, for_s):
            stage.paper.require_alive()
            stage.daemon.require_alive()
            try:
                overview, unanswered = await look(), 0
            except RedisUnreachable:  # a machine that has no time for it now
                unanswered += 1
                if unanswered >= UNANSWERED_MAX:
                    raise
                continue
            if protected_after_s is None and exit_code(overview) is ExitCode.OK:
                protected_after_s = stage.elapsed_s
            if screen.is_started:
                screen.update(_screen(stage, overview), refresh=True)
            elif (line := _line(stage, overview)) != last_line:
                last_line = line
                say(f"{stage.elapsed_s:5.1f} s  {line}")
            await _pause(stop)
    return Ending(overview, protected_after_s)


def _is_over(stage: Stage, overview: Overview, for_s: float | None) -> bool:
    """Whether the time is up. On a busy machine a daemon that is still starting gets the time it needs, bounded."""
    if for_s is None or stage.elapsed_s < for_s:
        return False
    return overview.account is not None or stage.elapsed_s >= for_s + FIRST_WORD_WITHIN_S


async def _pause(stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), REFRESH_S)
    except TimeoutError:
        return


def _screen(stage: Stage, overview: Overview) -> Group:
    what = Text(_line(stage, overview)) if overview.account is None else render(stage.config, overview)
    words = f"{stage.elapsed_s:.0f} s since the daemon was started; page on {stage.page_url}; Ctrl-C ends everything"
    clock = Text(words, style="dim")
    return Group(what, clock)


def _line(stage: Stage, overview: Overview) -> str:
    """One line for a pipe or a file: what changed."""
    if overview.account is None:
        return f"{stage.before.with_stop}/{len(stage.before.positions)} - the daemon has not spoken yet"
    account = overview.account
    return f"{account.protected}/{account.positions} {account.risk_status} - {account.status_line}"


def _curtain(config: Config, ending: Ending, book: ExchangeBook, *, as_json: bool) -> None:
    """The last word belongs to the exchange."""
    if ending.protected_after_s is not None:
        say(f"all positions were protected {ending.protected_after_s:.1f} s after the daemon was started")
    say(
        f"{book.with_stop} of {len(book.positions)} positions have a stop resting on the exchange, the daemon has ended"
    )
    if as_json:
        print_json(
            {
                "exit_code": int(exit_code(ending.overview)),
                "protected_after_s": ending.protected_after_s,
                "account": ending.overview.account,
                "positions": ending.overview.positions,
                "exchange": {"positions": book.positions, "orders": book.orders},
            }
        )
        return
    print_rendered(render(config, ending.overview), book_table(book))
