"""Rounding has a direction, lands on the grid, and never loses protection (DESIGN 9)."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from position_monitor.core.model.money import (
    against,
    beyond,
    ceil_to,
    distance_pct,
    floor_to,
    in_favour,
    is_multiple,
    plain,
    reached,
    stop_trigger,
    target_trigger,
    tighter,
    tightest,
)

from .build import LONG, SHORT, SIDES, D

prices = st.decimals("0.0000001", "9999999", places=7, allow_nan=False, allow_infinity=False)
units = st.sampled_from([D("0.0000001"), D("0.0001"), D("0.01"), D("0.05"), D("0.1"), D("0.5"), D(1), D(5), D(1000)])
sides = st.sampled_from(SIDES)


@pytest.mark.parametrize(
    ("side", "price", "stop", "target"),
    [
        (LONG, "98.501", "98.51", "98.50"),
        (LONG, "98.509", "98.51", "98.50"),
        (LONG, "98.50", "98.50", "98.50"),
        (SHORT, "101.501", "101.50", "101.51"),
        (SHORT, "101.509", "101.50", "101.51"),
        (SHORT, "101.50", "101.50", "101.50"),
    ],
)
def test_stops_round_toward_less_loss_and_targets_toward_being_reached(side, price, stop, target):
    assert stop_trigger(D(price), side, D("0.01")) == D(stop)
    assert target_trigger(D(price), side, D("0.01")) == D(target)


@given(prices, units, sides)
def test_rounded_prices_lie_on_the_grid_within_one_unit(price, unit, side):
    for rounded in (stop_trigger(price, side, unit), target_trigger(price, side, unit)):
        assert is_multiple(rounded, unit)
        assert abs(rounded - price) < unit


@given(prices, units, sides)
def test_a_rounded_stop_is_never_looser_and_a_rounded_target_never_further(price, unit, side):
    assert not tighter(price, stop_trigger(price, side, unit), side)
    assert not tighter(target_trigger(price, side, unit), price, side)


@given(prices, units, sides)
def test_rounding_twice_changes_nothing(price, unit, side):
    stop, target = stop_trigger(price, side, unit), target_trigger(price, side, unit)
    assert stop_trigger(stop, side, unit) == stop
    assert target_trigger(target, side, unit) == target


@given(prices, prices, units, sides)
def test_rounding_keeps_the_order_of_two_stops(one, other, unit, side):
    """The tighter of two wishes is never the looser of the two orders."""
    a, b = stop_trigger(one, side, unit), stop_trigger(other, side, unit)
    if tighter(one, other, side):
        assert not tighter(b, a, side)


@given(prices, units)
def test_a_quantity_is_never_rounded_up(quantity, unit):
    assert floor_to(quantity, unit) <= quantity < floor_to(quantity, unit) + unit
    assert ceil_to(quantity, unit) - unit < quantity <= ceil_to(quantity, unit)


def test_the_grid_is_told_apart_from_what_lies_between():
    assert is_multiple(D("0.015"), D("0.005"))
    assert not is_multiple(D("0.016"), D("0.005"))


@given(prices, st.decimals("0", "50", places=3), sides)
def test_moves_against_and_in_favour_are_mirror_images(price, pct, side):
    worse, better = against(price, side, pct), in_favour(price, side, pct)
    assert worse + better == 2 * price
    assert not tighter(worse, better, side)
    assert (worse <= price) is (side is LONG or pct == 0)


@given(prices, prices, sides)
def test_tightest_is_one_of_the_two_and_not_looser_than_either(a, b, side):
    best = tightest(a, b, side)
    assert best in (a, b)
    assert not tighter(a, best, side)
    assert not tighter(b, best, side)


@pytest.mark.parametrize(
    ("side", "mark", "level", "passed", "at_target"),
    [
        (LONG, "98.51", "98.50", False, True),
        (LONG, "98.50", "98.50", True, True),
        (LONG, "98.49", "98.50", True, False),
        (SHORT, "101.49", "101.50", False, True),
        (SHORT, "101.50", "101.50", True, True),
        (SHORT, "101.51", "101.50", True, False),
    ],
)
def test_touching_a_level_counts_as_reaching_it(side, mark, level, passed, at_target):
    assert beyond(D(mark), D(level), side) is passed
    assert reached(D(mark), D(level), side) is at_target


def test_distance_is_absolute_and_defined_at_zero():
    assert distance_pct(D(98), D(100)) == distance_pct(D(102), D(100)) == 2
    assert distance_pct(D(98), D(0)) == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1E+3", "1000"),
        ("1E-8", "0.00000001"),
        ("1.500", "1.5"),
        ("100", "100"),
        ("0E-8", "0"),
        ("-0", "0"),
        ("-0.00", "0"),
    ],
)
def test_numbers_are_written_without_exponent_and_trailing_zeros(value, text):
    assert plain(D(value)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12))
def test_plain_text_reads_back_as_the_same_number(value):
    text = plain(value)
    assert Decimal(text) == value
    assert "E" not in text.upper()
