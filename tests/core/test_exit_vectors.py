"""Vectors of exits.md section 4, literal: books, advice, trail, curve, runner, profiles by regime."""

from dataclasses import replace

import pytest

from position_monitor.core.book.exit_view import exit_view
from position_monitor.core.exits.choice import profile_of_regime
from position_monitor.core.exits.policies import exits_for
from position_monitor.core.model.book_cases import TargetCase
from position_monitor.core.model.market import Regime
from position_monitor.core.model.orders import Role
from position_monitor.core.model.pins import pin_of_profile, pin_of_regime

from .build import (
    BRAIN,
    DYNAMIC,
    HYBRID,
    LONG,
    SHORT,
    STATIC,
    D,
    advise,
    backstop,
    book_for,
    book_inputs,
    instrument,
    known,
    market_of,
    pinned,
    position,
    settings,
    target,
    working,
)


def rules_of(tick, step="0.001"):
    """Trading rules fine enough for a vector."""
    return instrument(tick=tick, min_price=tick, step=step, min_quantity=step, market_min_quantity=step,
                      market_max_quantity="1000000", max_quantity="1000000")  # fmt: skip


def exits_of(held, protection, *orders, **more):
    return exits_for(exit_view(book_inputs(held, orders, protection, **more)))


def ladder_of(book):
    return [(order.trigger_price, order.quantity) for order in book.take_profits]


def after_its_stop(held, protection, venue, market=None, **more):
    """The book of a new position, and the one after its backstop was read back: ladders are placed then."""
    first = book_for(held, (), protection, venue=venue, market=market, **more)
    stop = next(order for order in first.orders if order.role is Role.BACKSTOP)
    rests = pinned(held, stop.trigger_price, stop.rung)
    again = book_for(held, (rests,), protection, venue=venue, market=market, **more)
    assert again.stop.price == stop.trigger_price and len(again.stops) == 1
    return stop.trigger_price, again


@pytest.mark.parametrize(
    ("side", "entry", "tick", "stop", "take"),
    [(LONG, "42000", "0.1", "41370.0", "43050.0"), (SHORT, "3512.37", "0.01", "3565.05", "3424.57")],
    ids=["1", "2"],
)
def test_the_static_books(side, entry, tick, stop, take):
    book = book_for(position(side, "1", entry=entry, mark=entry), (), settings(STATIC), venue=rules_of(tick))
    assert (book.stop.price, ladder_of(book)) == (D(stop), [(D(take), D(1))])


@pytest.mark.parametrize(
    ("side", "entry", "quantity", "tick", "stop", "ladder"),
    [
        (LONG, "187.413", "53", "0.01", "184.61", [("190.22", "15"), ("192.09", "15"), ("194.90", "23")]),
        (SHORT, "0.083217", "12345", "0.00001", "0.08446",
         [("0.08197", "3703"), ("0.08114", "3703"), ("0.07989", "4939")]),
    ],
    ids=["3", "4"],
)  # fmt: skip
def test_the_hybrid_books(side, entry, quantity, tick, stop, ladder):
    held = position(side, quantity, entry=entry, mark=entry)
    book = book_for(held, (), settings(HYBRID), venue=rules_of(tick, "1"))
    assert book.stop.price == D(stop)
    assert ladder_of(book) == [(D(price), D(size)) for price, size in ladder]


DYNAMIC_BOOKS = [
    # side, entry, tick, ATR, regime, stop, R, target, mark of the lock, trail
    (LONG, "100000", "0.1", "800", Regime.NORMAL_VOL, "98800.0", "1200", "102400.0", "100600", "1600"),
    (SHORT, "3512.37", "0.01", "105.4", Regime.EXTREME_VOL, "3687.98", "175.61", "3161.15", "3336.76", "316.2"),
    (LONG, "187.413", "0.01", "0.61", Regime.RANGING, "186.48", "0.933", "189.27", "187.6929", "0.915"),
    (SHORT, "0.083217", "0.00001", "0.00125", Regime.TRENDING, "0.08546", "0.002243", "0.07761", "0.0823198",
     "0.003125"),
]  # fmt: skip


