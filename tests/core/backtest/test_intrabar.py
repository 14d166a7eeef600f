"""Vectors 4.10 and the rules of exits.md 5: what one candle does to what rests."""

from __future__ import annotations

from decimal import Decimal

import pytest

from position_monitor.core.backtest.funding import is_covered
from position_monitor.core.backtest.records import record_of_walk
from position_monitor.core.backtest.terms import CostRole, Costs, FundingRate, Margin
from position_monitor.core.backtest.walk import Ended, Order, walk
from position_monitor.core.model.profiles import RungKind
from position_monitor.core.model.settings import Rung, TimeStop
from position_monitor.core.model.sides import Side
from tests.core.backtest.market import START_MS, candles, entry, exits, market, terms, written

D = Decimal
COSTS = Costs(D("0.05"), D("0.02"), {CostRole.STOP: D(5)}, D(0))
PLAIN = {"breakeven_offset_pct": D(0)}
FOUR = (
    "100.00 100.80 99.60 100.70 | 100.70 101.62 100.40 101.40 | "
    "101.40 102.30 101.20 102.20 | 102.20 102.70 100.60 100.90"
)
BOTH = (Order.ADVERSE_FIRST, Order.FAVOURABLE_FIRST)


def mirrored(text: str) -> str:
    """The same market for a short: 200 less each price, high and low in their places."""
    rows = [[200 - float(price) for price in row.split()] for row in text.split("|")]
    return " | ".join(f"{o:.2f} {low:.2f} {high:.2f} {c:.2f}" for o, high, low, c in rows)


def record(text: str, order: Order):
    """The record of ten bought at the first open."""
    series = written(text)
    walked = walk(market(series), terms(costs=COSTS, **PLAIN), entry(price="100"), order)
    return record_of_walk(walked, series, settings_hash="h", version="v"), walked


def test_the_headline_of_the_vector() -> None:
    """A target of candle 2, the lock at its close, the trail at the close of candle 3, the stop in candle 4."""
    made, walked = record(FOUR, Order.ADVERSE_FIRST)
    assert [(fill.price, fill.quantity, fill.reason) for fill in made.exits] == [
        (D("101.50"), D(3), "TP1"),
        (D("100.619665"), D(7), "TRAIL"),
    ]
    assert (made.money.gross, made.money.fees, made.money.net) == (D("8.837655"), D("1.0044188275"), D("7.8332361725"))
    assert (round(made.gross_r, 4), round(made.net_r, 4)) == (D("0.5892"), D("0.5222"))
    assert made.excursion.best_price == D("102.30")
    assert made.final
    assert walked.ambiguous == 1


def test_the_bound_of_the_vector() -> None:
    """In candle 4 the target comes first."""
    made, _ = record(FOUR, Order.FAVOURABLE_FIRST)
    assert [(fill.price, fill.quantity) for fill in made.exits] == [
        (D("101.50"), D(3)),
        (D("102.50"), D(3)),
        (D("100.619665"), D(4)),
    ]
    assert made.money.gross == D("14.47866")
    assert made.money.net.quantize(D("0.00000001")) == D("13.47142067")
    assert (round(made.gross_r, 4), round(made.net_r, 4)) == (D("0.9652"), D("0.8981"))


@pytest.mark.parametrize(
    ("order", "gross"), [(Order.ADVERSE_FIRST, D("-15.4925")), (Order.FAVOURABLE_FIRST, D("-6.344750"))]
)
def test_one_candle_that_holds_a_stop_and_a_target(order: Order, gross: Decimal) -> None:
    """The stop first takes all of it."""
    made, walked = record("100.00 101.60 98.40 100.20", order)
    assert made.money.gross == gross
    assert walked.ambiguous == 1


@pytest.mark.parametrize("order", BOTH)
def test_a_gap_beyond_the_stop_is_filled_at_the_open(order: Order) -> None:
    """Not at the level, which nobody traded at."""
    made, walked = record("100.00 100.10 99.90 100.00 | 97.60 98.00 97.00 97.50", order)
    assert [(fill.price, fill.quantity) for fill in made.exits] == [(D("97.551200"), D(10))]
    assert made.money.gross == D("-24.488")
    assert walked.ambiguous == 0


