"""An account as parts of the page: its verdict, its facts, holds and pauses, events, exits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from position_monitor.charts.markup import Markup, element, joined
from position_monitor.charts.plots import Bar, histogram
from position_monitor.charts.tables import facts, table
from position_monitor.core.publication.state import AccountState
from position_monitor.dashboard.documents import risk_status
from position_monitor.dashboard.levels import price_text
from position_monitor.dashboard.position_parts import request_words
from position_monitor.dashboard.watching import AccountView
from position_monitor.dashboard.words import badge, lasting, moment, or_dash
from position_monitor.edge.redis.event_stream import StreamedEvent

DETAILS_LENGTH_MAX = 300
_LOUD = frozenset({"BreakerChanged", "ConfigRefused", "EmergencyClose", "LeaseLost", "SecondWriterSeen", "StopFired"})
_LOUD_TOO = frozenset({"WriteRefused", "WriteAmbiguous", "OrderVanished", "BanBegan", "RedisLost", "StreamLost"})


def head(view: AccountView) -> Markup:
    """The verdict first, in words; then why, how old it is, and what keeps it from being better."""
    state = view.state
    lines: list[Markup | None] = [element("p", badge(risk_status(view)), class_="verdict")]
    if not view.redis_answers:
        lines.append(_banner("Redis does not answer", view.trouble))
    elif state is None:
        lines.append(_banner("UNKNOWN: nobody can say whether positions are protected", view.trouble))
    elif state.mode == "stopped":
        lines.append(_banner("The daemon was stopped: nobody watches these positions", state.reason))
    if state is not None:
        lines += _state_lines(state)
    if view.positions and state is None:
        lines.append(element("p", f"{len(view.positions)} positions were listed last; each is UNKNOWN now."))
    if view.left_out:
        lines.append(element("p", f"{view.left_out} more positions are not shown.", class_="warn"))
    if view.clock_ahead_ms:
        where = "ahead of" if view.clock_ahead_ms > 0 else "behind"
        words = f"The daemon's clock is {lasting(abs(view.clock_ahead_ms))} {where} this host's: ages are wrong."
        lines.append(element("p", words, class_="warn"))
    return joined(lines)


def _state_lines(state: AccountState) -> Iterable[Markup | None]:
    yield element("p", state.status_line)
    if state.reason and state.mode != "stopped":
        yield element("p", state.reason, class_="warn")
    if state.mode not in ("live", "stopped"):
        yield element("p", f"Mode: {state.mode}", class_="warn")
    if state.unread:
        yield element("p", f"Rows that could not be read: {', '.join(state.unread)}", class_="warn")
    for conflict in state.conflicts[:20]:
        yield element("p", f"Conflict: {conflict}", class_="warn")
    read = (
        "Last good read of the exchange ",
        moment(state.observed_at_ms),
        ", written ",
        moment(state.published_at_ms),
    )
    yield element("p", joined(read), class_="quiet")


def _banner(words: str, detail: str) -> Markup:
    more = f" ({detail})" if detail else ""
    return element("p", f"{words}{more}", class_="banner", role="alert")


def account_facts(view: AccountView) -> Markup:
    """Figures, mode, environment, lease, streams, weight, AI engine, breaker, who controls exits."""
    state = view.state
    if state is None:
        return facts([("Lease", or_dash(view.lease_owner))])
    return facts(
        (
            ("Positions with full stop cover", f"{state.protected} of {state.positions}"),
            ("Share of the notional covered", f"{state.coverage_pct:.1f} %" if state.coverage_pct.is_finite() else "-"),
            ("Exposed", price_text(state.exposed_notional)),
            ("Cannot be said", price_text(state.unknown_notional)),
            ("Mode", or_dash(state.mode)),
            ("Environment", or_dash(state.environment)),
            ("Exits", _exits_words(state)),
            ("AI engine", or_dash(state.ai_engine)),
            ("Circuit breaker", or_dash(state.circuit_breaker)),
            ("Streams", or_dash("; ".join(f"{name} {health}" for name, health in sorted(state.streams.items())))),
            ("Request weight, last minute", str(state.api_weight_1m)),
            ("Last cycle", f"{state.cycle_ms} ms"),
            ("Lease held by", or_dash(view.lease_owner)),
            ("Written by", f"{or_dash(state.owner)}, epoch {state.epoch}, number {state.sequence}"),
            ("Version, configuration", f"{or_dash(state.version)}, {or_dash(state.config_hash)}"),
        )
    )


def _exits_words(state: AccountState) -> str:
    exits = state.exits
    if exits is None:
        return or_dash(state.exit_mode)
    switches = f"executor {exits.executor_mode}, rollout {exits.live_rollout} {exits.rollout_pct} %"
    held = f", held back by {', '.join(map(str, exits.held_back_by))}" if exits.held_back_by else ""
    kill = ", kill switch" if exits.kill_switch else ""
    return f"{or_dash(exits.described)} ({switches}{kill}{held})"


def controls(view: AccountView) -> Markup:
    """Pauses and holds in force, with the time they end."""
    requests: Sequence[object] = getattr(view.state, "control", None) or ()
    if not requests:
        return element("p", "No pause and no hold is in force.", class_="nothing")
    return element("ul", *(element("li", request_words(one)) for one in requests[:100]))


def events(view: AccountView) -> Markup:
    """The newest events, newest first."""
    if view.events_trouble:
        return element("p", f"UNKNOWN: {view.events_trouble}", class_="warn")
    spoilt = view.events_unreadable
    note = element("p", f"{spoilt} entries are not readable and are left out.", class_="warn") if spoilt else None
    return joined((event_table("Events", reversed(view.events)), note))


def event_table(title: str, shown: Iterable[StreamedEvent]) -> Markup:
    """Events as a table."""
    rows = ([_event_moment(one), _event_type(one), f"{one.symbol} {one.side}", details(one)] for one in shown)
    return table(title, ("When", "What", "Position", "Details"), rows, words=4)


def _event_moment(event: StreamedEvent) -> Markup:
    return moment(event.at_ms)


def _event_type(event: StreamedEvent) -> Markup:
    loud = event.type in _LOUD or event.type in _LOUD_TOO
    return element("span", f"! {event.type}" if loud else event.type, class_="bad" if loud else None)


def details(event: StreamedEvent) -> str:
    """What the type adds, as `name value` in one line of bounded length."""
    words = ", ".join(f"{name} {str(value)[:100]}" for name, value in list(event.details.items())[:20])
    return words if len(words) <= DETAILS_LENGTH_MAX else f"{words[:DETAILS_LENGTH_MAX]}…"


def exits(view: AccountView) -> Markup:
    """What closed positions were worth: the reason table and R as a histogram, from `P:performance`."""
    totals = view.totals
    if view.totals_trouble:
        return element("p", f"UNKNOWN: {view.totals_trouble}", class_="warn")
    if not totals:
        return element("p", "No closed position is recorded.", class_="nothing")
    pairs = (
        ("Closed positions", f"{or_dash(totals.get('count'))} ({or_dash(totals.get('provisional'))} provisional)"),
        ("Won, lost", f"{or_dash(totals.get('wins'))}, {or_dash(totals.get('losses'))}"),
        ("Mean R, total R", f"{or_dash(totals.get('mean_r'))}, {or_dash(totals.get('total_r'))}"),
        ("Written", moment(totals.get("updated_at_ms"))),
    )
    return joined((facts(pairs), _reasons(totals), _histogram(totals), _slippage(totals)))


def _rows(totals: Mapping[str, Any], name: str) -> Iterable[Mapping[str, Any]]:
    """The rows of a list in the totals, whatever stands there."""
    rows = totals.get(name)
    return [one for one in rows[:100] if isinstance(one, Mapping)] if isinstance(rows, list) else []


def _reasons(totals: Mapping[str, Any]) -> Markup:
    names = ("reason", "count", "wins", "mean_r", "total_r")
    rows = ([or_dash(one.get(name)) for name in names] for one in _rows(totals, "by_reason"))
    return table("Why they were closed", ("Reason", "n", "Won", "Mean R", "Total R"), rows)


def _slippage(totals: Mapping[str, Any]) -> Markup:
    names = ("role", "count", "median_bps", "p90_bps", "worst_bps")
    rows = ([or_dash(one.get(name)) for name in names] for one in _rows(totals, "slippage"))
    return table("Slippage by role, bps against us", ("Role", "n", "Median", "p90", "Worst"), rows)


def _histogram(totals: Mapping[str, Any]) -> Markup:
    bars = []
    for one in _rows(totals, "histogram"):
        low, count = one.get("from_r"), one.get("count")
        if isinstance(count, int) and 0 <= count < 10**9:
            label = "below" if low is None else str(low)[:8]
            bars.append(Bar(label, count, is_loss=low is None or str(low).startswith("-")))
    return histogram(bars, title="Net R of closed positions", x_words="net R, from; a hollow bar is a loss")
