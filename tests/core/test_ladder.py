"""Sizing of the ladder: nothing lost, nothing above the position, nothing the venue would refuse (DESIGN 9)."""

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from position_monitor.core.book.ladder import collapsed, even_parts, size_ladder
from position_monitor.core.exits.crossed_rungs import open_targets, passed_rungs
from position_monitor.core.model import ids
from position_monitor.core.model.desired import Level, Target
from position_monitor.core.model.money import floor_to, is_multiple
from position_monitor.core.model.rungs import PIECE_STRIDE, PIECES_MAX, RUNGS_MAX, is_merged, rungs_of

from .build import SIDES, D, at, instrument

both_sides = pytest.mark.parametrize("side", SIDES)
NOTHING = D(0)


def targets(*shares: str, price: str = "100") -> tuple[Target, ...]:
    return tuple(Target(n, Level(D(price) + n, "hybrid"), D(share)) for n, share in enumerate(shares))


def sizes(pieces) -> list[str]:
    return [str(piece.quantity) for piece in pieces]


@pytest.mark.parametrize(
    ("shares", "quantity", "expected"),
    [
        (["0.3", "0.3", "0.4"], "1", ["0.300", "0.300", "0.400"]),
        (["0.3", "0.3", "0.4"], "0.01", ["0.003", "0.003", "0.004"]),
        (["0.3", "0.3", "0.4"], "0.0019", ["0.001"]),
        (["0.3", "0.3", "0.4"], "0.004", ["0.001", "0.001", "0.002"]),
        (["0.3", "0.3", "0.4"], "0.003", ["0.003"]),
        (["1"], "0.0015", ["0.001"]),
        (["0.5", "0.5"], "0.003", ["0.001", "0.002"]),
        (["0.2", "0.2"], "1", ["0.500", "0.500"]),
    ],
)
def test_shares_become_quantities_and_the_last_rung_takes_the_remainder(shares, quantity, expected):
    pieces, _ = size_ladder(targets(*shares), D(quantity), instrument(), min_notional=NOTHING)
    assert sum(piece.quantity for piece in pieces) == floor_to(D(quantity), D("0.001"))
    assert [D(size) for size in sizes(pieces)] == [D(size) for size in expected]


@pytest.mark.parametrize(
    ("quantity", "words"), [("0.0009", "rounds to zero"), ("0.004", "below the venue's minimum 0.005")]
)
def test_what_cannot_be_placed_at_all_is_said(quantity, words):
    pieces, note = size_ladder(
        targets("0.5", "0.5"), D(quantity), instrument(min_quantity="0.005"), min_notional=NOTHING
    )
    assert pieces == ()
    assert words in note and quantity in note


def test_a_rung_below_the_minimum_joins_the_next():
    venue = instrument(min_quantity="0.35")
    pieces, note = size_ladder(targets("0.3", "0.3", "0.4"), D(1), venue, min_notional=NOTHING)
    assert [(p.rung, p.quantity) for p in pieces] == [(1, D("0.6")), (2, D("0.4"))]
    assert note == ""


def test_a_last_rung_below_the_minimum_joins_the_one_before():
    venue = instrument(min_quantity="0.3")
    pieces, _ = size_ladder(targets("0.45", "0.45", "0.1"), D(1), venue, min_notional=NOTHING)
    assert [(p.rung, p.quantity) for p in pieces] == [(0, D("0.45")), (1, D("0.55"))]


def test_the_minimum_notional_merges_rungs_where_it_applies():
    """In hedge mode orders are not reduce-only, so the venue does not exempt them from MIN_NOTIONAL."""
    few = targets("0.3", "0.3", "0.4", price="10")
    pieces, _ = size_ladder(few, D(1), instrument(), min_notional=D(5))
    assert [(p.rung, p.quantity) for p in pieces] == [(1, D(1))], "0.3 and then 0.4 were worth less than 5"
    assert all(p.quantity * p.level.price >= 5 for p in pieces)
    assert len(size_ladder(few, D(1), instrument(), min_notional=NOTHING)[0]) == 3


@pytest.mark.parametrize(("quantity", "count"), [("10", 1), ("10.001", 2), ("19.999", 2), ("25", 3), ("30", 3)])
def test_a_rung_above_the_market_maximum_is_split_evenly(quantity, count):
    sized, note = size_ladder(targets("1"), D(quantity), instrument(market_max_quantity=10), min_notional=NOTHING)
    parts = [piece.quantity for piece in sized]
    assert sum(parts) == D(quantity) and max(parts) <= 10
    assert max(parts) - min(parts) <= D("0.001")
    assert [piece.rung for piece in sized] == [PIECE_STRIDE * n for n in range(count)]
    assert note == ""


def test_what_is_above_all_pieces_is_left_out_and_said():
    sized, note = size_ladder(targets("1"), D("30.5"), instrument(market_max_quantity=10), min_notional=NOTHING)
    assert len(sized) == PIECES_MAX
    left = D("30.5") - sum(piece.quantity for piece in sized)
    assert f"take-profit quantity {left} of rung 0" in note and "left out" in note


@pytest.mark.parametrize("most", ["0", "0.001"])
def test_the_number_of_parts_is_bounded(most):
    """A maximum the venue left out must not become one part per step."""
    assert len(even_parts(D(100_000), instrument(market_max_quantity=most), 36)) == 36


