"""What changed between cycles: events in the past tense, time without cover (DESIGN 5)."""

from dataclasses import replace

import pytest

from position_monitor.core.decision.foreign_orders import FOREIGN_REMEMBERED_MAX
from position_monitor.core.decision.history import History, after_failure, after_judging
from position_monitor.core.decision.risk import account_risk
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.model.settings import OnBreach
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.verdicts import RiskStatus, Verdict
from position_monitor.core.publication.position_state import position_state, published_positions

from .build import (
    EVIDENCE_SETTINGS,
    LONG,
    NOW_MS,
    SHORT,
    SYMBOL,
    D,
    at,
    backstop,
    decided,
    ladder,
    learned,
    live,
    position,
    rules,
    seen_at,
    settings,
)

KEY = PositionKey(SYMBOL, LONG)
HELD = position()
WHOLE = (backstop(HELD, at(LONG, "-1.5")), *ladder(HELD))


class Story:
    """A position over several cycles."""

    def __init__(self, rulebook=None):
        self.rules = rulebook or rules()
        self.history, self.evidence, self.events = History(), Evidence(), []

    def see(self, at_ms, held=HELD, orders=(), zero=(), unreadable=""):
        positions = () if held is None else (held,)
        seen = seen_at(positions, orders, at_ms=NOW_MS + at_ms, zero=zero, unreadable=unreadable)
        if not unreadable:
            self.evidence = learned(seen, before=self.evidence)
        judgements = decided(seen, self.evidence, self.rules, now_ms=NOW_MS + at_ms).judgements
        self.history, events = after_judging(
            self.history, judgements, {SYMBOL: seen}, self.evidence, EVIDENCE_SETTINGS, NOW_MS + at_ms
        )
        self.events += events
        return [event.type for event in events]

    def fail(self, at_ms, reason="unreachable"):
        self.history, events = after_failure(self.history, reason, NOW_MS + at_ms)
        self.events += events
        return [event.type for event in events]

    @property
    def state(self):
        return position_state(self.history.tracks[KEY])

    @property
    def risk(self):
        return account_risk(self.history.judgements, unreadable="", degraded=())


def test_a_position_appears_once_and_changes_of_verdict_are_told():
    story = Story()
    assert story.see(0) == ["PositionAppeared"]
    assert story.see(1000) == []
    assert story.see(2000, orders=WHOLE) == ["VerdictChanged"]
    assert story.see(3000, orders=WHOLE) == []
    assert story.see(4000, orders=WHOLE[:1]) == ["VerdictChanged"]
    appeared, protected, stripped = story.events
    assert (appeared.symbol, appeared.side) == (SYMBOL, "LONG")
    assert appeared.details == {"quantity": "1", "entry_price": "100", "verdict": "NAKED", "flipped": False}
    assert (protected.details["from"], protected.details["to"]) == ("NAKED", "PROTECTED")
    assert (stripped.details["from"], stripped.details["to"]) == ("PROTECTED", "STOP_ONLY")


def test_a_verdict_has_the_time_it_began():
    story = Story()
    for at_ms, orders, since in ((0, (), 0), (1000, (), 0), (2000, WHOLE, 2000), (5000, WHOLE, 2000), (6000, (), 6000)):
        story.see(at_ms, orders=orders)
        assert story.state.since_ms == NOW_MS + since


def test_time_without_cover_adds_up_over_stretches():
    story = Story()
    for at_ms, orders, naked in (
        (0, (), 0),
        (1000, (), 1000),
        (3000, WHOLE, 3000),
        (9000, WHOLE, 3000),
        (10_000, (live(HELD, 98, "0.5"),), 3000),
        (14_000, (), 7000),
        (15_000, WHOLE, 8000),
        (99_000, WHOLE, 8000),
    ):
        story.see(at_ms, orders=orders)
        assert story.state.naked_ms == naked, at_ms


def test_time_without_cover_counts_while_a_close_is_tried():
    story = Story(rules(settings(on_breach=OnBreach.CLOSE)))
    breached = position(mark=88)
    story.see(0, breached)
    story.see(5000, breached)
    assert story.state.verdict is Verdict.CLOSING and story.state.cover_pct == 0
    assert story.state.naked_ms == 5000


