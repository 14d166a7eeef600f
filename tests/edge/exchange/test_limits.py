"""Every limit of a symbol in `exchangeInfo` is used, or named as unused with its reason (`docs/exchange.md`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from position_monitor.paper.instruments import make_instrument
from position_monitor.paper.market_bodies import exchange_info

TABLE = (Path(__file__).parents[3] / "docs" / "exchange.md").read_text()
DOCUMENTED = {"MAX_NUM_ALGO_ORDERS", "POSITION_RISK_CONTROL"}
"""Filters of documented bodies that the paper exchange does not serve."""
LIMITS = {"triggerProtect", "marketTakeBound", "maxMoveOrderLimit", "liquidationFee"}
LIMITS |= {"maintMarginPercent", "requiredMarginPercent"}


def stated() -> list[str]:
    made = make_instrument("BTCUSDT", "42000", "0.1", "0.001", max_qty="1000", market_max_qty="120")
    (symbol,) = exchange_info([made], 0)["symbols"]
    assert symbol.keys() >= LIMITS, "a limit outside the filters is gone"
    return sorted({entry["filterType"] for entry in symbol["filters"]} | DOCUMENTED | LIMITS)


@pytest.mark.parametrize("limit", stated())
def test_every_limit_is_in_the_table(limit: str) -> None:
    rows = [line for line in TABLE.splitlines() if line.startswith("|") and f"`{limit}`" in line.split("|")[1]]
    assert len(rows) == 1, f"docs/exchange.md has {len(rows)} rows for {limit}; expected one that says what it is for"