@given(st.decimals("0.001", "9999", places=3), st.decimals("10", "500", places=3), st.integers(1, 36))
def test_even_parts_are_few_equal_and_complete(quantity, most, parts_max):
    parts = even_parts(quantity, instrument(market_max_quantity=most), parts_max)
    assert sum(parts) == min(quantity, most * parts_max)
    assert len(parts) <= parts_max
    assert (len(parts) - 1) * most < quantity, "no part more than needed"
    assert max(parts) <= most and max(parts) - min(parts) <= D("0.001")


def test_no_piece_of_a_split_is_below_the_minimum():
    venue = instrument(market_max_quantity=10, min_quantity=1)
    sized, _ = size_ladder(targets("1"), D("10.5"), venue, min_notional=NOTHING)
    assert sum(piece.quantity for piece in sized) == D("10.5")
    assert min(piece.quantity for piece in sized) >= 1


quantities = st.decimals("0.0001", "5000", places=4)
share_lists = st.lists(st.decimals("0.01", "1", places=2), min_size=1, max_size=4)
venues = st.builds(
    lambda step, least, most: instrument(
        step=step, min_quantity=floor_to(least, step) or step, market_max_quantity=floor_to(least, step) * 100 + most
    ),
    step=st.sampled_from([D("0.001"), D("0.01"), D(1)]),
    least=st.decimals("0.001", "5", places=3),
    most=st.decimals("50", "2000", places=0),
)


@given(share_lists, quantities, venues, st.sampled_from([D(0), D(5)]))
def test_nothing_is_lost_and_every_order_is_one_the_venue_takes(shares, quantity, venue, notional):
    wanted = targets(*map(str, shares))
    sized, note = size_ladder(wanted, quantity, venue, min_notional=notional)
    assume("left out" not in note)
    if sized:
        assert sum(piece.quantity for piece in sized) == floor_to(quantity, venue.step)
        assert not note
    else:
        assert note, "holding everything back is never silent"
    split = any(piece.rung >= PIECE_STRIDE for piece in sized)
    for piece in sized:
        assert is_multiple(piece.quantity, venue.step)
        assert 0 < piece.quantity <= venue.market_max_quantity
        if not split:
            assert piece.quantity >= venue.min_quantity
            assert piece.quantity * piece.level.price >= notional
    assert len({piece.rung for piece in sized}) == len(sized), "every order has its own rung code"


@given(share_lists, quantities, venues)
def test_the_same_position_always_gives_the_same_ladder(shares, quantity, venue):
    wanted = targets(*map(str, shares))
    first = size_ladder(wanted, quantity, venue, min_notional=NOTHING)
    again = size_ladder(list(wanted), Decimal(str(quantity)), venue, min_notional=NOTHING)
    assert first == again


def rungs_at(side, *pcts: str) -> tuple[Target, ...]:
    shares = ("0.3", "0.3", "0.4")
    return tuple(Target(n, Level(at(side, pct), "hybrid"), D(shares[n])) for n, pct in enumerate(pcts))


@both_sides
@pytest.mark.parametrize(
    ("mark", "done", "left"),
    [
        ("0", (), [(0, "0.3"), (1, "0.3"), (2, "0.4")]),
        ("1.5", (), [(1, "0.6"), (2, "0.4")]),
        ("3", (), [(2, "1.0")]),
        ("4", (), []),
        ("0", (0,), [(1, "0.3"), (2, "0.4")]),
        ("2.5", (0,), [(2, "0.7")]),
        ("0", (0, 1, 2), []),
    ],
)
def test_the_share_of_a_passed_rung_joins_the_next_and_a_done_rung_is_over(side, mark, done, left):
    targets = rungs_at(side, "1.5", "2.5", "4")
    found = open_targets(targets, passed_rungs(targets, at(side, mark), side), frozenset(done))
    assert [(t.rung, t.fraction) for t in found] == [(rung, D(share)) for rung, share in left]


@pytest.mark.parametrize(
    ("rungs", "left"),
    [
        (4, [(0, "0.3"), (1, "0.3"), (2, "0.4")]),
        (3, [(0, "0.3"), (1, "0.3"), (2, "0.4")]),
        (2, [(1, "0.6"), (2, "0.4")]),
        (1, [(2, "1.0")]),
        (0, []),
    ],
)
def test_a_collapsed_ladder_keeps_the_whole_quantity_in_its_furthest_rungs(rungs, left):
    found = collapsed(targets("0.3", "0.3", "0.4"), rungs)
    assert [(rungs_of(t.rung)[-1], t.fraction) for t in found] == [(rung, D(share)) for rung, share in left]
    assert [rung for t in found for rung in rungs_of(t.rung)] == ([0, 1, 2] if left else []), "every rung is in one"


def test_every_number_says_which_rungs_it_stands_for():
    plain = range(RUNGS_MAX)
    stood_for = [(first, last) for last in plain for first in range(last + 1)]
    numbers = {}
    for first, last in stood_for:
        rungs = tuple(Target(n, Level(D(1), "hybrid"), D(1)) for n in range(first, last + 1))
        (merged,) = collapsed(rungs, 1)
        numbers[merged.rung] = (first, last)
        assert list(rungs_of(merged.rung)) == list(range(first, last + 1))
        assert is_merged(merged.rung) is (first < last)
    assert len(numbers) == len(stood_for) and all(numbers[n] == (n, n) for n in plain)
    most = max(numbers) + PIECE_STRIDE * (PIECES_MAX - 1)
    assert max(numbers) < PIECE_STRIDE and most < ids.RUNG_CODES
    for number, (first, last) in numbers.items():
        assert list(rungs_of(number + PIECE_STRIDE)) == list(range(first, last + 1)), "a piece stands for the same"