def test_a_position_that_vanishes_is_unknown_until_it_is_proven_flat():
    story = Story()
    story.see(0, orders=WHOLE)
    assert story.see(2000, None, orders=WHOLE) == ["VerdictChanged"]
    assert story.state.verdict is Verdict.UNKNOWN and "flat is not proven yet" in story.state.reason
    assert story.see(4000, None, zero=[KEY]) == []
    assert story.see(6000, None, zero=[KEY]) == ["PositionFlat"]
    assert story.history.tracks == {}
    assert story.events[-1].details == {"naked_ms": 0, "flipped": False}


def test_a_false_flat_gives_no_event_of_closing():
    story = Story()
    story.see(0, orders=WHOLE)
    story.see(2000, None, zero=[KEY])
    assert story.see(4000, orders=WHOLE) == ["VerdictChanged"]
    assert "PositionFlat" not in [event.type for event in story.events]


@pytest.mark.parametrize("how", ["failure", "unreadable"])
def test_nothing_read_makes_everything_unknown_with_its_old_figures(how):
    story = Story()
    story.see(0, orders=WHOLE)
    before = story.state
    types = story.fail(5000) if how == "failure" else story.see(5000, None, unreadable="html")
    assert types == ["VerdictChanged"]
    assert story.state.verdict is Verdict.UNKNOWN
    assert (story.state.stop_price, story.state.observed_at_ms) == (before.stop_price, before.observed_at_ms)
    assert set(story.state.conditions.values()) == {"Unknown"}
    assert (story.fail(6000) if how == "failure" else story.see(6000, None, unreadable="html")) == []
    assert story.state.since_ms == NOW_MS + 5000
    assert story.see(7000, orders=WHOLE) == ["VerdictChanged"]


@pytest.mark.parametrize("how", ["failure", "unreadable", "unlisted"])
def test_what_was_not_read_counts_in_the_risk_of_the_account_with_its_last_figures(how):
    """The account is judged from what is kept of the position, whatever is published of it."""
    story = Story()
    story.see(0)
    assert story.risk.status is RiskStatus.CRITICAL and story.risk.exposed_notional == 100
    if how == "failure":
        story.fail(5000)
    else:
        story.see(5000, None, unreadable="html" if how == "unreadable" else "")
    risk = story.risk
    assert (risk.status, risk.positions, risk.protected, risk.coverage_pct) == (RiskStatus.UNKNOWN, 1, 0, 0)
    assert (risk.exposed_notional, risk.unknown_notional) == (0, 100)
    assert risk.reason.startswith("BTCUSDT:LONG: UNKNOWN (")
    story.see(6000)
    assert story.risk.status is RiskStatus.CRITICAL


def test_a_stop_that_is_behind_is_said_of_the_account_while_it_was_read():
    story = Story()
    story.see(0, orders=WHOLE)
    track = story.history.tracks[KEY]
    behind = track.judgement._replace(book=track.judgement.book._replace(stop_behind="it waits"), reason="it waits")
    story.history = History({KEY: replace(track, judgement=behind)})
    assert (story.risk.status, story.risk.reason) == (RiskStatus.DEGRADED, "BTCUSDT:LONG: it waits")
    assert story.state.conditions["StopCurrent"] == "False"
    story.fail(5000)
    assert (story.risk.status, story.risk.reason) == (RiskStatus.UNKNOWN, "BTCUSDT:LONG: UNKNOWN (unreachable)")


def test_an_unreadable_symbol_is_never_called_flat():
    story = Story()
    story.see(0)
    for at_ms in (2000, 4000, 6000, 8000):
        assert "PositionFlat" not in story.see(at_ms, None, unreadable="html")