@pytest.mark.parametrize("vector", DYNAMIC_BOOKS, ids=["5", "6", "7", "8"])
def test_the_dynamic_books(vector):
    side, entry, tick, atr, regime, stop, r, take, lock_mark, trail = vector
    held, venue, market = position(side, "10", entry=entry, mark=entry), rules_of(tick), market_of(atr, regime)
    placed, book = after_its_stop(held, settings(DYNAMIC), venue, market)
    assert (placed, book.r, ladder_of(book)) == (D(stop), D(r), [(D(take), D(10))])
    rests = pinned(held, stop, pin_of_regime(regime))
    lock_mark, tiny = D(lock_mark), D("0.0001") * (1 if side is LONG else -1) * D(tick)
    before, after = (
        exits_of(replace(held, mark_price=mark), settings(DYNAMIC), rests, venue=venue, market=market_of("0.0001"))
        for mark in (lock_mark - tiny, lock_mark)
    )
    assert "breakeven" not in before.stop.inputs
    # With a trail of next to nothing the lock is not the tightest: it is looked at apart.
    quiet = exits_of(replace(held, mark_price=lock_mark), settings(DYNAMIC), rests, venue=venue)
    assert quiet.stop.inputs == {"breakeven": D(entry)}
    far = held.entry_price + (20 if side is LONG else -1) * D(r) * (1 if side is LONG else 3)
    trailing = exits_of(replace(held, mark_price=far), settings(DYNAMIC), rests, venue=venue, market=market)
    assert trailing.stop.inputs["distance"] == D(trail)
    assert after.r == D(r)


def test_a_brain_ladder_with_its_runner():
    """Book 9."""
    held = position(LONG, "0.238", entry="42000", mark="42000")
    placed, book = after_its_stop(held, settings(BRAIN, profile="TREND"), rules_of("0.1"))
    assert (placed, book.r, book.profile) == (D("41370.0"), D(630), "TREND")
    assert ladder_of(book) == [
        (D("42315.0"), D("0.035")),
        (D("42630.0"), D("0.047")),
        (D("43260.0"), D("0.071")),
    ]


@pytest.mark.parametrize(
    ("stop_pct", "stop", "r", "ladder"),
    [
        ("1.5", "3565.05", "52.68", [("3501.84", "1.880"), ("3493.94", "1.880"), ("3480.77", "0.940")]),
        ("0.5", "3529.93", "17.56", [("3501.84", "4.700")]),
    ],
    ids=["10", "11"],
)
def test_rungs_of_chop_are_raised_and_joined_where_they_lie_too_close(stop_pct, stop, r, ladder):
    held = position(SHORT, "4.7", entry="3512.37", mark="3512.37")
    placed, book = after_its_stop(held, settings(BRAIN, profile="CHOP", stop_loss_pct=stop_pct), rules_of("0.01"))
    assert (placed, book.r) == (D(stop), D(r))
    assert ladder_of(book) == [(D(price), D(size)) for price, size in ladder]


def test_the_challenge():
    """Book 12."""
    held, venue, market = position(LONG, "10", entry="250", mark="250"), rules_of("0.01"), market_of("3.1")
    challenge = settings(BRAIN, profile="CHALLENGE_100")
    placed, book = after_its_stop(held, challenge, venue, market)
    assert (placed, book.r, ladder_of(book)) == (D("243.80"), D("6.20"), [(D("256.20"), D("3"))])
    rests = pinned(held, "243.80", pin_of_profile("CHALLENGE_100"))
    after_rung = known(quantities=(D(7),), done_rungs=frozenset({0}))
    left = replace(held, quantity=D(7), mark_price=D(251))
    locked = exits_of(left, challenge, rests, venue=venue, known_as=after_rung)
    assert locked.stop.price == D("250.25") and locked.alone
    trailed = exits_of(
        replace(left, mark_price=D(260)), challenge, rests, venue=venue, known_as=after_rung, market=market
    )
    assert trailed.stop.price == D("253.80")
    before = exits_of(replace(held, mark_price=D("256.1")), challenge, rests, venue=venue, market=market)
    assert before.stop.price == D("243.80"), "no trail before its rung"


@pytest.mark.parametrize(
    ("side", "entry", "own", "liquidation", "stop"),
    [
        (LONG, "50000", "1.5", "49000", "49250"),
        (LONG, "50000", "1.5", "49500", "49600"),
        (LONG, "50000", "1.5", None, "49250"),
        (SHORT, "50000", "1.5", "50600", "50480"),
    ],
)
@pytest.mark.parametrize("policy", [STATIC, HYBRID, DYNAMIC, BRAIN])
def test_a_stop_is_kept_before_liquidation(side, entry, own, liquidation, stop, policy):
    held = position(side, "1", entry=entry, mark=entry, liquidation=liquidation)
    assert book_for(held, (), settings(policy, stop_loss_pct=own), venue=rules_of("0.1")).stop.price == D(stop)


