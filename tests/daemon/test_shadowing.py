"""The policy beside the live one: asked when all is done, and whatever fails in it touches nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from position_monitor.core.decision.decide import decide
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.sides import PositionKey
from position_monitor.daemon import shadowing
from position_monitor.daemon.desk import Desk
from position_monitor.daemon.shadowing import Shadowing
from tests.core.build import INSTRUMENT, LONG, NOW_MS, SHORT, STATIC, SYMBOL, D, at, position, rules, settings, settled
from tests.daemon.around import Around

KEY = PositionKey(SYMBOL, LONG)


class Venue:
    """Knows the rules of one symbol."""

    def instrument(self, symbol):
        return replace(INSTRUMENT, symbol=symbol)


class Clock:
    def now_ms(self):
        return NOW_MS

    def monotonic_s(self):
        return NOW_MS / 1000


class Beside(Around):
    """Hybrid live, static in shadow; no candles."""

    def __init__(self, *, shadows=True):
        super().__init__()
        shadow = (lambda key: settings(STATIC)) if shadows else None
        self.settings = replace(self.settings, rules=replace(rules(), shadow_for=shadow))

    def market(self, symbol):
        return None


def beside(**words):
    """What computes beside a daemon, and the judgements of one open position of each side."""
    around = Beside(**words)
    desk = Desk(Venue(), Clock(), around)
    held = [position(), position(SHORT, hedged=False, symbol="ETHUSDT", entry=100)]
    observed, evidence = {}, Evidence()
    for one in held:
        observation, of_one = settled(one)
        observed[one.symbol] = observation
        evidence = Evidence({**evidence.keys, **of_one.keys})
    desk.memory._evidence = evidence
    decision = decide(observed, evidence, around.settings.rules, {}, Mode.LIVE, 0, NOW_MS)
    return Shadowing(desk, around), decision.judgements


def test_each_open_position_gets_the_book_of_the_other_policy():
    shadows, judgements = beside()
    asyncio.run(shadows.look(judgements))
    assert {key: book.policy for key, book in shadows.books.items()} == dict.fromkeys(judgements, "static")
    assert shadows.books[KEY].stop_price == at(LONG, "-1.5")
    assert [(one.price, one.fraction) for one in shadows.books[KEY].targets] == [(at(LONG, "2.5"), D(1))]
    assert shadows.books[KEY].live.policy == "hybrid"


def test_a_position_that_is_gone_has_no_book():
    shadows, judgements = beside()
    asyncio.run(shadows.look(judgements))
    asyncio.run(shadows.look({KEY: judgements[KEY]}))
    assert set(shadows.books) == {KEY}


def test_without_a_policy_beside_nothing_is_worked_out():
    shadows, judgements = beside(shadows=False)
    asyncio.run(shadows.look(judgements))
    assert shadows.books == {}


@pytest.mark.parametrize("defect", [ZeroDivisionError("of the policy"), KeyError("TREND"), AssertionError()])
def test_whatever_fails_in_it_touches_nothing(monkeypatch, defect):
    """The position keeps its book, the others get theirs, and nobody hears of the failure but the journal."""
    shadows, judgements = beside()
    asyncio.run(shadows.look(judgements))
    before, honest = dict(shadows.books), shadowing.shadow_book

    def fails(inputs, book):
        if inputs.position.key == KEY:
            raise defect
        return honest(inputs, None)

    monkeypatch.setattr(shadowing, "shadow_book", fails)
    asyncio.run(shadows.look(judgements))
    assert set(shadows.books) == set(before)
    assert shadows.books[KEY] is before[KEY]


def test_events_get_their_turn_between_the_positions():
    """A fill that comes while many books are worked out brings its stop without waiting for all of them."""
    shadows, judgements = beside()
    many = {key._replace(symbol=f"{number:03}USDT"): judgements[key] for number in range(60) for key in (KEY,)}
    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def both():
        task = asyncio.ensure_future(others())
        await shadows.look(many)
        task.cancel()

    asyncio.run(both())
    assert turns >= len(many) // shadowing.AT_ONCE - 1
