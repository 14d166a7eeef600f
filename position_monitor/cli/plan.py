"""`plan`: what the daemon would do now, why, and what it holds back. One read, nothing sent."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.output import print_json, print_rendered, say
from position_monitor.cli.status_table import number
from position_monitor.core.model.actions import Action, Cancel, Close, Place
from position_monitor.core.model.control import ControlRequest
from position_monitor.core.model.order_words import described
from position_monitor.core.publication.control_words import in_words

if TYPE_CHECKING:
    from position_monitor.config import Config
    from position_monitor.core.decision.plan_inputs import Held
    from position_monitor.inspector import InspectedPosition, Inspection


def execute(arguments: argparse.Namespace) -> int:
    """0 when there is nothing to do, 2 when something is outstanding."""
    inspection = inspect(arguments)
    positions = of_symbol(inspection, arguments.symbol)
    orphans = [held for held in inspection.orphans if arguments.symbol in (None, held.key.symbol)]
    actions = [action for inspected in positions for action in inspected.actions]
    held = [item for inspected in positions for item in inspected.held] + orphans
    if arguments.json:
        print_json(
            {
                "control": inspection.account.control,
                "positions": positions,
                "orphans": orphans,
                "outstanding": len(actions) + len(held),
            }
        )
    else:
        if inspection.account.control:
            print_rendered(*in_force_lines(inspection.account.control))
        for inspected in positions:
            print_rendered(headline(inspected), *action_lines(inspected.actions), *held_lines(inspected.held))
        if orphans:
            print_rendered(Text("Positions that are not open", style="bold"), *held_lines(orphans))
        print_rendered(_total(actions, held))
    if arguments.symbol and not positions and not orphans:
        say(f"{arguments.symbol} has no open position and no order of ours")
    return ExitCode.ATTENTION if actions or held else ExitCode.OK


def inspect(arguments: argparse.Namespace) -> Inspection:
    """Load the configuration and look once."""
    from position_monitor.config import load_config

    return look(load_config(arguments.config))


def look(config: Config) -> Inspection:
    """One look at the exchange with the daemon's own eyes."""
    from position_monitor.cli.journal import open_journal
    from position_monitor.inspector import Inspector

    open_journal(config)
    return asyncio.run(Inspector(config, advised=True).look())


def of_symbol(inspection: Inspection, symbol: str | None) -> list[InspectedPosition]:
    """The positions of one symbol, or all of them."""
    return [inspected for inspected in inspection.positions if symbol in (None, inspected.position.symbol)]


def in_force_lines(requests: Sequence[ControlRequest]) -> list[Text]:
    """The pauses and holds of operators in force."""
    return [Text(f"! {in_words(request)}", style="yellow") for request in requests]


def headline(inspected: InspectedPosition) -> Text:
    """The position and its verdict in one line."""
    position, state = inspected.position, inspected.state
    text = Text(f"{position.symbol} {position.side}", style="bold")
    text.append(f"  {number(position.quantity)} @ {number(position.entry_price)}, mark {number(position.mark_price)}")
    return text.append(f"  {state.verdict}" + (f": {state.reason}" if state.reason else ""))


def action_lines(actions: Sequence[Action]) -> list[Text]:
    """What would be done now: + places, - cancels, ! closes; each with its reason."""
    return [_action_line(action) for action in actions]


def _action_line(action: Action) -> Text:
    match action:
        case Place(order, reason):
            return _line("+ place ", described(order, number), f"id {order.client_id}  {reason}", "green")
        case Cancel(live, _, reason, _):
            what = f"{live.purpose} @ {number(live.price)}"
            return _line("- cancel", what, f"id {live.client_id}  {reason}", "red")
        case Close(_, _, quantity, client_id, limit, reason):
            what = f"{number(quantity)} {'at market' if limit is None else f'limit {number(limit)}'}"
            return _line("! close ", what, f"id {client_id}  {reason}", "bold red")


def held_lines(held: Sequence[Held]) -> list[Text]:
    """What waits, and for what."""
    return [_line("~ hold  ", item.what, f"waits: {item.why}", "yellow") for item in held]


def _line(verb: str, what: str, why: str, style: str) -> Text:
    return Text("  ").append(verb, style=style).append(f" {what:<44} {why}")


def _total(actions: Sequence[Action], held: Sequence[Held]) -> str:
    counts = [sum(isinstance(action, kind) for action in actions) for kind in (Place, Cancel, Close)]
    return f"Plan: {counts[0]} to place, {counts[1]} to cancel now, {counts[2]} to close, {len(held)} waiting."
