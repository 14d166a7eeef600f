"""The order gate, handed actions no planner would make: for each invariant what passes and what is denied."""

from dataclasses import replace

import pytest

from position_monitor.core.decision.guard import Approved, Denied, approve_cancel, approve_close, approve_place
from position_monitor.core.model import ids
from position_monitor.core.model.actions import Cancel, Close, Mode, Place
from position_monitor.core.model.orders import OrderStatus, Purpose, Role, WorkingType
from position_monitor.core.model.sides import PositionKey

from .build import (
    ACCOUNT,
    EPOCH,
    LIMITS,
    NOW_MS,
    OLD_EPOCH,
    SIDES,
    SYMBOL,
    D,
    at,
    backstop,
    desired,
    gate,
    known,
    ladder,
    limit_target,
    live,
    owned_id,
    position,
    seen_at,
    settings,
    target,
    working,
)

both_sides = pytest.mark.parametrize("side", SIDES)
both_modes = pytest.mark.parametrize("hedged", [False, True], ids=["one-way", "hedge"])


def placing(held, order, orders=(), **checks):
    """The guard's answer to placing `order` (given as the live order it would become)."""
    wanted = order if not hasattr(order, "order_id") else desired(order, held)
    return approve_place(Place(wanted, "test"), gate(seen_at([held], orders), known(), **checks))


def reason(answer) -> str:
    assert isinstance(answer, Denied), "it was approved"
    return answer.reason


def rewritten(order, held, **changes):
    """A wish whose id fits its changed content, so that only the content can be what is denied."""
    wanted = desired(order, held)._replace(**changes)
    client_id = ids.client_id(
        account=ACCOUNT,
        symbol=wanted.symbol,
        side=wanted.side,
        role=wanted.role,
        rung=wanted.rung,
        trigger=wanted.trigger_price,
        quantity=wanted.quantity,
        epoch=EPOCH,
    )
    return wanted._replace(client_id=client_id)


# --- invariant 1: never expose ----------------------------------------------------------------------------------------


@both_sides
@both_modes
def test_inv_1_a_stop_and_a_target_that_reduce_are_approved(side, hedged):
    held = position(side, hedged=hedged)
    for order in (backstop(held, at(side, -2)), working(held, at(side, -2)), target(held, 0, at(side, 2), "0.3")):
        answer = placing(held, order)
        assert isinstance(answer, Approved) and answer.action.order.client_id == order.client_id


@both_sides
def test_inv_1_without_the_position_nothing_is_placed(side):
    held, other = position(side), position(side.opposite)
    wanted = desired(working(held, at(side, -2)), held)
    for positions in ([], [other], [position(side, symbol="ETHUSDT")]):
        answer = approve_place(Place(wanted, "test"), gate(seen_at(positions), known()))
        assert "the position was not read (invariant 1)" in reason(answer)


@both_sides
@pytest.mark.parametrize("quantity", ["1.001", "2", "0", "-1"])
def test_inv_1_an_order_larger_than_the_position_is_denied(side, quantity):
    held = position(side)
    for order in (working(held, at(side, -2)), target(held, 0, at(side, 2), "1")):
        assert "(invariant 1)" in reason(placing(held, rewritten(order, held, quantity=D(quantity))))


@both_sides
@both_modes
def test_inv_1_the_position_side_must_be_the_accounts(side, hedged):
    """An order that is made for the other mode could open a position."""
    held = position(side, hedged=hedged)
    answer = placing(held, rewritten(working(held, at(side, -2)), held, hedged=not hedged))
    stated, needed = ("BOTH", str(side)) if hedged else (str(side), "BOTH")
    assert reason(answer) == f"position side was {stated}; the account needs {needed} (invariant 1)"


@pytest.mark.parametrize("purpose", [Purpose.MARKET, Purpose.LIMIT, Purpose.STOP_LIMIT, Purpose.OTHER])
def test_inv_1_only_protective_orders_are_placed(purpose):
    held = position()
    assert "not a protective order" in reason(placing(held, rewritten(working(held, 98), held, purpose=purpose)))


