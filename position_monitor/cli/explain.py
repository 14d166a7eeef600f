"""`explain`: from what was read to what is wanted to what rests, for one symbol (invariant 13)."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.text import Text

from position_monitor.cli.asked_position import say_not_open
from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.explain_exits import exit_lines
from position_monitor.cli.lines import flowed, hanging
from position_monitor.cli.moments import moment
from position_monitor.cli.output import columns, print_json, print_rendered
from position_monitor.cli.plan import action_lines, headline, held_lines, look, of_asked
from position_monitor.cli.status_table import number, rounded
from position_monitor.config.problems import shown
from position_monitor.core.model.ids import epoch_began_ms
from position_monitor.core.model.level_words import origin, source_words
from position_monitor.core.model.order_words import described
from position_monitor.core.model.orders import Role, WorkingType
from position_monitor.core.model.rungs import rung_words
from position_monitor.core.publication.control_words import in_words

if TYPE_CHECKING:
    from position_monitor.config import Config
    from position_monitor.core.model.desired import DesiredBook, DesiredOrder
    from position_monitor.core.model.orders import LiveOrder
    from position_monitor.inspector import InspectedPosition

_INDENT = "  "
_BETWEEN = " · "
_SHOWN_ELSEWHERE = ("exits", "policy", "held")
"""Settings that are tables, or that stand under "Exits" and "Operator"."""
_TRIGGERS = {WorkingType.MARK_PRICE: "the mark price", WorkingType.CONTRACT_PRICE: "the last trade"}
_STANDINGS = {
    "wanted": "ours and wanted",
    "surplus": "ours and no longer wanted",
    "in flight": "ours and being triggered",
    "foreign": "not ours",
}


def execute(arguments: argparse.Namespace) -> int:
    """Explain every position of the symbol; 1 when it has none."""
    from position_monitor.config import load_config

    config, asked = load_config(arguments.config), arguments.position
    inspection = look(config, asked)
    positions = of_asked(inspection, asked)
    if arguments.json:
        settings = config.protection_settings(asked.symbol)
        print_json({"symbol": asked.symbol, "settings": settings, "positions": positions})
    for inspected in () if arguments.json else positions:
        print_rendered(*headline(inspected), *_explanation(config, inspected))
    if not positions:
        say_not_open(asked, (one.position.key for one in inspection.positions))
    return ExitCode.OK if positions else ExitCode.ERROR


def _explanation(config: Config, inspected: InspectedPosition) -> Iterator[Text]:
    in_force = [one for one in (inspected.state.pause, inspected.state.hold) if one is not None]
    if in_force:
        yield from _section("Operator", (in_words(request) for request in in_force))
    yield from _section("Read", _inputs(inspected))
    yield from _settings(config, inspected.position.symbol)
    if inspected.exits is not None and inspected.book is not None:
        yield from _section("Exits", exit_lines(inspected.exits, inspected.position, inspected.book))
    yield from _section("Wanted", _wanted(inspected.book))
    yield from _section("Resting", (_resting(item.order, item.standing, item.not_cover) for item in inspected.orders))
    yield Text(" To do", style="bold")
    todo = [*action_lines(inspected.actions), *held_lines(inspected.held)]
    yield from todo or [Text("  nothing")]


def _section(title: str, lines: Iterator[str]) -> Iterator[Text]:
    """The lines, each of them hanging below itself where it is too long; those that fit stay as they are."""
    yield Text(f" {title}", style="bold")
    empty = True
    for line in lines:
        empty = False
        whole = Text(f"{_INDENT}{line}")
        if whole.cell_len <= columns():
            yield whole
        else:
            yield from (Text(part) for part in hanging(whole.plain, columns(), _INDENT * 2))
    if empty:
        yield Text("  nothing")


def _inputs(inspected: InspectedPosition) -> Iterator[str]:
    position, state = inspected.position, inspected.state
    mode = "hedge mode" if position.hedged else "one-way mode"
    yield f"quantity {number(position.quantity)}, entry {number(position.entry_price)}, {mode}"
    yield _opened(inspected)
    yield f"mark {number(rounded(position.mark_price))}, {_against_entry(position.loss_pct)}"
    yield f"liquidation {number(_rounded(position.liquidation_price))}, leverage {position.leverage or '-'}"
    yield f"stop cover {number(state.cover_pct)} % ({number(state.stop_quantity)} of {number(position.quantity)})"
    if state.worst_case_loss is None:
        yield "worst case not known: not all of it is covered by a stop"
    else:
        yield f"worst case {number(rounded(state.worst_case_loss))} if every covering stop fills at its trigger"


def _against_entry(loss_pct: Decimal) -> str:
    """Where the price is, as seen from the entry."""
    return f"{abs(loss_pct):.2f} % {'in loss' if loss_pct > 0 else 'in profit'}" if loss_pct else "at the entry"


def _rounded(price: Decimal | None) -> Decimal | None:
    return None if price is None else rounded(price)


def _opened(inspected: InspectedPosition) -> str:
    """When it was opened, as an order of ours that rests for it says."""
    epoch = "" if inspected.book is None else inspected.book.epoch
    tags = [item.order.tag for item in inspected.orders if item.order.key == inspected.position.key]
    if epoch and any(tag is not None and tag.epoch == epoch for tag in tags):
        return f"opened {moment(epoch_began_ms(epoch))} or before, as our first order for it says"
    return "opened: not known here, no order of ours rests for it"


def _settings(config: Config, symbol: str) -> Iterator[Text]:
    """The settings that apply, with where a symbol's own value comes from."""
    yield Text(" Settings", style="bold")
    parts = [Text(part) for part in _setting(config, symbol)]
    for line in flowed(parts, _BETWEEN, columns() - len(_INDENT)):
        yield Text(_INDENT).append_text(line)


