"""Everything `status` shows of one look, for the width and, while it is watched, the height of a terminal.

First the verdict in words, colour and shape, with the count it rests on; then the facts about the account; then what is
unusual; then the positions, the worst first. Where that is longer than a screen the verdict stands at the end again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from position_monitor.cli.lines import flowed, hanging
from position_monitor.cli.status_remarks import STOPPED, remarks
from position_monitor.cli.status_table import (
    COLOURS,
    QUIET,
    SHAPES,
    WORST_FIRST,
    Row,
    age,
    number,
    rounded,
    rows_of,
    table_lines,
)
from position_monitor.core.model.verdicts import RiskStatus, Verdict
from position_monitor.core.publication.state import AccountState, PositionState

LONG_ROWS: Final = 15
"""More rows than that push the head off a small screen: the verdict is repeated below them."""
OLD_READ_MS: Final = 60_000
_COVERED: Final = (Verdict.PROTECTED, Verdict.STOP_ONLY)
_BETWEEN: Final = " · "
_INDENT: Final = "  "
_REMARKS_SHARE: Final = 3
_FACTS_SHARE: Final = 5
"""While it is watched, remarks take at most one third of the height, facts about the account one fifth."""


@dataclass(frozen=True, slots=True)
class Overview:
    """One look at the account. `account` is None when the daemon was not heard: everything is UNKNOWN."""

    account: AccountState | None
    positions: tuple[PositionState, ...] = ()
    expired: tuple[str, ...] = ()
    """Positions that are listed and whose state has run out."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Positions whose state stands there and cannot be read, with the reason."""
    lease_owner: str | None = None

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every position, the worst first."""
        gone = dict.fromkeys(self.expired, "it is listed and its state has expired")
        return rows_of(self.positions, gone | dict(self.unreadable))

    @property
    def missing(self) -> int:
        """Positions that the account counts and that stand nowhere."""
        if self.account is None:
            return 0
        rows = [row for row in self.rows if row.verdict is not Verdict.UNMANAGED]
        nameless = len(set(self.account.unread) - {row.symbol for row in rows})
        return max(0, self.account.positions - len(rows) - nameless)

    @property
    def stopped(self) -> bool:
        """The daemon was stopped in order and said so."""
        return self.account is not None and self.account.mode == STOPPED

    @property
    def risk_status(self) -> RiskStatus:
        """The account's, but never better than what is listed permits: what nobody knows is not protected."""
        if self.account is None:
            return RiskStatus.UNKNOWN
        fine = self.account.risk_status in (RiskStatus.PROTECTED, RiskStatus.DEGRADED)
        return (
            RiskStatus.UNKNOWN
            if fine and (self.expired or self.unreadable or self.missing)
            else self.account.risk_status
        )


