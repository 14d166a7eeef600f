"""`status`: what the daemon published, or with --direct what the exchange itself says now."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.journal import open_journal
from position_monitor.cli.moments import now_ms
from position_monitor.cli.output import print_json, print_rendered, say
from position_monitor.cli.redis_place import unheard_advice
from position_monitor.cli.status_table import COLOURS, QUIET
from position_monitor.cli.status_view import Overview, StatusView
from position_monitor.config import Config, load_config
from position_monitor.core.model.verdicts import RiskStatus
from position_monitor.core.publication.state import PositionState

if TYPE_CHECKING:
    from position_monitor.inspector import Inspector

__all__ = ["NOT_HEARD", "Overview", "direct_look", "document", "execute", "exit_code", "redis_look", "render", "show"]

NOT_HEARD = "the daemon was not heard: nothing is known about the protection of this account"

Look = Callable[[], Awaitable[Overview]]


def execute(arguments: argparse.Namespace) -> int:
    """Show the protection once, again and again with --watch, or as soon as it is as wanted with --wait."""
    from position_monitor.cli import status_watch

    config = load_config(arguments.config, need_credentials=arguments.direct)
    open_journal(config)
    if arguments.watch is not None:
        return asyncio.run(status_watch.watch(config, arguments))
    if arguments.wait is not None:
        return asyncio.run(status_watch.wait(config, arguments))
    overview = asyncio.run(_once(direct_look(config) if arguments.direct else redis_look(config)))
    show(config, overview, as_json=arguments.json, only_problems=arguments.problems)
    return exit_code(overview)


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
        broken = {str(key): reason for key, reason in published.unreadable.items()}
        return Overview(
            account=published.account,
            positions=tuple(state for state in published.positions.values() if state is not None),
            expired=tuple(
                str(key) for key, state in published.positions.items() if state is None and str(key) not in broken
            ),
            unreadable=broken,
            lease_owner=published.lease_owner,
        )

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
    if overview.account is None or overview.stopped:
        return ExitCode.NOT_HEARD
    fine = all(row.verdict in QUIET for row in overview.rows)
    covered = overview.risk_status in (RiskStatus.PROTECTED, RiskStatus.DEGRADED)
    return ExitCode.OK if fine and covered else ExitCode.ATTENTION


def render(
    config: Config,
    overview: Overview,
    *,
    only_problems: bool = False,
    height: int | None = None,
    trouble: str = "",
) -> RenderableType:
    """The view of one look, for a screen. `trouble` says why there is no newer one."""
    if overview.account is None:
        return Text(trouble or NOT_HEARD, style=COLOURS[RiskStatus.UNKNOWN])
    return StatusView(
        venue=config.exchange.id,
        account_name=config.account,
        overview=overview,
        now_ms=now_ms(),
        only_problems=only_problems,
        height=height,
        trouble=trouble,
    )


def show(config: Config, overview: Overview, *, as_json: bool, only_problems: bool = False) -> None:
    """Print one look."""
    if as_json:
        print_json(document(overview, only_problems=only_problems))
    elif overview.account is None:
        say(f"position-monitor: {NOT_HEARD}")
        say(f"position-monitor: {unheard_advice(config)}")
    else:
        print_rendered(render(config, overview, only_problems=only_problems))


def document(overview: Overview, *, only_problems: bool) -> dict[str, object]:
    """One look as data. `heard` is whether a state stands there, also that of a daemon that was stopped in order."""
    positions = [state for state in overview.positions if not only_problems or state.verdict not in QUIET]
    return {
        "heard": overview.account is not None,
        "exit_code": int(exit_code(overview)),
        "at_ms": now_ms(),
        "account": overview.account,
        "positions": _ordered(positions),
        "expired": overview.expired,
        "unreadable": overview.unreadable,
        "lease_owner": overview.lease_owner,
    }


def _ordered(states: Iterable[PositionState]) -> list[PositionState]:
    return sorted(states, key=lambda state: state.key)
