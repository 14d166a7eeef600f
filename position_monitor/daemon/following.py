"""Follows what the policies beside the live one would earn: books that are fed the marks which the daemon hears.

It begins after the live decision was acted on and published, gives events their turn in between, and whatever fails in
it touches nothing. Nothing that decides reads it. Bounded: positions followed, positions ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from loguru import logger

from position_monitor.core.decision.verdict import Judgement
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.ids import epoch_began_ms
from position_monitor.core.model.orders import WorkingType
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.observation.stream_events import MarkPrices
from position_monitor.core.shadow.following import Followed, begun_beside, ended, heard, looked, record_ref
from position_monitor.core.shadow.pair import Censored
from position_monitor.core.shadow.simulated_position import Entry, Look
from position_monitor.daemon.desk import Desk
from position_monitor.daemon.surroundings import Surroundings

OPEN_MAX = 200
"""Open positions that are followed; of more, the first that appear."""
ENDED_MAX = 500
"""Positions that ended and are not paired with their record yet; of more, the oldest are let go."""
AT_ONCE = 5
"""Positions that are asked about between two turns of the loop."""
FRESH_MS = 60_000
"""A position is followed from its beginning or not at all: its first look comes so soon after it began."""
CLOCK_ERROR_MS = 2_000
TELL_EVERY_MS = 60_000


@dataclass(slots=True)
class ShadowFollowing:
    """The books beside the open positions, and those that outlive them. May be lost at any moment."""

    desk: Desk
    surroundings: Surroundings
    settings_hash: Callable[[], str]
    """Of everything that decides exits."""
    open: dict[PositionKey, Followed] = field(default_factory=dict, init=False)
    ended: dict[str, Followed] = field(default_factory=dict, init=False)
    """By record id of the epoch: their books may not be over."""
    lost: int = field(default=0, init=False)
    """Positions that were let go without a result."""
    _restored: dict[PositionKey, Followed] = field(default_factory=dict, init=False)
    _by_symbol: dict[str, list[PositionKey]] = field(default_factory=dict, init=False)
    _failed_at_ms: dict[str, int] = field(default_factory=dict, init=False)

    # -- told by the service

    async def look(self, judgements: Mapping[PositionKey, Judgement], open_keys: frozenset[PositionKey]) -> None:
        """A cycle judged these positions; `open_keys` are all that are open. Raises nothing."""
        beside_for = self.desk.rules.beside_for
        if beside_for is None:
            self.open = {key: one._replace(censored=Censored.SETTINGS) for key, one in self.open.items()}
            self._end(list(self.open))
            return
        self._end([key for key in self.open if key not in open_keys])
        self._end_restored(open_keys)
        for number, key in enumerate(sorted(judgements)):
            if number and number % AT_ONCE == 0:
                await asyncio.sleep(0)
            try:
                self._looked(judgements[key])
            except Exception as defect:
                self._fail(key, defect)

    def marked(self, marks: MarkPrices) -> None:
        """Marks of the stream. Instant; raises nothing."""
        for symbol in marks.keys() & self._by_symbol.keys():
            mark = marks[symbol]
            for key in self._by_symbol[symbol]:
                followed = self.open[key]
                if followed.own.entry.settings.working_type is not WorkingType.MARK_PRICE:
                    continue  # its orders are armed by another price, which only looks read
                try:
                    self.open[key] = heard(followed, mark.price, mark.at_ms)
                except Exception as defect:
                    self._fail(key, defect)

    # -- asked by the keeper

    def restore(self, remembered: Mapping[PositionKey, Followed]) -> None:
        """Books of a process before this one. Each goes on, by candles, if its position is the same at the first look;
        one that has ended meanwhile ends now."""
        self._restored = {key: one for key, one in remembered.items() if key not in self.open}

    def everything(self) -> list[Followed]:
        """All that is followed, open and ended."""
        return [*self.open.values(), *self.ended.values()]

    def put_back(self, followed: Followed) -> None:
        """One that was moved on by the keeper. Nothing where it is not followed any more."""
        key, ref = followed.key, record_ref(followed)
        now = self.open.get(key)
        if now is None or now.epoch != followed.epoch:
            now = self.ended.get(ref)
        if now is None:
            return
        merged = followed._replace(
            quantity=now.quantity,
            entry_price=now.entry_price,
            ended_ms=now.ended_ms,
            censored=now.censored or followed.censored,
        )
        if ref in self.ended:
            self.ended[ref] = merged
        else:
            self.open[key] = merged

    def let_go(self, followed: Followed) -> None:
        """One that ended was paired, or never will be."""
        self.ended.pop(record_ref(followed), None)

    # -- inside

    def _looked(self, judged: Judgement) -> None:
        key, position = judged.key, judged.position
        belief, instrument = self.desk.evidence.of(key), self.desk.exchange.instrument(key.symbol)
        if belief is None or instrument is None or not judged.readable or position.entry_price <= 0:
            return
        followed = self.open.get(key)
        if followed is not None and followed.epoch != belief.epoch:
            self._end([key])
            followed = None
        if followed is None:
            followed = self._restored_one(key, belief.epoch)
        look = self._look_of(judged)
        if followed is None:
            followed = self._begun(judged, belief.epoch, look) if not belief.inherited else None
        else:
            followed = looked(followed, position.quantity, position.entry_price, look)
        if followed is not None:
            self._keep(self._checked(followed))

    def _look_of(self, judged: Judgement) -> Look:
        position, symbol, rules = judged.position, judged.key.symbol, self.desk.rules
        return Look(
            mark=position.arming_price,
            at_ms=self.desk.exchange.venue_now_ms(),
            market=self.surroundings.market(symbol),
            advice=self.surroundings.advice(symbol),
            liquidation=position.liquidation_price,
            live_since_ms=None if rules.live_since_ms is None else rules.live_since_ms(judged.key),
        )

    def _begun(self, judged: Judgement, epoch: str, look: Look) -> Followed | None:
        """The books of a position that began just now; None where nothing computes beside it, or it is older."""
        rules, position, key = self.desk.rules, judged.position, judged.key
        shadow = rules.beside_for(key) if rules.beside_for is not None else None
        age_ms = look.at_ms - epoch_began_ms(epoch)
        if shadow is None or judged.verdict is Verdict.UNMANAGED or not -CLOCK_ERROR_MS <= age_ms <= FRESH_MS:
            return None
        instrument = self.desk.exchange.instrument(key.symbol)
        if instrument is None or len(self.open) >= OPEN_MAX:
            return None
        own = rules.protection_for(key)
        entry = Entry(
            account=rules.account,
            key=key,
            epoch=epoch,
            quantity=position.quantity,
            price=position.entry_price,
            instrument=instrument,
            settings=own,
            hedged=position.hedged,
        )
        return begun_beside(entry._replace(settings=shadow), entry, look, self.settings_hash())

    def _checked(self, followed: Followed) -> Followed:
        """The same, censored where what it is compared with is not the live policy of these settings alone."""
        if followed.censored is not Censored.NO:
            return followed
        if followed.settings_hash != self.settings_hash():
            return followed._replace(censored=Censored.SETTINGS)
        if self.desk.mode() in (Mode.STANDBY, Mode.OBSERVE):
            return followed._replace(censored=Censored.NOT_LIVE)
        return followed

    def _keep(self, followed: Followed) -> None:
        key = followed.key
        if key not in self.open:
            self._by_symbol.setdefault(key.symbol, []).append(key)
        self.open[key] = followed

    def _restored_one(self, key: PositionKey, epoch: str) -> Followed | None:
        """The book of the process before this one, if it is of the same position."""
        one = self._restored.get(key)
        if one is None or one.epoch != epoch:
            return None
        del self._restored[key]
        return one._replace(by_candles=True)

    def _end_restored(self, open_keys: frozenset[PositionKey]) -> None:
        """What was closed while no process ran, or is another position by now, has ended."""
        for key in [key for key in self._restored if key not in open_keys or key in self.open]:
            one = self._restored.pop(key)
            self._ended(one if one.ended_ms else ended(one, self.desk.exchange.venue_now_ms()))

    def _end(self, keys: list[PositionKey]) -> None:
        for key in keys:
            of_symbol = self._by_symbol[key.symbol]
            of_symbol.remove(key)
            if not of_symbol:
                del self._by_symbol[key.symbol]
            self._ended(ended(self.open.pop(key), self.desk.exchange.venue_now_ms()))

    def _ended(self, followed: Followed) -> None:
        self.ended[record_ref(followed)] = followed
        while len(self.ended) > ENDED_MAX:
            del self.ended[next(iter(self.ended))]
            self.lost += 1

    def _fail(self, key: PositionKey, defect: Exception) -> None:
        """A failure is said once a minute for each kind; it costs this position's books and nothing else."""
        if key in self.open:
            self.open[key] = self.open[key]._replace(censored=Censored.FAILED)
        now_ms, kind = self.desk.clock.now_ms(), type(defect).__name__
        if abs(now_ms - self._failed_at_ms.get(kind, -TELL_EVERY_MS)) >= TELL_EVERY_MS:
            self._failed_at_ms[kind] = now_ms
            logger.warning("The books beside {} could not be kept ({}: {}); nothing else needs them", key, kind, defect)
