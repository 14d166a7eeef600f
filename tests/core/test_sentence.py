"""The words operators search for, verbatim (DESIGN 7), and sentences that never claim too much."""

from dataclasses import replace

import pytest

from position_monitor.core.decision.risk import AccountRisk, account_risk
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.evidence.outcome import Outcome, Sent
from position_monitor.core.model.actions import Cancel, Close, Mode, Place
from position_monitor.core.model.orders import WorkingType
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.verdicts import RiskStatus, Verdict
from position_monitor.core.publication import sentence

from .build import (
    LONG,
    NOW_MS,
    SHORT,
    SYMBOL,
    D,
    at,
    backstop,
    decided,
    desired,
    ladder,
    position,
    seen_at,
    target,
    working,
)

KEY = PositionKey(SYMBOL, LONG)


def placed(order, held, sent=Sent.ACCEPTED, text=""):
    return sentence.ended(Outcome(Place(desired(order, held), "why"), sent, NOW_MS, text=text), held)


def judgements(*verdicts: Verdict):
    made = []
    for n, verdict in enumerate(verdicts):
        held = position(symbol=f"S{n}USDT")
        judged = decided(seen_at([held], symbol=held.symbol), Evidence()).judgements[held.key]
        full = verdict in (Verdict.PROTECTED, Verdict.STOP_ONLY)
        exposed = verdict in (Verdict.NAKED, Verdict.UNDERCOVERED)
        cover = judged.cover._replace(pct=D(100) if full else D(0))
        made.append(judged._replace(verdict=verdict, reason="test", cover=cover, exposed=exposed))
    return tuple(made)


def cycle(found, mode=Mode.LIVE, failure=""):
    return sentence.cycle(account_risk(found, unreadable=failure, degraded=()), found, mode, failure=failure)


def test_the_words_of_design_7():
    held = position()
    assert sentence.started(10) == "✅ Started - checking positions every 10s"
    assert sentence.checking(7) == "🔍 Checking 7 positions..."
    assert sentence.unprotected(held) == "⚠️ BTCUSDT has no TP/SL - setting protection"
    assert placed(target(held, 0, at(LONG, "2.5"), "1"), held) == "✅ TP order placed: BTCUSDT +2.5%"
    assert placed(backstop(held, at(LONG, "-1.5")), held) == "✅ SL order placed: BTCUSDT -1.5%"
    assert cycle(judgements(*[Verdict.PROTECTED] * 7)) == "🛡️ 7/7 protected (100%)"


@pytest.mark.parametrize(("seconds", "text"), [(10.0, "10s"), (2.5, "2.5s"), (0.5, "0.5s"), (60, "60s")])
def test_intervals_are_written_as_a_person_would(seconds, text):
    assert sentence.started(seconds).endswith(text)


@pytest.mark.parametrize("side", [LONG, SHORT])
@pytest.mark.parametrize(
    ("pct", "text"), [("-1.5", "-1.5%"), ("-10", "-10%"), ("0", "+0%"), ("1", "+1%"), ("-0.25", "-0.25%")]
)
def test_a_stop_that_loses_is_negative_on_both_sides(side, pct, text):
    held = position(side, mark=at(side, 5))
    assert placed(working(held, at(side, pct)), held).endswith(f"BTCUSDT {text}")


def test_without_an_entry_the_price_is_said():
    held = position(entry=0)
    assert placed(backstop(held, "98.50"), held) == "✅ SL order placed: BTCUSDT @ 98.5"


@pytest.mark.parametrize("sent", [Sent.AMBIGUOUS, Sent.REFUSED, Sent.NOT_SENT])
def test_only_an_accepted_order_is_called_placed(sent):
    text = placed(backstop(position(), 98), position(), sent, "because")
    assert "✅" not in text and "placed" not in text and text.endswith(": because")
    assert text.startswith("SL order for BTCUSDT LONG @ 98 was ")


