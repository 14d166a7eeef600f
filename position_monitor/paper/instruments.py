"""Contracts: filters, precisions, leverage brackets.

The hand-written set carries figures of the size the venue publishes for these
contracts; the generator makes as many more as a bench wants.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache

from position_monitor.paper.amounts import ZERO, decimals_of, fixed, round_to


@dataclass(frozen=True, slots=True)
class Bracket:
    """One leverage bracket: notional range in USDT, maintenance ratio, and `cum`,
    the amount that makes maintenance margin continuous across brackets."""

    number: int
    floor: Decimal
    cap: Decimal
    max_leverage: int
    maintenance: Decimal
    cum: Decimal


@dataclass(frozen=True, slots=True)
class Instrument:
    """A perpetual contract with every filter the venue publishes for it."""

    symbol: str
    base: str
    reference_price: Decimal
    tick: Decimal
    step: Decimal
    min_qty: Decimal
    max_qty: Decimal
    market_max_qty: Decimal
    min_price: Decimal
    max_price: Decimal
    min_notional: Decimal
    multiplier_up: Decimal
    multiplier_down: Decimal
    brackets: tuple[Bracket, ...]
    trigger_protect: Decimal = Decimal("0.0500")
    market_take_bound: Decimal = Decimal("0.05")
    liquidation_fee: Decimal = Decimal("0.012500")
    max_orders: int = 200
    quote: str = "USDT"
    contract_type: str = "PERPETUAL"
    status: str = "TRADING"
    price_decimals: int = field(init=False)
    """Decimals of the tick."""
    qty_decimals: int = field(init=False)
    """`quantityPrecision`: decimals of the step."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "price_decimals", decimals_of(self.tick))
        object.__setattr__(self, "qty_decimals", decimals_of(self.step))

    @property
    def price_precision(self) -> int:
        """`pricePrecision`: most decimals a price text may carry (-1111 beyond)."""
        return max(self.price_decimals, 2)

    def price_text(self, price: Decimal) -> str:
        """A price with the tick's decimals."""
        return fixed(price, self.price_decimals)

    def qty_text(self, qty: Decimal) -> str:
        """A quantity with the step's decimals."""
        return fixed(qty, self.qty_decimals)

    def bracket_at(self, notional: Decimal) -> Bracket:
        """The bracket whose range holds this notional."""
        for bracket in self.brackets:
            if notional <= bracket.cap:
                return bracket
        return self.brackets[-1]

    def max_notional_at(self, leverage: int) -> Decimal:
        """Largest position notional allowed at this leverage."""
        for bracket in reversed(self.brackets):
            if bracket.max_leverage >= leverage:
                return bracket.cap
        return ZERO


_LADDER = ((1, "0.0040"), (2, "0.0050"), (5, "0.0100"), (10, "0.0250"), (20, "0.0500"))
_SMALL_LADDER = ((1, "0.0100"), (2, "0.0200"), (5, "0.0250"), (10, "0.0500"), (20, "0.1250"))