@both_sides
@both_modes
def test_a_take_profit_may_rest_as_a_limit_order_and_no_stop_may(side, hedged):
    held = position(side, hedged=hedged)
    cover, rung = backstop(held, at(side, -2)), desired(limit_target(held, 0, at(side, "1.5"), "0.3"), held)
    assert isinstance(approve_place(Place(rung, "test"), gate(seen_at([held], [cover]), known())), Approved)
    passed = position(side, mark=at(side, "1.6"), hedged=hedged)
    answer = approve_place(Place(rung, "test"), gate(seen_at([passed], [cover]), known()))
    assert "is not beyond the mark" in reason(answer)
    whole = rung._replace(quantity=None)
    assert "does not only reduce" in reason(
        approve_place(Place(whole, "test"), gate(seen_at([held], [cover]), known()))
    )
    much = desired(limit_target(held, 0, at(side, "1.5"), "0.5"), held)
    assert "close 0.5" in reason(approve_place(Place(much, "test"), gate(seen_at([held], [cover]), known())))
    named = rung._replace(client_id=target(held, 0, at(side, "1.5"), "0.3").client_id)
    assert "its intent gives" in reason(approve_place(Place(named, "test"), gate(seen_at([held], [cover]), known())))


@both_sides
def test_a_limit_order_filled_in_part_may_be_removed_once_its_position_is_flat(side):
    """It rests all the same, and would wait for the next position."""
    held = position(side)
    rung = limit_target(held, 0, at(side, "1.5"), "0.2", status=OrderStatus.PARTIALLY_FILLED)
    flat = known(absent_reads=3, flat_sign=True)
    cancel = Cancel(rung, held.key, "orphan")
    assert isinstance(approve_cancel(cancel, gate(seen_at([], [rung]), flat)), Approved)
    fires = target(held, 0, at(side, "1.5"), "0.3", status=OrderStatus.TRIGGERING)
    assert "does not rest" in reason(
        approve_cancel(Cancel(fires, held.key, "orphan"), gate(seen_at([], [fires]), flat))
    )


@both_sides
@pytest.mark.parametrize(
    ("trigger", "mark", "liquidation", "words"),
    [
        ("-2", "-2", None, "wrong side of the mark"),
        ("-2", "-3", None, "wrong side of the mark"),
        ("2", "0", None, "wrong side of the mark"),
        ("-5", "0", "-5", "beyond the liquidation price"),
        ("-6", "0", "-5", "beyond the liquidation price"),
    ],
)
def test_a_stop_must_lie_between_the_mark_and_liquidation(side, trigger, mark, liquidation, words):
    held = position(side, mark=at(side, mark), liquidation=None if liquidation is None else at(side, liquidation))
    assert words in reason(placing(held, backstop(held, at(side, trigger))))


@both_sides
@pytest.mark.parametrize(("trigger", "approved"), [("2", True), ("1", False), ("0.9", False), ("-3", False)])
def test_a_target_must_lie_beyond_the_mark(side, trigger, approved):
    held = position(side, mark=at(side, 1))
    answer = placing(held, target(held, 0, at(side, trigger), "0.3"))
    assert isinstance(answer, Approved) is approved


@pytest.mark.parametrize(
    "changes", [{"trigger_price": D("98.005")}, {"trigger_price": D(0)}, {"quantity": D("0.0005")}], ids=str
)
def test_an_order_off_the_grid_is_denied(changes):
    held = position()
    assert "expected" in reason(placing(held, rewritten(working(held, 98), held, **changes)))


def test_without_trading_rules_a_stop_lies_on_the_provisional_grid_and_nothing_else_is_placed():
    held = position()
    bare = gate(seen_at([held], venue=None), known())
    assert isinstance(approve_place(Place(desired(backstop(held, 98), held), "test"), bare), Approved)
    off_grid = desired(backstop(held, "98.01"), held)
    assert "expected a positive multiple of 0.1" in reason(approve_place(Place(off_grid, "test"), bare))
    target_of = desired(ladder(held)[0], held)
    assert "trading rules" in reason(approve_place(Place(target_of, "test"), bare))


@both_sides
@pytest.mark.parametrize(
    ("quantity", "approved"), [("1", True), ("0.4", True), ("1.001", False), ("0", False), ("-1", False)]
)
def test_inv_1_a_close_is_never_larger_than_the_position(side, quantity, approved):
    held = position(side)
    assert isinstance(closing(held, quantity=D(quantity)), Approved) is approved


@both_sides
def test_inv_1_a_close_of_what_was_not_read_or_on_the_wrong_side_is_denied(side):
    held = position(side, hedged=True)
    assert isinstance(closing(held), Approved)
    assert "invariant 1" in reason(closing(held, hedged=False))
    assert "invariant 1" in reason(closing(held, key=PositionKey(SYMBOL, side.opposite)))


