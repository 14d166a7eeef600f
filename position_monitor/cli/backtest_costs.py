"""What trading costs in a backtest, as the command line says it: fees, slippage by role, funding, margin."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from position_monitor.core.backtest.result import FundingFacts
from position_monitor.core.backtest.terms import CostRole, Costs, FundingRate, Margin
from position_monitor.edge.funding_files import read_funding
from position_monitor.errors import BadInput

Rates = tuple[FundingRate, ...]
_BPS = 10_000


def costs_of(arguments: argparse.Namespace) -> Costs:
    """Fees, slippage and the constant of funding. Raises `BadInput`."""
    if arguments.funding and arguments.funding_bps is not None:
        raise BadInput("--funding and --funding-bps: rates from a file or one constant, not both")
    bps = Costs().funding_bps if arguments.funding_bps is None else arguments.funding_bps
    return Costs(
        fee_pct=arguments.fee_pct,
        maker_fee_pct=arguments.maker_fee_pct,
        slippage_bps=_slippage(arguments.slippage_bps),
        funding_bps=bps,
    )


def _slippage(text: str) -> dict[CostRole, Decimal]:
    """`5` for every role, or `stop=5,target=2`; a role that is not named has the default."""
    bps = dict(Costs().slippage_bps)
    for word in text.split(","):
        role, equals, value = word.strip().partition("=")
        roles = list(CostRole) if not equals else [one for one in CostRole if one == role]
        try:
            number = Decimal(value if equals else role)
        except ArithmeticError:
            number = Decimal("NaN")
        if not roles or not number.is_finite() or not 0 <= number <= 1_000:
            words = ", ".join(f"{one}=BPS" for one in CostRole)
            raise BadInput(f"--slippage-bps was {text!r}; expected basis points, or some of {words}")
        bps |= dict.fromkeys(roles, number)
    return bps


def margin_of(arguments: argparse.Namespace) -> Margin | None:
    """How positions are margined; None where they are never liquidated."""
    return None if arguments.leverage is None else Margin(arguments.leverage, arguments.maintenance_pct)


def funding_rates(words: Sequence[str], symbols: Sequence[str]) -> dict[str, Rates]:
    """The rates of every symbol from `FILE` or `SYMBOL=FILE`, several files of one joined; empty without a file.

    Raises `BadInput` for a file that cannot be used, for a time that two files have, and for a symbol without rates.
    """
    rates: dict[str, Rates] = {}
    for word in words:
        symbol, equals, name = word.partition("=")
        if not equals:
            symbol, name = symbols[0] if len(symbols) == 1 else "", word
        for one, listed in read_funding(Path(name), symbol.upper() or None).items():
            rates[one] = tuple(sorted((*rates.get(one, ()), *listed), key=lambda rate: rate.at_ms))
            times = [rate.at_ms for rate in rates[one]]
            if len(set(times)) < len(times):
                raise BadInput(f"--funding {word}: holds a time of {one} that an earlier file has as well")
    without = [one for one in symbols if one not in rates]
    if words and without:
        raise BadInput(f"--funding: there are rates of {', '.join(sorted(rates))}, and none of {', '.join(without)}")
    return {one: rates[one] for one in symbols if one in rates}


def funding_facts(rates: Mapping[str, Rates]) -> tuple[FundingFacts, ...]:
    """What was read, for whoever reads the result."""
    return tuple(
        FundingFacts(
            symbol=symbol,
            rates=len(listed),
            first_ms=listed[0].at_ms,
            last_ms=listed[-1].at_ms,
            mean_bps=float(sum(one.rate for one in listed)) / len(listed) * _BPS,
        )
        for symbol, listed in rates.items()
    )
