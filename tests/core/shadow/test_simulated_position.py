"""A book that is fed prices one by one: what it fills, what the policy may do with it, and what it may never learn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from position_monitor.core.model.profiles import Profile, ProfileTable, RungInR, TimeLimit
from position_monitor.core.model.settings import DEFAULT_EXITS, TimeStop
from position_monitor.core.performance.reasons import FillRole
from position_monitor.core.shadow.asking import LooksAhead
from position_monitor.core.shadow.candle_walk import is_ambiguous, walked
from position_monitor.core.shadow.costs import Costs, RoleCost, price_after_slippage
from position_monitor.core.shadow.simulated_position import PricePoint
from position_monitor.core.shadow.simulating import decided, grown, priced
from tests.core.build import BRAIN, HYBRID, LIMIT_LADDER, LONG, NOW_MS, OPENED_MS, SIDES, STATIC, D, at, market_of
from tests.core.shadow.books import BACKSTOP, CLOSE, MINUTE_MS, STOP, TARGET, candle, entered, look, marked, shapes

VECTOR = Costs({
    FillRole.TAKE_PROFIT: RoleCost(D(0), D(0)),
    FillRole.BACKSTOP: RoleCost(D(5), D(5)),
    FillRole.WORKING_STOP: RoleCost(D(5), D(5)),
})  # fmt: skip
"""Vectors 4.10: stop slippage 5 bps, targets at their level, fee 0.05 %."""
FOUR = (
    "100.00 100.80 99.60 100.70",
    "100.70 101.62 100.40 101.40",
    "101.40 102.30 101.20 102.20",
    "102.20 102.70 100.60 100.90",
)


def plain_breakeven():
    """Hybrid with a breakeven lock at the entry itself, 10 units."""
    return entered(exits=replace(DEFAULT_EXITS, breakeven_offset_pct=D(0)))


def after(book, candles, *, adverse_first=True):
    """The book after candles, looked at when each closes; and how many were ambiguous."""
    ambiguous = 0
    for number, text in enumerate(candles):
        one = candle(text, number)
        ambiguous += is_ambiguous(book, one)
        book = walked(book, one, adverse_first=adverse_first)
        book = decided(book, look(one.close, one.closed_at_ms))
    return book, ambiguous


def gross_and_net(book):
    """Gross and net by the costs of vectors 4.10, the entry's fee included."""
    gross, fees = D(0), book.entry.price * book.entry.quantity * D("0.0005")
    for fill in book.fills:
        cost = VECTOR.of(fill)
        price = price_after_slippage(fill.price, LONG, cost.slippage_bps)
        gross += (price - book.entry.price) * fill.quantity
        fees += price * fill.quantity * cost.fee_pct / 100
    return gross, gross - fees


def test_vector_4_10_headline():
    book, ambiguous = after(plain_breakeven(), FOUR)
    assert shapes(book) == [(TARGET, D("101.5"), D(3)), (STOP, D("100.67"), D(7))]
    assert gross_and_net(book) == (D("8.837655"), D("7.8332361725"))
    assert round(gross_and_net(book)[0] / 15, 4) == D("0.5892")
    assert round(gross_and_net(book)[1] / 15, 4) == D("0.5222")
    assert ambiguous == 1


def test_vector_4_10_bound():
    book, _ = after(plain_breakeven(), FOUR, adverse_first=False)
    assert shapes(book) == [(TARGET, D("101.5"), D(3)), (TARGET, D("102.5"), D(3)), (STOP, D("100.67"), D(4))]
    gross, net = gross_and_net(book)
    assert gross == D("14.47866")
    assert round(net, 8) == D("13.47142067")
    assert (round(gross / 15, 4), round(net / 15, 4)) == (D("0.9652"), D("0.8981"))


def test_vector_4_10_one_candle_both_ways():
    one = ("100.00 101.60 98.40 100.20",)
    headline, _ = after(plain_breakeven(), one)
    bound, _ = after(plain_breakeven(), one, adverse_first=False)
    assert gross_and_net(headline)[0] == D("-15.4925")
    assert gross_and_net(bound)[0] == D("-6.344750")


def test_vector_4_10_gap_fills_at_the_open():
    book, _ = after(plain_breakeven(), ("100.00 100.10 99.90 100.00", "97.60 97.70 97.50 97.60"))
    assert shapes(book) == [(BACKSTOP, D("97.60"), D(10))]
    assert gross_and_net(book)[0] == D("-24.488")


@pytest.mark.parametrize("side", SIDES)
def test_a_price_that_touches_nothing_leaves_the_very_same_book(side):
    book = entered(side=side)
    assert priced(book, PricePoint(at(side, "0.4"), NOW_MS)) is book


