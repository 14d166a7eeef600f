"""`explain`: from what was read to what is wanted to what rests, for one symbol (invariant 13)."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING

from rich.text import Text

from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.explain_exits import exit_lines
from position_monitor.cli.output import print_json, print_rendered, say
from position_monitor.cli.plan import action_lines, headline, held_lines, look, of_symbol
from position_monitor.cli.status_table import number
from position_monitor.config.problems import shown
from position_monitor.core.model.order_words import described
from position_monitor.core.model.orders import Role
from position_monitor.core.model.rungs import rungs_of
from position_monitor.core.publication.control_words import in_words

if TYPE_CHECKING:
    from position_monitor.config import Config
    from position_monitor.core.model.desired import DesiredBook
    from position_monitor.core.model.orders import LiveOrder
    from position_monitor.inspector import InspectedPosition


def execute(arguments: argparse.Namespace) -> int:
    """Explain every position of the symbol; 1 when it has none."""
    from position_monitor.config import load_config

    config = load_config(arguments.config)
    positions = of_symbol(look(config), arguments.symbol)
    if arguments.json:
        settings = config.protection_settings(arguments.symbol)
        print_json({"symbol": arguments.symbol, "settings": settings, "positions": positions})
    for inspected in () if arguments.json else positions:
        print_rendered(headline(inspected), *_explanation(config, inspected))
    if not positions:
        say(f"{arguments.symbol} has no open position")
    return ExitCode.OK if positions else ExitCode.ERROR


def _explanation(config: Config, inspected: InspectedPosition) -> Iterator[Text]:
    in_force = [one for one in (inspected.state.pause, inspected.state.hold) if one is not None]
    if in_force:
        yield from _section("Operator", (in_words(request) for request in in_force))
    yield from _section("Read", _inputs(inspected))
    yield from _section("Settings", _settings(config, inspected.position.symbol))
    if inspected.exits is not None and inspected.book is not None:
        yield from _section("Exits", exit_lines(inspected.exits, inspected.position, inspected.book))
    yield from _section("Wanted", _wanted(inspected.book))
    yield from _section("Resting", (_resting(item.order, item.standing, item.not_cover) for item in inspected.orders))
    yield Text(" To do", style="bold")
    todo = [*action_lines(inspected.actions), *held_lines(inspected.held)]
    yield from todo or [Text("  nothing")]


def _section(title: str, lines: Iterator[str]) -> Iterator[Text]:
    yield Text(f" {title}", style="bold")
    empty = True
    for line in lines:
        empty = False
        yield Text(f"  {line}")
    if empty:
        yield Text("  nothing")


def _inputs(inspected: InspectedPosition) -> Iterator[str]:
    position, state = inspected.position, inspected.state
    mode = "hedge mode" if position.hedged else "one-way mode"
    yield f"quantity {number(position.quantity)}, entry {number(position.entry_price)}, {mode}"
    yield f"mark {number(position.mark_price)}, adverse move {position.loss_pct:.2f} %"
    yield f"liquidation {number(position.liquidation_price)}, leverage {position.leverage or '-'}"
    yield f"stop cover {number(state.cover_pct)} % ({number(state.stop_quantity)})"
    yield f"worst case {number(state.worst_case_loss)} if every covering stop fills at its trigger"


def _settings(config: Config, symbol: str) -> Iterator[str]:
    """The settings that apply, with where a symbol's own value comes from."""
    settings = config.protection_settings(symbol)
    own = config.symbols.overrides.get(symbol)
    for field in fields(settings):
        value = getattr(settings, field.name)
        words = shown(value)
        if field.name == "exits" or not field.compare:
            continue  # profiles and regimes are tables; what counts of them stands under "Exits"
        if field.name == "ladder":
            words = ", ".join(f"{number(rung.share_pct)} % at {number(rung.target_pct)} %" for rung in value)
        mark = " (this symbol)" if own is not None and getattr(own, field.name, None) is not None else ""
        yield f"{field.name} = {words}{mark}"


def _wanted(book: DesiredBook | None) -> Iterator[str]:
    if book is None:
        yield "no book: unmanaged, unreadable, or a symbol without trading rules"
        return
    inputs = ", ".join(f"{name} {number(value)}" for name, value in book.stop.inputs.items())
    yield f"stop {number(book.stop.price)} from {book.stop.source}" + (f" ({inputs})" if inputs else "")
    yield f"stop {book.stop_case.described}; take-profit {book.target_case.described}"
    for order in book.orders:
        rung = f" rung {rungs_of(order.rung)[-1]}" if order.role is Role.TAKE_PROFIT else ""
        yield (
            f"{order.role}{rung}: {described(order, number)} from {order.source}, "
            f"{order.working_type}, id {order.client_id}"
        )
    yield from book.notes


def _resting(order: LiveOrder, standing: str, not_cover: str) -> str:
    cover = f"no cover: {not_cover}" if not_cover else "counts as stop cover"
    return f"{described(order, number)} {order.status}, {standing}, {cover}, id {order.client_id}"
