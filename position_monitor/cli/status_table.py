"""The protection of an account as one table, one sentence and, only when something is unusual, a few notes."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from position_monitor.core.model.money import plain
from position_monitor.core.model.verdicts import RiskStatus, Verdict
from position_monitor.core.publication.state import AccountState, PositionState

COLUMNS = ("Symbol", "Side", "Size", "Entry", "Mark", "Stop (dist)", "Backstop", "TP", "Cover", "State", "For")
RIGHT_ALIGNED = frozenset({"Size", "Entry", "Mark", "Stop (dist)", "Backstop", "TP", "Cover", "For"})

_COLOURS = {
    Verdict.PROTECTED: "green",
    Verdict.STOP_ONLY: "yellow",
    Verdict.CLOSING: "yellow",
    Verdict.UNDERCOVERED: "bold red",
    Verdict.NAKED: "bold red",
    Verdict.UNKNOWN: "bold magenta",
    Verdict.UNMANAGED: "dim",
    RiskStatus.PROTECTED: "green",
    RiskStatus.DEGRADED: "yellow",
    RiskStatus.CRITICAL: "bold red",
    RiskStatus.UNKNOWN: "bold magenta",
}


def status_view(
    venue: str, account_name: str, account: AccountState, positions: Sequence[PositionState], now_ms: int
) -> RenderableType:
    """Everything `status` shows."""
    table = Table(title=_title(venue, account_name, account, now_ms), title_justify="left", title_style="")
    for name in COLUMNS:
        table.add_column(name, justify="right" if name in RIGHT_ALIGNED else "left", no_wrap=True)
    for state in sorted(positions, key=lambda state: state.key):
        colour = _COLOURS[state.verdict]
        table.add_row(*(Text(cell, style=colour if name == "State" else "") for name, cell in _row(state, now_ms)))
    sentence = Text(account.status_line or summary(positions))
    return Group(table, sentence, *(Text(f"! {note}", style="yellow") for note in notes(account, positions)))


def _title(venue: str, account_name: str, account: AccountState, now_ms: int) -> str:
    colour = _COLOURS[account.risk_status]
    lease = f", lease epoch {account.epoch}" if account.epoch else ""
    read = f"read {age(now_ms - account.observed_at_ms)} ago" if account.observed_at_ms else "never read"
    head = escape(f"{venue}/{account_name} ({account.mode}{lease}, config {account.config_hash})")
    return f"{head} [{colour}]{account.risk_status}[/] {read}"


def _row(state: PositionState, now_ms: int) -> list[tuple[str, str]]:
    resting = sum(rung.resting for rung in state.take_profits)
    cells = (
        state.key.symbol,
        state.key.side.value.lower(),
        number(state.quantity),
        number(state.entry_price),
        number(rounded(state.mark_price)),
        _stop(state),
        number(state.backstop_price),
        f"{resting}/{len(state.take_profits)}" if state.take_profits else "-",
        f"{number(state.cover_pct)} %",
        state.verdict.value,
        age(now_ms - state.since_ms) if state.since_ms else "-",
    )
    return list(zip(COLUMNS, cells, strict=True))


def _stop(state: PositionState) -> str:
    """The tightest covering stop and how far the mark is from it."""
    if state.stop_price is None:
        return "-"
    if not state.mark_price.is_finite() or state.mark_price <= 0:
        return number(state.stop_price)
    distance = (state.stop_price - state.mark_price) / state.mark_price * 100
    return f"{number(state.stop_price)} ({distance:+.2f} %)"


def notes(account: AccountState, positions: Sequence[PositionState]) -> list[str]:
    """What is unusual and must not be overlooked; empty on a good day."""
    keys = tuple(str(state.key) for state in positions)
    # The account's reason repeats the positions' own, which stand below in full.
    remarks = [part for part in account.reason.split("; ") if part and not part.startswith(keys)]
    if account.mode != "live":
        remarks.append(f"mode {account.mode}: {_MODE_NOTES.get(account.mode, 'not everything is done')}")
    remarks += list(account.conflicts)
    if account.circuit_breaker.startswith("ACTIVE"):
        remarks.append(f"circuit breaker {account.circuit_breaker}: entries are blocked elsewhere, protection is not")
    remarks += [
        f"{name} stream {health}: positions are looked at in turn"
        for name, health in account.streams.items()
        if health != "LIVE"
    ]
    unmanaged = [str(state.key) for state in positions if state.verdict is Verdict.UNMANAGED]
    if unmanaged:
        remarks.append(f"unmanaged by configuration: {', '.join(sorted(unmanaged))}")
    quiet = (Verdict.PROTECTED, Verdict.UNMANAGED)
    remarks += [f"{state.key}: {state.reason}" for state in positions if state.reason and state.verdict not in quiet]
    return list(dict.fromkeys(remarks))


_MODE_NOTES = {
    "observe": "nothing is placed",
    "place_only": "missing protection is placed, nothing is removed",
    "paused": "only missing stops are placed until the pause ends",
    "stopped": "nobody watches, all orders stay on the exchange",
}


def summary(positions: Sequence[PositionState]) -> str:
    """Counts by verdict, for an account that published no sentence."""
    counts = {verdict: sum(state.verdict is verdict for state in positions) for verdict in Verdict}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count) or "no open positions"


def number(value: Decimal | None) -> str:
    """A figure with thousands separated, `-` when there is none."""
    if value is None or not value.is_finite():
        return "-"
    whole, point, rest = plain(value).partition(".")
    return f"{int(whole):,}{point}{rest}" if whole not in ("-0", "") else plain(value)


def rounded(price: Decimal, digits: int = 7) -> Decimal:
    """A mark price has more digits than anybody reads; orders are shown exactly, marks are not."""
    if not price.is_finite() or price == 0:
        return price
    return round(price, max(0, digits - 1 - price.adjusted()))


def age(duration_ms: int) -> str:
    """A duration in the unit a human would use. A clock that is behind gives 0."""
    seconds = max(0, duration_ms) / 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{seconds:.1f}s" if seconds < 10 else f"{int(seconds)}s"
