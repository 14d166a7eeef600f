"""The planner: stops first, make before break, nothing removed on absence (invariants 2, 3, 5, 7, 9, 10)."""

from dataclasses import replace
from itertools import combinations

import pytest

from position_monitor.core.decision.guard import Approved, approve_cancel
from position_monitor.core.decision.plan_inputs import Plan
from position_monitor.core.evidence.crossing import NOT_CROSSED, Crossed
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.evidence.learning import after_blind_read
from position_monitor.core.evidence.outcome import claimed
from position_monitor.core.evidence.written import after_write
from position_monitor.core.model.actions import Cancel, Close, Mode
from position_monitor.core.model.orders import OrderStatus, Role
from position_monitor.core.model.settings import OnBreach
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.needs import BLIND_READS, Fact

from .build import (
    EPOCH,
    LIMITS,
    LONG,
    NOW_MS,
    OLD_EPOCH,
    SHORT,
    SIDES,
    STATIC,
    SYMBOL,
    D,
    at,
    backstop,
    decided,
    desired,
    gate,
    instrument,
    ladder,
    learned,
    live,
    position,
    rules,
    seen_at,
    settings,
    settled,
    target,
    working,
)

both_sides = pytest.mark.parametrize("side", SIDES)


def plan_for(held, orders=(), *, rulebook=None, mode=Mode.LIVE, now_ms=NOW_MS, reads=3, **known) -> Plan:
    seen, evidence = settled(held, orders, reads=reads, **known)
    return decided(seen, evidence, rulebook, mode=mode, now_ms=now_ms).plans[held.symbol]


def removed(result: Plan) -> set[str]:
    return {cancel.order.client_id for cancel in result.cancels}


def why_held(result: Plan) -> str:
    return " | ".join(f"{held.what}: {held.why}" for held in result.held)


# --- placing ----------------------------------------------------------------------------------------------------------


@both_sides
@pytest.mark.parametrize("hedged", [False, True])
def test_a_naked_position_gets_a_stop_after_one_read(side, hedged):
    """Adding protection needs one read."""
    result = plan_for(position(side, hedged=hedged), reads=1)
    assert [place.order.role for place in result.stops] == [Role.BACKSTOP]
    assert result.take_profits == () and why_held(result).count("take-profits wait until the stop rests") == 3
    assert result.cancels == result.closes == ()
    assert result.stops[0].reason == "1.5 % from the entry (hybrid)"


@both_sides
@pytest.mark.parametrize("hedged", [False, True])
def test_the_ladder_follows_when_the_stop_rests_and_was_looked_at_twice(side, hedged):
    held = position(side, hedged=hedged)
    once = plan_for(held, [backstop(held, at(side, "-1.5"))], reads=1)
    assert once.take_profits == () and why_held(once).count("take-profits wait for a second read") == 3
    result = plan_for(held, [backstop(held, at(side, "-1.5"))], reads=2)
    assert [place.order.rung for place in result.take_profits] == [0, 1, 2]
    assert result.take_profits[0].reason == "take-profit 1 of the ladder (hybrid)"


def test_a_complete_book_needs_nothing():
    held = position()
    assert plan_for(held, [backstop(held, at(LONG, "-1.5")), *ladder(held)]).empty


def test_what_was_written_is_not_written_again_while_it_is_awaited():
    held = position()
    seen, evidence = settled(held)
    for order in decided(seen, evidence).books[held.key].orders:
        evidence = after_write(evidence, SYMBOL, order.client_id, NOW_MS, order=order)
    waiting = decided(seen, evidence).plans[SYMBOL]
    assert waiting.empty and len(waiting.held) == 4
    assert why_held(waiting).count("written and not read back yet") == 4


def test_nothing_is_planned_for_what_could_not_be_read():
    held = position()
    _, evidence = settled(held)
    seen = seen_at([held], [working(held, 97), working(held, 96)], unreadable="malformed row")
    assert decided(seen, evidence).plans[SYMBOL].empty