def closing(held, *, known_as=None, mode=Mode.LIVE, **changes):
    client_id = ids.client_id(
        account=ACCOUNT,
        symbol=held.symbol,
        side=held.side,
        role=Role.CLOSE,
        rung=0,
        trigger=D(0),
        quantity=changes.get("quantity", held.quantity),
        epoch=EPOCH,
    )
    base = Close(held.key, held.hedged, held.quantity, client_id, None, "test", held.mark_price, WorkingType.MARK_PRICE)
    checks = gate(seen_at([held]), known() if known_as is None else known_as, mode=mode)
    checks = replace(checks, now_ms=NOW_MS, witness=changes.pop("witness", held.mark_price))
    return approve_close(replace(base, **changes), checks)


def test_a_close_needs_two_reads_and_an_id_of_ours():
    held = position()
    assert "two agreeing reads" in reason(closing(held, known_as=known(present_reads=1)))
    assert "invariant 4" in reason(closing(held, client_id="web_abcdef"))
    assert "observe" in reason(closing(held, mode=Mode.OBSERVE))


@pytest.mark.parametrize(
    ("witness", "since_ms", "approved"),
    [
        (D(100), 0, True),
        (D(99), 0, True),
        (D("100.01"), NOW_MS - 60_000, False),
        (None, 0, False),
        (None, NOW_MS - 14_999, False),
        (None, NOW_MS - 15_000, True),
    ],
)
def test_inv_16_nothing_is_closed_on_one_witness(witness, since_ms, approved):
    """The price read apart must have reached the level; without one, reads must have agreed for long enough."""
    result = closing(position(), witness=witness, known_as=known(closing_since_ms=since_ms))
    assert isinstance(result, Approved) is approved
    assert approved or "witness" in reason(result) or "invariant 16" in reason(result)


def test_inv_4_the_id_of_a_close_is_derived_again():
    held = position()
    assert "invariant 4" in reason(closing(held, client_id=owned_id(held, Role.BACKSTOP, 98)))


# --- invariant 2: make before break -----------------------------------------------------------------------------------


def cancelling(held, order, orders, *, known_as=None, mode=Mode.LIVE, key=None):
    checks = gate(seen_at([held] if held else [], orders), known_as, mode=mode)
    return approve_cancel(Cancel(order, key or held.key, "test"), checks)


def seen_often(*orders, **changes):
    return known(listed_reads={order.client_id: 3 for order in orders}, **changes)


@both_sides
@both_modes
def test_inv_2_a_replaced_working_stop_may_go(side, hedged):
    held = position(side, mark=at(side, 2), hedged=hedged)
    old, new = working(held, at(side, -1)), working(held, at(side, 1))
    assert isinstance(cancelling(held, old, [old, new], known_as=seen_often(old, new)), Approved)


@both_sides
@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ([], "only 0.0 % of 1 would be covered (invariant 2)"),
        ([("0.6", {})], "only 60.0 % of 1 would be covered (invariant 2)"),
        ([("1", {"status": OrderStatus.TRIGGERING})], "would be covered (invariant 2)"),
        ([("1", {"caveat": "it expires"})], "would be covered (invariant 2)"),
    ],
    ids=["last stop", "part", "replacement triggering", "replacement expires"],
)
def test_inv_2_a_stop_whose_absence_would_uncover_the_position_stays(side, rest, words):
    held = position(side, mark=at(side, 2))
    old = working(held, at(side, -1))
    others = [working(held, at(side, 1), size, **changes) for size, changes in rest]
    assert words in reason(cancelling(held, old, [old, *others], known_as=seen_often(old, *others)))


@both_sides
def test_inv_2_the_cover_that_remains_must_reach_the_largest_recent_size(side):
    held = position(side, mark=at(side, 2))
    old, new = working(held, at(side, 1), "3"), working(held, at(side, 1), "1")
    shrunk = seen_often(old, new, quantities=(D(3), D(1)))
    assert "of 3 would be covered" in reason(cancelling(held, old, [old, new], known_as=shrunk))
    steady = seen_often(old, new, quantities=(D(1), D(1)))
    assert isinstance(cancelling(held, old, [old, new], known_as=steady), Approved)


