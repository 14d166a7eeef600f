"""From fills to lives: a position from flat to flat, or to the other side (epoch, DESIGN 1).

A venue lists fills without the size they left. The size now is known, so the sizes before follow: what is read is one
stretch of fills of one leg, and the size of the leg at some moment (`Anchor`). A fill that turns a position belongs to
two lives, and its fee is split by quantity (exits.md 12.8).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

from position_monitor.core.model.ids import epoch_of
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.performance.facts import Fill

_ZERO = Decimal(0)
FEE_DIGITS = Decimal("0.00000001")
"""To which digit the venue counts a fee."""
REALISED_TOLERANCE = Decimal("0.0000001")
"""By which part of a fill's notional the profit the venue states may differ from what the fills give: it rounds the
average entry."""


class Anchor(NamedTuple):
    """The signed size of a leg at a moment of the venue's time; everything up to it counts."""

    amount: Decimal
    at_ms: int


class Share(NamedTuple):
    """A fill, or the part of it that belongs to one life."""

    fill: Fill
    quantity: Decimal
    opens: bool
    """Whether it opened or enlarged the position; else it closed some of it."""
    fee: Decimal
    """Its part of the fee, by quantity."""
    average: Decimal
    """Average entry: after it when it opens, before it when it closes."""
    held_after: Decimal
    """Size of the position after it."""

    @property
    def realised(self) -> Decimal:
        """The profit it realised: that of the fill where it closes, 0 where it opens."""
        return _ZERO if self.opens else self.fill.realised


class Life(NamedTuple):
    """A position from its first fill to its last; `closed_at_ms` is 0 while it is open."""

    key: PositionKey
    shares: tuple[Share, ...]
    whole: bool
    """Whether its first fill is among them: it began within the stretch that was read."""
    contradicted: bool
    """Whether some profit that the venue states, of it or of an earlier life, does not follow from the fills: then
    fills are missing in the stretch, and no size in it is certain."""

    @property
    def opened_at_ms(self) -> int:
        """When it began, as far as is known."""
        return self.shares[0].fill.at_ms

    @property
    def closed_at_ms(self) -> int:
        """When it ended; 0 while it is open."""
        return 0 if self.shares[-1].held_after else self.shares[-1].fill.at_ms

    @property
    def epoch(self) -> str:
        """Its epoch: a function of its first fill alone, so a restart names it the same."""
        return epoch_of(self.opened_at_ms)

    @property
    def entries(self) -> list[Share]:
        """The fills that opened or enlarged it."""
        return [share for share in self.shares if share.opens]

    @property
    def entered(self) -> tuple[Decimal, Decimal]:
        """What was ever added to it, and the average price of that; of a beginning that is not known the average
        entries that its exits state, and what they closed."""
        if self.whole:
            return _average([(share.quantity, share.fill.price) for share in self.entries])
        return _average([(share.quantity, share.average) for share in self.exits])

    @property
    def left(self) -> Decimal:
        """The average price at which it was closed."""
        return _average([(share.quantity, share.fill.price) for share in self.exits])[1]

    @property
    def exits(self) -> list[Share]:
        """The fills that closed some of it."""
        return [share for share in self.shares if not share.opens]


def lives_of(fills: Iterable[Fill], anchor: Anchor) -> tuple[Life, ...]:
    """The lives in one stretch of fills of one leg of one symbol, oldest first."""
    ordered = sorted(fills, key=lambda fill: (fill.at_ms, fill.trade_id))
    before = anchor.amount - sum((fill.signed_quantity for fill in ordered if fill.at_ms <= anchor.at_ms), _ZERO)
    amount, average, whole = before, _ZERO, before == 0
    lives: list[Life] = []
    shares: list[Share] = []
    contradicted = False
    for fill in ordered:
        for share, amount_after in _shares(fill, amount, average):
            share = share if whole else _with_implied_average(share, amount)
            shares.append(share)
            average = share.average
            contradicted = contradicted or (not share.opens and _contradicts(share, amount, whole=whole))
            if amount_after == 0:
                lives.append(_life(shares, amount, whole=whole, contradicted=contradicted))
                shares, average, whole = [], _ZERO, True
            amount = amount_after
    if shares:
        lives.append(_life(shares, amount, whole=whole, contradicted=contradicted))
    return tuple(lives)


def _life(shares: Sequence[Share], amount: Decimal, *, whole: bool, contradicted: bool) -> Life:
    """`amount` is the signed size before the last fill, or after it while the position is open."""
    fill = shares[0].fill
    side = fill.leg or (Side.LONG if amount > 0 else Side.SHORT)
    return Life(PositionKey(fill.symbol, side), tuple(shares), whole, contradicted)


def _shares(fill: Fill, amount: Decimal, average: Decimal) -> list[tuple[Share, Decimal]]:
    """The parts of a fill, closing before opening, each with the signed size after it."""
    change = fill.signed_quantity
    closing = min(fill.quantity, abs(amount)) if amount * change < 0 else _ZERO
    opening = fill.quantity - closing
    fee_closing = fill.fee if not opening else _part(fill.fee, closing, fill.quantity)
    parts: list[tuple[Share, Decimal]] = []
    if closing:
        amount += closing if fill.buys else -closing
        share = Share(fill, closing, opens=False, fee=fee_closing, average=average, held_after=abs(amount))
        parts.append((share, amount))
    if opening:
        held = abs(amount)
        entry = (average * held + fill.price * opening) / (held + opening)
        amount += opening if fill.buys else -opening
        share = Share(fill, opening, opens=True, fee=fill.fee - fee_closing, average=entry, held_after=abs(amount))
        parts.append((share, amount))
    return parts


def _with_implied_average(share: Share, amount: Decimal) -> Share:
    """A closing fill of a life whose beginning is not known: its profit says what the average entry was."""
    if share.opens:
        return share
    move = share.fill.realised / share.quantity
    return share._replace(average=share.fill.price - move if amount > 0 else share.fill.price + move)


def _average(prices: Sequence[tuple[Decimal, Decimal]]) -> tuple[Decimal, Decimal]:
    """Sum of the quantities, and the average of the prices by quantity."""
    quantity = sum((quantity for quantity, _ in prices), _ZERO)
    value = sum((quantity * price for quantity, price in prices), _ZERO)
    return quantity, value / quantity if quantity else _ZERO


def _part(fee: Decimal, closing: Decimal, quantity: Decimal) -> Decimal:
    """The closing part of a fee. The opening part is what is left of it, so that both add up to the last digit."""
    return (fee * closing / quantity).quantize(FEE_DIGITS, ROUND_HALF_EVEN)


def _contradicts(share: Share, amount: Decimal, *, whole: bool) -> bool:
    """Whether a closing fill states another profit than it must have made; `amount` is the signed size before it.

    Of a life that began earlier the average is not known: there only a fill that states no profit at all is doubted,
    for it is most likely one that opened something.
    """
    stated = share.fill.realised
    if not whole:
        return stated == 0
    move = share.fill.price - share.average
    expected = share.quantity * (move if amount > 0 else -move)
    allowed = max(share.quantity * share.fill.price * REALISED_TOLERANCE, Decimal("0.00001"))
    return abs(expected - stated) > allowed