@both_sides
@pytest.mark.parametrize("missing", [part for n in (1, 2, 3) for part in combinations(list(Fact)[1:], n)], ids=str)
def test_whatever_else_is_missing_a_stop_is_placed_and_nothing_else_is_done(side, missing):
    """Invariant 3, by the table of `core/observation/needs.py`: only side, size and price may hold back a stop."""
    held = position(side)
    _, evidence = settled(held)
    blind = replace(seen_at([held], unreadable="something"), unread=frozenset(missing))
    for _ in range(BLIND_READS):
        evidence = after_blind_read(evidence, blind)
    result = decided(blind, evidence).plans[SYMBOL]
    assert [place.order.role for place in result.stops] == [Role.BACKSTOP]
    assert not (result.take_profits or result.cancels or result.closes)
    unseen = replace(blind, unread=frozenset({*missing, Fact.POSITION}))
    assert decided(unseen, evidence).plans[SYMBOL].empty


def test_without_trading_rules_the_stop_lies_on_a_coarse_grid_and_take_profits_wait():
    held = position(entry="123.4567", mark="123.4567")
    bare = seen_at([held], venue=None)
    result = decided(bare, learned(bare, bare)).plans[SYMBOL]
    [stop] = result.stops
    assert stop.order.close_all and stop.order.trigger_price == D("121.7")
    covered = [backstop(held, D("121.7"))]
    again = seen_at([held], covered, venue=None)
    assert decided(again, learned(again, again)).plans[SYMBOL].take_profits == ()


def test_orders_that_were_not_read_are_not_an_empty_list():
    held = position()
    _, evidence = settled(held)
    assert decided(replace(seen_at([held]), orders_read_at_ms=0), evidence).plans[SYMBOL].empty


def test_an_unmanaged_position_and_its_orders_are_left_alone():
    held = position()
    seen, evidence = settled(held, [working(held, 97)])
    left = rules(unmanaged=[held.key])
    assert decided(seen, evidence, left).plans[SYMBOL] == Plan(SYMBOL)
    flat = [seen_at(orders=seen.orders, at_ms=NOW_MS + 2000 * n, zero=[held.key]) for n in range(4)]
    assert decided(flat[-1], learned(*flat), left).plans[SYMBOL] == Plan(SYMBOL)


def test_one_side_of_a_hedge_can_be_unmanaged():
    one, other = position(LONG, hedged=True), position(SHORT, hedged=True)
    evidence = learned(seen_at([one, other]))
    result = decided(seen_at([one, other]), evidence, rules(unmanaged=[other.key])).plans[SYMBOL]
    assert {place.key for place in (*result.stops, *result.take_profits)} == {one.key}


def test_both_sides_of_a_hedge_get_their_own_book():
    one, other = position(LONG, hedged=True), position(SHORT, "2", hedged=True)
    seen = seen_at([one, other])
    result = decided(seen, learned(seen, seen)).plans[SYMBOL]
    assert [(p.order.side, p.order.trigger_price) for p in result.stops] == [
        (LONG, at(LONG, "-1.5")),
        (SHORT, at(SHORT, "-1.5")),
    ]
    seen = seen_at([one, other], [backstop(held, at(held.side, "-1.5")) for held in (one, other)])
    assert len(decided(seen, learned(seen, seen)).plans[SYMBOL].take_profits) == 6


# --- make before break ------------------------------------------------------------------------------------------------


