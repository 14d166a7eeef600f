"""What the mark did after an exit: added to a final record once four hours have passed, and never waited for."""

from __future__ import annotations

from decimal import Decimal

import pytest

from position_monitor.core.performance.aftermath import AFTER_MS, aftermath_of
from position_monitor.core.performance.facts import PriceRange
from position_monitor.core.performance.record import Record
from position_monitor.edge.redis.published_records import read_record
from position_monitor.edge.redis.record_documents import record_text
from position_monitor.edge.venues.transport import Endpoint
from tests.core.build import LONG, SHORT
from tests.service.test_record_keeping import Stand, closed_position

D = Decimal


async def went_on(stand: Stand, price: str) -> None:
    """A long is closed at about 42,500; then the mark goes to a price for ten minutes, and comes back."""
    await closed_position(stand)
    await stand.turns()
    stand.pass_s(120)
    stand.price(price)
    stand.pass_s(600)
    stand.price("42400")


@pytest.mark.parametrize(("price", "best"), [("44000", "44000"), ("41000", "42500")])
async def test_the_best_mark_after_the_exit_is_added_after_four_hours(price: str, best: str) -> None:
    stand = Stand()
    await went_on(stand, price)
    await stand.turns(2)
    assert stand.only.after is None, "its time has not passed"
    stand.pass_s(AFTER_MS / 1000)
    await stand.turns(2)
    record = stand.only
    assert record.after is not None and record.after.best_price == D(best)
    assert record.after.regret == max(D(best) - record.exit_average, D(0))
    assert (record.revision, record.final) == (2, True)
    assert [event.type for event in stand.told] == ["RecordFinal"], "a record is final once"
    asked = stand.asked(Endpoint.MARK_CANDLES)
    await stand.turns(20)
    assert stand.asked(Endpoint.MARK_CANDLES) == asked, "it is asked once"


async def test_what_the_venue_does_not_answer_is_asked_again() -> None:
    stand = Stand()
    await went_on(stand, "44000")
    stand.pass_s(AFTER_MS / 1000)
    stand.line.away = {Endpoint.MARK_CANDLES}
    await stand.turns(3)
    assert stand.only.after is None
    stand.line.away = set()
    await stand.turns(5)
    assert stand.only.after is not None


def with_risk(record: Record, price: str) -> Record:
    """A record with one R of 100 per unit, and a mark that went here afterwards."""
    marks = PriceRange(D(price), 1, D(price), 1)
    after = aftermath_of(marks, side=record.key.side, mean_exit=record.exit_average)
    return record.__class__(**{name: getattr(record, name) for name in record.__slots__} | {
        "after": after, "risk": record.risk._replace(money=record.quantity_entered * 100),
    })  # fmt: skip


@pytest.mark.parametrize(("way", "regret_r", "premature"), [("150", "1.5", True), ("50", "0.5", False)])
async def test_regret_is_in_r_and_premature_from_one_r_on(way: str, regret_r: str, premature: bool) -> None:
    stand = Stand()
    await closed_position(stand)
    await stand.turns()
    record = with_risk(stand.only, str(stand.only.exit_average + D(way)))
    assert (record.regret_r, record.premature) == (D(regret_r), premature)
    assert read_record(record_text(record)).after == record.after


def test_a_short_regrets_what_lies_below() -> None:
    marks = PriceRange(D(90), 1, D(110), 2)
    assert aftermath_of(marks, side=LONG, mean_exit=D(100)) == (D(110), 2, D(10))
    assert aftermath_of(marks, side=SHORT, mean_exit=D(100)) == (D(90), 1, D(10))
    assert aftermath_of(marks, side=SHORT, mean_exit=D(80)).regret == 0
