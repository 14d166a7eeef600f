"""The verdict of a position and the risk of the account never say more than was read (DESIGN 1, invariant 6)."""

from dataclasses import replace
from itertools import combinations

import pytest

from position_monitor.core.decision.history import Track
from position_monitor.core.decision.risk import account_risk
from position_monitor.core.model.orders import OrderStatus, Purpose, Role
from position_monitor.core.model.settings import OnBreach
from position_monitor.core.model.verdicts import RiskStatus, Verdict
from position_monitor.core.publication.position_state import position_state

from .build import (
    LONG,
    NOW_MS,
    SHORT,
    SIDES,
    SYMBOL,
    D,
    at,
    backstop,
    decided,
    ladder,
    live,
    position,
    rules,
    seen_at,
    settings,
    settled,
    working,
)

both_sides = pytest.mark.parametrize("side", SIDES)


def judged(held, orders=(), *, rulebook=None, now_ms=NOW_MS, seen=None, **known):
    read, evidence = settled(held, orders, **known)
    return decided(seen or read, evidence, rulebook, now_ms=now_ms).judgements[held.key]


def whole(held) -> tuple:
    return (backstop(held, at(held.side, "-1.5")), *ladder(held))


# --- each verdict -----------------------------------------------------------------------------------------------------


@both_sides
@pytest.mark.parametrize("hedged", [False, True])
def test_protected_needs_the_stop_and_the_whole_ladder(side, hedged):
    held = position(side, hedged=hedged)
    assert judged(held, whole(held)).verdict is Verdict.PROTECTED


@both_sides
def test_no_missing_part_is_ever_called_protected(side):
    """Every proper subset of the complete book, and every single status that is not NEW."""
    held = position(side)
    parts = whole(held)
    for count in range(len(parts)):
        for chosen in combinations(parts, count):
            expected = Verdict.STOP_ONLY if parts[0] in chosen else Verdict.NAKED
            assert judged(held, chosen).verdict is expected
    for status in set(OrderStatus) - {OrderStatus.NEW}:
        broken = (parts[0]._replace(status=status), *parts[1:])
        assert judged(held, broken).verdict in (Verdict.NAKED, Verdict.CLOSING)


@both_sides
@pytest.mark.parametrize(
    ("size", "verdict", "words"),
    [("0.001", Verdict.UNDERCOVERED, "0.001 of 1"), ("0.999", Verdict.UNDERCOVERED, "0.999 of 1"), ("1", None, "")],
)
def test_partial_cover_is_undercovered(side, size, verdict, words):
    held = position(side)
    found = judged(held, [live(held, at(side, -2), size), *ladder(held)])
    assert found.verdict is (verdict or Verdict.PROTECTED)
    assert words in found.reason


@both_sides
@pytest.mark.parametrize("trigger", ["-11", "-10", "0.5"], ids=["beyond liquidation", "at liquidation", "passed"])
def test_a_stop_that_protects_nothing_leaves_the_position_naked(side, trigger):
    held = position(side, liquidation=at(side, -10))
    foreign = live(held, at(side, trigger))
    assert judged(held, [foreign, *ladder(held)]).verdict is Verdict.NAKED


@both_sides
def test_a_naked_position_says_why_its_last_stop_does_not_rest(side):
    held = position(side)
    found = judged(held, ladder(held), stop_refused="the venue refused it (-4164)")
    assert found.verdict is Verdict.NAKED
    assert (
        found.reason
        == "no stop counts as cover; the last one that was sent does not rest: the venue refused it (-4164)"
    )
    assert "-4164" not in judged(held, whole(held), stop_refused="the venue refused it (-4164)").reason


@pytest.mark.parametrize(
    "gap", [{"unreadable": "malformed row"}, {"orders_read_at_ms": 0}, {"positions_read_at_ms": 0}], ids=str
)
def test_what_was_not_read_is_unknown_whatever_rested_before(gap):
    held = position()
    for orders in ((), whole(held)):
        found = judged(held, orders, seen=replace(seen_at([held], orders), **gap))
        assert found.verdict is Verdict.UNKNOWN and found.reason


@both_sides
@pytest.mark.parametrize(("later_ms", "verdict"), [(0, Verdict.CLOSING), (10_001, Verdict.NAKED)])
def test_a_firing_stop_is_closing_for_its_grace_and_naked_after(side, later_ms, verdict):
    held = position(side, mark=at(side, "-1.6"))
    rest = backstop(held, at(side, "-1.5"), status=OrderStatus.TRIGGERING)
    telling = rules(settings(on_breach=OnBreach.ALERT))
    found = judged(held, [rest], rulebook=telling, now_ms=NOW_MS - 4_000 + later_ms, reads=3)
    assert found.verdict is verdict