@both_sides
@pytest.mark.parametrize(("reads", "goes"), [(1, False), (2, True), (3, True)])
def test_a_replaced_stop_goes_after_its_replacement_was_read_back_often_enough(side, reads, goes):
    held = position(side, mark=at(side, 2))
    old, new, bottom = working(held, at(side, -1)), working(held, at(side, 1)), backstop(held, at(side, "-1.5"))
    before = learned(*[seen_at([held], [bottom, old])] * 3)
    series = [seen_at([held], [bottom, old, new, *ladder(held)])] * reads
    result = decided(series[-1], learned(*series, before=before)).plans[SYMBOL]
    assert (old.client_id in removed(result)) is goes
    if not goes:
        assert "must be read back in 2 reads" in why_held(result)
    else:
        assert set(result.cancels[0].replaced_by) == {bottom.client_id, new.client_id}


@both_sides
def test_a_replacement_that_does_not_rest_keeps_the_old_stop(side):
    held = position(side, "2", mark=at(side, 2))
    old, bottom = working(held, at(side, 1), "1"), backstop(held, at(side, "-1.5"))
    result = plan_for(held, [bottom, old])
    assert [place.order.quantity for place in result.stops] == [D(2)]
    assert result.cancels == () and "does not rest yet (invariant 2)" in why_held(result)


@both_sides
def test_the_backstop_is_never_removed_while_the_position_is_open(side):
    held = position(side, mark=at(side, 3))
    spare = backstop(held, at(side, -4), order_id="second")
    result = plan_for(held, [backstop(held, at(side, "-1.5")), spare, *ladder(held)])
    assert not removed(result) and "the backstop stays" in why_held(result)


@both_sides
def test_cover_must_reach_the_largest_recent_size_without_what_goes(side):
    """The position was 3 a moment ago: a stale smaller size must not talk us out of the larger stop."""
    far = live(position(side), at(side, -8))
    held = position(side, "1")
    large, small = working(held, at(side, "-1.5"), "3"), working(held, at(side, "-1.5"), "1")
    result = plan_for(held, [far, large, small], quantities=(D(3), D(1), D(1)))
    assert large.client_id not in removed(result) and "3 would not be covered" in why_held(result)
    later = plan_for(held, [far, large, small], quantities=(D(1), D(1), D(1)))
    assert large.client_id in removed(later)


@both_sides
def test_nothing_is_planned_that_the_gate_must_refuse(side):
    """As after a restart while the lists lagged: the memory took a new epoch, then the older orders appeared."""
    held = position(side, "0.11", mark=at(side, 5))
    rows = [
        backstop(held, at(side, "-1.5"), epoch=OLD_EPOCH),
        working(held, at(side, "3.43"), "0.01", epoch=OLD_EPOCH),
        working(held, at(side, 3), "0.11"),
    ]
    seen, evidence = settled(held, rows, epoch=EPOCH)
    result = decided(seen, evidence, rules(settings(STATIC))).plans[SYMBOL]
    answers = [approve_cancel(cancel, gate(seen, evidence.of(held.key))) for cancel in result.cancels]
    assert not [answer for answer in answers if not isinstance(answer, Approved)]


@both_sides
@pytest.mark.parametrize(("epoch", "binds"), [(EPOCH, True), (OLD_EPOCH, False)])
def test_only_the_level_of_an_earlier_life_binds_nobody(side, epoch, binds):
    """A process that did not see the backstop mints a later epoch in the same life: its tighter stop is kept."""
    life = OLD_EPOCH if binds else EPOCH
    held = position(side, mark=at(side, 1))
    tight = working(held, at(side, "-0.9"), "1", epoch=epoch)
    seen, evidence = settled(held, [backstop(held, at(side, "-1.5"), epoch=life), tight], epoch=life)
    result = decided(seen, evidence, rules(settings(STATIC))).plans[SYMBOL]
    assert (tight.client_id not in removed(result)) is binds


