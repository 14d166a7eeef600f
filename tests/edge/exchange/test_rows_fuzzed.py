"""Whatever JSON arrives, reading gives a valid answer or Unreadable, and nothing else (N6, N7, D8)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from position_monitor.core.observation.reads import OrdersRead, PositionsRead
from position_monitor.edge.venues.binance.instruments import instruments_from
from position_monitor.edge.venues.binance.position_rows import flat_rows, moved_position, symbol_rows
from position_monitor.edge.venues.binance.reads import orders_from, positions_from
from position_monitor.edge.venues.transport import Endpoint
from position_monitor.errors import Unreadable
from tests.edge.exchange.test_reading import algo_row, plain_row, position_row
from tests.edge.exchange.test_upkeep import symbol_row

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(max_size=6),
    st.sampled_from(["BOTH", "LONG", "SHORT", "BUY", "SELL", "NaN", "-0", "1e5", "0.0", "NEW", ""]),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner)),
    max_leaves=8,
)


@st.composite
def damaged(draw: st.DrawFn, row: dict[str, Any]) -> dict[str, Any]:
    """A good row with some fields replaced or gone."""
    for name in draw(st.sets(st.sampled_from(sorted(row)), max_size=3)):
        if draw(st.booleans()):
            row = {key: value for key, value in row.items() if key != name}
        else:
            row = row | {name: draw(ANYTHING)}
    return row


POSITION_LISTS = st.lists(st.one_of(damaged(position_row()), damaged(position_row("ETHUSDT", "-1"))), max_size=5)
ALGO_LISTS = st.lists(st.one_of(damaged(algo_row()), damaged(algo_row("ETHUSDT", 2))), max_size=5)
PLAIN_LISTS = st.lists(damaged(plain_row()), max_size=3)


def checked_positions(body: object, hedged: bool) -> PositionsRead | None:
    try:
        read = positions_from(Endpoint.POSITIONS, body, hedged=hedged, leverages={}, began_at_ms=1)
    except Unreadable:
        return None
    for position in read.positions:
        assert position.quantity > 0 and position.entry_price >= 0
        assert position.mark_price > 0 or position.unread
        assert position.quantity.is_finite() and position.key not in read.zero_keys
        assert not position.unread or position.symbol in read.unreadable
        assert all(isinstance(value, Decimal) for value in (position.quantity, position.unrealized_pnl))
    assert len({position.key for position in read.positions}) == len(read.positions)
    assert not {key.symbol for key in read.zero_keys} & set(read.unreadable)
    return read


def checked_orders(plain: object, algo: object) -> OrdersRead | None:
    try:
        read = orders_from(plain, algo, began_at_ms=1)
    except Unreadable:
        return None
    for order in read.orders:
        assert (order.quantity is None or order.quantity >= 0) and order.order_id.isdigit()
        assert order.trigger_price is None or order.trigger_price > 0
    return read


@given(ANYTHING, st.booleans())
def test_any_json_as_positions(body: object, hedged: bool) -> None:
    read = checked_positions(body, hedged)
    assert read is None or body == [] or read.positions or read.zero_keys or read.unreadable


@given(POSITION_LISTS, st.booleans())
def test_damaged_position_rows(rows: list[dict[str, Any]], hedged: bool) -> None:
    read = checked_positions(rows, hedged)
    if read is not None:
        spoken_of = {position.symbol for position in read.positions} | set(read.unreadable)
        spoken_of |= {key.symbol for key in read.zero_keys}
        held = {row["symbol"] for row in rows if row.get("positionAmt") in ("0.500", "-1")}
        assert held <= spoken_of, "a symbol with a position is never silently left out"


@given(
    damaged(position_row()) | damaged(position_row("ETHUSDT", "-1", positionSide="SHORT", leverage="20")),
    st.sampled_from([None, 7]),
    st.booleans(),
)
def test_a_row_that_only_moved_with_the_price_is_read_as_any_other(
    row: dict[str, Any], leverage: int | None, hedged: bool
) -> None:
    """The short way for known rows must give what the models give, and never more than they do."""
    found = moved_position(row, leverage)
    if found is not None:
        assert found == symbol_rows([row], hedged, leverage)


def test_a_known_row_with_another_mark_takes_the_short_way() -> None:
    rows = [
        position_row(markPrice=mark, unRealizedProfit=pnl) for mark, pnl in (("64000.1", "-1.5"), ("64123.45", "3"))
    ]
    for row in rows:
        found = moved_position(row, None)
        assert found is not None
        ((position,), _, _) = found
        assert position.mark_price == Decimal(row["markPrice"])
        assert position.unrealized_pnl == Decimal(row["unRealizedProfit"])


FLAT_ROWS = st.sampled_from(["BOTH", "LONG", "SHORT"]).flatmap(
    lambda side: damaged(position_row(amount="0.000", positionSide=side))
)


@given(
    st.lists(FLAT_ROWS, min_size=1, max_size=3), st.sampled_from([None, True, False]), st.sampled_from([None, 1, 20])
)
def test_rows_that_say_nothing_is_open_are_read_as_any_other(
    rows: list[dict[str, Any]], hedged: bool | None, leverage: int | None
) -> None:
    """The short way for flat symbols gives what the models give, whatever the leverage, or nothing."""
    read = flat_rows(rows, hedged)
    if read is not None:
        assert read == symbol_rows(rows, hedged, leverage)


def test_flat_symbols_take_the_short_way() -> None:
    long, short = (position_row(amount="0.000", positionSide=side) for side in ("LONG", "SHORT"))
    for rows in ([position_row(amount="0")], [long, short]):
        assert flat_rows(rows, None) == symbol_rows(rows, None, None)
    assert flat_rows([position_row()], None) is None
    assert flat_rows([long, long | {"entryPrice": "1"}], None) is None, "a contradiction is found elsewhere"


@given(ANYTHING, ANYTHING)
def test_any_json_as_orders(plain: object, algo: object) -> None:
    checked_orders(plain, algo)


@given(PLAIN_LISTS, ALGO_LISTS)
def test_damaged_order_rows(plain: list[dict[str, Any]], algo: list[dict[str, Any]]) -> None:
    read = checked_orders(plain, algo)
    if read is not None and not read.plain_unread:
        assert {row["symbol"] for row in plain + algo} <= {order.symbol for order in read.orders} | set(read.unreadable)


@given(ANYTHING, damaged(symbol_row()))
def test_damaged_trading_rules(anything: object, row: dict[str, Any]) -> None:
    for body in (anything, {"symbols": [row, symbol_row("ETHUSDT"), anything]}):
        try:
            found, _ = asyncio.run(instruments_from(body, {}))
        except Unreadable:
            continue
        for rules in found.values():
            assert rules.tick > 0 and rules.step > 0 and rules.min_quantity <= rules.max_quantity


def test_the_venue_needs_no_client_library() -> None:
    """A simulator implements `Transport` in memory and must not pay for ccxt (DESIGN 3: thin edges)."""
    code = (
        "import sys, position_monitor.edge.venues.binance.venue as _;"
        "print([name for name in ('ccxt', 'aiohttp', 'httpx', 'redis') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
