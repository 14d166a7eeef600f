"""What a simulated exit costs: slippage and fees by role, from this account's own records where they say enough (S19).

Own figures need `OWN_FILLS_MIN` fills of a role. Else 0.05 % and 5 bps; a rung that rests as a limit order fills at its
price. Where a figure comes from is always said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from position_monitor.core.model.money import HUNDRED
from position_monitor.core.model.sides import Side
from position_monitor.core.performance.reasons import FillRole
from position_monitor.core.performance.record import Record, RecordFill
from position_monitor.core.performance.statistics import median, quantile
from position_monitor.core.shadow.simulated_position import SimulatedFill

_BPS = Decimal(10_000)
_ZERO = Decimal(0)
FEE_PCT = Decimal("0.05")
SLIPPAGE_BPS = Decimal(5)
OWN_FILLS_MIN = 5
"""Fills of a role from which on the account's own median counts: a default that is wrong for this account biases every
pair by the same amount, a median of a few fills does not."""
RECORDS_MAX = 500
"""Records that are looked through, the newest."""


class RoleCost(NamedTuple):
    """What an exit of one role costs."""

    slippage_bps: Decimal = SLIPPAGE_BPS
    """Median, against the level; positive is against us."""
    slippage_p90_bps: Decimal = SLIPPAGE_BPS
    fee_pct: Decimal = FEE_PCT
    fills: int = 0
    """Of this account's own fills it was made from; 0: it is the default."""


DEFAULT_COST = RoleCost()


class Costs(NamedTuple):
    """What exits cost, by role."""

    by_role: Mapping[FillRole, RoleCost] = MappingProxyType({})

    def of(self, fill: SimulatedFill) -> RoleCost:
        """What an exit costs. A limit order has no slippage, whatever its role."""
        cost = self.by_role.get(fill.role, DEFAULT_COST)
        return cost._replace(slippage_bps=_ZERO, slippage_p90_bps=_ZERO) if fill.maker else cost

    @property
    def source(self) -> str:
        """Where the figures come from, in words."""
        own = [f"{role} {cost.fills}" for role, cost in sorted(self.by_role.items()) if cost.fills]
        rest = f"{FEE_PCT} % and {SLIPPAGE_BPS} bps"
        return f"own fills ({', '.join(own)}), else {rest}" if own else f"default: {rest}"


NO_COSTS = Costs(MappingProxyType({role: RoleCost(_ZERO, _ZERO, _ZERO) for role in FillRole}))


def price_after_slippage(price: Decimal, side: Side, slippage_bps: Decimal) -> Decimal:
    """The price an exit gets when it slips by so much against the position."""
    slip = price * slippage_bps / _BPS
    return price - slip if side is Side.LONG else price + slip


def costs_of(records: Iterable[Record]) -> Costs:
    """The costs of an account by its own records, the newest `RECORDS_MAX` of them."""
    newest = sorted(records, key=lambda record: record.closed_at_ms)[-RECORDS_MAX:]
    by_role: dict[FillRole, list[RecordFill]] = defaultdict(list)
    for record in newest:
        for fill in record.exits:
            if fill.slippage_bps is not None and fill.fee_asset == record.money.asset and not fill.maker:
                by_role[FillRole(fill.role)].append(fill)
    return Costs({role: _cost(fills) for role, fills in by_role.items() if len(fills) >= OWN_FILLS_MIN})


def _cost(fills: list[RecordFill]) -> RoleCost:
    slippage = [fill.slippage_bps for fill in fills if fill.slippage_bps is not None]
    fees = [fill.fee / (fill.price * fill.quantity) * HUNDRED for fill in fills]
    middle, high, fee = median(slippage), quantile(slippage, Decimal("0.9")), median(fees)
    assert middle is not None and high is not None and fee is not None
    return RoleCost(middle, high, fee, len(fills))