@both_sides
def test_foreign_orders_are_never_in_a_plan(side):
    held = position(side, mark=at(side, 2))
    rows = [
        live(held, at(side, pct), size, client_id=f"web_{n}")
        for n, (pct, size) in enumerate([(-1, "1"), (-2, "5"), (-9, None)])
    ]
    for orders in (rows, [*rows, backstop(held, at(side, -3)), working(held, at(side, 1)), *ladder(held)]):
        assert not removed(plan_for(held, orders)) & {order.client_id for order in rows}
    gone = [seen_at(orders=rows, at_ms=NOW_MS + 2000 * n, zero=[held.key]) for n in range(5)]
    assert decided(gone[-1], learned(seen_at([held], rows), *gone)).plans[SYMBOL].cancels == ()


@both_sides
def test_a_ladder_goes_before_its_successor_comes(side):
    """Beside each other they would close more at the first rung than is wanted (invariant 16)."""
    held = position(side, "2")
    old = ladder(position(side))
    bottom = backstop(held, at(side, "-1.5"))
    first = plan_for(held, [bottom, *old])
    assert removed(first) == {order.client_id for order in old}
    assert not first.take_profits and sum("invariant 16" in held.why for held in first.held) == 3
    assert len(plan_for(held, [bottom]).take_profits) == 3


@both_sides
def test_a_ladder_of_which_a_part_is_right_keeps_that_part(side):
    held = position(side)
    kept, *others = ladder(held)
    wrong = target(held, 1, at(side, "2.2"), "0.3")
    bottom = backstop(held, at(side, "-1.5"))
    first = plan_for(held, [bottom, kept, wrong, others[1]])
    assert removed(first) == {wrong.client_id} and not first.take_profits
    after = plan_for(held, [bottom, kept, others[1]])
    assert [place.order.trigger_price for place in after.take_profits] == [at(side, "2.5")] and not after.cancels


@both_sides
def test_a_take_profit_that_was_written_and_is_not_listed_counts(side):
    held = position(side)
    bottom = backstop(held, at(side, "-1.5"))
    seen, evidence = settled(held, [bottom])
    for trigger, rungs in (("1.4", []), ("1.5", [1, 2]), ("2", [])):
        written = desired(target(held, 0, at(side, trigger), "0.3" if trigger != "2" else "0.4"), held)
        places = decided(seen, claimed(evidence, written, NOW_MS)).plans[SYMBOL].take_profits
        assert [place.order.rung for place in places] == rungs


# --- absence ----------------------------------------------------------------------------------------------------------


@both_sides
@pytest.mark.parametrize(
    ("reads", "zero", "swept"), [(1, True, False), (2, True, False), (3, True, True), (5, False, False)]
)
def test_orphans_are_swept_only_after_flat_is_proven(side, reads, zero, swept):
    held = position(side)
    rows = [backstop(held, at(side, -2)), working(held, at(side, -1)), *ladder(held), live(held, at(side, -3))]
    zeros = [held.key] if zero else []
    series = [seen_at(orders=rows, at_ms=NOW_MS + 2000 * n, zero=zeros) for n in range(reads)]
    result = decided(series[-1], learned(seen_at([held], rows, at_ms=NOW_MS - 2000), *series)).plans[SYMBOL]
    if swept:
        assert removed(result) == {order.client_id for order in rows[:-1]}
    else:
        assert result.empty
        assert f"flat is not proven: {reads} of 3 reads, zero row {'seen' if zero else 'missing'}" in why_held(result)


def test_an_orphan_of_an_unknown_past_is_kept_until_flat_is_proven():
    held = position()
    assert decided(seen_at(orders=[working(held, 98)]), Evidence()).plans[SYMBOL].cancels == ()


@both_sides
def test_after_a_flip_the_new_side_is_protected_first(side):
    held, flipped = position(side), position(side.opposite, updated_at_ms=NOW_MS)
    rows = [working(held, at(side, -1)), *ladder(held)]
    evidence = learned(seen_at([held], rows))
    series = [seen_at([flipped], rows, at_ms=NOW_MS + 2000 * (n + 1)) for n in range(3)]
    first = decided(series[0], learned(series[0], before=evidence)).plans[SYMBOL]
    assert [place.key for place in first.stops] == [flipped.key]
    assert first.cancels == ()
    last = decided(series[2], learned(*series, before=evidence)).plans[SYMBOL]
    assert removed(last) == {order.client_id for order in rows}
    assert [place.key for place in last.stops] == [flipped.key]