@pytest.mark.parametrize("order", BOTH)
def test_a_gap_beyond_a_target_is_no_gift(order: Order) -> None:
    """It fills at its level; and it came before whatever the candle did next, in both orders."""
    text = "100 100.1 99.9 100 | 103 103.1 97 97.2"
    assert exits(text, terms("static"), order=order) == [(D("102.50"), D(10))]


def test_a_short_is_the_mirror_of_a_long() -> None:
    """Exits at 200 less the price, in the same parts."""
    long = exits(FOUR, terms(**PLAIN, trailing=False))
    short = exits(mirrored(FOUR), terms(**PLAIN, trailing=False), Side.SHORT)
    assert [(200 - price, quantity) for price, quantity in short] == long


def test_nothing_is_ratcheted_inside_a_candle() -> None:
    """A price that went to 103 and closed at 100.2 moves no stop: nobody saw 103."""
    text = "100 102.4 99.9 100.2 | 100.2 100.3 99.5 99.6 | 99.6 99.7 98.4 98.5"
    assert exits(text, terms("hybrid", ladder=(Rung(D("3"), D(100)),))) == [(D("98.50"), D(10))]


def test_a_limit_rung_waits_for_a_price_beyond_it_and_pays_the_maker() -> None:
    """Touched is not filled: others stand before it in the queue."""
    one = {"ladder": (Rung(D("1.5"), D(100), RungKind.LIMIT),), "trailing": False}
    touched = "100 101.5 99.9 101 | 101 101.2 98.4 98.5"
    beyond = "100 101.51 99.9 101 | 101 101.2 98.4 98.5"
    assert exits(touched, terms(**one)) == [(D("98.50"), D(10))]
    assert exits(beyond, terms(**one)) == [(D("101.50"), D(10))]
    made = walk(market(written(beyond)), terms(costs=COSTS, **one), entry(), Order.ADVERSE_FIRST)
    assert made.position.fills[1].fee == D("101.50") * 10 * D("0.0002")


@pytest.mark.parametrize(
    ("text", "price", "reason"),
    [
        ("100 100.1 99.7 100 | 98 98.1 97.9 98", "98", "LIQUIDATION"),
        ("100 100.1 99.9 100 | 99.9 99.95 99.3 99.5", "99.68", "SL"),
    ],
)
def test_liquidation(text: str, price: str, reason: str) -> None:
    """At 125 times its margin it is at 99.6, and the stop before it; a gap over both is a liquidation at the open."""
    series, margin = written(text), Margin(D(125), D("0.4"))
    walked = walk(market(series), terms("static", margin=margin), entry(price="100"), Order.ADVERSE_FIRST)
    made = record_of_walk(walked, series, settings_hash="h", version="v")
    assert (made.exits[-1].price, made.reason) == (D(price), reason)


def test_funding_is_paid_at_eight_for_what_is_held_then() -> None:
    """One basis point of 10 at 100, twice; the position that closes at the funding time pays none of it."""
    rows = [(100, 100.1, 99.9, 100)] * 9 + [(100, 100.1, 98, 98.2)]
    series = candles(rows, interval_ms=3_600_000 * 2)
    costs = Costs(D(0), D(0), {}, D(1))
    walked = walk(market(series, hours=False), terms("static", costs=costs), entry(), Order.ADVERSE_FIRST)
    made = record_of_walk(walked, series, settings_hash="h", version="v")
    assert made.opened_at_ms == START_MS
    assert made.money.funding == -3 * 10 * 100 * D("0.0001")


