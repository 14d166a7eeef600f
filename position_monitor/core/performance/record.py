"""The record of a closed position: one `Record` from one life and what the venue and the process know of it.

A record is written provisional and again, with a higher revision, until its money equals the venue's income to the last
digit; then it is final (exits.md 8, 12.7). It is a value: nothing in the program decides by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from position_monitor.core.model.sides import PositionKey
from position_monitor.core.performance.aftermath import PREMATURE_R, Aftermath
from position_monitor.core.performance.cover_time import CoverTime
from position_monitor.core.performance.excursion import Excursion
from position_monitor.core.performance.money_of_life import Money
from position_monitor.core.performance.risk import Risk


class RecordStatus(StrEnum):
    """Whether the money of a record is proven."""

    PROVISIONAL = "provisional"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class RecordFill:
    """One fill of a closed position, or several of one order where there are too many to list."""

    at_ms: int
    opens: bool
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    realised: Decimal
    role: str
    """A `FillRole` value."""
    rungs: tuple[int, ...]
    """Of a take-profit of ours: the configured rungs it stands for, from 1."""
    reason: str
    """An `ExitReason`, a take-profit with its rung; empty for an entry."""
    trigger: Decimal | None
    """The price it was meant for: the trigger, or the limit of a limit order."""
    slippage_bps: Decimal | None
    """How much worse than meant it was filled; positive is against us."""
    slippage_cost: Decimal | None
    maker: bool
    order_id: str
    client_id: str
    source: str | None
    """Which part of the policy set the level; None where no process that is alive knows."""
    trades: int = 1
    """Executions in it."""


class Origin(NamedTuple):
    """Which settings a position was protected by, as the process that watched it knows; None where nobody does."""

    policy: str | None = None
    profile: str | None = None
    regime: str | None = None
    settings_hash: str | None = None
    version: str | None = None


NO_ORIGIN = Origin()


@dataclass(frozen=True, slots=True)
class Record:
    """What one closed position was worth. None: not known, and `notes` say why."""

    account: str
    key: PositionKey
    epoch: str
    revision: int
    status: RecordStatus
    opened_at_ms: int
    closed_at_ms: int
    quantity_peak: Decimal
    quantity_entered: Decimal
    """Sum of all that was ever added to it."""
    entry_average: Decimal
    """Average price of all its entries."""
    exit_average: Decimal
    fills: tuple[RecordFill, ...]
    money: Money
    risk: Risk
    excursion: Excursion | None
    marks_from: str
    """Where its marks come from: `watched`, `candles`, or empty."""
    cover: CoverTime | None
    origin: Origin
    rungs: tuple[int, ...] | None = None
    """The configured rungs of which take-profits of ours rested in it, from 1; None where nobody remembers them."""
    order_epochs: tuple[str, ...] = ()
    """The epochs that the client ids of our orders in it carry."""
    notes: tuple[str, ...] = ()
    """What is not known or not exact of it, one word each."""
    after: Aftermath | None = None
    """What the mark did afterwards; None until its time has passed."""

    @property
    def record_id(self) -> str:
        """`symbol:side:epoch`: the same for every revision, and after a restart."""
        return f"{self.key}:{self.epoch}"

    @property
    def final(self) -> bool:
        """Whether its money equals the venue's income."""
        return self.status is RecordStatus.FINAL

    @property
    def duration_ms(self) -> int:
        """How long it was open."""
        return self.closed_at_ms - self.opened_at_ms

    @property
    def exits(self) -> tuple[RecordFill, ...]:
        """The fills that closed some of it."""
        return tuple(fill for fill in self.fills if not fill.opens)

    @property
    def reason(self) -> str:
        """Why its last fill closed it."""
        return self.fills[-1].reason

    @property
    def level_source(self) -> str | None:
        """Which part of the policy set the level of its last fill."""
        return self.fills[-1].source

    @property
    def gross_r(self) -> Decimal | None:
        """Profit of its fills in R."""
        return self._in_r(self.money.gross)

    @property
    def net_r(self) -> Decimal | None:
        """What was left of it in R."""
        return self._in_r(self.money.net)

    @property
    def mfe_r(self) -> Decimal | None:
        """Maximum favourable excursion of the mark, in R."""
        return self._in_r(self.excursion.favourable * self.quantity_entered if self.excursion else None)

    @property
    def mae_r(self) -> Decimal | None:
        """Maximum adverse excursion of the mark, in R, zero or above."""
        return self._in_r(self.excursion.adverse * self.quantity_entered if self.excursion else None)

    @property
    def regret_r(self) -> Decimal | None:
        """How much further the mark went after the exit, in R; None until that is known."""
        return self._in_r(self.after.regret * self.quantity_entered if self.after else None)

    @property
    def premature(self) -> bool | None:
        """Whether it went on by at least one R; None until that is known."""
        return None if self.regret_r is None else self.regret_r >= PREMATURE_R

    def _in_r(self, amount: Decimal | None) -> Decimal | None:
        return None if amount is None or not self.risk.money else amount / self.risk.money