# --- modes and bounds -------------------------------------------------------------------------------------------------


def surplus_case(side=LONG):
    held = position(side, mark=at(side, 2))
    rows = [backstop(held, at(side, "-1.5")), working(held, at(side, 1)), working(held, at(side, "0.5"))]
    return held, rows


def test_without_the_lease_protection_is_placed_and_nothing_is_removed():
    held, rows = surplus_case()
    live_plan, without = plan_for(held, rows), plan_for(held, rows, mode=Mode.PLACE_ONLY)
    assert live_plan.cancels and not without.cancels
    assert live_plan.take_profits and not without.take_profits
    assert "no lease: nothing is removed" in why_held(without)
    assert "no lease: no take-profit is placed" in why_held(without)
    naked = plan_for(position(), mode=Mode.PLACE_ONLY)
    assert len(naked.stops) == 1


def test_in_observe_mode_nothing_is_written_and_everything_is_named():
    held, rows = surplus_case()
    result = plan_for(held, rows, mode=Mode.OBSERVE)
    assert result.empty
    assert why_held(result).count("observe mode: ") == 3
    closing = plan_for(position(mark=80), rulebook=rules(settings(on_breach=OnBreach.CLOSE)), mode=Mode.OBSERVE)
    assert closing.empty and "close 1" in why_held(closing)


@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_a_plan_is_bounded_and_stops_have_the_first_places(most):
    one, other = position(LONG, hedged=True), position(SHORT, hedged=True)
    seen = seen_at([one, other], [backstop(other, at(SHORT, "-1.5"))])
    result = decided(seen, learned(seen, seen), rules(limits=replace(LIMITS, actions_per_symbol_max=most))).plans[
        SYMBOL
    ]
    assert len(result.stops) == 1
    assert len(result.stops) + len(result.take_profits) == min(most, 4)


# --- the close ladder -------------------------------------------------------------------------------------------------

CLOSING = rules(settings(on_breach=OnBreach.CLOSE))


def row_of(refusals, side) -> Crossed:
    """So many refusals of the policy's own stop as already passed."""
    return Crossed(refusals, at(side, "-1.5"), NOW_MS, 1) if refusals else NOT_CROSSED


def test_a_row_of_refusals_ends_by_its_age():
    held = position(mark=at(LONG, -3))
    assert plan_for(held, crossed=row_of(3, LONG)).closes
    assert not plan_for(held, crossed=replace(row_of(3, LONG), last_at_ms=NOW_MS - 60_000)).closes


@both_sides
def test_each_refused_try_goes_a_step_further_back_inside_the_bound(side):
    held = position(side)
    tried = [plan_for(held, crossed=row_of(n, side)).stops[0].order.trigger_price for n in (0, 1, 2, 7, 8, 50)]
    assert tried == [at(side, pct) for pct in ("-1.5", "-2", "-2.5", "-5", "-5", "-5")]


@pytest.mark.parametrize(("said", "words"), [("-2021", " (-2021)"), ("51278", " (51278)"), ("", "")])
def test_the_operator_reads_what_the_venue_said(said, words):
    """In the verdict's reason, and in the reason of the close."""
    row = replace(row_of(3, LONG), said=said)
    seen, evidence = settled(position(mark=at(LONG, -1)), crossed=row)
    note = f"the venue said 3 times that the price has passed the stop{words}: tried at 97 instead of 98.5"
    assert note in decided(seen, evidence).judgements[position().key].reason
    [close] = plan_for(position(mark=at(LONG, -3)), crossed=row).closes
    assert (
        close.reason == f"its stop was refused 3 times in a row as already passed{words}, and the price has passed 98.5"
    )