@both_sides
def test_inv_2_the_backstop_stays_even_beside_a_full_working_stop(side):
    held = position(side, mark=at(side, 2))
    bottom, upper = backstop(held, at(side, -2)), working(held, at(side, 1))
    assert "backstop stays" in reason(cancelling(held, bottom, [bottom, upper], known_as=seen_often(bottom, upper)))


@both_sides
@pytest.mark.parametrize(("reads", "approved"), [(0, False), (1, False), (2, True)])
def test_inv_2_what_remains_must_have_been_read_back(side, reads, approved):
    held = position(side, mark=at(side, 2))
    old, new = working(held, at(side, -1)), working(held, at(side, 1))
    answer = cancelling(held, old, [old, new], known_as=known(listed_reads={new.client_id: reads}))
    assert isinstance(answer, Approved) is approved


def test_without_evidence_no_stop_is_removed():
    held = position(mark=102)
    old, new = working(held, 99), working(held, 101)
    assert "nothing is known" in reason(cancelling(held, old, [old, new]))


@both_sides
def test_take_profits_are_expendable(side):
    held = position(side)
    rung = target(held, 0, at(side, 2), "0.3")
    assert isinstance(cancelling(held, rung, [rung], known_as=known()), Approved)


@both_sides
@pytest.mark.parametrize("what", ["gone", "triggering"])
def test_what_does_not_rest_in_the_fresh_read_is_not_cancelled(side, what):
    held = position(side, mark=at(side, 2))
    old, new = working(held, at(side, -1)), working(held, at(side, 1))
    rows = [new] if what == "gone" else [new, old._replace(status=OrderStatus.TRIGGERING)]
    assert "does not rest" in reason(cancelling(held, old, rows, known_as=seen_often(old, new)))


# --- invariant 8: never loosen ----------------------------------------------------------------------------------------


@both_sides
def test_inv_8_the_tightest_stop_stays_while_only_looser_ones_remain(side):
    held = position(side, mark=at(side, 2))
    bottom, upper = backstop(held, at(side, -2)), working(held, at(side, 1))
    assert "invariant 8" in reason(cancelling(held, upper, [bottom, upper], known_as=seen_often(bottom, upper)))
    looser = working(held, at(side, -1))
    answer = cancelling(held, looser, [bottom, upper, looser], known_as=seen_often(bottom, upper, looser))
    assert isinstance(answer, Approved)


@both_sides
def test_inv_8_the_whole_quantity_keeps_its_stop_level(side):
    held = position(side, mark=at(side, 2))
    bottom, large, small = backstop(held, at(side, -2)), working(held, at(side, 1)), working(held, at(side, 1), "0.1")
    rows = [bottom, large, small]
    assert "invariant 8" in reason(cancelling(held, large, rows, known_as=seen_often(*rows)))


@both_sides
def test_inv_8_a_part_that_is_stopped_tighter_keeps_its_level(side):
    held = position(side, mark=at(side, 2))
    bottom, part = backstop(held, at(side, -2)), working(held, at(side, 1), "0.5")
    assert "invariant 8" in reason(cancelling(held, part, [bottom, part], known_as=seen_often(bottom, part)))


# --- invariant 4: at most once per intent -----------------------------------------------------------------------------


@both_sides
def test_inv_4_the_id_must_be_the_one_its_content_gives(side):
    held = position(side)
    wanted = desired(backstop(held, at(side, -2)), held)
    assert isinstance(placing(held, wanted), Approved)
    for wicked in (
        wanted._replace(client_id="qpm-my-own-idea"),
        wanted._replace(trigger_price=at(side, "-2.5")),
        wanted._replace(quantity=D(1)),
        wanted._replace(role=Role.WORKING_STOP),
        wanted._replace(rung=1),
        wanted._replace(client_id=owned_id(held, Role.BACKSTOP, at(side, -2), epoch=OLD_EPOCH)),
    ):
        assert "(invariant 4)" in reason(placing(held, wicked))


@both_sides
@pytest.mark.parametrize(
    ("status", "approved"),
    [
        (OrderStatus.NEW, False),
        (OrderStatus.TRIGGERING, False),
        (OrderStatus.PARTIALLY_FILLED, False),
        (OrderStatus.CANCELED, True),
        (OrderStatus.EXPIRED, True),
    ],
)
def test_inv_4_an_intent_that_rests_is_not_sent_again(side, status, approved):
    held = position(side)
    order = working(held, at(side, -2))
    answer = placing(held, order, [order._replace(status=status)])
    assert isinstance(answer, Approved) is approved


