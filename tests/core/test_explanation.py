"""What `explain` shows of the exits: every part with its level, and the one in force is the one that was decided."""

import itertools
from dataclasses import replace

import pytest

from position_monitor.core.book.exit_view import exit_view
from position_monitor.core.book.stop_origin import stop_origin
from position_monitor.core.exits.advice import AdviceCase
from position_monitor.core.exits.explanation import Chosen, PartKind, PartRef, explained
from position_monitor.core.exits.policies import exits_for
from position_monitor.core.exits.time_stop import TimeCase
from position_monitor.core.model.market import Regime
from position_monitor.core.model.money import beyond, tighter
from position_monitor.core.model.pins import NO_ATR, pin_of_profile, pin_of_regime
from position_monitor.core.model.profiles import Lock
from position_monitor.core.model.settings import TimeStop

from .build import (
    BRAIN,
    DYNAMIC,
    HYBRID,
    LONG,
    NOW_MS,
    SHORT,
    STATIC,
    D,
    advise,
    backstop,
    book_inputs,
    instrument,
    known,
    live,
    market_of,
    pinned,
    position,
    settings,
    working,
)

HOUR_MS = 3_600_000
FINE = instrument(tick="0.01", min_price="0.01")
TENTH = instrument(tick="0.1", min_price="0.1")


def inputs_of(held, protection, *orders, venue=FINE, **more):
    return book_inputs(held, orders, protection, venue=venue, **more)


def why(held, protection, *orders, **more):
    return explained(exit_view(inputs_of(held, protection, *orders, **more)))


def steps(explanation):
    return [(row.from_price, row.level and row.level.price, row.acts) for row in explanation.parts.trail]


def locks(explanation):
    return [(row.from_price, row.level and row.level.price, row.counts) for row in explanation.parts.locks]


TREND = settings(BRAIN, profile="TREND")


@pytest.mark.parametrize(
    ("mark", "rows", "in_force"),
    [
        ("102.20", [("102.25", "100.16", False), ("104.50", "100.67", False), ("107.50", "101.18", False)], 0),
        ("102.25", [("102.25", "100.21", True), ("104.50", "100.72", False), ("107.50", "101.23", False)], 1),
        ("104.50", [("102.25", "102.41", False), ("104.50", "102.94", True), ("107.50", "103.46", False)], 2),
        ("107.50", [("102.25", "105.35", False), ("104.50", "105.89", False), ("107.50", "106.43", True)], 3),
    ],
)
def test_each_step_of_the_curve_has_the_level_it_would_give_now(mark, rows, in_force):
    """The curve of vector 4.4: the acting step gives the vector's level, the others what they would give here."""
    held = position(LONG, entry="100", mark=mark)
    found = why(held, TREND, pinned(held, "98.50", pin_of_profile("TREND")))
    assert steps(found) == [(D(begins), D(level), acts) for begins, level, acts in rows]
    expected = PartRef(PartKind.TRAIL, in_force) if in_force else PartRef(PartKind.FIRST_STOP)
    assert found.stop_from == expected
    assert (found.r, found.r_read_back, found.runner) == (D("1.50"), True, D("0.35"))
    assert (found.profile, found.profile_by) == ("TREND", Chosen.PINNED)


def test_the_trail_of_hybrid_begins_where_it_reaches_the_entry():
    """Around vector 4.3; what counts is the level as it is rounded."""
    rows = (
        (LONG, "101.51", "99.99", False),
        (LONG, "101.52", "100.00", True),
        (LONG, "101.53", "100.01", True),
        (SHORT, "98.54", "100.01", False),
        (SHORT, "98.53", "100.00", True),
        (SHORT, "98.52", "99.99", True),
    )
    for side, mark, level, acts in rows:
        held = position(side, entry="100", mark=mark)
        found = why(held, settings(HYBRID), backstop(held, "98.50" if side is LONG else "101.50"))
        assert steps(found) == [(D("101.52" if side is LONG else "98.53"), D(level), acts)]
        assert found.stop_from.kind is (PartKind.TRAIL if acts else PartKind.FIRST_STOP)


def test_a_dynamic_position_of_the_vectors():
    """Vector 4.1.5: stop 98800, lock at mark 100600, trail 1600."""
    held = position(LONG, entry="100000", mark="100600")
    market = market_of("800", Regime.NORMAL_VOL, close="100000")
    stop = pinned(held, "98800", pin_of_regime(Regime.NORMAL_VOL))
    found = why(held, settings(DYNAMIC), stop, venue=TENTH, market=market)
    assert locks(found)[0] == (D("100600.0"), D("100100.0"), True)
    assert locks(found)[1] == (None, D("100100.0"), False)
    assert found.stop_from == PartRef(PartKind.LOCK, 1)
    (step,) = found.parts.trail
    assert (step.distance, step.level.price, step.acts) == (D("1600.0"), D("99000.0"), True)
    assert (found.regime, found.regime_by, found.regime_at_entry) == (
        Regime.NORMAL_VOL,
        Chosen.CANDLES,
        Regime.NORMAL_VOL,
    )
    assert found.atr_age_ms == 1_000 and not found.no_atr_at_entry