@both_sides
def test_a_position_that_is_being_closed_says_why(side):
    held = position(side, mark=at(side, -12))
    found = judged(held, rulebook=rules(settings(on_breach=OnBreach.CLOSE)))
    assert found.verdict is Verdict.CLOSING and "12.00 % is beyond 10 %" in found.reason


def test_unmanaged_is_said_whatever_rests():
    held = position()
    left = rules(unmanaged=[held.key])
    for orders in ((), whole(held)):
        assert judged(held, orders, rulebook=left).verdict is Verdict.UNMANAGED
    assert judged(held, seen=seen_at([held], unreadable="x"), rulebook=left).verdict is Verdict.UNMANAGED


@both_sides
def test_foreign_protection_counts_when_it_is_respected(side):
    held = position(side)
    rows = [live(held, at(side, -2)), live(held, at(side, 3), purpose=Purpose.TAKE_PROFIT, client_id="web_tp")]
    assert judged(held, rows).verdict is Verdict.PROTECTED
    ignoring = rules(settings(respect_foreign_orders=False))
    assert judged(held, rows, rulebook=ignoring).verdict is Verdict.NAKED


def test_a_ladder_without_capacity_is_stop_only_and_says_so():
    held = position()
    seen, evidence = settled(held, [backstop(held, at(LONG, "-1.5"))])
    found = decided(seen, evidence, elsewhere=200).judgements[held.key]
    assert found.verdict is Verdict.STOP_ONLY and "no conditional-order capacity" in found.reason


@pytest.mark.parametrize("covered", [False, True], ids=["naked", "covered"])
def test_without_trading_rules_it_is_held_and_what_is_naked_is_exposed(covered):
    """The verdict names the cause and claims nothing; a position that was read as naked still makes it CRITICAL."""
    held = position()
    rows = [live(held, 98)] if covered else []
    found = judged(held, rows, seen=seen_at([held], rows, venue=None))
    assert found.verdict is Verdict.UNKNOWN and found.reason.startswith("HOLD")
    assert found.exposed is not covered


@both_sides
def test_without_an_entry_price_it_is_held_and_the_cover_counts(side):
    held = position(side, entry=0)
    found = judged(held, [backstop(held, at(side, "-1.5"))])
    assert found.verdict is Verdict.UNKNOWN and "entry price was 0" in found.reason
    assert found.cover.full and not found.exposed


def test_the_planner_and_the_verdict_agree():
    """What is PROTECTED needs no stop; what needs a stop is not PROTECTED."""
    held = position(mark=101)
    for rows in ((), whole(held), whole(held)[1:], [live(held, 94)], [live(held, 98), *ladder(held)]):
        seen, evidence = settled(held, rows)
        decision = decided(seen, evidence)
        wants_stop = any(place.order.role is Role.BACKSTOP for place in decision.plans[SYMBOL].stops)
        naked = decision.judgements[held.key].verdict in (Verdict.NAKED, Verdict.UNDERCOVERED)
        assert not wants_stop or naked
        assert not naked or decision.plans[SYMBOL].stops


# --- the published form -----------------------------------------------------------------------------------------------


def published(decision, held, seen):
    """What is published of a position that was judged just now."""
    observed_at_ms = seen.observed_at_ms
    return position_state(Track(decision.judgements[held.key], NOW_MS, observed_at_ms=observed_at_ms, naked_ms=0))


@both_sides
def test_the_published_state_carries_what_was_read(side):
    held = position(side, mark=at(side, 1), liquidation=at(side, -20))
    orders = (backstop(held, at(side, "-1.5")), working(held, at(side, "-0.5")), *ladder(held))
    seen, evidence = settled(held, orders)
    found = decided(seen, evidence).judgements[held.key]
    state = position_state(Track(found, since_ms=5, observed_at_ms=seen.observed_at_ms, naked_ms=7))
    assert (state.stop_price, state.backstop_price) == (at(side, "-0.5"), at(side, "-1.5"))
    assert (state.stop_quantity, state.cover_pct, state.worst_case_loss) == (1, 100, D("0.5"))
    assert set(state.stop_client_ids) == {orders[0].client_id, orders[1].client_id}
    assert [(tp.rung, tp.resting, tp.client_id) for tp in state.take_profits] == [
        (n, True, order.client_id) for n, order in enumerate(orders[2:])
    ]
    assert (state.since_ms, state.naked_ms, state.observed_at_ms) == (5, 7, seen.observed_at_ms)
    told = {"StopCovered": "True", "BackstopLive": "True", "TakeProfitsPlaced": "True", "BookInSync": "True"}
    assert state.conditions.items() >= told.items()