def test_a_foreign_order_is_announced_once_and_again_when_it_is_new():
    story = Story()
    one, other = live(HELD, 97, "1"), live(HELD, 96, "1", client_id="web_2")
    assert story.see(0, orders=[*WHOLE, one]).count("ForeignOrderSeen") == 1
    assert "ForeignOrderSeen" not in story.see(1000, orders=[*WHOLE, one])
    assert "ForeignOrderSeen" not in story.see(2000, orders=[*WHOLE, one], unreadable="html")
    assert "ForeignOrderSeen" not in story.see(3000, orders=[*WHOLE, one])
    assert story.see(4000, orders=[*WHOLE, one, other]).count("ForeignOrderSeen") == 1
    first = next(event for event in story.events if event.type == "ForeignOrderSeen")
    assert first.details == {
        "order_id": one.order_id,
        "client_id": one.client_id,
        "kind": "STOP_MARKET",
        "trigger_price": "97",
        "quantity": "1",
    }


def test_a_foreign_order_is_gone_when_two_lists_do_not_have_it():
    story = Story()
    one = live(HELD, 97, "1")
    story.see(0, orders=[*WHOLE, one])
    assert "ForeignOrderGone" not in story.see(1000, orders=WHOLE)
    assert "ForeignOrderSeen" not in story.see(2000, orders=[*WHOLE, one])  # a replica lagged
    assert "ForeignOrderGone" not in story.see(3000, orders=WHOLE)
    assert "ForeignOrderGone" not in story.see(4000, orders=WHOLE, unreadable="html")
    assert story.see(5000, orders=WHOLE) == ["VerdictChanged", "ForeignOrderGone"]
    assert story.events[-1].details["order_id"] == one.order_id
    assert story.see(6000, orders=WHOLE) == []


@pytest.mark.parametrize(("quantity", "type_"), [("1.5", "PositionGrew"), ("0.4", "PositionShrank")])
def test_a_change_of_size_is_told_with_both_sizes(quantity, type_):
    story = Story()
    story.see(0)
    assert story.see(1000, position(quantity=quantity)) == [type_]
    assert story.events[-1].details == {"quantity": quantity, "before": "1", "entry_price": "100"}
    assert story.see(2000, position(quantity=quantity)) == []


def test_a_position_that_turned_is_one_story():
    story = Story()
    story.see(0)
    turned = position(SHORT)
    assert story.see(1000, turned)[:2] == ["PositionFlipped", "PositionAppeared"]
    for at_ms in range(3000, 20_000, 2000):
        story.see(at_ms, turned)
    [flat] = [event for event in story.events if event.type == "PositionFlat"]
    assert (flat.side, flat.details["flipped"]) == ("LONG", True)
    flipped = next(event for event in story.events if event.type == "PositionFlipped")
    assert (flipped.side, flipped.details["from"], flipped.details["quantity"]) == ("SHORT", "LONG", "1")
    appeared = [event for event in story.events if event.type == "PositionAppeared"]
    assert [event.details["flipped"] for event in appeared] == [False, True]


def test_what_is_remembered_about_foreign_orders_is_bounded():
    story = Story()
    many = [live(HELD, 90, "1", client_id=f"web_{n}") for n in range(FOREIGN_REMEMBERED_MAX + 5)]
    story.see(0, orders=many)
    assert len(story.history.foreign_orders) == FOREIGN_REMEMBERED_MAX


def test_positions_are_published_in_a_stable_order():
    story = Story()
    story.see(0)
    track = story.history.tracks[KEY]
    others = [position(side, symbol=symbol) for symbol, side in (("ZZZ", LONG), ("AAA", SHORT), ("AAA", LONG))]
    history = History({
        held.key: replace(track, judgement=track.judgement._replace(position=held)) for held in others
    })  # fmt: skip
    assert [str(judged.key) for judged in history.judgements] == ["AAA:LONG", "AAA:SHORT", "ZZZ:LONG"]
    assert [str(key) for key in published_positions(history)] == ["AAA:LONG", "AAA:SHORT", "ZZZ:LONG"]


def test_a_clock_that_steps_back_takes_no_time_away():
    story = Story()
    story.see(10_000)
    story.see(0)
    story.see(20_000, orders=WHOLE)
    assert story.state.naked_ms == 10_000
    assert story.state.quantity == D(1)
