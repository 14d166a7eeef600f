"""One closed position under two policies: what really happened, and what a simulated book gives for it (S17-S19).

The book is replayed against the fills of the record. Entries are the user's, at the user's price and fee. A reduction
by hand cuts the book by the same part, an exit of a policy closes its own part. Funding is reckoned by the same rule on
both sides, because it is the exits that are compared. Results are in percent of the entry notional and in live R.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from position_monitor.core.model.money import HUNDRED, tighter
from position_monitor.core.model.sides import Side
from position_monitor.core.performance.reasons import ExitReason, FillRole
from position_monitor.core.performance.record import Record, RecordFill
from position_monitor.core.shadow.costs import Costs, price_after_slippage
from position_monitor.core.shadow.simulated_position import SimulatedFill, SimulatedPosition

_ZERO, _ONE = Decimal(0), Decimal(1)
FUNDING_EVERY_MS = 8 * 3_600_000
FUNDING_RATE = Decimal("0.0001")
"""1 basis point at 00, 08 and 16 UTC, against the position (exits.md 5.6)."""
FUNDING_RULE = "1 bps at 00, 08, 16 UTC against the position, on both sides"
_BY_HAND = frozenset({FillRole.EXTERNAL, FillRole.FORCED})


class Censored(StrEnum):
    """Why a book says nothing about what its policy would have earned. Empty: it counts."""

    NO = ""
    BY_HAND = "closed by hand"
    BY_VENUE = "closed by the venue"
    """A settlement or an auto-deleveraging: no policy had a say."""
    ADDED_AFTER_EXIT = "added to after the book had left"
    ADDED_UNCLEAR = "added to and reduced between two looks"
    SETTINGS = "the settings changed"
    NOT_LIVE = "the daemon did not act"
    """It observed, stood by or had no lease: the live result is not that of the live policy alone."""
    GAP = "no price for a stretch of time"
    FAILED = "the policy failed"


class Scored(NamedTuple):
    """What one policy would have earned."""

    policy: str
    profile: str
    regime: str
    censored: Censored
    gross: Decimal
    fees: Decimal
    funding: Decimal
    net_p90: Decimal
    """What is left with the slippage that nine fills in ten stay below."""
    reason: str
    """Of its last exit; empty for a censored one without an exit."""
    closed_at_ms: int
    exits: tuple[SimulatedFill, ...]
    """With the prices after slippage and the quantities as replayed."""

    @property
    def net(self) -> Decimal:
        """What is left of it."""
        return self.gross - self.fees + self.funding


class Live(NamedTuple):
    """The same of what really happened, by the same rule."""

    policy: str
    profile: str
    regime: str
    gross: Decimal
    fees: Decimal | None
    """None: not to be had; then nothing is compared."""
    funding: Decimal
    """By the rule; what was really paid stands in the record."""
    reason: str

    @property
    def net(self) -> Decimal | None:
        """What is left of it."""
        return None if self.fees is None else self.gross - self.fees + self.funding


class Pair(NamedTuple):
    """One closed position under the live policy, the shadow policy, and the live policy followed beside itself."""

    record_id: str
    revision: int
    account: str
    symbol: str
    side: Side
    epoch: str
    opened_at_ms: int
    closed_at_ms: int
    final: bool
    """Whether the money of the live side is proven."""
    settings_hash: str
    """Of everything that decides exits: a changed one begins a new sample."""
    notional: Decimal
    """Of the entries."""
    risk: Decimal | None
    """One live R in money; None where it is not known."""
    live: Live
    shadow: Scored
    own: Scored
    """The live policy, followed beside itself (A/A)."""
    costs: str
    """Where slippage and fees of the simulated exits come from."""
    marks_from: str
    """`watched`, or `candles` where some of its way was walked by candles of one minute."""
    gap_ms: int
    """For how long neither marks nor candles said anything."""
    ambiguous: int
    """Candles whose order of extremes decided."""

    def in_r(self, money: Decimal | None) -> Decimal | None:
        """Money in live R; None where it cannot be told."""
        return None if money is None or not self.risk else money / self.risk

    def in_pct(self, money: Decimal | None) -> Decimal | None:
        """Money in percent of the entry notional."""
        return None if money is None or not self.notional else money / self.notional * HUNDRED


class _Step(NamedTuple):
    """Something that happens to the replayed book."""

    at_ms: int
    order: int
    """Of things at the same moment: entries, exits of the book, hands."""
    entry: RecordFill | None = None
    exit: SimulatedFill | None = None
    hand: tuple[RecordFill, Decimal] | None = None
    """A reduction that was not the policy's, and the part of what was held."""