def test_missing_and_foreign_rungs_are_told_apart():
    held = position()
    own = live(held, 103, "0.5", purpose=Purpose.TAKE_PROFIT)
    seen, evidence = settled(held, [backstop(held, 98), own])
    state = published(decided(seen, evidence), held, seen)
    assert [tp.foreign for tp in state.take_profits] == [False] * 3 + [True]
    assert not any(tp.resting for tp in state.take_profits if not tp.foreign)
    assert state.conditions["TakeProfitsPlaced"] == "False" and state.conditions["BookInSync"] == "False"


def test_the_backstop_is_ours_and_its_price_is_told_with_it():
    """A close-all stop of the user's is cover and is not our backstop, which the condition and the price are about."""
    held = position()
    for stop, live_and_price in ((live(held, 98), ("False", None)), (backstop(held, 98), ("True", D(98)))):
        seen, evidence = settled(held, [stop, *ladder(held)])
        state = published(decided(seen, evidence), held, seen)
        assert stop.close_all and state.stop_client_ids == (stop.client_id,) and state.stop_price == D(98)
        assert (state.conditions["BackstopLive"], state.backstop_price) == live_and_price


def test_take_profits_are_placed_where_there_are_some_and_each_rests():
    """Whatever the stop does: the condition is about take-profits and was another word for PROTECTED."""
    held, breached = position(), position(mark=88)
    theirs = live(held, 104, purpose=Purpose.TAKE_PROFIT, client_id="web_tp")
    told = []
    for one, orders, rulebook in (
        (held, whole(held), None),
        (held, ladder(held), None),
        (held, whole(held)[:-1], None),
        (held, [backstop(held, 98)], None),
        (held, [theirs], rules(unmanaged=[held.key])),
        (held, [], rules(unmanaged=[held.key])),
        (breached, [backstop(breached, 87), *ladder(breached)], rules(settings(on_breach=OnBreach.CLOSE))),
    ):
        seen, evidence = settled(one, orders)
        state = published(decided(seen, evidence, rulebook), one, seen)
        told.append((str(state.verdict), state.conditions["TakeProfitsPlaced"]))
        assert (told[-1][1] == "True") == (bool(state.take_profits) and all(tp.resting for tp in state.take_profits))
    assert told == [
        ("PROTECTED", "True"),
        ("NAKED", "True"),
        ("STOP_ONLY", "False"),
        ("STOP_ONLY", "False"),
        ("UNMANAGED", "True"),
        ("UNMANAGED", "False"),
        ("CLOSING", "True"),
    ]


def test_nothing_is_claimed_about_an_unreadable_symbol():
    held = position()
    _, evidence = settled(held, whole(held))
    seen = seen_at([held], whole(held), unreadable="html")
    state = published(decided(seen, evidence), held, seen)
    assert set(state.conditions.values()) == {"Unknown"}
    assert state.verdict is Verdict.UNKNOWN


def test_the_age_of_a_verdict_is_that_of_its_oldest_part():
    held = position()
    seen, evidence = settled(held, whole(held))
    older = replace(seen, orders_read_at_ms=NOW_MS - 7_000)
    state = published(decided(older, evidence), held, older)
    assert state.observed_at_ms == NOW_MS - 7_000


# --- the account ------------------------------------------------------------------------------------------------------


ALERT, CLOSE = rules(settings(on_breach=OnBreach.ALERT)), rules(settings(on_breach=OnBreach.CLOSE))


def judgement_of(held, orders=(), rulebook=ALERT, **seen_as):
    """A position that was really judged, so that all its fields agree."""
    read, evidence = settled(held, orders)
    read = replace(read, **seen_as)
    return decided(read, evidence, rulebook).judgements[held.key]


