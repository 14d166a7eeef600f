"""`exits`: who controls exits. Which module decides and which sends, policies, switches, conflicts, orders by policy.

It reads what the daemon published, and nothing else. `--json` carries the keys of the old status script as well.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.journal import open_journal
from position_monitor.cli.output import print_json, print_rendered, say
from position_monitor.cli.redis_place import unheard_advice
from position_monitor.cli.status import NOT_HEARD, Overview, redis_look
from position_monitor.config import load_config
from position_monitor.core.exits.break_even import break_even_pct, ladder_in_r
from position_monitor.core.model.profiles import DEFAULT_PROFILES, Profile
from position_monitor.core.publication.state import AccountState, ExitsState, PositionState

SENDER = "quantum-position-monitor"
"""Who sends every exit order, whatever module decided it."""
STOPS_PCT = (None, Decimal("1.5"), Decimal("0.75"))
"""Stop distances for which the break-even win rate is shown; None: before cost."""


def execute(arguments: argparse.Namespace) -> int:
    """Show who controls exits as published; 3 where the daemon is not heard."""
    config = load_config(arguments.config, need_credentials=False)
    open_journal(config)
    overview = asyncio.run(_once(redis_look(config)))
    exits = overview.account.exits if overview.account is not None else None
    if arguments.json:
        print_json(document(overview))
    elif overview.account is None:
        say(f"position-monitor: {NOT_HEARD}")
        say(f"position-monitor: {unheard_advice(config)}")
    elif exits is None:
        say("position-monitor: this daemon does not say who controls exits; it is of an earlier version")
    else:
        print_rendered(*_rendered(overview.account, exits, overview.positions))
    if overview.account is None:
        return ExitCode.NOT_HEARD
    return ExitCode.OK if exits is not None else ExitCode.ERROR


async def _once(look: Any) -> Overview:  # noqa: ANN401
    overview: Overview = await look()
    return overview


# -- for people


def first_line(exits: ExitsState) -> str:
    """Which module decides, and which sends."""
    decides = "Exit Brain V3" if exits.live == "EXIT_BRAIN_V3" else f"LEGACY ({exits.legacy_policy})"
    if exits.live == "EXIT_BRAIN_V3" and exits.rollout_pct < 100:
        decides = f"Exit Brain V3 on {exits.rollout_pct} % of the symbols and LEGACY ({exits.legacy_policy}) elsewhere"
    beside = "; Exit Brain V3 only computes in shadow" if exits.live == "LEGACY" and exits.shadow else ""
    return f"{decides} decides exits, {SENDER} sends them{beside}"


def _rendered(account: AccountState, exits: ExitsState, positions: Sequence[PositionState]) -> Iterator[RenderableType]:
    yield Text(first_line(exits), style="bold")
    yield Text(
        f"EXIT_MODE {exits.requested}, executor {exits.executor_mode}, rollout {exits.live_rollout} "
        f"{exits.rollout_pct} %, kill switch {'ON' if exits.kill_switch else 'off'}, profile {exits.profile}"
    )
    for switch in exits.held_back_by:
        yield Text(f"! held back by {switch}", style="yellow")
    for conflict in account.conflicts:
        yield Text(f"! {conflict}", style="yellow")
    if exits.foreign_writer:
        yield Text(f"! another process writes orders with our prefix: {exits.foreign_writer}", style="bold red")
    if positions:
        yield _positions(positions)
    if exits.orders:
        yield _orders(exits)
    yield _break_even()


def _positions(positions: Sequence[PositionState]) -> Table:
    table = _table(("position", "policy", "profile", "regime", "stop from", "trailing", "take-profits"))
    for state in sorted(positions, key=lambda one: one.key):
        rungs = sum(one.resting for one in state.take_profits)
        table.add_row(
            str(state.key),
            state.policy or "?",
            state.profile,
            _regime(state),
            state.level_source or "-",
            state.trailing,
            str(rungs),
        )
    return table


def _regime(state: PositionState) -> str:
    """The regime in force for a position with the numbers it comes from."""
    market = state.market
    if market is None:
        return state.regime or "no candles"
    atr_pct = market.atr / market.close * 100 if market.close else Decimal(0)
    words = f"ATR {atr_pct:.2f} %, ADX {market.adx:.0f}, +DI {market.plus_di:.0f}, -DI {market.minus_di:.0f}"
    return f"{state.regime or market.regime} ({words})"


def _orders(exits: ExitsState) -> Table:
    table = _table(("orders since start", "role", "what and why", "count"))
    for row in exits.orders:
        table.add_row(row.policy or "others", row.role, row.reason, str(row.count))
    return table


def _break_even() -> Table:
    table = _table(("break-even win rate", "full ladder", "before cost", "stop 1.5 %", "stop 0.75 %"))
    for profile in DEFAULT_PROFILES.values():
        ladder = _ladder_r(profile)
        rates = [f"{break_even_pct(ladder, stop_pct=stop):.1f} %" for stop in STOPS_PCT]
        runner = " + runner" if profile.runner_pct else ""
        table.add_row(profile.name, f"{ladder.normalize():f} R{runner}", *rates)
    return table


def _ladder_r(profile: Profile) -> Decimal:
    return ladder_in_r((rung.target_r, rung.share_pct) for rung in profile.rungs)


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


# -- for scripts


def document(overview: Overview) -> dict[str, object]:
    """Everything as JSON: the keys of the old status script, then our own."""
    account = overview.account
    exits = account.exits if account is not None else None
    return {
        "heard": account is not None,
        "timestamp": _iso(time.time_ns() // 1_000_000),
        **_old_status(exits),
        "controls": first_line(exits) if exits is not None else "",
        "exits": exits,
        "conflicts": account.conflicts if account is not None else (),
        "positions": [
            {
                "position": str(state.key),
                "policy": state.policy,
                "profile": state.profile,
                "regime": state.regime,
                "market": state.market,
                "level_source": state.level_source,
                "trailing": state.trailing,
            }
            for state in sorted(overview.positions, key=lambda one: one.key)
        ],
        "break_even_pct": {
            profile.name: [
                break_even_pct(_ladder_r(profile), stop_pct=stop).quantize(Decimal("0.1")) for stop in STOPS_PCT
            ]
            for profile in DEFAULT_PROFILES.values()
        },
    }


def operational_state(exits: ExitsState | None) -> str:
    """The old word for who is at work: LEGACY, EXIT_BRAIN_V3_SHADOW, EXIT_BRAIN_V3_LIVE or EXIT_BRAIN_V3_NOT_RUNNING.

    A daemon that is not heard runs nothing: then nobody knows which it was.
    """
    if exits is None:
        return "UNKNOWN"
    if exits.requested == "LEGACY":
        return "LEGACY"
    if not exits.decided_at_ms:
        return "EXIT_BRAIN_V3_NOT_RUNNING"
    return "EXIT_BRAIN_V3_LIVE" if exits.live == "EXIT_BRAIN_V3" else "EXIT_BRAIN_V3_SHADOW"


def _old_status(exits: ExitsState | None) -> dict[str, object]:
    """The keys that scripts of the old stack read. Where the daemon is not heard they say that nothing runs."""
    live = exits is not None and exits.live == "EXIT_BRAIN_V3"
    computes = exits is not None and bool(exits.shadow or live) and exits.decided_at_ms > 0
    orders = exits.orders if exits is not None else ()
    return {
        "operational_state": operational_state(exits),
        "config": {
            "exit_mode": exits.requested if exits is not None else None,
            "exit_executor_mode": exits.executor_mode if exits is not None else None,
            "exit_brain_live_rollout": exits.live_rollout if exits is not None else None,
            "live_mode_active": live,
        },
        "executor": {
            "running": computes,
            "effective_mode": ("LIVE" if live else "SHADOW") if computes else None,
            "last_decision_timestamp": _iso(exits.decided_at_ms) if exits is not None and exits.decided_at_ms else None,
        },
        "metrics": {
            "total_exit_orders": sum(one.count for one in orders if one.reason.startswith(("placed", "closed"))),
            "blocked_legacy_orders": 0,
            "ownership_conflicts": int(bool(exits is not None and exits.foreign_writer)),
            "orders_by_module": _added_up((one.policy, one.count) for one in orders),
            "orders_by_kind": _added_up((one.role, one.count) for one in orders),
        },
    }


def _added_up(rows: Iterator[tuple[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for name, count in rows:
        total[name or "others"] = total.get(name or "others", 0) + count
    return total


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()