def test_without_an_atr_the_floor_is_named_and_the_trail_has_no_level():
    held = position(LONG, entry="100", mark="100.5")
    found = why(held, settings(DYNAMIC), pinned(held, "98.50", NO_ATR))
    assert found.no_atr_at_entry and found.market is None and found.atr_age_ms is None
    assert steps(found) == [(D("100.50"), None, False)]


def test_a_lock_that_the_mark_has_not_passed_counts_and_is_not_taken():
    held = position(LONG, entry="100", mark="100.05")
    found = why(held, settings(HYBRID), backstop(held, "98.50"), known_as=known(done_rungs=frozenset({0})))
    (first, *rest) = found.parts.locks
    assert (first.counts, first.behind_mark, first.level.price) == (True, False, D("100.10"))
    assert not any(lock.counts for lock in rest) and len(rest) == 2
    assert found.stop_from == PartRef(PartKind.FIRST_STOP)


@pytest.mark.parametrize(
    ("changes", "age_h", "mark", "case"),
    [
        ({"time_stop": TimeStop.OFF}, 99, "99.9", TimeCase.OFF),
        ({"time_stop_adopted": False}, 99, "99.9", TimeCase.ADOPTED),
        ({}, 35, "99.9", TimeCase.YOUNG),
        ({}, 37, "99.9", TimeCase.ACTS),
        ({}, 37, "101.5", TimeCase.IN_PROFIT),
        ({"time_stop": TimeStop.CLOSE}, 37, "99.9", TimeCase.ACTS),
    ],
)
def test_the_time_stop_says_how_it_stands(changes, age_h, mark, case):
    held = position(LONG, entry="100", mark=mark)
    base = settings(DYNAMIC)
    protection = replace(base, exits=replace(base.exits, **{"time_stop_adopted": True, **changes}))
    stop = pinned(held, "98.50", pin_of_regime(Regime.NORMAL_VOL), created_at_ms=NOW_MS - age_h * HOUR_MS)
    inputs = inputs_of(held, protection, stop)
    found, answer = explained(exit_view(inputs)), exits_for(exit_view(inputs))
    time = found.parts.time
    assert (time.case, time.age_ms, time.limit.max_ms) == (case, age_h * HOUR_MS, 36 * HOUR_MS)
    closes = changes.get("time_stop") is TimeStop.CLOSE
    assert (answer.close is not None) == (closes and case is TimeCase.ACTS)
    if case is TimeCase.ACTS and not closes:
        assert found.stop_from == PartRef(PartKind.TIME_STOP) and found.stop == time.level
    else:
        assert found.stop_from.kind is not PartKind.TIME_STOP


@pytest.mark.parametrize(
    ("protection", "rests", "advice", "case"),
    [
        (settings(HYBRID), False, advise("0.9", stop="1"), AdviceCase.HEARD),
        (settings(HYBRID), True, advise("0.9", stop="1"), AdviceCase.ALONE),
        (settings(HYBRID), True, advise("0.9", stop="1", before=advise("0.9", stop="1.05")), AdviceCase.AGREED),
        (settings(HYBRID), True, advise("0.9", stop="1", before=advise("0.9", stop="1.3")), AdviceCase.DISAGREES),
        (settings(HYBRID), False, advise("0.9", stop="0.015"), AdviceCase.OTHER_UNIT),
        (settings(HYBRID), False, advise("0.19", stop="1"), AdviceCase.NOT_CONFIDENT),
        (settings(HYBRID), False, advise("0.9", stop="1", expires_at_ms=NOW_MS), AdviceCase.EXPIRED),
        (settings(HYBRID), False, advise("0.9", stop="4"), AdviceCase.NOT_NEARER),
        (settings(HYBRID), False, advise("0.9", take="4"), AdviceCase.NO_STOP),
        (settings(HYBRID), False, advise("1", action="SELL"), AdviceCase.NO_STOP),
        (settings(STATIC), False, advise("0.9", stop="1"), AdviceCase.NOT_TAKEN),
        (TREND, False, advise("0.9", stop="1"), AdviceCase.HEARD),
        (TREND, True, advise("0.9", stop="1"), AdviceCase.ALONE),
    ],
)
def test_what_becomes_of_advice(protection, rests, advice, case):
    held = position(LONG, entry="100", mark="100")
    found = why(held, protection, *([backstop(held, "98.50")] if rests else []), advice=advice)
    assert found.advice.case is case
    moved = case in (AdviceCase.HEARD, AdviceCase.AGREED)
    assert (found.stop.price > D("98.50")) == moved
    assert ("another unit" in found.advice.why) == (case is AdviceCase.OTHER_UNIT)