@pytest.mark.parametrize(
    ("confidence", "stop", "take", "level", "ladder"),
    [
        ("0.19", "1.2", "4", "41370.0", ["42630.0", "43050.0", "43680.0"]),
        ("0.20", "1.2", "4", "41433.0", ["42819.0", "43365.0", "44184.0"]),
        ("0.50", "1.2", "4", "41433.0", ["42819.0", "43365.0", "44184.0"]),
        ("0.79", "1.2", "4", "41433.0", ["42819.0", "43365.0", "44184.0"]),
        ("0.80", "1.2", "4", "41496.0", ["43008.0", "43680.0", "44520.0"]),
        ("0.95", "3.0", "4", "41370.0", ["43008.0", "43680.0", "44688.0"]),
        ("0.95", None, "4", "41370.0", ["43008.0", "43680.0", "44688.0"]),
        ("0.95", "0.2", "1.0", "41370.0", ["42630.0", "43050.0", "43680.0"]),
        ("0.95", "0.6", "2.5", "41622.0", ["42630.0", "43050.0", "43680.0"]),
    ],
)
def test_advice_on_a_new_position(confidence, stop, take, level, ladder):
    """4.2."""
    held = position(LONG, "1", entry="42000", mark="42000")
    book = book_for(held, (), settings(HYBRID), venue=rules_of("0.1"), advice=advise(confidence, stop=stop, take=take))
    assert book.stop.price == D(level)
    assert [order.trigger_price for order in book.take_profits] == [D(price) for price in ladder]
    assert any("another unit" in note for note in book.notes) is (stop == "0.2")


TRAIL_LONG = (
    ("100.50", "98.50"), ("101.40", "98.50"), ("101.53", "100.01"), ("101.55", "100.01"), ("101.60", "100.01"),
    ("101.66", "100.14"), ("103.00", "101.46"), ("102.20", "101.46"), ("103.08", "101.46"), ("103.11", "101.57"),
)  # fmt: skip
TRAIL_SHORT = (
    ("99.50", "101.50"), ("98.60", "101.50"), ("98.52", "99.99"), ("98.40", "99.87"), ("97.00", "98.45"),
    ("97.50", "98.45"), ("96.95", "98.45"), ("96.90", "98.35"), ("95.00", "96.42"),
)  # fmt: skip


@pytest.mark.parametrize(("side", "path"), [(LONG, TRAIL_LONG), (SHORT, TRAIL_SHORT)], ids=["LONG", "SHORT"])
def test_the_trail_of_hybrid(side, path):
    """4.3: what rests is all the memory."""
    first = "98.50" if side is LONG else "101.50"
    rests = D(first)
    for mark, expected in path:
        held = position(side, "1", entry=100, mark=mark)
        orders = [backstop(held, first)] + ([working(held, rests, "1")] if rests != D(first) else [])
        rests = book_for(held, orders, settings(HYBRID), venue=rules_of("0.01")).stop.price
        assert rests == D(expected), mark


@pytest.mark.parametrize(
    ("mark", "level"),
    [
        ("102.20", None), ("102.25", "100.21"), ("103.00", "100.94"), ("104.40", "102.32"), ("104.50", "102.94"),
        ("107.40", "105.79"), ("107.50", "106.43"), ("108.00", "106.92"),
    ],
)  # fmt: skip
def test_the_curve_of_the_trend_profile(mark, level):
    """4.4."""
    held = position(LONG, "1", entry=100, mark=mark)
    found = exits_of(held, settings(BRAIN, profile="TREND"), pinned(held, "98.50", pin_of_profile("TREND")))
    assert found.stop.price == D(level or "98.50")
    assert found.trail is not None and found.trail.active is (level is not None)


def test_the_curve_keeps_what_it_reached():
    held = position(LONG, "1", entry=100, mark="104.00")
    rests = (pinned(held, "98.50", pin_of_profile("TREND")), working(held, "106.43", "1"))
    held = replace(held, mark_price=D("106.50"))
    book = book_for(held, rests, settings(BRAIN, profile="TREND"))
    assert book.stop.price == D("106.43")
    below = exits_of(replace(held, mark_price=D("104.00")), settings(BRAIN, profile="TREND"), *rests)
    assert below.stop.price == D("101.92")


