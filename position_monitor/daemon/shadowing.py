"""Asks the policy that is not live what it would do, when everything of a cycle is done (exits.md 1, row 25).

It begins after the live decision was acted on and published, gives events their turn in between, and whatever fails in
it touches nothing: a position keeps the book it had, or has none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from loguru import logger

from position_monitor.core.decision.verdict import Judgement
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.shadow.shadow_book import RestsLive, ShadowBook, ShadowInputs, shadow_book
from position_monitor.daemon.desk import Desk
from position_monitor.daemon.surroundings import Surroundings

POSITIONS_MAX = 1_000
"""Positions that have a shadow book; of more, the first by name."""
AT_ONCE = 5
"""Positions that are asked about between two turns of the loop: together they take about as long as one event."""
TELL_EVERY_MS = 60_000


@dataclass(slots=True)
class Shadowing:
    """The shadow books of the open positions. May be lost at any moment."""

    desk: Desk
    surroundings: Surroundings
    books: Mapping[PositionKey, ShadowBook] = field(default_factory=dict, init=False)
    """What was worked out last."""
    _failed_at_ms: dict[str, int] = field(default_factory=dict, init=False)
    """Kind of a failure -> when it was last said."""

    async def look(self, judgements: Mapping[PositionKey, Judgement]) -> None:
        """Work out the books of these positions, as they were judged. Raises nothing."""
        shadow_for = self.desk.rules.shadow_for
        if shadow_for is None or not judgements:
            self.books = {}
            return
        books: dict[PositionKey, ShadowBook] = {}
        for number, key in enumerate(sorted(judgements)[:POSITIONS_MAX]):
            if number and number % AT_ONCE == 0:
                await asyncio.sleep(0)
            try:
                book = self._book(judgements[key], self.books.get(key))
            except Exception as defect:
                self._say(key, defect)
                book = self.books.get(key)
            if book is not None:
                books[key] = book
        self.books = books

    def _book(self, judged: Judgement, before: ShadowBook | None) -> ShadowBook | None:
        """The book of one position; None where nothing computes beside its live policy, or nothing can."""
        rules, position, key = self.desk.rules, judged.position, judged.key
        settings = rules.shadow_for(key) if rules.shadow_for is not None else None
        if settings is None or judged.verdict is Verdict.UNMANAGED:
            return None
        belief, instrument = self.desk.evidence.of(key), self.desk.exchange.instrument(key.symbol)
        if belief is None or instrument is None or position.entry_price <= 0 or not judged.readable:
            return before
        inputs = ShadowInputs(
            account=rules.account,
            position=position,
            epoch=belief.epoch,
            instrument=instrument,
            settings=settings,
            advice=self.surroundings.advice(key.symbol),
            market=self.surroundings.market(key.symbol),
            live_since_ms=None if rules.live_since_ms is None else rules.live_since_ms(key),
            live=_rests(judged),
            now_ms=self.desk.clock.now_ms(),
        )
        return shadow_book(inputs, before)

    def _say(self, key: PositionKey, defect: Exception) -> None:
        """A failure is said once a minute for each kind; it costs the shadow book and nothing else."""
        now_ms, kind = self.desk.clock.now_ms(), type(defect).__name__
        if abs(now_ms - self._failed_at_ms.get(kind, -TELL_EVERY_MS)) >= TELL_EVERY_MS:
            self._failed_at_ms[kind] = now_ms
            logger.warning("The shadow book of {} could not be made ({}: {}); nothing else needs it", key, kind, defect)


def _rests(judged: Judgement) -> RestsLive:
    """What was read resting when the position was judged."""
    ladder = judged.diff.ladder if judged.diff is not None else ()
    return RestsLive(
        policy=str(judged.settings.policy) if judged.settings is not None else "",
        stop_price=judged.cover.stop_price,
        stop_quantity=judged.cover.quantity,
        targets=tuple((rung.trigger_price, rung.quantity) for rung in ladder if rung.client_id),
    )