@pytest.mark.parametrize(("side", "sign"), [(Side.LONG, 1), (Side.SHORT, -1)])
def test_funding_from_a_file_goes_by_side_time_and_what_is_held(side: Side, sign: int) -> None:
    """By hand: 10 at 100 pay 0.0003; 10 at the mark of 101 pay 0.0002, booked 6 ms late; three went at the target
    before 7 at 100 get 0.0001; what is booked when it closes, and before it opened, is not its own. A short has the
    other side of it all, but gets nothing at the moment it is opened."""
    hours = 3_600_000
    up = (100, 101.5, 99.9, 100) if side is Side.LONG else (100, 100.1, 98.5, 100)
    out = (100, 100.1, 98, 98.2) if side is Side.LONG else (100, 102, 99.9, 101.8)
    series = candles([*[(100, 100.1, 99.9, 100)] * 5, up, *[(100, 100.1, 99.9, 100)] * 4, out], interval_ms=2 * hours)
    listed = (
        (START_MS - 1, "0.01", None),
        (START_MS, "0.0003", None),
        (START_MS + 8 * hours + 6, "0.0002", "101"),
        (START_MS + 16 * hours, "-0.0001", None),
        (START_MS + 22 * hours, "0.01", None),
    )
    rates = tuple(FundingRate(at_ms, D(rate), None if mark is None else D(mark)) for at_ms, rate, mark in listed)
    under = terms(**PLAIN, trailing=False, ladder=(Rung(D("1.5"), D(30)), Rung(D("4"), D(70))), locks=())
    walked = walk(market(series, hours=False), under._replace(funding=rates), entry(side), Order.ADVERSE_FIRST)
    made = record_of_walk(walked, series, settings_hash="h", version="v")
    assert [fill.quantity for fill in made.exits] == [3, 7]
    assert made.money.funding == -sign * (D("0.202") - D("0.07")) - (D("0.3") if side is Side.LONG else 0)
    assert is_covered(rates, walked.position.opened_ms, made.closed_at_ms)
    assert not is_covered(rates[:3], walked.position.opened_ms, made.closed_at_ms)


def test_a_time_stop_that_closes_gets_the_next_open() -> None:
    """The order comes after the look: the close that made the policy want it is past."""
    rows = [(100, 100.1, 99.9, 100)] * 125 + [(99.9, 100.1, 99.8, 100)] * 3
    series = candles(rows)
    walked = walk(market(series), terms("brain:CHALLENGE_100", time_stop=TimeStop.CLOSE), entry(), Order.ADVERSE_FIRST)
    made = record_of_walk(walked, series, settings_hash="h", version="v")
    assert (made.reason, made.exits[-1].price) == ("TIME", D(100))
    assert made.exits[-1].at_ms == START_MS + 121 * 60_000


@pytest.mark.parametrize("order", BOTH)
def test_a_hole_in_the_candles_ends_a_position_without_a_result(order: Order) -> None:
    """Nobody knows what the price did in it."""
    series = candles([(100, 100.1, 99.9, 100)] * 6 + [(90, 91, 89, 90)] * 3, gaps=(5,))
    assert walk(market(series), terms(), entry(), order).ended is Ended.GAP
    assert walk(market(series), terms(), entry(minute=11), order).ended is Ended.END_OF_CANDLES


@pytest.mark.parametrize(("hedged", "sizes"), [(False, ["0.039", "0.039", "0.052"]), (True, ["0.078", "0.052"])])
def test_the_least_notional_counts_in_hedge_mode(hedged: bool, sizes: list[str]) -> None:
    """0.039 at 101.5 is below 5: in hedge mode that rung joins the next one."""
    series = written("100 104.1 99.9 104")
    walked = walk(market(series), terms(hedged=hedged), entry(quantity="0.13"), Order.ADVERSE_FIRST)
    assert [f"{fill.quantity:f}" for fill in walked.position.fills[1:]] == sizes


def test_no_cost_role_is_forgotten() -> None:
    """Each of the market roles is worse by its own slippage, in the direction of the trade."""
    costs = Costs(D(0), D(0), dict(zip(CostRole, map(D, (1, 2, 3, 4)), strict=True)), D(0))
    assert costs.filled_at(D(100), Side.LONG, CostRole.ENTRY, opens=True) == D("100.01")
    assert costs.filled_at(D(100), Side.SHORT, CostRole.ENTRY, opens=True) == D("99.99")
    assert costs.filled_at(D(100), Side.LONG, CostRole.STOP) == D("99.98")
    assert costs.filled_at(D(100), Side.SHORT, CostRole.TARGET) == D("100.03")
    assert costs.filled_at(D(100), Side.LONG, CostRole.CLOSE) == D("99.96")