def test_inv_4_without_evidence_there_is_no_epoch_and_no_order():
    held = position()
    answer = approve_place(Place(desired(backstop(held, 98), held), "test"), gate(seen_at([held]), None))
    assert "nothing is known" in reason(answer)


# --- invariant 5: ownership -------------------------------------------------------------------------------------------


@both_sides
@pytest.mark.parametrize("flat", [False, True])
def test_inv_5_foreign_orders_are_never_cancelled(side, flat):
    held = position(side, mark=at(side, 2))
    foreign, own = live(held, at(side, -1), "1"), working(held, at(side, 1))
    proven = seen_often(foreign, own, absent_reads=9, flat_sign=True)
    answer = cancelling(None if flat else held, foreign, [foreign, own], known_as=proven, key=held.key)
    assert "not ours (invariant 5)" in reason(answer)


@both_sides
def test_inv_5_an_action_that_points_at_a_foreign_order_by_its_number_is_denied(side):
    held = position(side, mark=at(side, 2))
    old, new = working(held, at(side, -1)), working(held, at(side, 1))
    foreign = live(held, at(side, -1), "1", order_id=old.order_id)
    assert "invariant 5" in reason(cancelling(held, old, [foreign, new], known_as=seen_often(old, new)))


@both_sides
def test_inv_5_an_order_is_removed_only_in_the_name_of_its_own_position(side):
    held = position(side, mark=at(side, 2), hedged=True)
    old, new = working(held, at(side, -1)), working(held, at(side, 1))
    answer = cancelling(held, old, [old, new], known_as=seen_often(old, new), key=PositionKey(SYMBOL, side.opposite))
    assert "invariant 5" in reason(answer)


# --- invariants 6, 7, 9, 10 -------------------------------------------------------------------------------------------


@both_sides
@pytest.mark.parametrize(
    ("reads", "zero", "approved"), [(3, True, True), (2, True, False), (9, False, False), (0, True, False)]
)
def test_inv_7_orders_of_an_unlisted_position_go_only_when_flat_is_proven(side, reads, zero, approved):
    held = position(side)
    for order in (backstop(held, at(side, -2)), working(held, at(side, -1)), target(held, 0, at(side, 2), "1")):
        evidence = known(absent_reads=reads, flat_sign=zero)
        answer = cancelling(None, order, [order], known_as=evidence, key=held.key)
        assert isinstance(answer, Approved) is approved
        assert approved or "invariant 7" in reason(answer)


def test_inv_7_without_evidence_an_orphan_stays():
    held = position()
    order = working(held, 98)
    assert "invariant 7" in reason(cancelling(None, order, [order], key=held.key))


def test_inv_6_and_7_nothing_follows_from_an_unreadable_symbol():
    held = position(mark=102)
    old, new = working(held, 99), working(held, 101)
    checks = gate(seen_at([held], [old, new], unreadable="html"), seen_often(old, new))
    assert "invariant 7" in reason(approve_cancel(Cancel(old, held.key, "test"), checks))
    assert "invariant 6" in reason(approve_place(Place(desired(backstop(held, 98), held), "test"), checks))
    not_read = replace(checks, observation=replace(seen_at([held], []), orders_read_at_ms=0))
    assert "invariant 6" in reason(approve_place(Place(desired(backstop(held, 98), held), "test"), not_read))


@pytest.mark.parametrize(
    ("mode", "places", "removes"),
    [(Mode.LIVE, True, True), (Mode.PLACE_ONLY, True, False), (Mode.OBSERVE, False, False)],
)
def test_inv_9_without_the_lease_nothing_is_removed_and_in_observe_nothing_is_written(mode, places, removes):
    held = position(mark=102)
    old, new = working(held, 99), working(held, 101)
    assert isinstance(placing(held, backstop(held, 98), mode=mode), Approved) is places
    assert isinstance(cancelling(held, old, [old, new], known_as=seen_often(old, new), mode=mode), Approved) is removes
    proven = known(absent_reads=3, flat_sign=True)
    assert isinstance(cancelling(None, old, [old], known_as=proven, mode=mode, key=held.key), Approved) is removes


def many_targets(held, count):
    return [target(held, n % 36, at(held.side, 4 + n), "0.01") for n in range(count)]


