"""Whole pages of the server: the overview, and one position with its history. They work without the script."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

from position_monitor.charts.ladder import ladder
from position_monitor.charts.markup import Markup, element, joined, raw
from position_monitor.charts.plots import step_line
from position_monitor.charts.styles import STYLE
from position_monitor.charts.tables import facts, table
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.publication.state import PositionState
from position_monitor.dashboard.account_parts import event_table
from position_monitor.dashboard.board import Frame, section
from position_monitor.dashboard.levels import levels, price_text, verdict_of
from position_monitor.dashboard.position_parts import position_facts, why
from position_monitor.dashboard.watching import AccountView
from position_monitor.dashboard.words import badge, lasting, moment, or_dash
from position_monitor.edge.redis.event_stream import StreamedEvent

REFRESH_S: Final = 5
"""How often a browser without script asks again."""
HISTORY_EVENTS: Final = 1_000
PAGE_STYLE: Final = (
    STYLE
    + """
.badge{border:2px solid currentColor;border-radius:5px;padding:.05em .45em;white-space:nowrap}
.verdict{font-size:1.5rem;margin:.3em 0}.bad .sign-of,.badge.bad{font-weight:800}
.banner{border:3px solid var(--bad);color:var(--bad);padding:.5em .8em;font-weight:700;max-width:none}
.accounts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,560px),1fr));gap:24px}
.account{min-width:0}.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));gap:12px}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 12px;min-width:0;
content-visibility:auto;contain-intrinsic-size:auto 460px}
.bar-top{display:flex;flex-wrap:wrap;gap:.4em 1.2em;align-items:baseline;justify-content:space-between}
input{font:inherit;padding:.3em .5em;max-width:100%;color:inherit;background:var(--card);border:1px solid var(--quiet)}
#contact{display:none}#contact.lost{display:block}.lost-contact .badge,.lost-contact time{opacity:.35}
.skip{position:absolute;left:-999em}.skip:focus{position:static}[hidden]{display:none!important}
@media print{input,.skip{display:none}.card{content-visibility:visible}}
"""
)
_TIME: Final = re.compile(r'(<time datetime="[^"]{20}" data-at="(\d{1,14})">)([^<]*)(</time>)')


def overview(views: Sequence[AccountView], frame: Frame, *, now_ms: int) -> str:
    """Every account, with the ages as of now."""
    sections = [section(place, view, frame) for place, view in enumerate(views)]
    search = element("input", type="search", id="search", placeholder="Symbol", aria_label="Show only these positions")
    top = element(
        "div", element("span", "Position monitor"), element("label", "Search ", search, id="searching", hidden=True)
    )
    body = (
        element("a", "To the accounts", href="#accounts", class_="skip"),
        element("header", top, class_="top"),
        element(
            "p", "No contact with the dashboard: what stands below is old.", id="contact", class_="banner", role="alert"
        ),
        element("main", *sections, id="accounts", class_="accounts"),
    )
    return _document("Position monitor", body, now_ms=now_ms, frame=frame.number)


def position_page(
    view: AccountView, key: PositionKey, history: Sequence[StreamedEvent], *, now_ms: int, is_listed: bool
) -> str:
    """One position: ladder, everything published of it, levels over time, events."""
    name, state = f"{key.symbol} {key.side}", view.positions.get(key)
    own = [event for event in history if (event.symbol, event.side) == (key.symbol, key.side.value)]
    status = (
        badge(verdict_of(state)) if is_listed else element("strong", "No such position is published", class_="warn")
    )
    parts: list[Markup | None] = [
        element("p", element("a", "All positions", href="/")),
        element("h1", f"{name} of {view.account} "),
        element("p", status, class_="verdict"),
        element("p", view.trouble, class_="banner", role="alert") if view.trouble else None,
        element("p", why(state, view.unreadable.get(key, ""))) if is_listed else None,
    ]
    if state is not None:
        parts += _published(name, state)
    parts += [element("h2", "History"), _stop_line(own), event_table("Events of this position", reversed(own))]
    return _document(name, (element("main", joined(parts)),), now_ms=now_ms, frame=0)


def _published(name: str, state: PositionState) -> Iterable[Markup]:
    yield ladder([level.drawn for level in levels(state)], title=f"Price ladder of {name}")
    rows = (
        (level.name, price_text(level.price), _signed(level.from_mark_pct, " %"), _signed(level.in_r, " R"))
        for level in levels(state)
    )
    yield table("Levels", ("Level", "Price", "From the mark", "From the entry"), rows)
    yield facts(position_facts(state))
    rungs = (
        (f"TP{one.rung}", price_text(one.trigger_price), price_text(one.quantity), _yes(one.resting), _yes(one.foreign))
        for one in state.take_profits
    )
    yield table("Take-profits", ("Rung", "Price", "Quantity", "Rests", "Foreign"), rungs)
    yield element("p", _plan(state))
    ids = ", ".join(map(str, state.stop_client_ids)) or "none"
    yield facts((("Stops that count", ids), ("Conditions", ", ".join(f"{k} {v}" for k, v in state.conditions.items()))))
    if state.market is not None:
        market = state.market
        yield facts((("ATR", price_text(market.atr)), ("Market regime", or_dash(market.regime))))


def _plan(state: PositionState) -> str:
    """What will happen next, in words, as far as the published state tells it."""
    wanted = [one for one in state.take_profits if not one.resting]
    words = [f"{len(wanted)} take-profits are to be placed." if wanted else "Every take-profit that is wanted rests."]
    if state.conditions.get("StopCurrent") == "False":
        words.append("The stop waits behind the level that the policy wants by now.")
    if state.conditions.get("BookInSync") == "True":
        words.append("Nothing has to be placed or removed.")
    words.append(f"Trailing: {or_dash(state.trailing)}. Without full cover so far: {lasting(state.naked_ms)}.")
    return " ".join(words)


def _stop_line(events: Sequence[StreamedEvent]) -> Markup:
    """The levels at which stops were placed, over time in hours before the newest one."""
    placed = [(event.at_ms, price) for event in events if event.type == "StopPlaced" and (price := _price(event))]
    if not placed:
        return element("p", "No event tells of a stop that was placed.", class_="nothing")
    last_ms = placed[-1][0]
    drawn = [((at_ms - last_ms) / 3_600_000, price) for at_ms, price in placed]
    low = min(float(price) for _, price in drawn)
    rows = ((moment(at_ms), price_text(price)) for at_ms, price in placed[-50:])
    picture = step_line(
        [(x, float(price) - low) for x, price in drawn],
        title="Stops as they were placed",
        x_words="hours before the newest one",
        y_words=f"price above {price_text(Decimal(str(low)))}",
    )
    return joined((picture, table("Stops as they were placed", ("When", "Price"), rows)))


def _price(event: StreamedEvent) -> Decimal | None:
    for name in ("price", "trigger_price", "stop_price"):
        try:
            value = Decimal(str(event.details[name]))
        except (KeyError, InvalidOperation):
            continue
        return value if value.is_finite() and abs(value.adjusted()) < 30 else None
    return None


def _signed(value: Decimal | None, unit: str) -> str:
    return "-" if value is None else f"{value:+.2f}{unit}"


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _document(title: str, body: Iterable[Markup], *, now_ms: int, frame: int) -> str:
    head = (
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("link", rel="stylesheet", href="/style.css"),
        element("link", rel="icon", href="data:,"),
        element("noscript", element("meta", http_equiv="refresh", content=REFRESH_S)),
        element("script", src="/dashboard.js", defer=True),
    )
    written = element(
        "footer", element("p", "Page written ", moment(now_ms), "; nothing can be changed from it.", class_="quiet")
    )
    inner = element("body", joined((*body, written)), data_frame=frame, data_now=now_ms)
    page = joined(
        (raw("<!doctype html>\n"), element("html", element("head", joined(head)), inner, lang="en"), raw("\n"))
    )
    return _TIME.sub(lambda match: _aged(match, now_ms), page)


def _aged(match: re.Match[str], now_ms: int) -> str:
    """A time of day with its age as of now, for a browser without script."""
    opening, at_ms, words, closing = match.groups()
    age_ms = now_ms - int(at_ms)
    said = f" ({lasting(age_ms)} ago)" if age_ms >= 0 else f" (in {lasting(-age_ms)})"
    return f"{opening}{words}{said}{closing}"
