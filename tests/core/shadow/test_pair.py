"""A book replayed against what really happened: same entries, own exits, and what the user did by hand (S17-S19)."""

from __future__ import annotations

import pytest

from position_monitor.core.model.sides import Side
from position_monitor.core.performance.reasons import FillRole
from position_monitor.core.shadow.costs import DEFAULT_COST, NO_COSTS, Costs, RoleCost, costs_of
from position_monitor.core.shadow.pair import Censored, live_of, scored
from position_monitor.core.shadow.simulated_position import PricePoint
from position_monitor.core.shadow.simulating import priced
from tests.core.build import LONG, OPENED_MS, SHORT, STATIC, D, at
from tests.core.shadow.books import entered, marked
from tests.core.shadow.closed import closed

LONG_ENTRY = (0, "entry", "100", "10")


def test_the_live_policy_followed_beside_itself_gives_what_happened():
    """A/A on one position: the same exits at the same prices, without slippage, are the same money."""
    record = closed(LONG_ENTRY, (60, "target", "101.5", "3"), (120, "stop", "100.1", "7"))
    book = marked(entered(), "1.5", "0.1")
    own = scored(record, book, Costs({role: RoleCost(D(0), D(0)) for role in FillRole}))
    live = live_of(record)
    assert (own.gross, own.fees) == (live.gross, live.fees)
    assert own.net == live.net
    assert own.censored is Censored.NO
    assert record.risk.money == 15


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_costs_are_those_of_the_role(side):
    record = closed((0, "entry", "100", "10"), (60, "backstop", at(side, "-1.5"), "10"), side=side)
    book = marked(entered(STATIC, side=side), "2.6", side=side)
    shadow = scored(record, book, Costs())
    price = at(side, "2.5") * (D("0.9995") if side is LONG else D("1.0005"))
    assert shadow.exits[0].price == price
    assert shadow.gross == abs(price - 100) * 10
    assert shadow.fees == D("0.5") + price * 10 * D("0.0005")


def test_the_p90_of_slippage_is_kept_beside():
    record = closed(LONG_ENTRY, (60, "backstop", "98.5", "10"))
    costs = Costs({FillRole.BACKSTOP: RoleCost(D(2), D(10), D(0))})
    shadow = scored(record, marked(entered(), "-1.6"), costs)
    assert shadow.net - shadow.net_p90 == D("98.5") * 10 * D("0.0008")


def test_a_reduction_by_hand_cuts_the_book_by_the_same_part():
    """Half is sold by hand while the book still holds seven tenths: half of those goes too, at the same price."""
    record = closed(LONG_ENTRY, (1, "hand", "100.5", "5"), (120, "backstop", "98.5", "5"))
    book = marked(entered(), "0.5", "1.5", "0.05")
    shadow = scored(record, book, NO_COSTS)
    assert [(fill.price, fill.quantity) for fill in shadow.exits] == [
        (D("100.5"), D(5)),
        (D("101.5"), D("1.5")),
        (D("100.1"), D("3.5")),
    ]
    assert shadow.censored is Censored.NO
    assert shadow.gross == D("2.5") + D("2.25") + D("0.35")


def test_closed_by_hand_while_the_book_holds_is_censored():
    record = closed(LONG_ENTRY, (30, "hand", "100.5", "10"))
    assert scored(record, marked(entered(), "1.0", every_ms=60_000), NO_COSTS).censored is Censored.BY_HAND
    assert scored(record, marked(entered(), "-1.6"), NO_COSTS).censored is Censored.NO  # it had left before


def test_closed_by_the_venue_is_censored_and_a_liquidation_is_not():
    held = marked(entered(), "1.0", "-1.6", every_ms=60_000)
    assert scored(closed(LONG_ENTRY, (30, "adl", "100.5", "10")), held, NO_COSTS).censored is Censored.BY_VENUE
    out = scored(closed(LONG_ENTRY, (30, "liquidated", "90", "10")), held, NO_COSTS)
    assert (out.censored, out.gross) == (Censored.NO, D(-15))


def test_what_is_added_after_the_book_has_left_is_censored():
    record = closed(LONG_ENTRY, (60, "entry", "99", "10"), (120, "target", "103", "20"))
    assert scored(record, marked(entered(), "-1.6"), NO_COSTS).censored is Censored.ADDED_AFTER_EXIT


@pytest.mark.parametrize("hours", [0, 3])
def test_funding_is_reckoned_by_the_same_rule_on_both_sides(hours):
    """OPENED_MS is 15:06 UTC: 16:00 comes within the first hour."""
    assert OPENED_MS // 60_000 % 1440 == 15 * 60 + 6
    record = closed(LONG_ENTRY, (60 + hours * 3600, "backstop", "98.5", "10"))
    book = marked(entered(), "-1.6", every_ms=60_000 + hours * 3_600_000)
    expected = D("-0.1") if hours else D(0)
    assert live_of(record).funding == expected
    assert scored(record, book, NO_COSTS).funding == expected


def test_costs_come_from_own_records_where_they_say_enough():
    records = [closed(LONG_ENTRY, (60, "backstop", "98.5", "10")) for _ in range(5)]
    own = costs_of(records)
    assert own.by_role[FillRole.BACKSTOP] == RoleCost(D(0), D(0), D("0.05"), 5)
    assert own.source.startswith("own fills (backstop 5), else")
    assert costs_of(records[:4]).by_role == {}
    assert costs_of(records[:4]).source == "default: 0.05 % and 5 bps"
    assert DEFAULT_COST.fee_pct == D("0.05")


def test_a_short_loses_where_the_price_rises():
    record = closed((0, "entry", "100", "10"), (60, "backstop", "101.5", "10"), side=Side.SHORT, first_stop="101.5")
    book = marked(entered(side=SHORT), "-1.6", side=SHORT)
    assert scored(record, book, NO_COSTS).gross == live_of(record).gross == D(-15)


@pytest.mark.parametrize(("mark", "price"), [("98.49", "98.45075"), ("97", "97")])
def test_a_stop_fills_no_better_than_the_mark_that_was_heard(mark, price):
    """The worse of the usual slippage and the mark: in a fast market the level is no price that anybody got."""
    record = closed(LONG_ENTRY, (60, "backstop", "98.5", "10"))
    book = priced(entered(), PricePoint(D(mark), OPENED_MS + 1_000, heard=True))
    assert [fill.price for fill in scored(record, book, Costs()).exits] == [D(price)]