def test_the_intent_before_a_write_names_what_where_and_why():
    held = position()
    stop, upper = backstop(held, 98), working(held, 99)
    assert sentence.intent(Place(desired(stop, held), "naked")) == (
        f"→ place BTCUSDT LONG STOP_MARKET close-all @ 98 id {stop.client_id}: naked"
    )
    assert sentence.intent(Cancel(upper, KEY, "replaced", ("a", "b"))) == (
        f"→ cancel BTCUSDT STOP_MARKET id {upper.client_id}: replaced, replaced by a b"
    )
    close = Close(KEY, held.hedged, D("1.50"), "qpmc", None, "lost", D(1), WorkingType.MARK_PRICE)
    assert sentence.intent(close) == "→ close BTCUSDT LONG 1.5 MARKET id qpmc: lost"
    assert "LIMIT IOC @ 95" in sentence.intent(replace(close, limit_price=D("95.0")))


def test_removals_and_closes_are_said_when_they_were_accepted():
    held = position()
    cancel = Outcome(Cancel(working(held, 99), KEY, "x"), Sent.ACCEPTED, NOW_MS)
    assert sentence.ended(cancel, held).startswith("✅ Order removed: BTCUSDT STOP_MARKET id qpm")
    close = Outcome(
        Close(KEY, held.hedged, D(1), "qpmc", None, "x", D(1), WorkingType.MARK_PRICE), Sent.ACCEPTED, NOW_MS
    )
    assert sentence.ended(close, held) == "🛑 Close order accepted: BTCUSDT LONG 1"
    refused = replace(close, sent=Sent.REFUSED, text="band")
    assert sentence.ended(refused, held) == "Close of BTCUSDT LONG 1 was refused: band"


@pytest.mark.parametrize(
    ("verdicts", "text"),
    [
        ([], "🛡️ 0/0 protected (100%)"),
        ([Verdict.PROTECTED, Verdict.NAKED], "⚠️ 1/2 protected (50%); S1USDT:LONG NAKED (test)"),
        ([Verdict.STOP_ONLY], "🛡️ 1/1 protected (100%); S0USDT:LONG STOP_ONLY (test)"),
        ([Verdict.UNMANAGED], "🛡️ 0/0 protected (100%); 1 unmanaged by configuration"),
    ],
)
def test_a_cycle_in_one_sentence(verdicts, text):
    assert cycle(judgements(*verdicts)) == text


def test_at_most_three_positions_are_named():
    text = cycle(judgements(*[Verdict.NAKED] * 5))
    assert text.count("NAKED") == 3 and text.endswith("2 more")


def test_a_mode_that_is_not_live_is_always_said():
    assert cycle(judgements(Verdict.PROTECTED), Mode.OBSERVE).endswith("; mode observe")
    assert cycle(judgements(Verdict.PROTECTED), Mode.PLACE_ONLY).endswith("; mode place_only")


def test_a_failed_read_is_not_a_shield():
    text = cycle(judgements(Verdict.PROTECTED), failure="html instead of json")
    assert text.startswith("❓ UNKNOWN: html instead of json") and "🛡️" not in text


@pytest.mark.parametrize("status", [RiskStatus.CRITICAL, RiskStatus.UNKNOWN])
def test_only_full_cover_carries_the_shield(status):
    risk = AccountRisk(status, 7, 6, D(90), D(100), D(0), (), "")
    assert sentence.cycle(risk, (), Mode.LIVE, failure="").startswith("⚠️ 6/7 protected (85%)")


def test_less_than_everything_is_never_called_100_percent():
    """Nor is the percentage one of the notional beside a fraction of the number: 199/200 is 99 %."""
    risk = AccountRisk(RiskStatus.CRITICAL, 200, 199, D(100), D(4), D(0), (), "")
    assert "199/200 protected (99%)" in sentence.cycle(risk, (), Mode.LIVE, failure="")


def test_ladders_are_placed_with_their_own_distance():
    held = position(SHORT)
    assert [placed(order, held).rsplit(" ", 1)[1] for order in ladder(held)] == ["+1.5%", "+2.5%", "+4%"]
