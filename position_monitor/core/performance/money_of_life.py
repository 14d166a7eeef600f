"""The money of a life, and whether it equals what the venue booked: gross, fees, funding, residual (exits.md 8).

Fills and income are two lists of the venue about the same money. While one of them lags they differ; a record is final
when they agree to the last digit, asset by asset. Income names the execution it comes from, so rows are matched by that
and never by time; only funding has none, and is matched by the time at which the position was open.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from position_monitor.core.model.sides import Side
from position_monitor.core.performance.facts import Income, IncomeKind
from position_monitor.core.performance.lives import Life, Share

_ZERO = Decimal(0)
MINUTE_MS = 60_000

Prices = Mapping[tuple[str, int], Decimal]
"""What one unit of an asset was worth in the settlement asset: by asset and by the minute it was (ms UTC)."""


class Money(NamedTuple):
    """What a life earned and cost, in `asset`; None where some of it is not known."""

    asset: str
    gross: Decimal
    """Profit realised by its fills, without fees."""
    fees: Decimal | None
    """What was paid, other assets converted; None where no price for one of them was read."""
    fees_by_asset: Mapping[str, Decimal]
    """The same as paid, each in its asset."""
    funding: Decimal | None
    """Funding received, below zero when paid; None where the rows of two open legs cannot be told apart."""
    clearance: Decimal
    """What the venue took for a liquidation, zero or below."""
    residual_realised: Decimal
    """Profit of the fills minus that of the income rows: 0 when both lists agree."""
    residual_fees: Mapping[str, Decimal]
    """The same of the fees, each asset that differs."""
    notes: tuple[str, ...]

    @property
    def net(self) -> Decimal | None:
        """What was left of it; None where fees or funding are not known."""
        if self.fees is None or self.funding is None:
            return None
        return self.gross - self.fees + self.funding + self.clearance

    @property
    def reconciled(self) -> bool:
        """Whether fills and income agree to the last digit."""
        return not self.residual_realised and not self.residual_fees


def foreign_fee_minutes(lives: Iterable[Life]) -> set[tuple[str, str, int]]:
    """Fees paid in another asset than that of the profit: (asset, settlement asset, minute), to be priced."""
    return {
        (share.fill.fee_asset, share.fill.settle_asset, minute_of(share.fill.at_ms))
        for life in lives
        for share in life.shares
        if share.fee and share.fill.fee_asset != share.fill.settle_asset
    }


def minute_of(at_ms: int) -> int:
    """The minute that a time lies in, by its beginning."""
    return at_ms - at_ms % MINUTE_MS


def money_of(life: Life, income: Sequence[Income], *, others: Sequence[Life], prices: Prices) -> Money:
    """The money of a closed life. `others` are further lives of the same symbol: those of the other leg share in its
    funding. `prices` converts fees that were paid in another asset."""
    asset = life.shares[0].fill.settle_asset
    fees_by_asset: dict[str, Decimal] = defaultdict(Decimal)
    for share in life.shares:
        fees_by_asset[share.fill.fee_asset] += share.fee
    fees, notes = _converted(life.shares, prices)
    funding = _funding(life, income, others)
    if funding is None:
        notes = (*notes, "funding_of_both_legs")
    residual_realised, residual_fees = _residuals(life, income)
    return Money(
        asset=asset,
        gross=sum((share.realised for share in life.shares), _ZERO),
        fees=fees,
        fees_by_asset=dict(fees_by_asset),
        funding=funding,
        clearance=_clearance(life, income),
        residual_realised=residual_realised,
        residual_fees=residual_fees,
        notes=notes,
    )


def _converted(shares: Iterable[Share], prices: Prices) -> tuple[Decimal | None, tuple[str, ...]]:
    total, converted = _ZERO, False
    for share in shares:
        fill = share.fill
        if fill.fee_asset == fill.settle_asset or not share.fee:
            total += share.fee
            continue
        price = prices.get((fill.fee_asset, minute_of(fill.at_ms)))
        if price is None:
            return None, ("fee_price_unknown",)
        total, converted = total + share.fee * price, True
    return total, ("fees_converted",) if converted else ()


def _residuals(life: Life, income: Iterable[Income]) -> tuple[Decimal, Mapping[str, Decimal]]:
    """What the two lists differ by. A fill that turned the position is compared as a whole, in both of its lives."""
    fills = {share.fill.trade_id: share.fill for share in life.shares}
    closing = {share.fill.trade_id for share in life.exits}
    realised = sum((fill.realised for trade_id, fill in fills.items() if trade_id in closing), _ZERO)
    fees: dict[str, Decimal] = defaultdict(Decimal)
    for fill in fills.values():
        fees[fill.fee_asset] += fill.fee
    for row in income:
        if row.symbol != life.key.symbol or row.trade_id not in fills:
            continue
        if row.kind is IncomeKind.REALISED and row.trade_id in closing:
            realised -= row.amount
        elif row.kind is IncomeKind.FEE:
            fees[row.asset] += row.amount
    return realised, {asset: amount for asset, amount in sorted(fees.items()) if amount}


def _clearance(life: Life, income: Iterable[Income]) -> Decimal:
    """What the venue took for the liquidation that ended a life, which it books in the moments after it."""
    closed = life.closed_at_ms
    rows = (row for row in income if row.kind is IncomeKind.CLEARANCE and row.symbol == life.key.symbol)
    return sum((row.amount for row in rows if closed <= row.at_ms <= closed + MINUTE_MS), _ZERO)


def _during(life: Life, income: Iterable[Income], kind: IncomeKind) -> list[Income]:
    """The rows of a kind while a life lasted. The moment at which it ended belongs to what came after it."""
    return [
        row
        for row in income
        if row.kind is kind
        and row.symbol == life.key.symbol
        and life.opened_at_ms <= row.at_ms < (life.closed_at_ms or row.at_ms + 1)
    ]


def _funding(life: Life, income: Sequence[Income], others: Sequence[Life]) -> Decimal | None:
    """The funding of a life. Where both legs were open it is divided by what the two together were charged for."""
    at_once: dict[int, Decimal] = defaultdict(Decimal)
    for row in _during(life, income, IncomeKind.FUNDING):
        at_once[row.at_ms] += row.amount
    total = _ZERO
    for at_ms, amount in at_once.items():
        own, opposite = _size_at(life, at_ms), sum((_size_at(other, at_ms) for other in others), _ZERO)
        if not opposite:
            total += amount
        elif own == opposite:
            return None  # what one leg pays the other receives: the sum is 0 whatever the rate was
        else:
            total += amount * own / (own - opposite)
    return total


def _size_at(life: Life, at_ms: int) -> Decimal:
    """The size of a life at a moment; 0 before and after it."""
    held = _ZERO
    for share in life.shares:
        if share.fill.at_ms > at_ms:
            break
        held = share.held_after
    return held


def is_other_leg(life: Life, other: Life) -> bool:
    """Whether two lives are the two sides of one symbol in hedge mode."""
    return life.key.symbol == other.key.symbol and life.key.side is not other.key.side and _hedged(life)


def _hedged(life: Life) -> bool:
    return isinstance(life.shares[0].fill.leg, Side)