@dataclass(frozen=True, slots=True)
class StatusView:
    """One look, to be printed. It takes the width of the console it is printed on."""

    venue: str
    account_name: str
    overview: Overview
    now_ms: int
    only_problems: bool = False
    height: int | None = None
    """Lines it may take; None where it may take all it needs."""
    trouble: str = ""
    """Why there is no newer look; what is shown is then the last one, and nothing is claimed."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Line by line; nothing is cut at the right. The last look under a trouble is grey: it claims nothing."""
        trouble = hanging(self.trouble, options.max_width)
        yield from (Text(line, style=COLOURS[Verdict.UNKNOWN]) for line in trouble)
        lines = self.lines(options.max_width, above=len(trouble))
        yield from (Text(line.plain, style="dim") for line in lines) if trouble else lines

    def lines(self, width: int, *, above: int = 0) -> list[Text]:
        """Every line that is shown below the `above` first ones."""
        rows = self.overview.rows
        verdict = headline(self.overview, width)
        head = [*verdict, *self._facts(width)]
        remarks_shown = self._remarks(rows, width)
        shown = [row for row in rows if not self.only_problems or row.verdict not in QUIET]
        if not shown:
            nothing = [Text("nothing needs a look: " + _counts(rows))] if self.only_problems and rows else []
            return [*head, *remarks_shown, *nothing]
        if self.height is None:
            foot = verdict if len(shown) > LONG_ROWS else []
            return [*head, *remarks_shown, *table_lines(shown, width, self.now_ms), *foot]
        room = self.height - above - len(head) - len(remarks_shown) - 1
        return [*head, *remarks_shown, *self._fitting(shown, width, room)]

    def _fitting(self, shown: Sequence[Row], width: int, room: int) -> list[Text]:
        """The table within `room` lines below its heading; the columns are those of the whole table."""
        if len(shown) <= room:
            return table_lines(shown, width, self.now_ms)
        rest = self._rest(shown, max(0, room - 1), width)
        first = max(0, room - len(rest))
        return [*table_lines(shown[:first], width, self.now_ms, fitted_to=shown), *self._rest(shown, first, width)]

    @staticmethod
    def _rest(shown: Sequence[Row], first: int, width: int) -> list[Text]:
        """How many rows there are beyond the first ones, and what they are."""
        text = f"… {len(shown) - first} more: {_counts(shown[first:])}"
        return [Text(line, style="bold") for line in hanging(text, width)]

    def _remarks(self, rows: Sequence[Row], width: int) -> list[Text]:
        assert self.overview.account is not None, "Invariant: a daemon that was not heard has no view"
        lines = [
            Text(line, style=style)
            for text, style in remarks(self.overview.account, rows, self.now_ms)
            for line in hanging(text, width)
        ]
        most = len(lines) if self.height is None else max(2, self.height // _REMARKS_SHARE)
        if len(lines) <= most:
            return lines
        return [*lines[: most - 1], Text(f"… {len(lines) - most + 1} more lines: position-monitor status --problems")]

    def _facts(self, width: int) -> list[Text]:
        """Where there is little height, the first of them only."""
        lines = flowed([Text(text, style=style) for text, style in self._fact()], _BETWEEN, width)
        return lines if self.height is None else lines[: max(1, self.height // _FACTS_SHARE)]

    def _fact(self) -> Iterator[tuple[str, str]]:
        """Each fact about the account with its style, the most important first."""
        account = self.overview.account
        assert account is not None, "Invariant: a daemon that was not heard has no view"
        yield f"{self.venue}/{self.account_name}", ""
        yield f"environment {account.environment or 'not said'}", "bold" if account.environment == "live" else ""
        yield f"mode {account.mode}", "" if account.mode == "live" else "yellow"
        yield _money("exposed notional", account.exposed_notional)
        yield _money("unknown notional", account.unknown_notional)
        if account.coverage_pct.is_finite() and account.coverage_pct < 100:
            yield f"stops cover {_floored(account.coverage_pct)} % of the notional", ""
        read_ms = self.now_ms - account.observed_at_ms
        old = "bold red" if not account.observed_at_ms or read_ms > OLD_READ_MS else ""
        yield (f"read {age(read_ms)} ago" if account.observed_at_ms else "never read"), old
        if account.streams and not self.overview.stopped:
            yield "streams " + ", ".join(f"{name} {health}" for name, health in account.streams.items()), ""
        if owner := account.owner or self.overview.lease_owner:
            held = f"lease epoch {account.epoch}" if account.epoch else "no lease"
            yield f"daemon {owner.rpartition(':')[0] or owner}, {held}", ""
        if account.config_hash:
            yield f"config {account.config_hash}", ""
        yield f"version {account.version}", ""


def headline(overview: Overview, width: int) -> list[Text]:
    """The verdict of the account with the count it rests on, and how many positions are what: one line, or two."""
    account, status, rows = overview.account, overview.risk_status, overview.rows
    assert account is not None, "Invariant: a daemon that was not heard has no view"
    managed = [row for row in rows if row.verdict is not Verdict.UNMANAGED]
    total = max(account.positions, len(managed))
    covered = sum(row.verdict in _COVERED for row in managed)
    text = Text(f"{SHAPES[status]} {status}", style=COLOURS[status])
    text.append(f"  {covered}/{total} protected ({covered * 100 // total} %)" if total else f"  {_nothing(account)}")
    counts = [(verdict, sum(row.verdict is verdict for row in rows)) for verdict in WORST_FIRST]
    counts = [(verdict, count) for verdict, count in counts if count and verdict is not Verdict.PROTECTED]
    others = [Text(f"{count} {verdict}", style=COLOURS[verdict]) for verdict, count in counts]
    if overview.missing:
        others.append(Text(f"{overview.missing} not listed", style=COLOURS[Verdict.UNKNOWN]))
    if not others:
        return [text]
    [rest] = flowed(others, ", ", sys.maxsize)
    if cell_len(text.plain) + len(_INDENT) + cell_len(rest.plain) <= width:
        return [text.append(_INDENT).append_text(rest)]
    return [text, *(Text(_INDENT).append_text(line) for line in flowed(others, ", ", width - len(_INDENT)))]


def _nothing(account: AccountState) -> str:
    """What an account without positions stands for; one that was never read is not a flat one."""
    if not account.observed_at_ms:
        return "no position could be read yet: nobody knows whether one is open"
    return "no open positions" + ("" if account.risk_status is not RiskStatus.UNKNOWN else " when last read")


def _counts(rows: Sequence[Row]) -> str:
    counts = {verdict: sum(row.verdict is verdict for row in rows) for verdict in WORST_FIRST}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def _money(name: str, amount: Decimal) -> tuple[str, str]:
    alarm = COLOURS[Verdict.NAKED if name.startswith("exposed") else Verdict.UNKNOWN]
    shown = round(amount, 2) if amount.is_finite() and amount >= 1 else rounded(amount)
    return f"{name} {number(shown)}", alarm if not amount.is_finite() or amount > 0 else ""


def _floored(pct: Decimal) -> str:
    """A percentage that is never rounded up to a better one."""
    return number(pct.quantize(Decimal("0.1"), ROUND_FLOOR).normalize())
