"""What exit policies may and may not do: pinning, advice, time stop, runner, failure (S1, S2, S4, S8, S9, S14)."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from position_monitor.core.book.exit_view import exit_view
from position_monitor.core.decision.guard import Approved, approve_place
from position_monitor.core.decision.risk import account_risk
from position_monitor.core.exits.policies import exits_for, share_up_to
from position_monitor.core.model.actions import Place
from position_monitor.core.model.book_cases import TargetCase
from position_monitor.core.model.ids import part_of
from position_monitor.core.model.market import Regime
from position_monitor.core.model.money import beyond, tighter
from position_monitor.core.model.orders import Role
from position_monitor.core.model.pins import NO_ATR, pin_of_profile, pin_of_regime, profile_pinned, regime_pinned
from position_monitor.core.model.profiles import DEFAULT_PROFILES, ProfileTable, RungInR, TrailStep
from position_monitor.core.model.settings import DEFAULT_EXITS, Policy, TimeStop
from position_monitor.core.model.verdicts import RiskStatus, Verdict

from .build import (
    BRAIN,
    DYNAMIC,
    EPOCH,
    HYBRID,
    LONG,
    NOW_MS,
    OPENED_MS,
    SHORT,
    SIDES,
    STATIC,
    SYMBOL,
    D,
    advise,
    at,
    backstop,
    book_for,
    book_inputs,
    decided,
    desired,
    gate,
    known,
    ladder,
    live,
    market_of,
    pinned,
    position,
    rested,
    rules,
    seen_at,
    settings,
    settled,
    target,
    working,
)

both_sides = pytest.mark.parametrize("side", SIDES)
IN_R = {"dynamic": settings(DYNAMIC), **{name: settings(BRAIN, profile=name) for name in DEFAULT_PROFILES}}
EVERY = {"static": settings(STATIC), "hybrid": settings(HYBRID), "DEFAULT": settings(BRAIN), **IN_R}
every_policy = pytest.mark.parametrize("protection", EVERY.values(), ids=list(EVERY))
HOUR_MS = 3_600_000


def exits_of(held, protection, *orders, **more):
    return exits_for(exit_view(book_inputs(held, orders, protection, **more)))


def settle(held, protection, market=None, orders=(), looks=8):
    """What rests after some looks, and the last judgement."""
    orders = list(orders)
    for _ in range(looks):
        seen, evidence = settled(held, orders)
        markets = {} if market is None else {SYMBOL: market}
        decision = decided(seen, evidence, rules(protection), markets=markets)
        result = decision.plans[SYMBOL]
        if result.empty:
            break
        orders += [rested(place.order) for place in (*result.stops, *result.take_profits)]
        gone = {cancel.order.client_id for cancel in result.cancels}
        orders = [order for order in orders if order.client_id not in gone]
    return orders, decision.judgements[held.key]


# --- pinned at entry --------------------------------------------------------------------------------------------------


def test_every_profile_and_regime_has_a_pin_of_its_own_that_fits_into_an_id():
    names = {pin_of_profile(name): name for name in DEFAULT_PROFILES}
    regimes = {pin_of_regime(regime): regime for regime in Regime if regime is not Regime.CHOP}
    pins = [*names, *regimes, NO_ATR]
    assert len(set(pins)) == len(names) + len(regimes) + 1 and all(0 < pin < 18 for pin in pins)
    assert all(profile_pinned(pin) == name and regime_pinned(pin) is None for pin, name in names.items())
    assert all(regime_pinned(pin) is regime and profile_pinned(pin) == "" for pin, regime in regimes.items())
    assert pin_of_regime(Regime.CHOP) == pin_of_regime(Regime.HIGH_VOL)


@both_sides
@pytest.mark.parametrize("protection", IN_R.values(), ids=list(IN_R))
def test_regime_and_atr_of_later_move_neither_the_first_stop_nor_the_ladder(side, protection):
    """S2, by what rests alone: nothing is remembered."""
    held = position(side, "1")
    first, judged = settle(held, protection, market_of("1", Regime.NORMAL_VOL))
    for regime in Regime:
        for atr in ("0.2", "3"):
            seen, evidence = settled(held, first)
            found = decided(seen, evidence, rules(protection), markets={SYMBOL: market_of(atr, regime, adx="15")})
            assert found.empty, (regime, atr, found.plans)
    assert judged.verdict is Verdict.PROTECTED


@both_sides
def test_the_regime_at_entry_chooses_the_profile_for_the_whole_life(side):
    held, protection = position(side, "1"), settings(BRAIN)
    orders, judged = settle(held, protection, market_of("1", Regime.TRENDING, trend=side))
    assert judged.book.profile == "TREND"
    turned = market_of("1", Regime.RANGING, adx="12")
    assert exits_of(held, protection, *orders, market=turned).profile == "TREND"
    assert exits_of(held, protection, market=turned).profile == "RANGE", "a new position has another"


@both_sides
def test_without_an_atr_at_entry_the_floor_is_placed_and_stays(side):
    """12.1, and it is said."""
    held = position(side, "1")
    for protection in (settings(DYNAMIC), settings(BRAIN, profile="NORMAL")):
        assert exits_of(held, protection).notes == ("no ATR at entry: the stop is the floor's",)
        orders, judged = settle(held, protection)
        stop = next(order for order in orders if order.role is Role.BACKSTOP)
        assert stop.trigger_price == at(side, "-1.5")
        assert exits_of(held, protection, *orders, market=market_of("0.4")).stop.price == at(side, "-1.5")
        seen, evidence = settled(held, orders)
        assert decided(seen, evidence, rules(protection), markets={SYMBOL: market_of("0.4")}).empty
        assert judged.verdict is Verdict.PROTECTED
    dynamic, _ = settle(held, settings(DYNAMIC))
    assert {part_of(order.rung) for order in dynamic if order.role is Role.BACKSTOP} == {NO_ATR}
    assert {order.trigger_price for order in dynamic if order.role is Role.TAKE_PROFIT} == {at(side, "2.5")}


@both_sides
def test_candles_that_are_too_old_are_none(side):
    old = market_of("1", expires_at_ms=NOW_MS)
    assert exits_of(position(side), settings(DYNAMIC), market=old).stop.price == at(side, "-1.5")
    fresh = market_of("1", expires_at_ms=NOW_MS + 1)
    assert exits_of(position(side), settings(DYNAMIC), market=fresh).stop.price == at(side, "-1.50")
    assert exits_of(position(side), settings(DYNAMIC), market=market_of("2")).stop.price == at(side, "-3")


@both_sides
def test_behind_a_stop_of_another_the_ladder_stays_whatever_todays_atr_says(side):
    """S1: there is no backstop of ours to read R from."""
    held, protection = position(side, "1"), settings(BRAIN, profile="NORMAL")
    foreign = live(held, at(side, "-2"), client_id="web_1")
    orders, _ = settle(held, protection, market_of("1"), [foreign])
    assert len([order for order in orders if order.role is Role.TAKE_PROFIT]) == 3
    seen, evidence = settled(held, orders)
    assert decided(seen, evidence, rules(protection), markets={SYMBOL: market_of("0.5")}).empty


@both_sides
def test_less_than_a_tick_of_r_gives_the_floor_and_says_why(side):
    held = position(side, "1", mark=at(side, "1"))
    for protection in IN_R.values():
        found = exits_of(held, protection, pinned(held, at(side, 0), 1))
        assert not found.failed and "R is less than a tick" in found.notes[-1]
        assert found.initial_stop.price == at(side, "-1.5")


# --- the AI engine's word ---------------------------------------------------------------------------------------------


@both_sides
def test_a_known_fresh_word_beats_the_local_regime(side):
    held, market = position(side), market_of("1", Regime.RANGING, adx="12")
    by_word = {
        word: exits_of(held, settings(BRAIN), market=market, advice=advise("0.9", regime=word)).profile
        for word in ("trending", "trend_up", "trend_down", "chop", "breakout", "")
    }
    along, against = ("trend_up", "trend_down") if side is LONG else ("trend_down", "trend_up")
    assert by_word[along] == "TREND" and by_word[against] == "RANGE"
    assert (by_word["chop"], by_word["breakout"], by_word[""]) == ("CHOP", "RANGE", "RANGE")
    stale = advise("0.9", regime=along, expires_at_ms=NOW_MS)
    assert exits_of(held, settings(BRAIN), market=market, advice=stale).profile == "RANGE"


# --- advice -----------------------------------------------------------------------------------------------------------


@both_sides
@pytest.mark.parametrize(
    ("before", "now", "rests"),
    [
        (None, "1.2", "-1.5"),
        ("1.2", "1.2", "-1.2"),
        ("1.1", "1.2", "-1.2"),
        ("1.0", "1.2", "-1.5"),
        ("1.3", "1.2", "-1.3"),
        ("1.33", "1.2", "-1.5"),
    ],
)
@pytest.mark.parametrize("policy", [HYBRID, DYNAMIC, BRAIN])
def test_a_stop_that_rests_moves_only_when_two_answers_agree(side, before, now, rests, policy):
    """S9; the wider of the two counts."""
    held = position(side)
    last = None if before is None else advise("1", stop=before)
    found = book_for(
        held, [backstop(held, at(side, "-1.5"))], settings(policy), advice=advise("1", stop=now, before=last)
    )
    assert found.stop.price == at(side, rests)


@both_sides
def test_an_answer_before_that_is_no_more_fresh_or_sure_does_not_agree(side):
    held = position(side)
    for last in (advise("1", stop="1.2", expires_at_ms=NOW_MS), advise("0.1", stop="1.2"), advise("1")):
        book = book_for(held, [backstop(held, at(side, "-1.5"))], advice=advise("1", stop="1.2", before=last))
        assert book.stop.price == at(side, "-1.5")


@both_sides
def test_advice_reaches_a_ladder_only_when_it_is_made(side):
    """12.6: neither new advice nor its end rewrites what rests."""
    held, advised = position(side), replace(settings(), exits=replace(DEFAULT_EXITS, advised=True))
    orders = [backstop(held, at(side, "-1.5"))]
    made = book_for(held, orders, advised, advice=advise("0.9", take="3"))
    orders += [rested(order) for order in made.take_profits]
    prices = [order.trigger_price for order in made.take_profits]
    assert prices == [at(side, pct) for pct in ("1.8", "3", "4.8")]
    for advice in (None, advise("0.9", take="2"), advise("0.1", take="9")):
        book = book_for(held, orders, advised, advice=advice)
        assert book.target_case is TargetCase.STANDS
        assert [order.trigger_price for order in book.take_profits] == prices


@both_sides
@pytest.mark.parametrize("action", ["BUY", "SELL", "CLOSE", "HOLD"])
@every_policy
def test_the_action_of_an_advice_changes_nothing(side, action, protection):
    held = position(side)
    given, hold = (exits_of(held, protection, advice=advise("1", stop="1", action=one)) for one in (action, "HOLD"))
    assert given == hold and given.close is None


garbage = st.sampled_from(["0", "-1", "0.015", "0.02", "0.24", "10.1", "50", "1E+30"])


@given(garbage, st.sampled_from(["0.2", "1"]), st.sampled_from(SIDES), st.sampled_from(list(EVERY)))
def test_advice_in_another_unit_is_ignored_whole(value, confidence, side, name):
    held, protection = position(side), EVERY[name]
    own = exits_of(held, protection)
    for advice in (advise(confidence, stop=value, take="3"), advise(confidence, stop="1.2", take=value)):
        found = exits_of(held, protection, advice=replace(advice, regime=""))
        if name == "static" or (value in ("10.1", "1E+30", "50", "0.24") and advice.stop_loss_pct == D("1.2")):
            continue  # the floor takes no advice, and some of these are possible targets
        assert (found.stop, found.targets) == (own.stop, own.targets)
        assert any("another unit" in note for note in found.notes)


# --- time stop --------------------------------------------------------------------------------------------------------


def close_behind(side):
    """The least distance, 0.5 %, behind a mark that shows 0.2 % of profit, on the tick toward less loss."""
    return D("99.70") if side is LONG else D("100.29")


def too_old(side, protection, *, hours=200, mark="0.2", live_since_ms=OPENED_MS, done=frozenset()):
    """The exits of a position whose backstop is so old."""
    held = position(side, "1", mark=at(side, mark))
    pin = pin_of_profile(protection.profile) if protection.profile != "DEFAULT" else 0
    rests = pinned(held, at(side, "-1.5"), pin, created_at_ms=NOW_MS - round(hours * HOUR_MS))
    return exits_of(held, protection, rests, live_since_ms=live_since_ms, known_as=known(done_rungs=done))


def with_time_stop(protection, wish, **more):
    return replace(protection, exits=replace(DEFAULT_EXITS, time_stop=wish, **more))


@both_sides
@pytest.mark.parametrize(
    "protection", [settings(DYNAMIC), settings(BRAIN, profile="FAST_TP")], ids=["dynamic", "brain"]
)
def test_an_old_position_without_profit_is_tightened_or_closed(side, protection):
    """S8: R now below 0.5, the stop goes to the least distance from the mark."""
    tightened = too_old(side, protection)
    assert tightened.stop.price == close_behind(side) and tightened.close is None
    closed = too_old(side, with_time_stop(protection, TimeStop.CLOSE))
    assert closed.stop.price == at(side, "-1.5") and closed.close is not None
    assert (closed.close.level, closed.close.by_loss) == (at(side, "0.75"), False)
    assert "200.0 h old" in closed.close.text
    off = too_old(side, with_time_stop(protection, TimeStop.OFF))
    assert off.stop.price == at(side, "-1.5") and off.close is None


@both_sides
@pytest.mark.parametrize(("read_at_ms", "acts"), [(OPENED_MS - 1, False), (OPENED_MS, False), (OPENED_MS + 1, True)])
def test_what_was_read_before_the_policy_is_older_than_it_whatever_its_epoch(side, read_at_ms, acts):
    """Another process met the position after it grew, and its epoch is of that moment (seed 4819)."""
    held, protection = position(side, "1", mark=at(side, "0.2")), settings(BRAIN, profile="FAST_TP")
    rests = pinned(held, at(side, "-1.5"), pin_of_profile("FAST_TP"), created_at_ms=NOW_MS - 200 * HOUR_MS)
    read = known(appeared_at_ms=read_at_ms)
    exits = exits_of(held, with_time_stop(protection, TimeStop.CLOSE), rests, live_since_ms=OPENED_MS, known_as=read)
    assert (exits.close is not None) is acts


@both_sides
def test_a_time_stop_acts_only_where_all_of_it_holds(side):
    fast = settings(BRAIN, profile="FAST_TP")
    still = {
        "young": too_old(side, fast, hours=23.9),
        "at the limit": too_old(side, fast, hours=24),
        "in profit": too_old(side, fast, mark="0.8"),
        "adopted": too_old(side, fast, live_since_ms=OPENED_MS + 1),
        "nobody knows": too_old(side, fast, live_since_ms=None),
        "no limit": too_old(side, settings(BRAIN, profile="TREND")),
        "hybrid": too_old(side, settings(HYBRID)),
    }
    assert {why: (found.stop.price, found.close) for why, found in still.items()} == dict.fromkeys(
        still, (at(side, "-1.5"), None)
    )
    adopted = too_old(side, with_time_stop(fast, TimeStop.TIGHTEN, time_stop_adopted=True), live_since_ms=None)
    assert adopted.stop.price == close_behind(side)


@both_sides
def test_the_challenge_has_time_until_its_first_rung(side):
    challenge = settings(BRAIN, profile="CHALLENGE_100")
    assert too_old(side, challenge, hours=1.9).stop.price == at(side, "-1.5")
    assert too_old(side, challenge, hours=2.1).stop.price == close_behind(side)
    taken = too_old(side, challenge, hours=2.1, done=frozenset({0}))
    assert taken.stop.price == at(side, "0.10"), "breakeven, and no time stop"


@both_sides
def test_a_close_for_age_needs_two_reads_that_agree(side):
    """Invariant 16: the close ladder begins only when the last reads show the price below the level."""
    protection = with_time_stop(settings(BRAIN, profile="FAST_TP"), TimeStop.CLOSE, time_stop_adopted=True)
    held = position(side, "1", mark=at(side, "0.2"))
    rests = pinned(held, at(side, "-1.5"), pin_of_profile("FAST_TP"), created_at_ms=NOW_MS - 30 * HOUR_MS)
    seen, evidence = settled(held, [rests])
    decision = decided(seen, evidence, rules(protection))
    assert [close.quantity for close in decision.plans[SYMBOL].closes] == [D(1)]
    jumped = {"prices": (at(side, "1.2"), at(side, "0.2"))}
    seen, evidence = settled(held, [rests], **jumped)
    assert decided(seen, evidence, rules(protection)).plans[SYMBOL].closes == ()


# --- runner -----------------------------------------------------------------------------------------------------------


@both_sides
@pytest.mark.parametrize(("stop", "verdict"), [("1.5", Verdict.PROTECTED), (None, Verdict.STOP_ONLY)])
def test_a_runner_is_protected_once_its_stop_is_at_breakeven_or_better(side, stop, verdict):
    held, trend = position(side, "0.35", mark=at(side, "3.2")), settings(BRAIN, profile="TREND")
    orders = [pinned(held, at(side, "-1.5"), pin_of_profile("TREND"))]
    orders += [working(held, at(side, stop), "0.35")] if stop else []
    seen, evidence = settled(held, orders, done_rungs=frozenset({0, 1, 2}))
    judged = decided(seen, evidence, rules(trend)).judgements[held.key]
    assert (judged.verdict, judged.reason) == (verdict, "runner")


@pytest.mark.parametrize(
    ("profile", "shares"),
    [
        ("NORMAL", ["0.25", "0.5", "1", "1"]),
        ("TREND", ["0.15", "0.35", "0.65", "0.65"]),
        ("CHALLENGE_100", ["0.3", "0.3", "0.3", "0.3"]),
        ("DEFAULT", ["1", "1", "1", "1"]),
    ],
)
def test_the_gate_knows_the_shares_of_a_profile_by_the_settings_alone(profile, shares):
    """DEFAULT lets the most be closed that any profile does: FAST_TP takes all at its one rung."""
    protection = settings(BRAIN, profile=profile)
    assert [share_up_to(rung, protection) for rung in range(4)] == [D(share) for share in shares]
    assert share_up_to(2, settings(BRAIN), pin_of_profile("TREND")) == D("0.65"), "what was pinned says which"


@both_sides
def test_the_gate_keeps_the_runner(side):
    """Invariant 16: no take-profit of ours closes it, whatever the planner wants."""
    held, trend = position(side, "1"), settings(BRAIN, profile="TREND")
    stop = pinned(held, at(side, "-1.5"), pin_of_profile("TREND"))
    resting = [target(held, 0, at(side, "0.75"), "0.15"), target(held, 1, at(side, "1.5"), "0.2")]
    seen = seen_at((held,), [stop, *resting])
    for size, allowed in (("0.3", True), ("0.31", False), ("0.65", False)):
        order = desired(target(held, 2, at(side, "3"), size), held, source="brain:TREND")
        answer = approve_place(Place(order, "test"), gate(seen, known(), protection=trend))
        assert isinstance(answer, Approved) is allowed, size


# --- a quiet account --------------------------------------------------------------------------------------------------


@both_sides
@every_policy
def test_a_quiet_account_is_left_alone_under_every_policy(side, protection):
    """0 writes in an hour: 360 looks at a mark that moves inside the least move."""
    held, market = position(side, "1"), market_of("1", Regime.NORMAL_VOL)
    orders, _ = settle(held, protection, market)
    for look in range(360):
        mark = D(100) + D(look % 9 - 4) / 100
        seen, evidence = settled(replace(held, mark_price=mark), orders)
        decision = decided(seen, evidence, rules(protection), markets={SYMBOL: market})
        assert decision.empty, decision.plans
        assert decision.judgements[held.key].verdict is Verdict.PROTECTED


# --- a policy that fails ----------------------------------------------------------------------------------------------

BROKEN = {
    "unknown profile": (settings(BRAIN, profile="BEST"), market_of("1")),
    "ladder that does not add up": (
        settings(BRAIN, profile="NORMAL", exits=replace(DEFAULT_EXITS, profiles=ProfileTable((
            replace(DEFAULT_PROFILES["NORMAL"], rungs=(RungInR(D(1), D(30)), RungInR(D(2), D(30)))),)))),
        market_of("1"),
    ),
    "a step without a distance": (
        settings(BRAIN, profile="NORMAL", exits=replace(DEFAULT_EXITS, profiles=ProfileTable((
            replace(DEFAULT_PROFILES["NORMAL"], trail=(TrailStep(D(1)),)),)))),
        market_of("1"),
    ),
    "unknown regime": (settings(DYNAMIC), replace(market_of("1"), regime="SIDEWAYS")),
    "ATR that is no number": (settings(DYNAMIC), market_of("NaN")),
    "ATR without end": (settings(DYNAMIC), market_of("Infinity")),
    "ATR of zero": (settings(BRAIN, profile="NORMAL"), market_of("0")),
    "ATR below zero": (settings(BRAIN, profile="NORMAL"), market_of("-1")),
}  # fmt: skip


@both_sides
@pytest.mark.parametrize(("protection", "market"), BROKEN.values(), ids=list(BROKEN))
def test_a_policy_that_fails_gives_the_floor_and_says_why(side, protection, market):
    """S14: stop and take-profit of the floor rest, and pass the gate."""
    held = position(side, "1")
    found = exits_of(held, protection, market=market)
    floor = exits_of(held, replace(protection, policy=STATIC))
    assert found.failed and found.failed in found.notes
    assert (found.stop, found.targets) == (floor.stop, floor.targets)
    orders, judged = settle(held, protection, market)
    assert [order.trigger_price for order in orders] == [at(side, "-1.5"), at(side, "2.5")]
    assert judged.verdict is Verdict.PROTECTED and judged.failed_policy == found.failed
    seen = seen_at((held,), orders[:1])
    order = desired(orders[1], held, source=found.targets[0].level.source)
    assert isinstance(approve_place(Place(order, "test"), gate(seen, known(), protection=protection)), Approved)


def test_a_failing_policy_degrades_the_account_and_leaves_the_others_alone():
    good, bad = position(LONG, "1", symbol="ETHUSDT"), position(SHORT, "1")
    judgements, market = [], market_of("1")
    for held, protection in ((good, settings(BRAIN, profile="NORMAL")), (bad, settings(BRAIN, profile="BEST"))):
        seen, evidence = settled(held, [backstop(held, at(held.side, "-1.5"))])
        decision = decided(seen, evidence, rules(protection), markets={held.symbol: market})
        judgements.append(decision.judgements[held.key])
    risk = account_risk(judgements, unreadable="", degraded=())
    assert risk.status is RiskStatus.DEGRADED
    assert "BTCUSDT:SHORT: the policy brain failed" in risk.reason
    assert not judgements[0].failed_policy and judgements[0].book.profile == "NORMAL"


def test_any_exception_of_a_policy_is_the_floor(monkeypatch):
    """Also one that nobody thought of."""
    from position_monitor.core.exits import policies

    def broken(view):
        raise ZeroDivisionError("a defect")

    table = {**policies._POLICIES, Policy.HYBRID: policies._POLICIES[Policy.HYBRID]._replace(exits=broken)}
    monkeypatch.setattr(policies, "_POLICIES", table)
    held = position()
    found = exits_of(held, settings(HYBRID))
    assert found.failed == "the policy hybrid failed: ZeroDivisionError a defect; the floor protects"
    assert found.stop.price == at(LONG, "-1.5")


# --- bounds -----------------------------------------------------------------------------------------------------------

marks = st.decimals("80", "140", places=2)
risks = st.decimals("90", "99.9", places=2)


@given(marks, risks, st.sampled_from(list(EVERY)), st.sampled_from(list(Regime)), st.decimals("0.01", "9", places=2))
def test_no_policy_puts_a_stop_on_the_wrong_side_or_looser_than_the_one_that_rests(mark, stop, name, regime, atr):
    held = position(LONG, "1", mark=mark)
    market, protection = market_of(str(atr), regime), EVERY[name]
    if not beyond(mark, stop, LONG):
        book = book_for(held, [backstop(held, stop), *ladder(held)], protection, market=market)
        assert not tighter(stop, book.stop.price, LONG)
        assert all(not beyond(mark, order.trigger_price, LONG) for order in book.stops)
    found = exits_of(held, protection, market=market)
    assert not found.failed and not beyond(mark, found.stop.price, LONG)
    assert sum((one.fraction for one in found.targets), found.runner) in (Decimal(0), Decimal(1))
    assert found.stop.price > 0 and EPOCH
