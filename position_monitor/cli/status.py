"""`status`: what the daemon published, or with --direct what the exchange itself says now."""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.journal import open_journal
from position_monitor.cli.output import console, print_json, print_rendered, say
from position_monitor.cli.status_table import status_view
from position_monitor.config import Config, load_config
from position_monitor.core.model.verdicts import RiskStatus, Verdict
from position_monitor.core.publication.state import AccountState, PositionState
from position_monitor.errors import PositionMonitorError

if TYPE_CHECKING:
    from position_monitor.inspector import Inspector

DIRECT_EVERY_S = 10.0
"""Least time between two looks at the exchange itself."""
NOT_HEARD = "the daemon was not heard: nothing is known about the protection of this account"


@dataclass(frozen=True, slots=True)
class Overview:
    """One look at the account. `account` is None when the daemon was not heard: everything is UNKNOWN."""

    account: AccountState | None
    positions: tuple[PositionState, ...] = ()
    expired: tuple[str, ...] = ()
    """Positions that are listed and whose state has run out."""


Look = Callable[[], Awaitable[Overview]]


def execute(arguments: argparse.Namespace) -> int:
    """Show the protection once, or again and again with --watch."""
    config = load_config(arguments.config, need_credentials=arguments.direct)
    open_journal(config)
    if arguments.watch is None:
        overview = asyncio.run(_once(direct_look(config) if arguments.direct else redis_look(config)))
        show(config, overview, as_json=arguments.json)
        return exit_code(overview)
    return asyncio.run(_watch_direct(config, arguments) if arguments.direct else _watch_redis(config, arguments))


async def _once(look: Look) -> Overview:
    return await look()


def redis_look(config: Config) -> Look:
    """Looks at what the daemon published. Each look opens its own connection: a watch outlives a restart of Redis."""

    async def look() -> Overview:
        from position_monitor.edge.redis.reader import RedisStateReader

        url = config.redis.url.get_secret_value()
        reader = RedisStateReader(url, prefix=config.redis.prefix, account=config.account)
        try:
            published = await reader.published()
        finally:
            await reader.close()
        states = tuple(state for state in published.positions.values() if state is not None)
        expired = tuple(str(key) for key, state in published.positions.items() if state is None)
        return Overview(published.account, states, expired)

    return look


def direct_look(config: Config, inspector: Inspector | None = None) -> Look:
    """Reads the exchange and judges with the daemon's own core; places nothing."""

    async def look() -> Overview:
        from position_monitor.inspector import Inspector

        inspection = await (inspector or Inspector(config)).look()
        return Overview(inspection.account, tuple(inspected.state for inspected in inspection.positions))

    return look


def exit_code(overview: Overview) -> ExitCode:
    """0 only when every managed position is protected, as read back; a missing state is never "fine"."""
    if overview.account is None:
        return ExitCode.NOT_HEARD
    fine = all(state.verdict in (Verdict.PROTECTED, Verdict.UNMANAGED) for state in overview.positions)
    covered = overview.account.risk_status in (RiskStatus.PROTECTED, RiskStatus.DEGRADED)
    return ExitCode.OK if fine and covered and not overview.expired else ExitCode.ATTENTION


def render(config: Config, overview: Overview) -> RenderableType:
    """The view of one look, for a screen."""
    if overview.account is None:
        return Text(NOT_HEARD, style="bold magenta")
    return status_view(
        venue=config.exchange.id,
        account_name=config.account,
        account=overview.account,
        positions=overview.positions,
        now_ms=time.time_ns() // 1_000_000,
    )


def show(config: Config, overview: Overview, *, as_json: bool) -> None:
    """Print one look."""
    if as_json:
        print_json(
            {"heard": overview.account is not None, "exit_code": int(exit_code(overview)), **_document(overview)}
        )
    elif overview.account is None:
        say(f"position-monitor: {NOT_HEARD}")
    else:
        print_rendered(render(config, overview))
    for key in overview.expired:
        say(f"! {key} is listed and its state has expired: UNKNOWN")


def _document(overview: Overview) -> dict[str, object]:
    return {"account": overview.account, "positions": _ordered(overview.positions), "expired": overview.expired}


def _ordered(states: Iterable[PositionState]) -> list[PositionState]:
    return sorted(states, key=lambda state: state.key)


async def _watch_redis(config: Config, arguments: argparse.Namespace) -> int:
    return await _watch(config, redis_look(config), arguments.watch, as_json=arguments.json)


async def _watch_direct(config: Config, arguments: argparse.Namespace) -> int:
    """Each look costs request weight that the daemon beside it needs, so they are never close together."""
    from position_monitor.inspector import Inspector

    if arguments.watch < DIRECT_EVERY_S:
        say(f"position-monitor: with --direct the exchange is read every {DIRECT_EVERY_S:g} s, not more often")
    inspector = Inspector(config, kept=True)
    try:
        look = direct_look(config, inspector)
        return await _watch(config, look, max(DIRECT_EVERY_S, arguments.watch), as_json=arguments.json)
    finally:
        await inspector.aclose()


async def _watch(config: Config, look: Look, interval_s: float, *, as_json: bool) -> int:
    """Until Ctrl-C; a failed look is shown and does not end the watch. Returns the last look's code.

    The signal sets an event. To cancel the look instead is not enough: a client library that gives up a connection at
    that moment swallows the cancellation, and the watch would go on.
    """
    code = ExitCode.ERROR
    screen = Live(console=console(), auto_refresh=False)
    on_screen = screen.console.is_terminal and not as_json
    left = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, left.set)
    with screen if on_screen else nullcontext():
        while not left.is_set():
            code = await _watch_once(config, look, screen if on_screen else None, as_json=as_json)
            with suppress(TimeoutError):
                await asyncio.wait_for(left.wait(), interval_s)
    return code


async def _watch_once(config: Config, look: Look, screen: Live | None, *, as_json: bool) -> ExitCode:
    try:
        overview = await look()
    except PositionMonitorError as error:
        if screen is None:
            say(f"position-monitor: {error}")
        else:
            screen.update(Text(f"position-monitor: {error}", style="bold magenta"), refresh=True)
        return ExitCode.ERROR
    if screen is None:
        show(config, overview, as_json=as_json)
    else:
        screen.update(render(config, overview), refresh=True)
    return exit_code(overview)