def scored(record: Record, book: SimulatedPosition, costs: Costs, censored: Censored = Censored.NO) -> Scored:
    """What a book gives for a closed position. One that is censored shows how far it came."""
    side, held, exits = record.key.side, _ZERO, list[SimulatedFill]()
    flow, fees, worse, funding, funded_ms = _ZERO, _ZERO, _ZERO, _ZERO, record.opened_at_ms
    for step in _steps(record, book):
        funding += _funding(held, record.entry_average, funded_ms, step.at_ms)
        funded_ms = max(funded_ms, step.at_ms)
        if step.entry is not None:
            if not held and exits:
                censored = censored or Censored.ADDED_AFTER_EXIT
                break
            held += step.entry.quantity
            flow -= step.entry.quantity * step.entry.price
            fees += _entry_fee(record, step.entry)
            continue
        if not held:
            break
        fill = _exit_of(step, held, costs, side)
        cost = costs.of(fill)
        if step.exit is not None:
            worse += _slip_more(step.exit, fill, costs, side)
        elif fill.quantity == held and ends_by_hand(record):
            censored = censored or _why(fill)
        flow += fill.quantity * fill.price
        fees += fill.quantity * fill.price * cost.fee_pct / HUNDRED
        held -= fill.quantity
        exits.append(fill)
    gross = (flow + held * record.exit_average) * (_ONE if side is Side.LONG else -_ONE)
    return Scored(
        policy=str(book.entry.settings.policy),
        profile=book.profile,
        regime=book.regime,
        censored=censored,
        gross=gross,
        fees=fees,
        funding=funding,
        net_p90=gross - fees + funding - worse,
        reason=exits[-1].reason if exits else "",
        closed_at_ms=exits[-1].at_ms if exits else 0,
        exits=tuple(exits),
    )


def live_of(record: Record) -> Live:
    """What really happened, with funding by the rule."""
    held, funding, since_ms = _ZERO, _ZERO, record.opened_at_ms
    for fill in record.fills:
        funding += _funding(held, record.entry_average, since_ms, fill.at_ms)
        held, since_ms = held + (fill.quantity if fill.opens else -fill.quantity), fill.at_ms
    fees = record.money.fees
    return Live(
        policy=record.origin.policy or "",
        profile=record.origin.profile or "",
        regime=record.origin.regime or "",
        gross=record.money.gross + record.money.clearance,
        fees=fees,
        funding=funding,
        reason=record.reason,
    )


def _steps(record: Record, book: SimulatedPosition) -> list[_Step]:
    """Everything that happens to a book, in order."""
    steps = [_Step(fill.at_ms, 1, exit=fill) for fill in book.fills]
    held = _ZERO
    for fill in record.fills:
        if fill.opens:
            first = not held
            held += fill.quantity
            steps.append(_Step(record.opened_at_ms if first else fill.at_ms, 0, entry=fill))
            continue
        if FillRole(fill.role) in _BY_HAND and fill.reason != ExitReason.LIQUIDATION and held > 0:
            steps.append(_Step(fill.at_ms, 2, hand=(fill, min(fill.quantity / held, _ONE))))
        held -= fill.quantity
    return sorted(steps, key=lambda step: (step.at_ms, step.order))


def _exit_of(step: _Step, held: Decimal, costs: Costs, side: Side) -> SimulatedFill:
    """An exit as replayed: its part of what is held, at the price after slippage."""
    if step.exit is not None:
        part = step.exit.quantity / step.exit.held
        price = _price(step.exit, side, costs.of(step.exit).slippage_bps)
        return step.exit._replace(price=price, quantity=held * part, held=held, no_better_than=None)
    assert step.hand is not None
    fill, part = step.hand
    return SimulatedFill(
        at_ms=fill.at_ms,
        price=fill.price,
        quantity=held * part,
        held=held,
        role=FillRole(fill.role),
        reason=fill.reason,
        maker=fill.maker,
    )


def _price(fill: SimulatedFill, side: Side, slippage_bps: Decimal) -> Decimal:
    """What an exit gets: its price after slippage, and no better than the mark that triggered it."""
    price = price_after_slippage(fill.price, side, slippage_bps)
    return price if fill.no_better_than is None or tighter(fill.no_better_than, price, side) else fill.no_better_than


def _slip_more(meant: SimulatedFill, fill: SimulatedFill, costs: Costs, side: Side) -> Decimal:
    """What the exit costs more with the slippage that nine fills in ten stay below."""
    worse = _price(meant, side, costs.of(meant).slippage_p90_bps)
    return max((fill.price - worse) * (_ONE if side is Side.LONG else -_ONE), _ZERO) * fill.quantity


def ends_by_hand(record: Record) -> bool:
    """Whether the position was closed by what is no policy's."""
    last = record.fills[-1]
    return FillRole(last.role) in _BY_HAND and last.reason != ExitReason.LIQUIDATION


def _why(fill: SimulatedFill) -> Censored:
    return Censored.BY_VENUE if fill.role is FillRole.FORCED else Censored.BY_HAND


def _entry_fee(record: Record, fill: RecordFill) -> Decimal:
    """The fee of an entry in the settlement asset; one in another asset is its part of all fees, by value."""
    if fill.fee_asset == record.money.asset:
        return fill.fee
    value = sum((one.quantity * one.price for one in record.fills), _ZERO)
    return (record.money.fees or _ZERO) * fill.quantity * fill.price / value if value else _ZERO


def _funding(held: Decimal, price: Decimal, since_ms: int, until_ms: int) -> Decimal:
    """What is paid while so much is held, zero or below: by the rule, on the notional of the average entry."""
    times = until_ms // FUNDING_EVERY_MS - since_ms // FUNDING_EVERY_MS if until_ms > since_ms else 0
    return -held * price * FUNDING_RATE * times