def trend_ladder(held):
    sizes = ((0, "42315.0", "0.035"), (1, "42630.0", "0.047"), (2, "43260.0", "0.071"))
    return [target(held, rung, price, size) for rung, price, size in sizes]


@pytest.mark.parametrize(
    ("quantity", "gone", "stands"),
    [("0.238", 0, True), ("0.203", 1, True), ("0.156", 2, True), ("0.303", 1, False), ("0.338", 0, False)],
)
def test_a_ladder_with_a_runner_stands_by_what_rests_alone(quantity, gone, stands):
    """4.5."""
    held = position(LONG, quantity, entry="42000", mark="42010")
    rests = [pinned(held, "41370.0", pin_of_profile("TREND")), *trend_ladder(held)[gone:]]
    memory = known(quantities=(D(quantity),), done_rungs=frozenset(range(gone)))
    book = book_for(held, rests, settings(BRAIN, profile="TREND"), venue=rules_of("0.1"), known_as=memory)
    assert (book.target_case is TargetCase.STANDS) is stands
    if quantity == "0.303":
        assert ladder_of(book) == [(D("42630.0"), D("0.071")), (D("43260.0"), D("0.106"))]


@pytest.mark.parametrize("restarted", [False, True])
def test_what_is_left_of_the_trend_profile_runs_alone(restarted):
    """4.5: after the last rung the stop is at the level of rung 2, and an empty ladder is complete."""
    held = position(LONG, "0.085", entry="42000", mark="42900")
    rests = [pinned(held, "41370.0", pin_of_profile("TREND")), working(held, "42630.0", "0.085")]
    memory = known(quantities=(D("0.085"),), done_rungs=frozenset() if restarted else frozenset({0, 1, 2}),
                   inherited=restarted)  # fmt: skip
    book = book_for(held, rests, settings(BRAIN, profile="TREND"), venue=rules_of("0.1"), known_as=memory)
    assert (book.target_case, book.take_profits, book.notes) == (TargetCase.RUNNER, (), ("runner",))
    assert book.stop.price == D("42630.0")


def test_the_locks_follow_the_rungs():
    """S6: after rung 1 breakeven with its cost, after rung n the level of rung n-1."""
    held = position(LONG, "1", entry="42000", mark="43100")
    rests = pinned(held, "41370.0", pin_of_profile("TREND"))
    stops = [
        exits_of(held, settings(BRAIN, profile="TREND"), rests, venue=rules_of("0.1"),
                 known_as=known(done_rungs=frozenset(range(gone)))).stop.price
        for gone in range(4)
    ]  # fmt: skip
    trail = D("42238.0")  # 1.75 R: 2 % behind the mark
    assert stops == [trail, trail, D("42315.0"), D("42630.0")]
    early = exits_of(replace(held, mark_price=D("42400")), settings(BRAIN, profile="TREND"), rests,
                     venue=rules_of("0.1"), known_as=known(done_rungs=frozenset({0})))  # fmt: skip
    assert early.stop.price == D("42042.0")


@pytest.mark.parametrize(
    ("regime", "adx", "trend", "side", "profile"),
    [
        (Regime.TRENDING, "30", LONG, LONG, "TREND"),
        (Regime.TRENDING, "30", LONG, SHORT, "RANGE"),
        (Regime.HIGH_VOL, "18", None, LONG, "CHOP"),
        (Regime.HIGH_VOL, "22", None, LONG, "VOLATILE"),
        (Regime.LOW_VOL, "15", None, LONG, "RANGE"),
        (Regime.LOW_VOL, "22", None, LONG, "NORMAL"),
        (Regime.EXTREME_VOL, "15", None, LONG, "VOLATILE"),
        (Regime.RANGING, "15", None, LONG, "RANGE"),
        (Regime.NORMAL_VOL, "22", None, LONG, "NORMAL"),
    ],
)
def test_the_profile_by_regime(regime, adx, trend, side, profile):
    """4.7 and 3.4."""
    market = market_of("1", regime, adx=adx, trend=trend)
    assert profile_of_regime(exit_view(book_inputs(position(side), (), settings(BRAIN), market=market))) == profile
    assert exits_of(position(side), settings(BRAIN), market=market).profile == profile
