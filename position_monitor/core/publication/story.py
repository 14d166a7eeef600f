"""What happened to positions as a person tells it: events to lines of the journal (DESIGN 7).

One line per fact. What is told elsewhere (a write when it ended, the account at the end of a cycle) has no line here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Context, Decimal
from itertools import groupby

from position_monitor.core.model.events import Detail, Event
from position_monitor.core.model.money import plain
from position_monitor.core.publication.journal_line import Level, Line

_Details = Mapping[str, Detail]
_ROLES = {"backstop": "stop", "working_stop": "stop", "take_profit": "take-profit"}
_ENDS = {
    "CANCELED": "was cancelled, and not by this program",
    "EXPIRED": "was ended by the exchange while the position is open",
    "REJECTED": "was refused by the exchange when its price came",
    "FINISHED": "was triggered, and the exchange names no fill",
}
_CLOSED_BY = {
    "SL": "its stop",
    "SL_TIGHTENED": "its tightened stop",
    "BREAKEVEN": "its stop at breakeven",
    "LOCK": "its stop at the level of a take-profit",
    "TRAIL": "its trailing stop",
    "TIME": "its time limit",
    "EMERGENCY": "this program, at market",
    "LIQUIDATION": "the exchange, as a liquidation",
    "ADL": "the exchange, as an auto-deleveraging",
    "SETTLEMENT": "the exchange, at settlement",
    "EXTERNAL": "an order that is not ours",
}
"""What closed a position, by the reason of its record; a take-profit's carries its number."""
_FIVE_DIGITS = Context(prec=5)
FOREIGN_NAMED_MAX = 6
"""Foreign orders of one position that one line names; what is more is counted."""


def lines_of(events: Iterable[Event]) -> list[Line]:
    """The lines of events, in their order. Foreign orders of one position that come together are one line."""
    lines: list[Line] = []
    for (kind, symbol, side), group in groupby(events, key=_subject):
        if kind in _FOREIGN:
            lines.append(_foreign(kind, symbol, side, list(group)))
            continue
        lines += [line for event in group if (line := _line_of(event)) is not None]
    return lines


def _subject(event: Event) -> tuple[str, str, str]:
    return event.type, event.symbol, event.side


def _line_of(event: Event) -> Line | None:
    teller = _TELLERS.get(event.type)
    words = teller(event.details or {}) if teller is not None else None
    if words is None:
        return None
    level, text = words
    who = f"{event.symbol} {event.side}".strip()
    verdict = str((event.details or {}).get("verdict", ""))
    return Line(level, text.replace("{who}", who), event.symbol, event.side, verdict=verdict, event=event.type)


def _size(details: _Details) -> str:
    entry = details.get("entry_price")
    return f"{details['quantity']} @ {entry}" if entry else f"{details['quantity']}"


def _appeared(details: _Details) -> tuple[Level, str] | None:
    if details["flipped"]:
        return None
    return Level.INFO, f"{{who}} appeared: {_size(details)}, {details['verdict']}"


def _flipped(details: _Details) -> tuple[Level, str]:
    return Level.INFO, f"{{who}}: the position turned, it was {details['from']} and is {_size(details)} now"


def _grew(details: _Details) -> tuple[Level, str]:
    return Level.INFO, f"{{who}} grew from {details['before']} to {_size(details)}"


def _shrank(details: _Details) -> tuple[Level, str]:
    return Level.INFO, f"{{who}} shrank from {details['before']} to {details['quantity']}"


def _flat(details: _Details) -> tuple[Level, str] | None:
    if details["flipped"]:
        return None
    naked_ms = int(details["naked_ms"] or 0)
    was = f", it was without full cover for {naked_ms / 1000:.1f} s in all" if naked_ms else ""
    return Level.INFO, f"{{who}} is flat{was}"


def _fill(details: _Details) -> str:
    quantity, price = details["quantity"], details["price"]
    filled = f" {quantity}" if quantity is not None else ""
    at = f" @ {price}" if price is not None else ", price not told by the exchange"
    return f"{filled}{at} (id {details['client_id']})"


def _stop_fired(details: _Details) -> tuple[Level, str]:
    return Level.INFO, f"🛑 Stop fired: {{who}}{_fill(details)}"


def _take_profit_filled(details: _Details) -> tuple[Level, str]:
    return Level.INFO, f"🎯 TP filled: {{who}} rung {details['rungs']},{_fill(details)}"


def _vanished(details: _Details) -> tuple[Level, str]:
    what = _ROLES[str(details["role"])]
    rung = f" of rung {details['rungs']}" if details["rungs"] else ""
    ended = _ENDS.get(str(details["status"]), "is gone")
    why = f": {details['reason']}" if details["reason"] else ""
    return Level.WARNING, f"⚠️ {{who}}: our {what}{rung} {ended}{why} (id {details['client_id']})"


def _record_final(details: _Details) -> tuple[Level, str]:
    net, fees, in_r = details["result_net"], details["fees"], details["net_r"]
    result = f"{_short(net)} {details['asset']}" if net is not None else "unknown"
    result += f" = {_short(in_r)} R" if in_r is not None else ""
    parts = f"gross {_short(details['result_gross'])}, fees {_short(fees) if fees is not None else 'unknown'}"
    order = f", order {details['client_id']}" if details["client_id"] else ""
    what = f"{details['quantity']} @ {_short(details['price'])}, net {result} ({parts})"
    words = f"🏁 {{who}} closed by {_closed_by(str(details['reason']))} ({details['reason']}{order}): {what}"
    return Level.DEBUG if details["late"] else Level.INFO, words


def _closed_by(reason: str) -> str:
    if number := reason.removeprefix("TP") if reason.startswith("TP") else "":
        return f"take-profit {number}"
    return _CLOSED_BY.get(reason, "its last fill")


def _short(figure: Detail) -> str:
    """Money for a reader: two decimals, or five significant digits of what is small."""
    number = Decimal(str(figure))
    return plain(number.quantize(Decimal("0.01"))) if abs(number) >= 1 else plain(number.normalize(_FIVE_DIGITS))


_TELLERS: Mapping[str, Callable[[_Details], tuple[Level, str] | None]] = {
    "PositionAppeared": _appeared,
    "PositionFlipped": _flipped,
    "PositionGrew": _grew,
    "PositionShrank": _shrank,
    "PositionFlat": _flat,
    "StopFired": _stop_fired,
    "TakeProfitFilled": _take_profit_filled,
    "OrderVanished": _vanished,
    "RecordFinal": _record_final,
}

_FOREIGN = {
    "ForeignOrderSeen": (Level.WARNING, "order that is not ours rests", "orders that are not ours rest"),
    "ForeignOrderGone": (Level.INFO, "order that is not ours is gone", "orders that are not ours are gone"),
}


def _foreign(kind: str, symbol: str, side: str, events: list[Event]) -> Line:
    level, one, many = _FOREIGN[kind]
    named = [_described(event.details or {}) for event in events[:FOREIGN_NAMED_MAX]]
    if len(events) > FOREIGN_NAMED_MAX:
        named.append(f"{len(events) - FOREIGN_NAMED_MAX} more")
    count = f"an {one}" if len(events) == 1 else f"{len(events)} {many}"
    return Line(level, f"{symbol} {side}: {count}: {', '.join(named)}", symbol, side, event=kind)


def _described(details: _Details) -> str:
    at = f" @ {details['trigger_price']}" if details["trigger_price"] else ""
    return f"{details['kind']} {details['quantity']}{at}"
