"""One position as a row of the table and as a card with its ladder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from position_monitor.charts.ladder import ladder
from position_monitor.charts.markup import Markup, element, joined
from position_monitor.charts.tables import facts
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.publication.state import PositionState
from position_monitor.dashboard.levels import levels, money_text, price_text, stop_distance, verdict_of, worst_case
from position_monitor.dashboard.words import badge, lasting, moment, or_dash

COLUMNS = (
    *("Position", "Verdict", "Stop, % of mark", "Stop, R", "Cover", "Worst case", "Profit now", "Naked", "Since"),
    *("Policy", "Why"),
)
NUMBERS = frozenset({"Stop, % of mark", "Stop, R", "Cover", "Worst case", "Profit now", "Naked"})
"""Columns whose cells stand at the right and are never broken."""
WIDE = frozenset({"Stop, R", "Cover", "Profit now", "Naked", "Since", "Policy", "Why"})
"""Columns that a phone leaves to the card below."""


def part_id(kind: str, account: str, key: PositionKey) -> str:
    """A name for an element that says nothing of what it names: a symbol may hold anything."""
    return kind + hashlib.sha256(f"{account}\n{key}".encode()).hexdigest()[:16]


def own_page(account: str, key: PositionKey) -> str:
    """The address of a position's own page."""
    return "/position?" + urlencode({"account": account, "symbol": key.symbol, "side": key.side.value})


def row(account: str, key: PositionKey, state: PositionState | None, problem: str) -> Markup:
    """The position in one line."""
    name = element("a", f"{key.symbol} {key.side}", href=own_page(account, key))
    head = element("th", name, scope="row", id=part_id("n", account, key))
    cells = dict.fromkeys(COLUMNS[2:], Markup("-")) | {"Why": why(state, problem)}
    if state is not None:
        cells |= _figures(state)
    cells = {"Verdict": badge(verdict_of(state)), **cells}
    drawn = (element("td", cells[name], class_=column_class(name)) for name in COLUMNS[1:])
    return element("tr", head, joined(drawn), id=part_id("r", account, key))


def column_class(name: str) -> str | None:
    """How the cells of a column stand: at the right, and only where there is room."""
    kinds = [kind for kind, names in (("number", NUMBERS), ("wide", WIDE), ("why", {"Why"})) if name in names]
    return " ".join(kinds) or None


def _figures(state: PositionState) -> dict[str, Any]:
    stop = stop_distance(state)
    pct = stop.from_mark_pct if stop is not None else None
    in_r = stop.in_r if stop is not None else None
    return {
        "Stop, % of mark": "no stop" if stop is None else "-" if pct is None else f"{pct:+.2f} %",
        "Stop, R": "-" if in_r is None else f"{in_r:+.2f} R",
        "Cover": cover(state),
        "Worst case": worst_case(state),
        "Profit now": money_text(state.unrealized_pnl),
        "Naked": lasting(state.naked_ms),
        "Since": moment(state.since_ms),
        "Policy": or_dash(state.policy),
    }


def cover(state: PositionState) -> str:
    """How much of the position stops cover."""
    return f"{state.cover_pct:.0f} %" if state.cover_pct.is_finite() else "-"


def why(state: PositionState | None, problem: str) -> str:
    """The reason of the verdict; of UNKNOWN that nothing is published for it."""
    if state is None:
        return problem or "no state of it is published"
    return or_dash(state.reason)


def card(account: str, key: PositionKey, state: PositionState | None, problem: str) -> Markup:
    """The position with its ladder and everything that is published of it."""
    name = f"{key.symbol} {key.side}"
    heading = element("h3", element("a", name, href=own_page(account, key)), " ", badge(verdict_of(state)))
    inner: tuple[Markup | None, ...] = (element("p", why(state, problem), class_="quiet"),)
    if state is not None:
        reason = element("p", state.reason) if state.reason else None
        picture = ladder([level.drawn for level in levels(state)], title=f"Price ladder of {name}")
        inner = (reason, picture, facts(position_facts(state)))
    words = f"{account} {name} {verdict_of(state)}"
    return element("article", heading, joined(inner), id=part_id("c", account, key), class_="card", data_words=words)


def position_facts(state: PositionState) -> Iterable[tuple[str, Markup | str]]:
    """What is published of a position, beside its levels."""
    yield "Cover", f"{cover(state)} ({price_text(state.stop_quantity)} of {price_text(state.quantity)})"
    yield "Worst case at the stops", worst_case(state)
    yield "Profit now", money_text(state.unrealized_pnl)
    yield "Naked so far", lasting(state.naked_ms)
    yield "Verdict since", moment(state.since_ms)
    yield "Read back", moment(state.observed_at_ms)
    yield "Policy, profile", f"{or_dash(state.policy)}, {or_dash(state.profile)}"
    yield "Regime", or_dash(state.regime)
    yield "Level set by", or_dash(state.level_source)
    yield "Trailing", or_dash(state.trailing)
    yield "Leverage", or_dash(state.leverage)
    for name in ("hold", "pause"):
        request = getattr(state, name, None)
        if request is not None:
            yield name.capitalize(), request_words(request)
    wrong = [f"{name} {value}" for name, value in state.conditions.items() if value != "True" and name != "Exposed"]
    yield "Not as it should be", or_dash(", ".join(sorted(wrong)))


def request_words(request: object) -> Markup:
    """A pause or a hold of an operator: what, of what, until when, by whom and why."""
    side = getattr(request, "side", None)
    subject = f"{getattr(request, 'symbol', '')}{f':{side}' if side else ''}"
    head = f"{getattr(request, 'type', '')} of {subject} until "
    tail = f" by {getattr(request, 'by', '')}: {getattr(request, 'reason', '')}"
    return joined((head, moment(getattr(request, "until_ms", None)), tail))
