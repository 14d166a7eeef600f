"""`plan`: what the daemon would do now, why, and what it holds back. One read, nothing sent."""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from position_monitor.cli.asked_position import AskedPosition, covers, say_not_open
from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.lines import flowed, hanging
from position_monitor.cli.output import columns, print_json, print_rendered, say
from position_monitor.cli.status_table import COLOURS, number, rounded
from position_monitor.core.model.actions import Action, Cancel, Close, Place
from position_monitor.core.model.control import ControlRequest
from position_monitor.core.model.order_words import described
from position_monitor.core.publication.control_words import in_words

_WHAT_COLUMNS = 44
_BELOW_COLUMNS = 11
_CITATION = re.compile(r" \(invariant \d+\)")

if TYPE_CHECKING:
    from position_monitor.config import Config
    from position_monitor.core.decision.plan_inputs import Held
    from position_monitor.inspector import InspectedPosition, Inspection


def execute(arguments: argparse.Namespace) -> int:
    """0 when there is nothing to do, 2 when something is outstanding, 1 when nothing of that name is there."""
    asked: AskedPosition | None = arguments.position
    inspection = inspect(arguments)
    positions = of_asked(inspection, asked)
    orphans = [held for held in inspection.orphans if covers(asked, held.key)]
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
    if asked is not None and not positions and not orphans:
        say_not_open(asked, (one.position.key for one in inspection.positions), also=" and no order of ours")
        return ExitCode.ERROR
    if not arguments.json:
        if inspection.account.control:
            print_rendered(*in_force_lines(inspection.account.control))
        for inspected in positions:
            print_rendered(*headline(inspected), *action_lines(inspected.actions), *held_lines(inspected.held))
        if orphans:
            print_rendered(Text("Positions that are not open", style="bold"), *held_lines(orphans))
        print_rendered(_total(actions, held))
    return ExitCode.ATTENTION if actions or held else ExitCode.OK


def inspect(arguments: argparse.Namespace) -> Inspection:
    """Load the configuration and look once."""
    from position_monitor.config import load_config

    return look(load_config(arguments.config), arguments.position)


def look(config: Config, asked: AskedPosition | None) -> Inspection:
    """One look at the exchange with the daemon's own eyes, and with what its events say. Says what that leaves open of
    the positions that were asked about."""
    from position_monitor.cli.daemon_switches import switches_of_daemon
    from position_monitor.cli.journal import open_journal
    from position_monitor.inspector import Inspector

    open_journal(config)
    switches, problem = asyncio.run(switches_of_daemon(config))
    inspection = asyncio.run(Inspector(config, advised=True, switches=switches).look())
    exits = [one.exits for one in of_asked(inspection, asked)]
    if problem and any(one is not None and one.explanation.parts.time is not None for one in exits):
        say(f"position-monitor: whether a time stop applies is not known here: {problem}")
    return inspection


def of_asked(inspection: Inspection, asked: AskedPosition | None) -> list[InspectedPosition]:
    """The positions that were asked about, or all of them."""
    return [inspected for inspected in inspection.positions if covers(asked, inspected.position.key)]


def in_force_lines(requests: Sequence[ControlRequest]) -> list[Text]:
    """The pauses and holds of operators in force."""
    return [Text(f"! {in_words(request)}", style="yellow") for request in requests]


def headline(inspected: InspectedPosition) -> list[Text]:
    """The position and its verdict: one line, or two where there is no room."""
    position, state = inspected.position, inspected.state
    size = f"{number(position.quantity)} @ {number(position.entry_price)}, mark {number(rounded(position.mark_price))}"
    verdict = f"{state.verdict}" + (f": {state.reason}" if state.reason else "")
    name = f"{position.symbol} {position.side}"
    lines = flowed([Text(f"{name}  {size}"), Text(verdict, style=COLOURS[state.verdict])], "  ", columns())
    lines[0].stylize("bold", 0, len(name))
    return lines


def action_lines(actions: Sequence[Action]) -> list[Text]:
    """What would be done now: + places, - cancels, ! closes; each with its reason."""
    return [line for action in actions for line in _action_lines(action)]


def _action_lines(action: Action) -> list[Text]:
    match action:
        case Place(order, reason):
            return _lines("+ place ", described(order, number), f"id {order.client_id}", plain(reason), style="green")
        case Cancel(live, _, reason, _):
            what = f"{live.purpose} @ {number(live.price)}"
            return _lines("- cancel", what, f"id {live.client_id}", plain(reason), style="red")
        case Close(_, _, quantity, client_id, limit, reason):
            what = f"{number(quantity)} {'at market' if limit is None else f'limit {number(limit)}'}"
            return _lines("! close ", what, f"id {client_id}", plain(reason), style="bold red")


def plain(reason: str) -> str:
    """A reason without the numbers by which its authors cite their rules; `--json` and the journal keep them."""
    return _CITATION.sub("", reason)


def held_lines(held: Sequence[Held]) -> list[Text]:
    """What waits, and for what."""
    return [
        line for item in held for line in _lines("~ hold  ", item.what, f"waits: {plain(item.why)}", style="yellow")
    ]  # fmt: skip


def _lines(verb: str, what: str, *more: str, style: str) -> list[Text]:
    """One line where it has room; else what it is, and below it what belongs to it."""
    whole = f"  {verb} {what:<{_WHAT_COLUMNS}} {'  '.join(more)}"
    parts = [whole] if cell_len(whole) <= columns() else [f"  {verb} {what}", *_below(more)]
    lines = [Text(part) for part in parts]
    lines[0].stylize(style, 2, 2 + len(verb))
    return lines


def _below(parts: Sequence[str]) -> list[str]:
    blanks = " " * _BELOW_COLUMNS
    return [line for part in parts for line in hanging(f"{blanks}{part}", columns(), blanks)]


def _total(actions: Sequence[Action], held: Sequence[Held]) -> str:
    counts = [sum(isinstance(action, kind) for action in actions) for kind in (Place, Cancel, Close)]
    return f"Plan: {counts[0]} to place, {counts[1]} to cancel now, {counts[2]} to close, {len(held)} waiting."