@pytest.mark.parametrize("side", SIDES)
def test_a_jump_over_a_target_is_no_gift_and_one_over_the_stop_is_paid(side):
    book = priced(entered(side=side), PricePoint(at(side, 3), NOW_MS, continuous=False))
    assert shapes(book) == [(TARGET, at(side, "1.5"), D(3)), (TARGET, at(side, "2.5"), D(3))]
    book = priced(book, PricePoint(at(side, -4), NOW_MS, continuous=False))
    assert shapes(book)[-1] == (BACKSTOP, at(side, -4), D(4))


@pytest.mark.parametrize("side", SIDES)
def test_the_stop_never_loosens_and_follows_rungs_and_marks(side):
    book, stops = entered(side=side), []
    for percent in ("0.5", "1.52", "1.0", "2.6", "2.0", "3.5", "2.2"):
        book = marked(book, percent, side=side)
        stops.append(book.stop)
    assert stops == sorted(stops, reverse=side is not LONG)
    assert stops[0] == at(side, "-1.5")
    assert stops[1] == at(side, "0.1")  # the lock of rung 1: breakeven with its offset
    assert stops[3] == at(side, "1.5")  # the lock of rung 2: the level of rung 1
    assert [fill.reason for fill in book.fills] == ["TP1", "TP2"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [(("1.6", "0.05"), "BREAKEVEN"), (("1.6", "2.6", "1.4"), "LOCK"), (("3.9", "2.0"), "TRAIL"), (("-1.6",), "SL")],
)
def test_the_reason_of_an_exit_is_told_by_the_level_of_its_stop(path, reason):
    assert marked(entered(), *path).fills[-1].reason == reason


def test_a_limit_rung_is_filled_as_maker():
    book = marked(entered(ladder=LIMIT_LADDER), "1.6")
    assert [fill.maker for fill in book.fills] == [True]
    assert VECTOR.of(book.fills[0]).slippage_bps == 0


def test_a_runner_never_gets_a_target():
    book = entered(BRAIN, profile="TREND")
    assert sum(rung.quantity for rung in book.rungs) == D("6.5")


def test_what_the_user_adds_moves_the_average_and_makes_the_ladder_anew():
    book = marked(entered(STATIC, quantity="1"), "1.0")
    book = grown(book, D(1), D(102), look("101", book.at_ms + 1_000))
    assert (book.quantity, book.entry.price, book.entry.quantity) == (D(2), D(101), D(2))
    assert book.stop == D("99.49")  # 1.5 % from the new average, which is tighter than 98.5
    assert [(rung.price, rung.quantity) for rung in book.rungs] == [(D("103.52"), D(2))]
    assert book.backstop == D("98.50")


def test_a_rebase_begins_with_a_new_stop():
    book = grown(entered(STATIC, rebase_on_add=True), D(10), D(98), look("98", OPENED_MS + 1_000))
    assert book.entry.price == 99
    assert book.backstop == book.stop == D("97.52")


def test_what_is_added_after_its_exit_is_not_followed():
    book = marked(entered(), "-1.6")
    assert grown(book, D(1), D(99), look("99", book.at_ms)) is book


def test_one_look_that_wants_it_closed_closes_nothing():
    profile = Profile("NORMAL", (RungInR(D(2), D(100)),), time_limit=TimeLimit(MINUTE_MS))
    exits = replace(DEFAULT_EXITS, profiles=ProfileTable((profile,)), time_stop=TimeStop.CLOSE)
    book = entered(BRAIN, profile="NORMAL", exits=replace(exits, time_stop_adopted=True))
    book = decided(book, look("100", OPENED_MS + 2 * MINUTE_MS))
    assert not book.over
    book = decided(book, look("100.1", OPENED_MS + 3 * MINUTE_MS))
    assert shapes(book) == [(CLOSE, D("100.1"), D(10))]
    assert book.fills[0].reason == "TIME"


def test_nothing_that_came_later_is_shown_to_a_policy():
    """A planted look ahead is refused: a candle, advice or a decision out of order."""
    book = entered(HYBRID)
    with pytest.raises(LooksAhead, match="candle"):
        decided(book, look("100", OPENED_MS + 1, market=market_of("1")))
    with pytest.raises(LooksAhead, match="asked about"):
        decided(book, look("100", OPENED_MS - 1))


def test_cutting_the_path_changes_no_decision_before_the_cut():
    path = ["0.3", "1.6", "0.9", "2.7", "2.2", "3.1", "1.9"]
    whole, prefixes = entered(), []
    for percent in path:
        whole = marked(whole, percent)
        prefixes.append(whole)
    for length, expected in enumerate(prefixes, 1):
        assert marked(entered(), *path[:length]) == expected
