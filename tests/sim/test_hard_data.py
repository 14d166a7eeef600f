"""One symbol's garbage, changed trading rules, a switched position mode: the others stay protected (invariant 12)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from position_monitor.edge.venues.transport import Endpoint
from tests.sim.stage import EVERY_MODE, EVERY_SIDE, EVERY_WORLD, TWO_WORLDS, Held, Stage, against, staged

BTC, ETH, SOL = "BTCUSDT", "ETHUSDT", "SOLUSDT"
ENTRY = 42_000
POSITIONS = frozenset({Endpoint.POSITIONS, Endpoint.POSITION_ROWS})
LISTS = frozenset({Endpoint.OPEN_ALGO_ORDERS})
PLAIN_LISTS = frozenset({Endpoint.OPEN_ORDERS})
Change = Callable[[dict[str, Any]], list[dict[str, Any]]]


def three(side: str) -> tuple[Held, ...]:
    return Held(BTC, side, "0.300", entry=ENTRY), Held(ETH, side, "3.0"), Held(SOL, side, "40")


def in_rows_of(symbol: str, endpoints: frozenset[Endpoint], change: Change) -> Any:
    """A rewrite that changes the rows of one symbol in some answers."""

    def rewrite(endpoint: Endpoint, params: Mapping[str, str], body: Any) -> Any:
        if endpoint not in endpoints or not isinstance(body, list):
            return body
        return [new for row in body for new in (change(dict(row)) if row["symbol"] == symbol else [row])]

    return rewrite


def with_field(name: str, value: object) -> Change:
    return lambda row: [{**row, name: value}]


def without_field(name: str) -> Change:
    return lambda row: [{key: value for key, value in row.items() if key != name}]


def twice_and_different(name: str, value: object) -> Change:
    return lambda row: [row, {**row, name: value}]


GARBAGE = {
    "amount-is-nan": (POSITIONS, with_field("positionAmt", "NaN")),
    "amount-is-text": (POSITIONS, with_field("positionAmt", "much")),
    "amount-is-null": (POSITIONS, with_field("positionAmt", None)),
    "amount-is-missing": (POSITIONS, without_field("positionAmt")),
    "mark-is-zero": (POSITIONS, with_field("markPrice", "0")),
    "mark-is-negative": (POSITIONS, with_field("markPrice", "-1")),
    "side-is-unknown": (POSITIONS, with_field("positionSide", "UP")),
    "rows-contradict": (POSITIONS, twice_and_different("positionAmt", "0.001")),
    "trigger-is-text": (LISTS, with_field("triggerPrice", "soon")),
    "order-side-is-unknown": (LISTS, with_field("side", "HOLD")),
    "order-id-is-missing": (LISTS, without_field("algoId")),
    "close-flag-is-missing": (LISTS, without_field("closePosition")),
    "orders-contradict": (LISTS, twice_and_different("triggerPrice", "1")),
}


@TWO_WORLDS
@pytest.mark.parametrize("kind", GARBAGE)
@staged
async def test_one_symbols_garbage_stays_its_own(kind: str, hedge: bool, side: str) -> None:
    """D1, D8: the symbol is UNKNOWN and named, keeps its orders, and a new position elsewhere is covered as ever."""
    endpoints, change = GARBAGE[kind]
    async with Stage(*three(side), hedge=hedge) as stage:
        daemon = stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(6)
        before = {order.algo_id for order in stage.own(BTC, side)}
        daemon.transport.rewrites.append(in_rows_of(BTC, endpoints, change))
        stage.trade("open", "XRPUSDT", side, "9000")
        await stage.until("the new position is covered", lambda: stage.covered("XRPUSDT", side), within_s=7)
        await stage.run(25)
        assert stage.verdict(BTC, side) == "UNKNOWN"
        assert stage.published(BTC, side)["reason"]
        assert BTC in stage.status()["reason"]
        assert {stage.verdict(symbol, side) for symbol in (ETH, SOL, "XRPUSDT")} == {"PROTECTED"}
        assert {order.algo_id for order in stage.own(BTC, side)} == before
        assert not stage.entries("order_canceled", ours=True)
        daemon.transport.rewrites.clear()
        await stage.until("protected", stage.is_protected, within_s=10)
        stage.must_be_protected()


@TWO_WORLDS
@pytest.mark.parametrize("kind", GARBAGE)
@staged
async def test_garbage_from_the_very_first_read_on(kind: str, hedge: bool, side: str) -> None:
    """D8 at a cold start: the readable symbols get their stops at once; the other one as soon as it can be read."""
    endpoints, change = GARBAGE[kind]
    async with Stage(*three(side), hedge=hedge) as stage:
        daemon = stage.start()
        daemon.transport.rewrites.append(in_rows_of(BTC, endpoints, change))
        await stage.until("the others are covered", lambda: stage.covered(ETH, side) and stage.covered(SOL, side))
        await stage.run(20)
        assert stage.verdict(ETH, side) == stage.verdict(SOL, side) == "PROTECTED"
        daemon.transport.rewrites.clear()
        await stage.until("protected", stage.is_protected, within_s=15)
        stage.must_be_protected()


@TWO_WORLDS
@pytest.mark.parametrize("kind", GARBAGE)
@staged
async def test_a_position_that_was_never_readable_is_named(kind: str, hedge: bool, side: str) -> None:
    """Invariant 6: a row that is there and cannot be read may be a naked position: the account is not PROTECTED."""
    endpoints, change = GARBAGE[kind]
    async with Stage(*three(side), hedge=hedge) as stage:
        daemon = stage.start()
        daemon.transport.rewrites.append(in_rows_of(BTC, endpoints, change))
        await stage.run(20)
        assert stage.status()["risk_status"] in ("UNKNOWN", "CRITICAL")
        assert BTC in stage.status()["reason"]


@EVERY_WORLD
@staged
async def test_an_unreadable_foreign_plain_order_hides_only_its_symbol(hedge: bool, side: str) -> None:
    """D8: also the other list counts: a symbol is read only when both of its lists are (X5)."""
    async with Stage(*three(side), hedge=hedge) as stage:
        stage.foreign_limit(BTC, side, against(ENTRY, side, -4), "0.050")
        daemon = stage.start()
        await stage.run(10)
        daemon.transport.rewrites.append(in_rows_of(BTC, PLAIN_LISTS, with_field("reduceOnly", "perhaps")))
        with stage.never_uncovered():
            await stage.run(40)
        assert stage.verdict(BTC, side) == "UNKNOWN"
        assert stage.verdict(ETH, side) == "PROTECTED"
        assert not stage.entries("order_canceled", ours=True)


@EVERY_WORLD
@staged
async def test_a_symbol_without_trading_rules_is_held_and_named(hedge: bool, side: str) -> None:
    """X17, invariant 12: newly listed, not in exchangeInfo yet: HOLD with a reason; protected once rules are known."""

    def unlisted(endpoint: Endpoint, params: Mapping[str, str], body: Any) -> Any:
        if endpoint is not Endpoint.EXCHANGE_INFO:
            return body
        return {**body, "symbols": [row for row in body["symbols"] if row["symbol"] != BTC]}

    async with Stage(*three(side), hedge=hedge) as stage:
        daemon = stage.start()
        daemon.transport.rewrites.append(unlisted)
        await stage.until("the others are protected", lambda: stage.verdict(SOL, side) == "PROTECTED")
        await stage.run(20)
        assert stage.verdict(BTC, side) == "UNKNOWN"
        assert "trading rules" in stage.published(BTC, side)["reason"]
        daemon.transport.rewrites.clear()
        await stage.until("protected", stage.is_protected, within_s=90)
        stage.must_be_protected()


@TWO_WORLDS
@pytest.mark.parametrize("value", ["0", "0.0", "", None], ids=["0", "0.0", "empty", "null"])
@staged
async def test_an_entry_price_of_zero_anchors_the_stop_to_the_mark(value: object, hedge: bool, side: str) -> None:
    """D3: never a stop at 0 and never none: it lies 1.5 % from the mark, take-profits wait, and it says HOLD."""
    async with Stage(*three(side), hedge=hedge) as stage:
        daemon = stage.start()
        daemon.transport.rewrites.append(in_rows_of(BTC, POSITIONS, with_field("entryPrice", value)))
        await stage.until("covered", lambda: stage.covered(BTC, side), within_s=5)
        await stage.run(15)
        assert [order.trigger for order in stage.stops(BTC, side)] == [against(ENTRY, side, 1.5)]
        assert not stage.targets(BTC, side)
        assert "entry price was 0" in stage.published(BTC, side)["reason"]
        assert stage.verdict(ETH, side) == "PROTECTED"
        daemon.transport.rewrites.clear()
        await stage.until("protected", stage.is_protected)
        stage.must_be_protected()


@EVERY_WORLD
@staged
async def test_a_quantity_that_rounds_to_zero_is_covered_by_the_close_all_stop(hedge: bool, side: str) -> None:
    """X18: less than one step: no order for 0 is ever sent; the stop the venue sizes itself needs no quantity."""
    tiny = "0.0004" if side == "LONG" else "-0.0004"
    async with Stage(*three(side), hedge=hedge) as stage:
        daemon = stage.start()
        daemon.transport.rewrites.append(in_rows_of(BTC, POSITIONS, with_field("positionAmt", tiny)))
        await stage.until("covered", lambda: stage.own(BTC, side, "b"))
        await stage.run(20)
        assert not stage.targets(BTC, side)
        assert stage.verdict(BTC, side) == "STOP_ONLY"
        assert "rounds to zero" in stage.published(BTC, side)["reason"]
        assert stage.verdict(ETH, side) == "PROTECTED"
        assert not stage.entries("order_refused", ours=True)


@EVERY_WORLD
@staged
async def test_dust_beside_a_foreign_close_all_stop_is_named_and_harms_nobody(hedge: bool, side: str) -> None:
    """X18 where nothing can be placed (slot taken by a far stop, quantity below a step): exposed, and said so."""
    tiny = "0.0004" if side == "LONG" else "-0.0004"
    async with Stage(*three(side), hedge=hedge) as stage:
        stage.foreign_stop(BTC, side, against(ENTRY, side, 9))
        daemon = stage.start()
        daemon.transport.rewrites.append(in_rows_of(BTC, POSITIONS, with_field("positionAmt", tiny)))
        await stage.run(30)
        assert stage.verdict(BTC, side) == "NAKED"
        assert stage.verdict(ETH, side) == stage.verdict(SOL, side) == "PROTECTED"
        assert stage.status()["risk_status"] == "CRITICAL"


# -- trading rules change


@TWO_WORLDS
@pytest.mark.parametrize(
    "changes",
    [
        {"tick": Decimal("1.00")},
        {"tick": Decimal("0.01")},
        {"tick": Decimal("9.00")},
        {"step": Decimal("0.010"), "min_qty": Decimal("0.010")},
        {"step": Decimal("0.100"), "min_qty": Decimal("0.100")},
        {"market_max_qty": Decimal("0.100")},
    ],
    ids=["tick-coarser", "tick-finer", "tick-odd", "step-coarser", "step-much-coarser", "market-max"],
)
@staged
async def test_filters_that_change_while_positions_are_open(changes: dict, hedge: bool, side: str) -> None:
    """X17: orders of the old grid are refused (-1111, -4014, -4023, -4005): rules are reloaded, the book completes."""
    async with Stage(*three(side), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        stage.engine.change_instrument(BTC, **changes)
        for order in stage.own(BTC, side):  # so that everything has to be placed anew
            stage.cancel_by_hand(order)
        stage.trade("add", BTC, side, "0.100")
        await stage.until("covered", lambda: stage.covered(BTC, side), within_s=75)
        await stage.until("protected", stage.is_protected, within_s=75)
        stage.must_be_protected()
        assert {stage.verdict(symbol, side) for symbol in (ETH, SOL)} == {"PROTECTED"}


@EVERY_WORLD
@staged
async def test_a_stop_refused_for_its_grid_is_placed_on_the_new_grid_within_two_cycles(hedge: bool, side: str) -> None:
    """X17, invariant 3: -4014 on a stop is a naked position; the rules are one request away."""
    async with Stage(*three(side), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(3)
        stage.engine.change_instrument(BTC, tick=Decimal("9.00"))
        for order in stage.own(BTC, side):
            stage.cancel_by_hand(order)
        await stage.until("covered", lambda: stage.covered(BTC, side), within_s=12)


@TWO_WORLDS
@pytest.mark.parametrize("code", [-1111, -4014, -4023, -1121, -4003, -4164, -1013])
@staged
async def test_a_stop_refused_for_whatever_reason_is_tried_again_and_harms_nobody(
    code: int, hedge: bool, side: str
) -> None:
    """Invariants 3 and 12: a refusal nobody expected keeps the symbol exposed, named, and tried; the others rest."""
    async with Stage(*three(side), hedge=hedge) as stage:
        stage.fault("error", method="POST", path="algoOrder", symbol=BTC, code=code)
        stage.start()
        await stage.until("the others are protected", lambda: stage.verdict(SOL, side) == "PROTECTED")
        await stage.run(30)
        assert stage.verdict(BTC, side) == "NAKED"
        assert stage.verdict(ETH, side) == "PROTECTED"
        assert BTC in stage.status()["reason"]
        tried = [e for e in stage.entries("fault_struck") if e.symbol == BTC]
        assert len(tried) <= 300, "four orders, about once a second at most"
        stage.heal()
        await stage.until("protected", stage.is_protected, within_s=12)
        stage.must_be_protected()


@TWO_WORLDS
@pytest.mark.parametrize("status", ["BREAK", "SETTLING", "CLOSE"])
@staged
async def test_a_halted_symbol_is_exposed_and_named_until_it_trades_again(status: str, hedge: bool, side: str) -> None:
    """X22: a contract that takes no orders cannot be covered: NAKED, not UNKNOWN, not PROTECTED; then at once."""
    async with Stage(*three(side), hedge=hedge) as stage:
        stage.engine.change_instrument(BTC, status=status)
        stage.start()
        await stage.until("the others are protected", lambda: stage.verdict(SOL, side) == "PROTECTED")
        await stage.run(60)
        assert stage.verdict(BTC, side) == "NAKED"
        assert stage.status()["risk_status"] == "CRITICAL"
        stage.engine.change_instrument(BTC, status="TRADING")
        await stage.until("protected", stage.is_protected, within_s=12)
        stage.must_be_protected()


# -- the position mode


@EVERY_SIDE
@pytest.mark.parametrize("hedge", [False, True], ids=["to-hedge", "to-one-way"])
@staged
async def test_the_position_mode_switched_under_us(hedge: bool, side: str) -> None:
    """X20: -4061 and -1106 until the mode is read again; orders of the old form still count, nothing is uncovered."""
    async with Stage(*three(side), hedge=hedge) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(6)
        with stage.never_uncovered():
            stage.engine.force_hedge(not hedge)
            await stage.run(30)
        stage.must_be_protected()
        stage.trade("open", "XRPUSDT", side, "9000")
        await stage.until("the new position is covered", lambda: stage.covered("XRPUSDT", side), within_s=7)
        await stage.until("protected", stage.is_protected)
        stage.must_be_protected()


@EVERY_SIDE
@pytest.mark.parametrize("hedge", [False, True], ids=["to-hedge", "to-one-way"])
@staged
async def test_the_mode_switched_between_our_read_and_our_order(hedge: bool, side: str) -> None:
    """X20 at the worst moment: the order of the other mode is refused, never turned into one that could open."""
    async with Stage(*three(side), hedge=hedge) as stage:
        daemon = stage.start()
        stage.on_call(Endpoint.PLACE_ALGO_ORDER, lambda: stage.engine.force_hedge(not hedge), process=daemon)
        await stage.until("covered", lambda: all(stage.covered(*key) for key in stage.open_keys()), within_s=12)
        assert {entry.detail["code"] for entry in stage.entries("order_refused", ours=True)} <= {-4061, -1106, -4130}
        await stage.until("protected", stage.is_protected)
        stage.must_be_protected()


@EVERY_MODE
@staged
async def test_the_mode_switched_on_a_flat_account_before_the_first_position(hedge: bool) -> None:
    """X20: no row tells the mode; the first order is refused, the mode is read, the position is covered."""
    async with Stage(hedge=hedge) as stage:
        stage.start()
        await stage.run(8)
        stage.engine.force_hedge(not hedge)
        stage.trade("open", BTC, "LONG", "0.300")
        await stage.until("covered", lambda: stage.covered(BTC, "LONG"), within_s=12)
        await stage.until("protected", stage.is_protected)
        stage.must_be_protected()


# -- what the account may be made of


@EVERY_MODE
@staged
async def test_odd_symbols_and_tiny_prices(hedge: bool) -> None:
    """D4: a name outside ASCII, a thousandfold contract, nine decimals, and more than the market maximum at once."""
    odd = {"symbol": "测试USDT", "price": "0.03120", "tick": "0.00001", "step": "1"}
    odd |= {"max_qty": "5000000", "market_max_qty": "20000"}
    held = (
        Held("测试USDT", "LONG", "32000", leverage=5),
        Held("1000PEPEUSDT", "SHORT", "700000", leverage=5),
        Held("LUNCUSDT", "LONG", "5000000", leverage=5),
        Held("XAUUSDT", "LONG", "0.500", leverage=5),
    )
    async with Stage(*held, hedge=hedge, instruments=[odd]) as stage:
        stage.start()
        await stage.until("protected", stage.is_protected)
        await stage.run(10)
        stage.must_be_protected()


@EVERY_WORLD
@staged
async def test_a_position_far_above_the_market_maximum_has_a_stop_in_parts(hedge: bool, side: str) -> None:
    """X17: where no close-all stop may rest, a quantity stop is split at the venue's maximum and covers the whole."""
    config = {"protection": {"foreign_orders": "ignore"}}
    async with Stage(Held(BTC, side, "3.000", entry=ENTRY), hedge=hedge, config=config) as stage:
        stage.engine.change_instrument(BTC, market_max_qty=Decimal("0.7"))
        stage.foreign_stop(BTC, side, against(ENTRY, side, 3))
        stage.start()
        await stage.until("covered", lambda: _own_quantity(stage, side) >= Decimal("3.000"))
        await stage.run(20)
        parts = stage.own(BTC, side, "w")
        assert sum(order.quantity for order in parts) == Decimal("3.000")
        assert max(order.quantity for order in parts) <= Decimal("0.7")
        assert stage.verdict(BTC, side) in ("PROTECTED", "STOP_ONLY")


def _own_quantity(stage: Stage, side: str) -> Decimal:
    return sum((order.quantity for order in stage.own(BTC, side, "w")), Decimal(0))


@EVERY_WORLD
@staged
async def test_unmanaged_positions_are_left_alone_and_shown(hedge: bool, side: str) -> None:
    """Invariant 14: the operator's explicit exception: no order, no cover claimed, named in the status."""
    config = {"symbols": {"unmanaged": [f"{BTC}:{side}"]}}
    async with Stage(*three(side), hedge=hedge, config=config) as stage:
        stage.start()
        await stage.until("the others are protected", lambda: stage.verdict(SOL, side) == "PROTECTED")
        await stage.run(20)
        assert not stage.own(BTC)
        assert stage.verdict(BTC, side) == "UNMANAGED"
        assert "unmanaged" in stage.status()["status_line"]
