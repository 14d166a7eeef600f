"""Exit policies: levels inside every bound, with their source, and advice that can only tighten (DESIGN 9)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from position_monitor.core.exits.policies import exits_for, share_up_to
from position_monitor.core.exits.view import ExitView, RestingStop
from position_monitor.core.model.desired import LevelSource
from position_monitor.core.model.money import beyond, distance_pct, is_multiple, tighter
from position_monitor.core.model.orders import WorkingType
from position_monitor.core.model.settings import OnBreach, Policy, Rung

from .build import HYBRID, LONG, NOW_MS, SHORT, SIDES, STATIC, D, advise, at, instrument, position, settings

both_sides = pytest.mark.parametrize("side", SIDES)


def view(held, protection=None, advice=None, now_ms=NOW_MS, **more):
    """What a policy sees of a position for which nothing of ours rests."""
    given = {
        "resting": None,
        "rungs_done": frozenset(),
        "refusals": 0,
        "refused_as": "",
        "instrument": instrument(),
        **more,
    }
    chosen = protection or settings()
    return ExitView(position=held, settings=chosen, mark=held.arming_price, advice=advice, now_ms=now_ms, **given)


def exits(*given, **more):
    return exits_for(view(*given, **more))


@both_sides
def test_the_floor_is_one_stop_and_one_target(side):
    found = exits(position(side), settings(STATIC))
    assert found.stop.price == at(side, "-1.5")
    assert [(t.rung, t.level.price, t.fraction) for t in found.targets] == [(0, at(side, "2.5"), D(1))]
    assert found.stop.source == found.targets[0].level.source == LevelSource.STATIC
    assert not found.crossed and found.notes == ()


@both_sides
def test_the_hybrid_ladder_has_its_rungs_and_shares(side):
    found = exits(position(side))
    assert found.stop.price == at(side, "-1.5") and found.stop.source == LevelSource.HYBRID
    assert [(t.level.price, t.fraction) for t in found.targets] == [
        (at(side, "1.5"), D("0.3")),
        (at(side, "2.5"), D("0.3")),
        (at(side, "4"), D("0.4")),
    ]


@both_sides
def test_a_level_says_what_it_was_made_from(side):
    found = exits(position(side, mark=at(side, "0.3")))
    assert found.stop.inputs == {"entry_price": D(100), "stop_loss_pct": D("1.5")}
    assert found.targets[0].level.inputs == {"entry_price": D(100), "target_pct": D("1.5")}


@both_sides
@pytest.mark.parametrize(
    ("confidence", "stop", "source"),
    [
        ("0.19", "-1.5", LevelSource.HYBRID),
        ("0.2", "-1.25", LevelSource.AI),
        ("0.79", "-1.25", LevelSource.AI),
        ("0.8", "-1", LevelSource.AI),
        ("1", "-1", LevelSource.AI),
    ],
)
def test_advice_weighs_by_its_confidence(side, confidence, stop, source):
    found = exits(position(side), advice=advise(confidence, stop="1"))
    assert found.stop.price == at(side, stop)
    assert found.stop.source == source


@both_sides
@pytest.mark.parametrize(
    ("confidence", "pcts"),
    [
        ("0.19", ["1.5", "2.5", "4"]),
        ("0.2", ["1.8", "3", "4.8"]),
        ("0.79", ["1.8", "3", "4.8"]),
        ("0.8", ["2.1", "3.5", "5.6"]),
    ],
)
def test_advice_stretches_the_whole_ladder(side, confidence, pcts):
    found = exits(position(side), advice=advise(confidence, take="3.5"))
    assert [t.level.price for t in found.targets] == [at(side, pct) for pct in pcts]


@both_sides
@pytest.mark.parametrize("confidence", ["0.2", "0.5", "0.8", "1"])
@pytest.mark.parametrize("stop", ["1.5", "1.51", "5", "50"])
def test_advice_never_widens_a_stop(side, confidence, stop):
    assert exits(position(side), advice=advise(confidence, stop=stop)).stop.price == at(side, "-1.5")


@both_sides
@pytest.mark.parametrize(
    ("own", "stop", "rests"),
    [("1.5", "0.4", "-0.9"), ("0.6", "0.3", "-0.5"), ("1.5", "0", "-1.5"), ("1.5", "-3", "-1.5")],
)
def test_advice_keeps_three_fifths_of_the_own_distance_and_the_least_one(side, own, stop, rests):
    """And one that is in another unit is ignored, not clamped into the bounds (S9)."""
    assert exits(position(side), settings(stop_loss_pct=own), advise("1", stop=stop)).stop.price == at(side, rests)


@both_sides
def test_expired_advice_and_the_static_policy_know_no_advice(side):
    held, opinion = position(side), advise("1", stop="1", take="5", expires_at_ms=NOW_MS)
    assert exits(held, advice=opinion)._replace(regime="") == exits(held)
    assert exits(held, advice=opinion, now_ms=NOW_MS - 1) != exits(held)
    fresh = replace(opinion, expires_at_ms=NOW_MS + 1)
    assert exits(held, settings(STATIC), fresh)._replace(regime="") == exits(held, settings(STATIC))


@both_sides
@pytest.mark.parametrize(("wanted", "rests"), [("0.1", "-0.5"), ("0.5", "-0.5"), ("5", "-5"), ("9", "-5")])
def test_the_stop_distance_stays_inside_its_bounds(side, wanted, rests):
    assert exits(position(side), settings(stop_loss_pct=wanted)).stop.price == at(side, rests)


@both_sides
@pytest.mark.parametrize(
    ("stop", "take", "rests"),
    [
        ("1.5", "0.1", "0.75"),
        ("1.5", "9", "7.5"),
        ("5", "1", "2.5"),
        ("4", "30", "15"),
        ("0.5", "0.26", "0.3"),
        ("0.5", "2.5", "2.5"),
    ],
    ids=[
        "raised to half the risk",
        "capped at five times the risk",
        "half of five",
        "target bound",
        "least",
        "as asked",
    ],
)
def test_the_last_target_stays_inside_reward_to_risk_and_its_bounds(side, stop, take, rests):
    found = exits(position(side), settings(STATIC, stop_loss_pct=stop, take_profit_pct=take))
    assert found.targets[-1].level.price == at(side, rests)


@both_sides
@pytest.mark.parametrize(
    ("liquidation", "stop", "source"),
    [
        ("-20", "-1.5", LevelSource.HYBRID),
        ("-1.875", "-1.5", LevelSource.HYBRID),
        ("-1.5", "-1.2", LevelSource.LIQUIDATION),
        ("-0.5", "-0.4", LevelSource.LIQUIDATION),
        (None, "-1.5", LevelSource.HYBRID),
    ],
    ids=["far", "just at 80 %", "nearer", "wins over the least distance", "not reported"],
)
def test_the_stop_lies_at_most_four_fifths_of_the_way_to_liquidation(side, liquidation, stop, source):
    held = position(side, liquidation=None if liquidation is None else at(side, liquidation))
    found = exits(held)
    assert (found.stop.price, found.stop.source) == (at(side, stop), source)
    if source == LevelSource.LIQUIDATION:
        assert {"liquidation_price", "wanted"} <= set(found.stop.inputs)


@both_sides
@pytest.mark.parametrize("mark", ["-1.5", "-1.51", "-8"])
def test_a_price_already_beyond_the_stop_is_anchored_to_the_mark(side, mark):
    held = position(side, mark=at(side, mark))
    found = exits(held)
    assert found.crossed and found.stop.source == LevelSource.REANCHOR
    assert abs(distance_pct(found.stop.price, held.mark_price) - D("1.5")) < D("0.02")
    assert not beyond(held.mark_price, found.stop.price, side)
    assert "anchored to the mark" in found.notes[0]


@both_sides
def test_one_tick_before_the_stop_nothing_is_crossed(side):
    found = exits(position(side, mark=at(side, "-1.49")))
    assert not found.crossed and found.stop.price == at(side, "-1.5")


@both_sides
def test_an_anchored_stop_stays_before_liquidation(side):
    held = position(side, mark=at(side, -8), liquidation=at(side, -9))
    found = exits(held)
    assert found.crossed and found.stop.source == LevelSource.LIQUIDATION
    assert found.stop.price == at(side, "-8.8")


@both_sides
def test_without_an_entry_the_stop_hangs_on_the_mark_and_targets_are_held(side):
    found = exits(position(side, entry=0))
    assert found.stop.price == at(side, "-1.5") and found.stop.source == LevelSource.REANCHOR
    assert found.targets == () and not found.crossed
    assert "entry price was 0" in found.notes[-1]


@both_sides
def test_a_coarse_tick_leaves_the_stop_on_its_side_of_the_mark(side):
    held = position(side, entry=10, mark=10)
    found = exits(held, instrument=instrument(tick=1))
    assert not beyond(held.mark_price, found.stop.price, side)
    assert is_multiple(found.stop.price, D(1))


positions = st.builds(
    position,
    side=st.sampled_from(SIDES),
    entry=st.decimals("1", "100000", places=3),
    mark=st.decimals("1", "100000", places=3),
    liquidation=st.none() | st.decimals("0.5", "200000", places=3),
)
pcts = st.decimals("0.1", "9", places=2)
opinions = st.none() | st.builds(
    advise, st.decimals("0", "1", places=2).map(str), stop=st.none() | pcts.map(str), take=st.none() | pcts.map(str)
)


@given(positions, pcts, opinions, st.sampled_from([STATIC, HYBRID]))
def test_no_input_gives_a_stop_on_the_wrong_side_or_off_the_grid(held, stop_loss, opinion, policy):
    found = exits(held, settings(policy, stop_loss_pct=stop_loss), opinion)
    assert is_multiple(found.stop.price, D("0.01"))
    assert not beyond(held.mark_price, found.stop.price, held.side)


@both_sides
def test_an_advised_level_that_the_price_has_passed_leaves_the_policys_own(side):
    """Anchored to the mark, 0.8 % behind 0.9 % of loss, it would lose more than the 1.5 % of the policy."""
    found = exits(position(side, mark=at(side, "-0.9")), advice=advise("1", stop="0.8"))
    assert (found.stop.price, found.crossed) == (at(side, "-1.5"), False)
    assert found.stop.source != LevelSource.REANCHOR


@given(positions, opinions)
def test_advice_never_gives_a_looser_stop_than_no_advice(held, opinion):
    plain, advised = exits(held), exits(held, advice=opinion)
    assert not tighter(plain.stop.price, advised.stop.price, held.side)


@given(positions, opinions, pcts)
def test_targets_lie_on_the_grid_beyond_the_entry_and_take_all_of_the_position(held, opinion, take):
    found = exits(held, settings(take_profit_pct=take), opinion)
    assert sum(t.fraction for t in found.targets) == 1
    for wanted in found.targets:
        assert is_multiple(wanted.level.price, D("0.01"))
        assert not tighter(held.entry_price, wanted.level.price, held.side)


@pytest.mark.parametrize(
    ("side", "entry", "target"),
    [
        (LONG, "1.401", "1.41"),
        (LONG, "1.40", "1.41"),
        (SHORT, "1.401", "1.40"),
        (SHORT, "1.40", "1.39"),
        (SHORT, "0.01", "0.01"),
    ],
)
def test_a_coarse_tick_never_rounds_a_target_onto_the_losing_side(side, entry, target):
    held = position(side, entry=entry, mark=entry)
    assert exits(held, settings(take_profit_pct=D("0.3"), policy=STATIC)).targets[0].level.price == D(target)


@both_sides
def test_the_furthest_target_is_inside_reward_to_risk_and_the_ladder_ascends(side):
    found = exits(position(side), advice=advise("1", stop="0.5", take="5"))
    distances = [distance_pct(t.level.price, D(100)) for t in found.targets]
    assert distances == sorted(distances)
    assert max(distances) == 5 * D("0.9")


@both_sides
def test_reward_to_risk_is_measured_against_the_stop_that_rests(side):
    found = exits(position(side, liquidation=at(side, "-0.5")), settings(STATIC, take_profit_pct="4"))
    risk = distance_pct(found.stop.price, D(100))
    assert risk == D("0.4")
    assert distance_pct(found.targets[-1].level.price, D(100)) <= 5 * risk


@both_sides
def test_rungs_of_a_symbol_may_be_its_own(side):
    own = (Rung(D(1), D(60)), Rung(D(3), D(40)))
    found = exits(position(side), settings(ladder=own))
    assert [(t.level.price, t.fraction) for t in found.targets] == [(at(side, 1), D("0.6")), (at(side, 3), D("0.4"))]


# --- what a policy makes of what rests, was filled and was refused ----------------------------------------------------


@both_sides
@pytest.mark.parametrize(
    ("mark", "anchored", "moves"),
    [("-1", True, False), ("-1", False, True), ("0.5", True, True)],
    ids=["anchored, in a loss", "measured from the entry, in a loss", "anchored, in profit again"],
)
def test_a_stop_that_was_anchored_to_the_mark_stays_while_the_position_loses(side, mark, anchored, moves):
    found = exits(position(side, mark=at(side, mark)), resting=RestingStop(at(side, -3), anchored))
    assert (found.stop.price, found.moves_resting) == (at(side, "-1.5"), moves)


@both_sides
@pytest.mark.parametrize(("mark", "moves"), [("0", True), ("-0.5", False)])
def test_advice_moves_a_resting_stop_only_where_it_leaves_room_to_the_mark(side, mark, moves):
    held, resting = position(side, mark=at(side, mark)), RestingStop(at(side, "-1.5"), anchored=False)
    found = exits(held, advice=advise("1", stop="0.9", before=advise("1", stop="0.9")), resting=resting)
    assert (found.stop.source, found.moves_resting) == (LevelSource.AI, moves)


@both_sides
@pytest.mark.parametrize("policy", [STATIC, HYBRID])
def test_only_hybrid_locks_breakeven_after_a_rung_and_trails(side, policy):
    held, done = position(side, mark=at(side, "1")), frozenset({0})
    found = exits(held, settings(policy), rungs_done=done)
    far = exits(position(side, mark=at(side, "5")), settings(policy, trailing_pct="1"))
    assert found.initial_stop.price == far.initial_stop.price == at(side, "-1.5")
    hybrid = policy is HYBRID
    assert found.stop.price == (at(side, "0.1") if hybrid else at(side, "-1.5"))
    assert (far.stop.price == far.initial_stop.price) is not hybrid
    assert (far.trail is not None and far.trail.active) is hybrid


@both_sides
def test_a_trail_follows_only_the_price_that_arms_the_orders(side):
    """Without the last price the mark stands for it where a stop is needed, and moves none that rests (seed 5678)."""
    by_last, held = settings(working_type=WorkingType.CONTRACT_PRICE), position(side, mark=at(side, "3"))
    read = exits(replace(held, last_price=at(side, "2")), by_last)
    assert read.stop.price == exits(position(side, mark=at(side, "2"))).stop.price != read.initial_stop.price
    assert read.trail is not None and read.trail.active
    unread = exits(held, by_last)
    assert unread.stop.price == unread.initial_stop.price == at(side, "-1.5")
    assert unread.trail is not None and not unread.trail.active
    lost = exits(position(side, mark=at(side, "-2")), by_last)
    assert lost.crossed and tighter(at(side, "-2"), lost.stop.price, side), "a stop is needed, and some price is enough"


@both_sides
def test_a_stop_that_was_refused_goes_further_back_inside_the_widest_distance(side):
    wanted = [exits(position(side), refusals=refusals).stop.price for refusals in (0, 1, 2, 20)]
    assert wanted == [at(side, pct) for pct in ("-1.5", "-2", "-2.5", "-5")]


@both_sides
def test_rungs_that_the_mark_has_passed_are_named_and_the_rest_goes_beyond_it(side):
    some, all_of_them = exits(position(side, mark=at(side, "2.5"))), exits(position(side, mark=at(side, "5")))
    assert (some.passed, some.beyond_last) == (frozenset({0, 1}), None)
    assert all_of_them.passed == frozenset({0, 1, 2})
    assert all_of_them.targets == some.targets, "the mark has no part in the ladder"
    assert all_of_them.beyond_last is not None
    assert tighter(all_of_them.beyond_last, at(side, "5"), side)


@both_sides
@pytest.mark.parametrize(
    ("on_breach", "mark", "closes"),
    [(OnBreach.CLOSE, "-10", True), (OnBreach.CLOSE, "-9.99", False), (OnBreach.REANCHOR, "-30", False)],
)
@pytest.mark.parametrize("policy", list(Policy))
def test_a_loss_beyond_the_limit_is_to_be_closed_where_that_is_configured(side, on_breach, mark, closes, policy):
    close = exits(position(side, mark=at(side, mark)), settings(policy, on_breach=on_breach)).close
    assert (close is not None) is closes
    if close is not None:
        assert (close.level, close.working_type) == (at(side, -10), WorkingType.MARK_PRICE)
        assert close.text == "its loss of 10.00 % is beyond 10 %"


@pytest.mark.parametrize(
    ("policy", "shares"), [(STATIC, ["1", "1"]), (HYBRID, ["0.3", "0.6", "1", "1"])], ids=["static", "hybrid"]
)
def test_what_may_be_closed_by_a_rung_is_the_sum_of_the_shares(policy, shares):
    assert [share_up_to(rung, settings(policy)) for rung in range(len(shares))] == [D(share) for share in shares]


@pytest.mark.parametrize("policy", list(Policy))
def test_every_policy_answers(policy):
    assert exits(position(), settings(policy)).stop.price == at(LONG, "-1.5")