def _setting(config: Config, symbol: str) -> Iterator[str]:
    settings = config.protection_settings(symbol)
    own = config.symbols.overrides.get(symbol)
    for field in fields(settings):
        if field.name in _SHOWN_ELSEWHERE or not field.compare:
            continue
        name, words = _as_configured(field.name, getattr(settings, field.name))
        mark = " (this symbol)" if own is not None and getattr(own, name, None) is not None else ""
        yield f"{name} = {words}{mark}"


def _as_configured(name: str, value: Any) -> tuple[str, str]:  # noqa: ANN401  settings have no narrower type
    """The key of the configuration, and the value as somebody would write it there."""
    match name:
        case "ladder":
            return name, ", ".join(f"{number(rung.share_pct)} % at {number(rung.target_pct)} %" for rung in value)
        case "respect_foreign_orders":
            return "foreign_orders", shown("respect" if value else "ignore")
        case "foreign_stop_grace_ms":
            return "foreign_stop_grace_s", f"{value / 1000:g}"
    return name, shown(value)


def _wanted(book: DesiredBook | None) -> Iterator[str]:
    if book is None:
        yield "no book: unmanaged, unreadable, or a symbol without trading rules"
        return
    yield f"stop {number(book.stop.price)}: {origin(book.stop, number)}"
    yield f"stops: {book.stop_case.described}"
    yield f"take-profits: {book.target_case.described}"
    for order in book.orders:
        yield (
            f"{_role(order)}: {described(order, number)}, {source_words(order.source)}, "
            f"triggered by {_TRIGGERS[order.working_type]}, id {order.client_id}"
        )
    yield from book.notes


def _role(order: DesiredOrder) -> str:
    """What an order is for; take-profits are counted from 1, the nearest."""
    if order.role is not Role.TAKE_PROFIT:
        return str(order.role).replace("_", " ")
    return f"take-profit {rung_words(order.rung)}"


def _resting(order: LiveOrder, standing: str, not_cover: str) -> str:
    what = described(order, number)
    if order.tag is not None and order.tag.role is Role.TAKE_PROFIT:
        what, cover = f"take-profit {rung_words(order.tag.rung)}: {what}", ""
    else:
        cover = f"no cover: {not_cover}, " if not_cover else "counts as stop cover, "
    return f"{what} {order.status}, {_STANDINGS.get(standing, standing)}, {cover}id {order.client_id}"