@both_sides
def test_a_refused_stop_never_goes_beyond_the_clamp_to_the_liquidation_price(side):
    held = position(side, liquidation=at(side, "-2.5"))
    assert plan_for(held, crossed=row_of(9, side)).stops[0].order.trigger_price == at(side, "-2")


@both_sides
@pytest.mark.parametrize("pnl", ["0", "3"])
def test_a_loss_that_the_venues_own_figure_denies_is_no_reason_to_close(side, pnl):
    held = replace(position(side, mark=at(side, -12)), unrealized_pnl=D(pnl))
    assert plan_for(held, rulebook=CLOSING).closes == ()


@both_sides
@pytest.mark.parametrize(
    ("on_breach", "mark", "refusals", "closes"),
    [
        (OnBreach.REANCHOR, "-15", 0, False),
        (OnBreach.REANCHOR, "-3", 2, False),
        (OnBreach.REANCHOR, "-3", 3, True),
        (OnBreach.CLOSE, "-9.99", 0, False),
        (OnBreach.CLOSE, "-10", 0, True),
        (OnBreach.CLOSE, "-3", 3, True),
        (OnBreach.ALERT, "-50", 0, False),
        (OnBreach.ALERT, "-50", 9, False),
        (OnBreach.REANCHOR, "-1.4", 3, False),
        (OnBreach.REANCHOR, "1", 9, False),
    ],
)
def test_when_a_position_is_closed(side, on_breach, mark, refusals, closes):
    held = position(side, mark=at(side, mark))
    result = plan_for(held, rulebook=rules(settings(on_breach=on_breach)), crossed=row_of(refusals, side))
    assert bool(result.closes) is closes, "what the refusals claim must be seen in the reads"
    assert len(result.stops) == 1, "a stop is wanted all the same"
    if closes:
        assert result.take_profits == ()


def test_a_close_needs_two_agreeing_reads():
    held = position(mark=85)
    once = plan_for(held, rulebook=CLOSING, reads=1)
    assert once.closes == () and "needs 2 agreeing reads" in why_held(once)
    assert len(plan_for(held, rulebook=CLOSING, reads=2).closes) == 1


@both_sides
def test_the_close_ladder_alternates_market_and_a_limit_inside_the_band(side):
    held = position(side, mark=at(side, -12))
    first = plan_for(held, rulebook=CLOSING, closes_sent=0).closes[0]
    second = plan_for(held, rulebook=CLOSING, closes_sent=1).closes[0]
    third = plan_for(held, rulebook=CLOSING, closes_sent=2).closes[0]
    assert (first.limit_price, third.limit_price) == (None, None)
    band = held.mark_price * (D("0.95") if side is LONG else D("1.05"))
    assert second.limit_price is not None and abs(second.limit_price - band) < D("0.01")
    assert (second.limit_price >= band) if side is LONG else (second.limit_price <= band)
    assert len({first.client_id, second.client_id, third.client_id}) == 3


def test_a_close_is_sliced_at_the_venues_maximum():
    held = position(quantity="300", mark=85)
    seen, evidence = settled(held)
    seen = replace(seen, instrument=instrument(market_max_quantity=120, max_quantity=200))
    assert decided(seen, evidence, CLOSING).plans[SYMBOL].closes[0].quantity == 120
    evidence = Evidence({held.key: evidence.keys[held.key]._replace(closes_sent=1)}, {})
    assert decided(seen, evidence, CLOSING).plans[SYMBOL].closes[0].quantity == 200


def test_closes_are_bounded_per_minute():
    held = position(mark=85)
    sent = tuple(NOW_MS - 1000 * n for n in range(6))
    assert plan_for(held, rulebook=CLOSING, closes_at_ms=sent).closes == ()
    old = (*sent[:5], NOW_MS - 60_000)
    assert len(plan_for(held, rulebook=CLOSING, closes_at_ms=old).closes) == 1