HELD, BREACHED = position(), position(mark=88)
P = judgement_of(HELD, whole(HELD))
S = judgement_of(HELD, whole(HELD)[:1])
U = judgement_of(HELD, [live(HELD, 98, "0.4")])
N = judgement_of(HELD)
X = judgement_of(HELD, unreadable="html")
C = judgement_of(BREACHED, [backstop(BREACHED, 87)], CLOSE)
B = judgement_of(BREACHED, (), CLOSE)
M = judgement_of(HELD, (), rules(unmanaged=[HELD.key]))


def test_the_judgements_above_are_what_their_names_say():
    names = ((P, "PROTECTED"), (S, "STOP_ONLY"), (U, "UNDERCOVERED"), (N, "NAKED"), (X, "UNKNOWN"), (M, "UNMANAGED"))
    assert all(judged.verdict == name for judged, name in names)
    assert C.verdict == B.verdict == "CLOSING" and (C.cover.pct, B.cover.pct) == (100, 0)


@pytest.mark.parametrize(
    ("judgements", "unreadable", "degraded", "status"),
    [
        ([], "", [], RiskStatus.PROTECTED),
        ([P, P], "", [], RiskStatus.PROTECTED),
        ([P, M], "", [], RiskStatus.PROTECTED),
        ([P], "", ["no lease"], RiskStatus.DEGRADED),
        ([P, S], "", [], RiskStatus.DEGRADED),
        ([P, C], "", [], RiskStatus.DEGRADED),
        ([P, B], "", [], RiskStatus.CRITICAL),
        ([P, U], "", [], RiskStatus.CRITICAL),
        ([P, N], "", [], RiskStatus.CRITICAL),
        ([P, X], "", [], RiskStatus.UNKNOWN),
        ([P, X, N], "", ["no lease"], RiskStatus.CRITICAL),
        ([P], "html", [], RiskStatus.UNKNOWN),
        ([], "html", [], RiskStatus.UNKNOWN),
        ([P, S, X], "", [], RiskStatus.UNKNOWN),
    ],
)
def test_the_risk_of_the_account_is_that_of_its_worst_part(judgements, unreadable, degraded, status):
    assert account_risk(judgements, unreadable=unreadable, degraded=degraded).status is status


@pytest.mark.parametrize("rules_listed", [True, False], ids=["with rules", "without trading rules"])
def test_a_position_that_was_read_without_cover_makes_the_account_critical(rules_listed):
    naked = judgement_of(HELD) if rules_listed else judgement_of(HELD, instrument=None)
    assert account_risk([P, naked], unreadable="", degraded=[]).status is RiskStatus.CRITICAL


def test_coverage_is_by_notional_and_unknown_positions_are_not_counted_as_safe():
    large = position(quantity="3")
    big = judgement_of(large, [live(large, 98), live(large, 104, purpose=Purpose.TAKE_PROFIT, client_id="web_tp")])
    risk = account_risk([big, U], unreadable="", degraded=[])
    assert (risk.positions, risk.protected) == (2, 1)
    assert (risk.coverage_pct, risk.exposed_notional, risk.unknown_notional) == (D(85), D(60), 0)
    unknown = account_risk([big, X], unreadable="", degraded=[])
    assert (unknown.coverage_pct, unknown.exposed_notional, unknown.unknown_notional) == (D(75), 0, D(100))


def test_unmanaged_positions_are_the_operators_own():
    risk = account_risk([M, P], unreadable="", degraded=[])
    assert (risk.positions, risk.protected, risk.exposed_notional) == (1, 1, 0)


def test_an_empty_account_is_fully_covered_and_the_reason_is_complete():
    assert account_risk([], unreadable="", degraded=[]).coverage_pct == 100
    short = position(SHORT, symbol="ETHUSDT")
    risk = account_risk([N, X, S._replace(position=short)], unreadable="html", degraded=["no lease"])
    for part in ("html", "BTCUSDT:LONG: NAKED", "BTCUSDT:LONG: UNKNOWN", "no lease", "ETHUSDT:SHORT: STOP_ONLY"):
        assert part in risk.reason


def test_what_could_not_be_read_is_counted_and_named():
    """Row 6.4: a symbol whose row is unreadable counts as a position, also when nothing was ever known of it."""
    risk = account_risk([P], unreadable="XUSDT: markPrice was malformed", degraded=[], unread=["XUSDT"])
    assert (risk.positions, risk.protected, risk.coverage_pct, risk.unread) == (2, 1, D(50), ("XUSDT",))
    named = account_risk([P, X], unreadable="", degraded=[], unread=["BTCUSDT"])
    assert (named.positions, named.unread) == (2, ("BTCUSDT",)), "it is one of the positions that are listed"