def test_advice_that_would_come_too_near_the_price_waits():
    held = position(LONG, entry="100", mark="99.2")
    agreed = advise("0.9", stop="1", before=advise("0.9", stop="1"))
    found = why(held, settings(HYBRID), backstop(held, "98.50"), advice=agreed)
    assert found.advice.case is AdviceCase.TOO_NEAR and not found.moves_resting


def test_the_regime_of_the_ai_engine_is_named_as_its_word():
    held = position(LONG, entry="100", mark="100")
    market = market_of("1", Regime.LOW_VOL)
    by_engine = why(held, settings(BRAIN), market=market, advice=advise("0.1", regime="trend_up"))
    assert (by_engine.regime, by_engine.regime_by, by_engine.direction) == (Regime.TRENDING, Chosen.AI_ENGINE, LONG)
    assert (by_engine.profile, by_engine.profile_by) == ("TREND", Chosen.BY_REGIME)
    by_candles = why(held, settings(BRAIN), market=market, advice=advise("1", regime="lunar"))
    assert (by_candles.regime, by_candles.regime_by) == (Regime.LOW_VOL, Chosen.CANDLES)


def test_a_policy_that_fails_has_no_parts_and_says_so():
    found = why(position(LONG, entry="100", mark="100"), settings(BRAIN, profile="NO_SUCH"))
    assert "NO_SUCH" in found.failed and not found.parts.locks and found.stop.price == D("98.50")


def test_where_the_stop_that_rests_comes_from():
    held = position(LONG, entry="100", mark="103")
    first = pinned(held, "98.50", pin_of_profile("TREND"))

    def origin(*orders):
        inputs = inputs_of(held, TREND, *orders)
        return stop_origin(inputs, explained(exit_view(inputs)))

    assert origin() is None
    assert origin(first)[1:6] == (False, PartRef(PartKind.FIRST_STOP), False, "TREND", None)
    trailed = working(held, "100.94")
    assert origin(first, trailed).part == PartRef(PartKind.TRAIL, 1) and origin(first, trailed).order is trailed
    assert origin(first, working(held, "101.20")).part == PartRef(PartKind.OTHER)
    mine = live(held, "99", quantity=held.quantity)
    assert origin(mine).foreign


MARKS = ("90", "98.4", "99.2", "100", "100.2", "100.7", "101.6", "102.3", "104.5", "108")
PROTECTIONS = (
    settings(STATIC),
    settings(HYBRID),
    settings(DYNAMIC),
    *(settings(BRAIN, profile=name) for name in ("TREND", "CHOP", "CHALLENGE_100", "FAST_TP")),
    replace(settings(HYBRID), exits=replace(settings().exits, locks=(Lock(at_r=D("0.5"), to_r=D("0.2")),))),
)
VIEWS = list(itertools.product(PROTECTIONS, (LONG, SHORT), MARKS, (None, "0.8"), (False, True), (0, 1, 3)))


@pytest.mark.parametrize("protection", PROTECTIONS, ids=lambda one: f"{one.policy}-{one.profile}")
def test_the_part_in_force_is_the_tightest_that_counts_and_gives_what_was_decided(protection):
    """For every mark, side, fill and volatility it names one part, and no other that counts is tighter."""
    kinds = set()
    for _, side, mark, atr, rests, done in (view for view in VIEWS if view[0] is protection):
        held = position(side, entry="100", mark=mark if side is LONG else D(200) - D(mark))
        market = None if atr is None else market_of(atr)
        orders = [backstop(held, "98.50" if side is LONG else "101.50")] if rests else []
        belief = known(done_rungs=frozenset(range(done)))
        view = exit_view(inputs_of(held, protection, *orders, market=market, known_as=belief))
        found, answer = explained(view), exits_for(view)
        assert (found.stop, found.first_stop) == (answer.stop, answer.initial_stop)
        assert found.stop_from.kind is not PartKind.OTHER
        kinds.add(found.stop_from.kind)
        counting = [lock.level for lock in found.parts.locks if lock.counts]
        counting += [step.level for step in found.parts.trail if step.acts]
        for level in counting:
            taken = level is not None and not beyond(view.mark, level.price, side) and not found.parts.crossed
            assert not (taken and tighter(level.price, found.stop.price, side)), (mark, side, level, found)
    assert len(kinds) > 1 or protection.policy == STATIC
