"""An account as parts of the page: its verdict, its facts, holds and pauses, events, exits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from position_monitor.charts.markup import Markup, element, joined
from position_monitor.charts.plots import Bar, histogram
from position_monitor.charts.tables import facts, table
from position_monitor.core.publication.state import AccountState
from position_monitor.dashboard import exit_parts
from position_monitor.dashboard.documents import risk_status
from position_monitor.dashboard.position_parts import request_words
from position_monitor.dashboard.watching import AccountView
from position_monitor.dashboard.words import badge, lasting, moment, or_dash
from position_monitor.edge.redis.event_stream import StreamedEvent

DETAILS_LENGTH_MAX = 300
_IDENTITIES = frozenset({"client_id", "code", "order_id", "outcome", "record_id", "request_id"})
_ACKNOWLEDGED = frozenset({"StopPlaced", "StopRetired", "TakeProfitPlaced", "TakeProfitRetired"})
"""Types whose `text` is the venue's acknowledgement."""
_LOUD = frozenset({"BreakerChanged", "ConfigRefused", "EmergencyClose", "LeaseLost", "SecondWriterSeen", "StopFired"})
_LOUD_TOO = frozenset({"WriteRefused", "WriteAmbiguous", "OrderVanished", "BanBegan", "RedisLost", "StreamLost"})


def head(view: AccountView) -> Markup:
    """The verdict first, in words; then why, how old it is, and what keeps it from being better."""
    state = view.state
    age = [element("span", "read ", moment(state.observed_at_ms), class_="age")] if state is not None else []
    lines: list[Markup | None] = [element("p", badge(risk_status(view)), " ", *age, class_="verdict")]
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
            ("Exposed notional", f"{state.exposed_notional:,.2f}" if state.exposed_notional.is_finite() else "-"),
            ("Unknown notional", f"{state.unknown_notional:,.2f}" if state.unknown_notional.is_finite() else "-"),
            ("Mode", or_dash(state.mode)),
            ("Environment", or_dash(state.environment)),
            ("Exits", _exits_words(state)),
            ("AI engine", or_dash(state.ai_engine)),
            ("Circuit breaker", or_dash(state.circuit_breaker)),
            ("Streams", or_dash("; ".join(f"{name} {health}" for name, health in sorted(state.streams.items())))),
            ("Request weight, last minute", str(state.api_weight_1m)),
            ("Last cycle, written", joined((f"{state.cycle_ms} ms, ", moment(state.published_at_ms)))),
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
    return joined((event_list(reversed(view.events)), note))


def event_list(shown: Iterable[StreamedEvent]) -> Markup:
    """Events one below another, each with its time, its name, its position and what the type adds."""
    lines = [element("li", *_event(one)) for one in shown]
    return element("ul", *lines, class_="events") if lines else element("p", "No event is kept.", class_="nothing")


def _event(event: StreamedEvent) -> Iterable[Markup]:
    loud = event.type in _LOUD or event.type in _LOUD_TOO
    yield moment(event.at_ms)
    yield element("strong", f"! {event.type}" if loud else event.type, class_="bad" if loud else None)
    yield element("span", f"{event.symbol} {event.side}".strip() or "account")
    yield element("span", details(event), class_="quiet")


def details(event: StreamedEvent) -> str:
    """What the type adds, as `name value` in one line of bounded length; ids of orders only of what went wrong."""
    loud = event.type in _LOUD or event.type in _LOUD_TOO
    hidden = set() if loud else _IDENTITIES | ({"text"} if event.type in _ACKNOWLEDGED else set())
    ordinary = [pair for pair in list(event.details.items())[:20] if pair[0] not in hidden]
    pairs = sorted(ordinary, key=lambda pair: pair[0] in _IDENTITIES)
    words = ", ".join(
        f"{name.replace('_', ' ')} {str(value)[:100]}" for name, value in pairs if value not in ("", None)
    )
    return words if len(words) <= DETAILS_LENGTH_MAX else f"{words[:DETAILS_LENGTH_MAX]}…"


def exits(view: AccountView) -> Markup:
    """What closed positions were worth: the totals of `P:performance`, then the newest ones of `P:exits`."""
    came = tuple(exit_parts.outcomes(view.outcomes))
    totals = view.totals
    if view.totals_trouble:
        return element("p", f"UNKNOWN: {view.totals_trouble}", class_="warn")
    if not totals:
        none = element("p", "No closed position is recorded.", class_="nothing")
        return joined(came or (none,))
    pairs = (
        ("Closed positions", f"{or_dash(totals.get('count'))} ({or_dash(totals.get('provisional'))} provisional)"),
        ("Won, lost", f"{or_dash(totals.get('wins'))}, {or_dash(totals.get('losses'))}"),
        ("Mean R, total R", f"{_rounded(totals.get('mean_r'))}, {_rounded(totals.get('total_r'))}"),
        ("Written", moment(totals.get("updated_at_ms"))),
    )
    side = element("div", joined((_reasons(totals), _slippage(totals), _histogram(totals))), class_="side")
    return joined((facts(pairs), side, *came))


def _rows(totals: Mapping[str, Any], name: str) -> Iterable[Mapping[str, Any]]:
    """The rows of a list in the totals, whatever stands there."""
    rows = totals.get(name)
    return [one for one in rows[:100] if isinstance(one, Mapping)] if isinstance(rows, list) else []


def _reasons(totals: Mapping[str, Any]) -> Markup:
    names, sums = ("reason", "count", "wins"), ("mean_r", "total_r")
    rows = (
        [*(or_dash(one.get(name)) for name in names), *(_rounded(one.get(name)) for name in sums)]
        for one in _rows(totals, "by_reason")
    )
    return table("Why they were closed", ("Reason", "n", "Won", "Mean R", "Total R"), rows)


def _rounded(value: object) -> str:
    """A figure in R with two digits; as it stands where it is none."""
    try:
        return f"{float(str(value)):+.2f}"
    except ValueError:
        return or_dash(value)


def _slippage(totals: Mapping[str, Any]) -> Markup:
    names = ("role", "count", "median_bps", "p90_bps", "worst_bps")
    rows = ([or_dash(one.get(name)) for name in names] for one in _rows(totals, "slippage"))
    return table("Slippage by role, bps against us", ("Role", "n", "Median", "p90", "Worst"), rows)


def _histogram(totals: Mapping[str, Any]) -> Markup:
    bars: list[Bar] = []
    for one in _rows(totals, "histogram"):
        low, count = one.get("from_r"), one.get("count")
        if isinstance(count, int) and 0 <= count < 10**9:
            label = "below" if low is None else str(low)[:8]
            bars.append(Bar(label, count, is_loss=low is None or str(low).startswith("-")))
    filled = [place for place, bar in enumerate(bars) if bar.height]
    bars = bars[filled[0] : filled[-1] + 1] if filled else []
    return histogram(bars, title="Net R of closed positions", x_words="net R, from; a hollow bar is a loss")
