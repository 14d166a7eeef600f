"""The positions of an account as rows: the worst first, as many columns as the terminal has room for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from position_monitor.core.model.money import plain
from position_monitor.core.model.verdicts import RiskStatus, Verdict
from position_monitor.core.publication.state import PositionState

COLOURS: Final[Mapping[str, str]] = {
    Verdict.PROTECTED: "green",
    Verdict.STOP_ONLY: "yellow",
    Verdict.CLOSING: "yellow",
    Verdict.UNDERCOVERED: "bold red",
    Verdict.NAKED: "bold red",
    Verdict.UNKNOWN: "bold magenta",
    Verdict.UNMANAGED: "dim",
    RiskStatus.DEGRADED: "yellow",
    RiskStatus.CRITICAL: "bold red",
}
SHAPES: Final[Mapping[str, str]] = {
    Verdict.PROTECTED: "✔",
    Verdict.STOP_ONLY: "~",
    Verdict.CLOSING: ">",
    Verdict.UNDERCOVERED: "!",
    Verdict.NAKED: "✖",
    Verdict.UNKNOWN: "?",
    Verdict.UNMANAGED: "-",
    RiskStatus.DEGRADED: "~",
    RiskStatus.CRITICAL: "✖",
}
"""The same as the colours, for whoever sees none."""
WORST_FIRST: Final = (
    *(Verdict.NAKED, Verdict.UNDERCOVERED, Verdict.UNKNOWN, Verdict.CLOSING, Verdict.STOP_ONLY),
    *(Verdict.PROTECTED, Verdict.UNMANAGED),
)
QUIET: Final = frozenset({Verdict.PROTECTED, Verdict.UNMANAGED})
"""Verdicts that nobody has to look at."""

HEADINGS: Final = (
    *("State", "Symbol", "Side", "Size", "Entry", "Mark", "Stop", "Dist", "Backstop", "TP", "Cover", "For"),
)
_LEFT: Final = frozenset({"State", "Symbol", "Side"})
_FIRST_TO_GO: Final = ("Backstop", "Entry", "TP", "Mark", "Size", "Dist", "Stop", "Cover")
"""Columns that a narrow terminal does without, in this order. Who, how bad and for how long always stays."""
_GAP: Final = "  "


@dataclass(frozen=True, slots=True)
class Row:
    """One position, also one whose state could not be read: then there is a name, a verdict and a reason."""

    symbol: str
    side: str
    verdict: Verdict
    reason: str
    state: PositionState | None = None

    @property
    def name(self) -> str:
        """`BTCUSDT:LONG`."""
        return f"{self.symbol}:{self.side}"

    @property
    def notional(self) -> Decimal:
        """Quantity at the mark, zero where it cannot be told: for the order of rows only."""
        if self.state is None:
            return Decimal(0)
        value = self.state.quantity * self.state.mark_price
        return value if value.is_finite() else Decimal(0)


def rows_of(states: Iterable[PositionState], unread: Mapping[str, str] | None = None) -> tuple[Row, ...]:
    """Every position, the worst first; among equals that need a look the largest first, all others by name.

    `unread` names the positions without a state and says why.
    """
    rows = [
        Row(
            symbol=state.key.symbol,
            side=state.key.side.value,
            verdict=state.verdict,
            reason=state.reason,
            state=state,
        )
        for state in states
    ]
    for name, reason in (unread or {}).items():
        symbol, _, side = name.rpartition(":")
        rows.append(Row(symbol=symbol, side=side, verdict=Verdict.UNKNOWN, reason=reason))
    return tuple(sorted(rows, key=_order))


def _order(row: Row) -> tuple[int, Decimal, str]:
    return WORST_FIRST.index(row.verdict), Decimal(0) if row.verdict in QUIET else -row.notional, row.name


def table_lines(rows: Sequence[Row], width: int, now_ms: int, *, fitted_to: Sequence[Row] | None = None) -> list[Text]:
    """A heading and one line for each row. Columns that `width` has no room for are left out whole: none is cut.

    `fitted_to` are the rows that decide the columns, where only some of them are shown.
    """
    cells = {id(row): _cells(row, now_ms) for row in {id(row): row for row in (*rows, *(fitted_to or ()))}.values()}
    widths = {name: max([cell_len(name), *(cell_len(one[name]) for one in cells.values())]) for name in HEADINGS}
    shown = list(HEADINGS)
    for name in _FIRST_TO_GO:
        if sum(widths[one] for one in shown) + len(_GAP) * (len(shown) - 1) <= width:
            break
        shown.remove(name)
    lines = [Text(_joined({name: name for name in HEADINGS}, shown, widths), style="bold")]
    for row in rows:
        line = Text(_joined(cells[id(row)], shown, widths))
        line.stylize(COLOURS[row.verdict], 0, len(cells[id(row)]["State"]))
        lines.append(line)
    return lines


def _joined(cells: Mapping[str, str], shown: Sequence[str], widths: Mapping[str, int]) -> str:
    parts = []
    for name in shown:
        blanks = " " * (widths[name] - cell_len(cells[name]))
        parts.append(cells[name] + blanks if name in _LEFT else blanks + cells[name])
    return _GAP.join(parts).rstrip()


def _cells(row: Row, now_ms: int) -> dict[str, str]:
    state = row.state
    names = (f"{SHAPES[row.verdict]} {row.verdict}", row.symbol, row.side.lower())
    if state is None:
        return dict(zip(HEADINGS, (*names, *"-" * (len(HEADINGS) - len(names))), strict=True))
    resting = sum(rung.resting for rung in state.take_profits)
    figures = (
        number(state.quantity),
        number(state.entry_price),
        number(rounded(state.mark_price)),
        number(state.stop_price),
        _distance(state),
        number(state.backstop_price),
        f"{resting}/{len(state.take_profits)}" if state.take_profits else "-",
        f"{number(state.cover_pct)} %" if state.cover_pct.is_finite() else "-",
        age(now_ms - state.since_ms) if state.since_ms else "-",
    )
    return dict(zip(HEADINGS, (*names, *figures), strict=True))


def _distance(state: PositionState) -> str:
    """How far the tightest covering stop is from the mark."""
    if state.stop_price is None or not state.mark_price.is_finite() or state.mark_price <= 0:
        return "-"
    return f"{(state.stop_price - state.mark_price) / state.mark_price * 100:+.2f} %"


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