def test_the_bound_on_closes_holds_for_the_account():
    symbols = [f"S{n}USDT" for n in range(9)]
    series = [{s: seen_at([position(mark=85, symbol=s)], symbol=s, at_ms=NOW_MS + n) for s in symbols} for n in (0, 1)]
    evidence = learned(*[seen for observed in series for seen in observed.values()])
    plans = decided(series[-1], evidence, CLOSING).plans.values()
    assert sum(len(result.closes) for result in plans) <= LIMITS.closes_per_minute_max


@both_sides
def test_a_covered_position_is_not_closed_because_another_stop_of_ours_is_stuck(side):
    held = position(side, mark=at(side, 1))
    stuck = working(held, at(side, "0.5"), "0.1", status=OrderStatus.TRIGGERED)
    rows = [backstop(held, at(side, "-1.5")), stuck, *ladder(held)]
    assert plan_for(held, rows, now_ms=NOW_MS + 60_000).closes == ()


@pytest.mark.parametrize("status", [OrderStatus.TRIGGERING, OrderStatus.NEW])
def test_a_firing_stop_is_given_its_time_before_a_close(status):
    held = position(mark=85)
    rest = backstop(held, 86, status=status)
    assert plan_for(held, [rest], rulebook=CLOSING).closes == ()
    stuck = plan_for(held, [rest], rulebook=CLOSING, now_ms=NOW_MS + 60_000)
    assert len(stuck.closes) == 1


@both_sides
def test_when_resting_orders_use_up_the_position_take_profits_make_room_for_the_close(side):
    held = position(side, mark=at(side, -12))
    rows = [*ladder(held), backstop(held, at(side, -13))]
    result = plan_for(held, rows, rulebook=CLOSING, close_budget_refused=True)
    assert removed(result) == {order.client_id for order in rows[:3]}


def test_after_a_close_is_no_longer_needed_the_ladder_stays():
    held = position()
    rows = [*ladder(held), backstop(held, at(LONG, "-1.5"))]
    assert plan_for(held, rows, close_budget_refused=True).empty


@both_sides
def test_a_covered_position_is_not_closed_because_a_tighter_stop_was_refused(side):
    held = position(side, mark=at(side, 1))
    rows = [backstop(held, at(side, "-1.5")), *ladder(held)]
    assert plan_for(held, rows, crossed=row_of(3, side)).closes == ()


# --- the whole plan ---------------------------------------------------------------------------------------------------


def test_a_plan_is_the_same_for_the_same_inputs_in_any_order():
    one, other = position(LONG, hedged=True, mark=103), position(SHORT, hedged=True, mark=103)
    rows = [working(one, 101), working(one, 100), backstop(other, 110), target(other, 0, 90, "0.1"), *ladder(one)]
    forward = [seen_at([one, other], rows, at_ms=NOW_MS - n) for n in (2000, 0)]
    backward = [seen_at([other, one], rows[::-1], at_ms=NOW_MS - n) for n in (2000, 0)]
    a = decided(forward[-1], learned(*forward)).plans[SYMBOL]
    b = decided(backward[-1], learned(*backward)).plans[SYMBOL]
    assert (a.stops, a.take_profits, a.closes) == (b.stops, b.take_profits, b.closes)
    assert removed(a) == removed(b)
    assert decided(forward[-1], learned(*forward)).plans == decided(forward[-1], learned(*forward)).plans


def test_actions_are_values_of_the_three_kinds_only():
    held, rows = surplus_case()
    result = plan_for(held, rows)
    assert all(isinstance(cancel, Cancel) and cancel.key == PositionKey(SYMBOL, LONG) for cancel in result.cancels)
    closing = plan_for(position(mark=80), rulebook=CLOSING)
    assert all(isinstance(close, Close) for close in closing.closes)