def test_inv_10_the_orders_of_one_position_are_bounded():
    held = position()
    wanted = target(held, 20, 130, "0.01")
    assert isinstance(placing(held, wanted, many_targets(held, 9)), Approved)
    assert "invariant 10" in reason(placing(held, wanted, many_targets(held, 10)))
    foreign = [live(held, 97, "1", client_id=f"web_{n}") for n in range(30)]
    assert isinstance(placing(held, wanted, foreign), Approved), "what others place does not use up our bound"
    other_side = [target(position(held.side.opposite), n, 90, "0.1") for n in range(10)]
    assert isinstance(placing(held, wanted, other_side), Approved)


def test_inv_3_take_profits_never_keep_a_stop_away():
    held = position()
    crowd = many_targets(held, 45)
    assert isinstance(placing(held, backstop(held, 98), crowd), Approved)
    assert isinstance(placing(held, working(held, 98), crowd), Approved)
    assert isinstance(placing(held, working(held, 98), many_targets(held, 46)), Approved), "it has no cover"
    covered = [*many_targets(held, 45), working(held, 97)]
    assert "invariant 10" in reason(placing(held, working(held, 98), covered)), "bounded all the same"


@both_sides
@pytest.mark.parametrize(
    ("rebase", "epoch", "goes"), [(True, OLD_EPOCH, True), (True, EPOCH, False), (False, OLD_EPOCH, False)]
)
def test_inv_8_only_rebase_on_add_replaces_a_backstop_and_only_an_earlier_one(side, rebase, epoch, goes):
    held = position(side)
    bottom = backstop(held, at(side, "-0.9"), epoch=epoch)
    bridge = working(held, at(side, -2))
    checks = gate(
        seen_at([held], [bottom, bridge]), seen_often(bottom, bridge), protection=settings(rebase_on_add=rebase)
    )
    answer = approve_cancel(Cancel(bottom, held.key, "test"), checks)
    assert isinstance(answer, Approved) is goes
    alone = replace(checks, observation=seen_at([held], [bottom]))
    assert isinstance(approve_cancel(Cancel(bottom, held.key, "test"), alone), Denied), "never without its bridge"


# --- the seal ---------------------------------------------------------------------------------------------------------


def test_approval_cannot_be_made_outside_the_guard():
    place = Place(desired(backstop(position(), 98), position()), "test")
    for seal in ((), (None,), (object(),)):
        with pytest.raises(TypeError, match="only the guard approves"):
            Approved(place, *seal)


def test_the_answer_carries_the_very_action_that_was_checked():
    held = position()
    place = Place(desired(backstop(held, 98), held), "test")
    answer = approve_place(place, gate(seen_at([held]), known()))
    assert isinstance(answer, Approved) and answer.action is place


def test_the_limits_of_the_gate_are_the_configured_ones():
    held = position()
    narrow = replace(LIMITS, owned_orders_per_position_max=3)
    wanted = target(held, 9, 130, "0.1")
    assert "the limit is 3" in reason(placing(held, wanted, many_targets(held, 3), limits=narrow))


@both_sides
@pytest.mark.parametrize(
    ("rung", "trigger", "quantity", "beside", "approved"),
    [
        (0, "1.5", "0.3", (), True),
        (0, "1.5", "0.31", (), False),
        (1, "2.5", "0.6", (), True),
        (2, "4", "1", (), True),
        (0, "1.6", "0.3", ((0, "1.5", "0.3"),), False),
        (1, "2.5", "0.3", ((0, "1.5", "0.3"),), True),
        (1, "2.5", "0.4", ((0, "1.5", "0.3"),), False),
        (2, "4", "0.4", ((0, "1.5", "0.3"), (1, "2.5", "0.3")), True),
        (2, "4", "0.5", ((0, "1.5", "0.3"), (1, "2.5", "0.3")), False),
        (2, "4", "0.1", ((0, "6", "1"),), False),
    ],
)
def test_inv_16_no_more_than_the_shares_up_to_a_price_may_be_closed_there(
    side, rung, trigger, quantity, beside, approved
):
    held = position(side)
    resting = [target(held, n, at(side, away), size) for n, away, size in beside]
    answer = placing(held, target(held, rung, at(side, trigger), quantity), resting)
    assert isinstance(answer, Approved) is approved
    assert approved or "invariant 16" in reason(answer)
