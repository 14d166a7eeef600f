"""The record of a closed position from venue fills: money, risk, reasons, slippage, cover (exits.md 8, S15, S16)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from position_monitor.core.model.orders import Role
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.performance.facts import Forced
from position_monitor.core.performance.lives import Anchor, Life, lives_of
from position_monitor.core.performance.making import Statement, Watched, record_of
from position_monitor.core.performance.record import Origin, Record
from tests.core.performance.past import BEGAN_MS, EPOCH, D, booked, fill, funding, marks, order

FLAT = Anchor(Decimal(0), BEGAN_MS + 10**9)


def life_of(*fills: Any) -> Life:
    [life] = lives_of(fills, FLAT)
    return life


def rounded(value: Decimal | None, digits: int) -> str:
    assert value is not None
    return f"{value:.{digits}f}"


VECTOR = (
    fill(0, False, "3500.00", "2.000", order_id="entry"),
    fill(600, True, "3447.50", "0.6", order_id="tp1", realised=D("31.500")),
    fill(1200, True, "3412.50", "0.6", order_id="tp2", realised=D("52.500")),
    fill(1800, True, "3446.19", "0.8", order_id="trail", realised=D("43.048")),
)
VECTOR_ORDERS = (
    order("", Role.BACKSTOP, "3552.50", ended_at_ms=BEGAN_MS + 1_800_000),
    order("tp1", Role.TAKE_PROFIT, "3447.50", rung=0, quantity="0.6"),
    order("tp2", Role.TAKE_PROFIT, "3412.50", rung=1, quantity="0.6"),
    order("trail", Role.WORKING_STOP, "3444.99", quantity="0.8", created_at_ms=BEGAN_MS + 1_300_000),
)


def vector(**changes: Any) -> Record:
    """Vector 4.9: SHORT ETH 2.000 at 3500.00, first stop 3552.50."""
    around: dict[str, Any] = {
        "account": "main",
        "orders": VECTOR_ORDERS,
        "income": (*booked(*VECTOR), funding("-0.42", 900)),
        "tick": D("0.01"),
        "now_ms": BEGAN_MS + 2_000_000,
    }
    watched = Watched(whole=True, marks=marks("3393.00", "3517.50"), marks_from="watched")
    return record_of(life_of(*VECTOR), Statement(**around | changes), watched)


def test_vector_4_9() -> None:
    """Each figure of the vector, to the digits that it states."""
    record = vector()
    assert record.record_id == f"ETHUSDT:SHORT:{EPOCH}"
    assert record.final
    assert record.risk.first_stop == D("3552.50")
    assert record.risk.money == D("105.00")
    assert record.money.gross == D("127.048")
    assert record.money.fees == D("6.936476")
    assert record.money.funding == D("-0.42")
    assert record.money.net == D("119.691524")
    assert rounded(record.gross_r, 4) == "1.2100"
    assert rounded(record.net_r, 4) == "1.1399"
    assert rounded(record.fills[-1].slippage_bps, 3) == "3.483"
    assert rounded(record.mfe_r, 4) == "2.0381"
    assert rounded(record.mae_r, 4) == "0.3333"
    assert record.exit_average == D("3436.476")
    assert record.excursion is not None
    assert rounded(record.excursion.efficiency, 4) == "0.5937"
    assert record.excursion.given_back == D("86.952")
    parts = [(one.reason, one.quantity / record.quantity_entered * 100) for one in record.exits]
    assert parts == [("TP1", 30), ("TP2", 30), ("TRAIL", 40)]
    assert [one.slippage_bps for one in record.exits[:2]] == [0, 0]
    assert record.money.residual_realised == 0 and not record.money.residual_fees


def test_one_missing_digit_of_income_keeps_it_provisional_and_is_shown() -> None:
    rows = [*booked(*VECTOR[:3]), *booked(VECTOR[3]._replace(realised=D("43.04800001"), fee=D("1.378475")))]
    record = vector(income=(*rows, funding("-0.42", 900)))
    assert not record.final
    assert record.money.residual_realised == D("-0.00000001")
    assert record.money.residual_fees == {"USDT": D("0.000001")}
    assert "fills_and_income_differ" in record.notes


def test_income_of_other_executions_changes_nothing() -> None:
    strangers = booked(fill(700, True, "3400", "1", realised=D(7)), fill(700, True, "3400", "1", symbol="BTCUSDT"))
    record = vector(income=(*booked(*VECTOR), funding("-0.42", 900), *strangers, funding("-9", 5000)))
    assert record.final and record.money.net == D("119.691524")


def test_a_long_sees_slippage_and_excursion_from_its_side() -> None:
    fills = (
        fill(0, True, "100", "10", order_id="entry", fee=D(0)),
        fill(60, False, "98.40", "10", order_id="stop", fee=D(0), realised=D("-16.0")),
    )
    key = PositionKey("ETHUSDT", Side.LONG)
    backstop = order("stop", Role.BACKSTOP, "98.50", key=key)
    around = Statement("main", (backstop,), booked(*fills), now_ms=BEGAN_MS + 10**5)
    record = record_of(life_of(*fills), around, Watched(marks=marks("98.60", "101"), marks_from="watched"))
    assert record.reason == "SL"
    assert rounded(record.fills[-1].slippage_bps, 3) == "10.152"
    assert record.fills[-1].slippage_cost == D("1.00")
    assert record.excursion is not None
    assert record.excursion.worst_price == D("98.50"), "the trigger that fired counts as a mark (12.8)"
    assert (record.risk.money, record.gross_r) == (D("15.00"), D(-16) / D(15))
    assert record.final


@pytest.mark.parametrize(
    ("level", "reason"),
    [
        ("3500.01", "SL_TIGHTENED"),
        ("3500.00", "BREAKEVEN"),
        ("3496.50", "BREAKEVEN"),
        ("3496.49", "BREAKEVEN"),
        ("3490.00", "TRAIL"),
        ("3447.50", "LOCK"),
        ("3447.49", "LOCK"),
        ("3447.40", "TRAIL"),
    ],
)
def test_what_a_working_stop_was_is_told_by_its_level(level: str, reason: str) -> None:
    """S15: against the entry, the breakeven offset, and the levels of the rungs; to the tick."""
    orders = (*VECTOR_ORDERS[:3], order("trail", Role.WORKING_STOP, level, quantity="0.8"))
    assert vector(orders=orders).reason == reason


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ({"role": Role.BACKSTOP, "trigger": "3552.50"}, "SL"),
        ({"role": Role.TAKE_PROFIT, "trigger": "3412.50", "rung": 2}, "TP3"),
        ({"role": Role.TAKE_PROFIT, "trigger": "3412.50", "rung": 14}, "TP3"),
        ({"role": Role.CLOSE}, "EMERGENCY"),
        ({"role": None, "forced": Forced.LIQUIDATION}, "LIQUIDATION"),
        ({"role": None, "forced": Forced.ADL}, "ADL"),
        ({"role": None, "forced": Forced.SETTLEMENT}, "SETTLEMENT"),
        ({"role": None, "trigger": "3500"}, "EXTERNAL"),
    ],
)
def test_the_reason_comes_from_the_order_that_was_filled(made: dict[str, Any], reason: str) -> None:
    orders = (*VECTOR_ORDERS[:3], order("trail", made.pop("role"), made.pop("trigger", None), **made))
    assert vector(orders=orders).reason == reason


def test_a_fill_of_an_order_nobody_lists_is_external() -> None:
    record = vector(orders=VECTOR_ORDERS[:3])
    assert (record.reason, record.fills[-1].role) == ("EXTERNAL", "external")
    assert record.fills[-1].slippage_bps is None


def test_a_close_of_the_time_stop_is_told_by_who_watched_it() -> None:
    close = order("trail", Role.CLOSE)
    watched = Watched(too_old=True)
    around = Statement("main", (*VECTOR_ORDERS[:3], close), booked(*VECTOR), now_ms=BEGAN_MS + 2_000_000)
    assert record_of(life_of(*VECTOR), around, watched).reason == "TIME"


def test_an_order_that_became_another_is_one_order() -> None:
    """The child of a conditional order carries its id in the other list, and knows no trigger."""
    child = order("trail", None, client_id=VECTOR_ORDERS[3].client_id)
    for orders in ((*VECTOR_ORDERS, child), (child, *VECTOR_ORDERS)):
        assert vector(orders=orders).fills[-1].trigger == D("3444.99")


# -- cover and risk


def test_cover_by_the_venue_own_times() -> None:
    """The backstop came 250 ms after the fill and stayed; nothing else was ever uncovered."""
    cover = vector().cover
    assert cover is not None
    assert (cover.time_to_protect_ms, cover.naked_ms, cover.worst_cover_pct) == (250, 250, 100)
    assert cover.naked_notional_s == D("3500.00") * D("2.000") / 4


def test_an_add_that_is_half_covered_counts_what_is_not() -> None:
    """A quantity stop of 2 covers 2; after an add of 2 it covers half for ten seconds, until the close-all stop."""
    fills = (
        fill(0, False, "3500", "2", order_id="e1", fee=D(0)),
        fill(100, False, "3400", "2", order_id="e2", fee=D(0)),
        fill(200, True, "3450", "4", order_id="x", fee=D(0)),
    )
    orders = (
        order("", Role.WORKING_STOP, "3552.5", quantity="2"),
        order("", Role.BACKSTOP, "3502.5", created_at_ms=BEGAN_MS + 110_000),
    )
    record = record_of(life_of(*fills), Statement("main", orders, booked(*fills), now_ms=BEGAN_MS + 300_000), Watched())
    assert record.cover is not None
    assert record.cover.naked_ms == 250 + 10_000
    assert record.cover.worst_cover_pct == 50
    assert record.cover.naked_notional_s == D(3500) * 2 / 4 + D(3450) * 2 * 10
    assert record.risk.money == 2 * D("52.5") + 2 * D("102.5"), "each lot by the stop that first covered it (S16)"
    assert record.risk.first_stop == D("3552.5")


def test_without_any_stop_there_is_no_r_and_it_is_said() -> None:
    record = vector(orders=())
    assert (record.risk.money, record.gross_r, record.mfe_r) == (None, None, None)
    assert record.cover is not None
    assert (record.cover.time_to_protect_ms, record.cover.naked_ms, record.cover.worst_cover_pct) == (
        None,
        1_800_000,
        0,
    )
    assert "never_covered" in record.notes
    assert record.final, "what it earned is known all the same"


def test_stops_the_venue_has_forgotten_are_not_made_up() -> None:
    """Four days later an order that ended without a fill is not listed: risk and cover are not known."""
    late = BEGAN_MS + 4 * 86_400_000
    around = Statement("main", VECTOR_ORDERS[1:], booked(*VECTOR), now_ms=late)
    record = record_of(life_of(*VECTOR), around)
    assert record.cover is None and record.risk.money is None and record.risk.first_stop is None
    assert "stops_forgotten" in record.notes
    again = record_of(life_of(*VECTOR), around, Watched(whole=True, stops=VECTOR_ORDERS[:1]))
    assert again.risk.money == D(105), "a process that watched it remembers"
    assert again.cover is not None and again.cover.naked_ms == 250


def test_what_nobody_watched_is_null_and_named() -> None:
    around = Statement("main", VECTOR_ORDERS, booked(*VECTOR), now_ms=BEGAN_MS + 2_000_000)
    record = record_of(life_of(*VECTOR), around)
    assert record.excursion is None and record.mfe_r is None
    assert record.origin == Origin()
    assert {"marks_unknown", "not_watched"} <= set(record.notes)
    assert record.final


# -- lives


def test_a_turned_position_is_two_lives_and_its_fee_is_split_by_quantity() -> None:
    """12.8: 3 bought, 1 of it closes the short; fee, realised profit and income go where they belong."""
    fills = (
        fill(0, False, "100", "1", fee=D("0.05")),
        fill(10, True, "90", "3", fee=D("0.13500001"), realised=D(10)),
        fill(20, False, "95", "2", fee=D("0.095"), realised=D(10)),
    )
    short, long = lives_of(fills, FLAT)
    assert (short.key.side, long.key.side) == (Side.SHORT, Side.LONG)
    assert (short.closed_at_ms, long.opened_at_ms) == (BEGAN_MS + 10_000,) * 2
    around = Statement("main", (), booked(*fills), now_ms=BEGAN_MS + 30_000)
    first, second = (record_of(life, around) for life in (short, long))
    assert first.money.fees == D("0.05") + D("0.04500000")
    assert second.money.fees == D("0.09000001") + D("0.095")
    assert (first.money.gross, second.money.gross) == (10, 10)
    assert first.final and second.final
    assert first.record_id != second.record_id


def test_lives_are_found_from_the_size_now() -> None:
    """Two lives that ended and one that is open, told by the size that is held now."""
    fills = (
        fill(0, True, "100", "1"),
        fill(10, False, "101", "1", realised=D(1)),
        fill(20, True, "100", "2"),
        fill(30, False, "99", "2", realised=D(-2)),
        fill(40, False, "99", "3"),
    )
    lives = lives_of(fills, Anchor(D(-3), BEGAN_MS + 40_000))
    assert [(life.key.side, bool(life.closed_at_ms), life.whole) for life in lives] == [
        (Side.LONG, True, True),
        (Side.LONG, True, True),
        (Side.SHORT, False, True),
    ]


def test_a_life_whose_first_fill_is_older_than_what_was_read_is_not_whole() -> None:
    [life] = lives_of([fill(0, False, "101", "1", realised=D(1))], FLAT)
    assert not life.whole
    assert life.entered == (1, 100), "a profit of 1 at 101 says that it was entered at 100"
    record = record_of(life, Statement("main", (), booked(life.shares[0].fill), now_ms=BEGAN_MS))
    assert not record.final and "beginning_unknown" in record.notes
    assert (record.entry_average, record.risk.money, record.cover) == (100, None, None)


def test_a_missing_fill_contradicts_the_profit_and_is_no_final_record() -> None:
    """The last fill of the vector is not listed yet: nothing that is left may be called a final record."""
    lives = lives_of(VECTOR[:3], FLAT)
    around = Statement("main", VECTOR_ORDERS, booked(*VECTOR[:3]), now_ms=BEGAN_MS)
    assert not any(record_of(life, around).final for life in lives)


def test_legs_of_hedge_mode_are_read_apart() -> None:
    fills = (
        fill(0, False, "100", "1", leg=Side.SHORT),
        fill(10, True, "98", "1", leg=Side.SHORT, realised=D(2)),
    )
    [life] = lives_of(fills, FLAT)
    assert life.key == PositionKey("ETHUSDT", Side.SHORT) and life.whole and not life.contradicted


# -- fees in another asset, funding of two legs


def test_fees_in_another_asset_are_kept_and_converted_at_the_mark_of_that_minute() -> None:
    fills = (
        fill(0, False, "100", "1", fee=D("0.0001"), fee_asset="BNB"),
        fill(61, True, "98", "1", fee=D("0.0002"), fee_asset="BNB", realised=D(2)),
    )
    minute = BEGAN_MS - BEGAN_MS % 60_000
    priced = Statement(
        "main",
        (),
        booked(*fills),
        prices={("BNB", minute): D(600), ("BNB", minute + 60_000): D(610)},
        now_ms=BEGAN_MS,
    )
    record = record_of(life_of(*fills), priced)
    assert record.money.fees_by_asset == {"BNB": D("0.0003")}
    assert record.money.fees == D("0.0001") * 600 + D("0.0002") * 610
    assert "fees_converted" in record.notes and record.final
    blind = record_of(life_of(*fills), Statement("main", (), booked(*fills), now_ms=BEGAN_MS))
    assert blind.money.fees is None and blind.money.net is None
    assert "fee_price_unknown" in blind.notes and blind.final


@pytest.mark.parametrize(
    ("long", "booked_sum", "short_part"), [("1", "0.3", "0.6"), ("3", "-0.3", "0.6"), ("2", "0", None)]
)
def test_funding_of_two_legs_is_divided_by_their_sizes(long: str, booked_sum: str, short_part: str | None) -> None:
    """2 short and some long: the account is charged for the difference. With equal sizes nobody can tell."""
    short = life_of(fill(0, False, "100", "2", leg=Side.SHORT), fill(100, True, "100", "2", leg=Side.SHORT))
    other = life_of(fill(0, True, "100", long, leg=Side.LONG), fill(100, False, "100", long, leg=Side.LONG))
    around = Statement("main", (), (funding(booked_sum, 50),), others=(other,), now_ms=BEGAN_MS)
    found = record_of(short, around)
    assert found.money.funding == (None if short_part is None else D(short_part))
    assert ("funding_of_both_legs" in found.notes) is (short_part is None)


def test_a_thousand_fills_are_listed_as_one_per_order_and_lose_no_money() -> None:
    entries = [fill(0, False, "100", "0.01", order_id="entry") for _ in range(1000)]
    closing = fill(60, True, "99", "10", order_id="x", realised=D(10))
    record = record_of(life_of(*entries, closing), Statement("main", (), booked(*entries, closing), now_ms=BEGAN_MS))
    assert [(one.order_id, one.quantity, one.trades) for one in record.fills] == [("entry", 10, 1000), ("x", 10, 1)]
    assert sum(one.fee for one in record.fills) == record.money.fees
    assert "fills_merged" in record.notes and record.final