def make_brackets(top_leverage: int, first_cap: Decimal) -> tuple[Bracket, ...]:
    """A five-step bracket table starting at a leverage and a first notional cap."""
    ladder = _LADDER if top_leverage > 75 else _SMALL_LADDER
    rows: list[Bracket] = []
    floor, cum, previous = ZERO, ZERO, ZERO
    for number, (divisor, ratio) in enumerate(ladder, start=1):
        rate = Decimal(ratio)
        if rows:
            cum += floor * (rate - previous)
        cap = first_cap * (Decimal(8) ** (number - 1))
        rows.append(Bracket(number, floor, cap, max(1, top_leverage // divisor), rate, cum))
        floor, previous = cap, rate
    return tuple(rows)


def make_instrument(
    symbol: str,
    price: str,
    tick: str,
    step: str,
    *,
    max_qty: str,
    market_max_qty: str,
    min_notional: str = "5",
    top_leverage: int = 75,
    first_cap: str = "50000",
    spread: str = "0.05",
    contract_type: str = "PERPETUAL",
) -> Instrument:
    """An instrument from the few figures that differ between contracts."""
    reference, tick_d, step_d = Decimal(price), Decimal(tick), Decimal(step)
    wide = Decimal(spread)
    return Instrument(
        symbol=symbol,
        base=symbol.removesuffix("USDT"),
        reference_price=reference,
        tick=tick_d,
        step=step_d,
        min_qty=step_d,
        max_qty=Decimal(max_qty),
        market_max_qty=Decimal(market_max_qty),
        min_price=round_to(max(tick_d, reference / 100), tick_d),
        max_price=round_to(reference * 100, tick_d),
        min_notional=Decimal(min_notional),
        multiplier_up=1 + wide,
        multiplier_down=1 - wide,
        brackets=make_brackets(top_leverage, Decimal(first_cap)),
        trigger_protect=wide,
        market_take_bound=wide,
        contract_type=contract_type,
    )


@cache
def hand_written() -> tuple[Instrument, ...]:
    """Fourteen contracts: large and small ticks, whole-unit steps, a 1000-fold
    contract, a very small tick and a TRADIFI_PERPETUAL one."""
    make = make_instrument
    return (
        make("BTCUSDT", "42000", "0.10", "0.001", max_qty="1000", market_max_qty="120",
             min_notional="100", top_leverage=125, first_cap="300000"),
        make("ETHUSDT", "2250", "0.01", "0.001", max_qty="10000", market_max_qty="2000",
             min_notional="20", top_leverage=125, first_cap="300000"),
        make("SOLUSDT", "98", "0.0100", "0.01", max_qty="1000000", market_max_qty="25000",
             top_leverage=100, first_cap="100000"),
        make("BNBUSDT", "310", "0.010", "0.01", max_qty="100000", market_max_qty="2000"),
        make("XRPUSDT", "0.52", "0.0001", "0.1", max_qty="10000000", market_max_qty="2000000"),
        make("DOGEUSDT", "0.081", "0.000010", "1", max_qty="50000000",
             market_max_qty="30000000"),
        make("ADAUSDT", "0.48", "0.00010", "1", max_qty="20000000", market_max_qty="3000000"),
        make("AVAXUSDT", "35.2", "0.0010", "1", max_qty="5000000", market_max_qty="100000"),
        make("LINKUSDT", "14.6", "0.001", "0.01", max_qty="500000", market_max_qty="70000"),
        make("LTCUSDT", "68", "0.01", "0.001", max_qty="10000", market_max_qty="5000",
             min_notional="20"),
        make("DOTUSDT", "6.9", "0.001", "0.1", max_qty="10000000", market_max_qty="150000"),
        make("1000PEPEUSDT", "0.0012345", "0.0000001", "1", max_qty="300000000",
             market_max_qty="80000000", spread="0.10", top_leverage=50, first_cap="5000"),
        make("LUNCUSDT", "0.00009871", "0.00000001", "1", max_qty="900000000",
             market_max_qty="200000000", spread="0.15", top_leverage=20, first_cap="5000"),
        make("XAUUSDT", "2050", "0.01", "0.001", max_qty="2000", market_max_qty="300",
             contract_type="TRADIFI_PERPETUAL", top_leverage=20, first_cap="100000"),
    )  # fmt: skip


_SHAPES = (
    ("0.10", "0.001", 3, 5), ("0.01", "0.01", 2, 3), ("0.001", "0.1", 0, 2),
    ("0.0001", "1", -1, 1), ("0.00001", "1", -3, -1),
)  # fmt: skip


def generated(count: int, rng: random.Random) -> tuple[Instrument, ...]:
    """`count` invented contracts (GAAAUSDT, GAABUSDT ...) of mixed tick and step."""
    out: list[Instrument] = []
    for number in range(count):
        tick, step, low, high = _SHAPES[rng.randrange(len(_SHAPES))]
        magnitude = Decimal(10) ** rng.randint(low, high - 1)
        price = round_to(Decimal(rng.randint(110, 980)) / 100 * magnitude, Decimal(tick))
        letters = "".join(chr(65 + (number // 26**k) % 26) for k in (2, 1, 0))
        out.append(
            make_instrument(
                f"G{letters}USDT", str(max(price, Decimal(tick) * 2000)), tick, step,
                max_qty="10000000", market_max_qty="1000000",
            )
        )  # fmt: skip
    return tuple(out)


def universe(extra: int, rng: random.Random, added: Iterable[Instrument] = ()) -> dict[str, Instrument]:
    """Every instrument by symbol: hand-written, generated, scenario-made."""
    everything = (*hand_written(), *generated(extra, rng), *added)
    return {instrument.symbol: instrument for instrument in everything}
