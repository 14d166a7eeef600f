"""The task that turns followed books into pairs: candles where no mark was heard, records, and what is told of both.

It has a small part of the background's request budget. Nothing that protects asks it; a defect ends only its turn.
Bounded: symbols walked in one turn, pairs kept, waiting for a record.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from loguru import logger

from position_monitor.config import Config
from position_monitor.core.model.ids import epoch_began_ms
from position_monitor.core.model.market import MarketState
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.performance.record import Record
from position_monitor.core.shadow.costs import costs_of
from position_monitor.core.shadow.following import (
    MINUTE_MS,
    Followed,
    at_horizon,
    first_minute_to_walk,
    record_ref,
    walked_on,
)
from position_monitor.core.shadow.pair import Censored, Pair, ends_by_hand, live_of, scored
from position_monitor.daemon.following import ShadowFollowing
from position_monitor.edge.account_history import AccountHistory
from position_monitor.edge.clock import Clock
from position_monitor.edge.exchange import Exchange
from position_monitor.edge.redis.followed_documents import Grounds, key_of, read_followed
from position_monitor.edge.redis.lease import REDIS_FAILURES
from position_monitor.edge.redis.pairs import RedisPairs
from position_monitor.edge.redis.published_values import DocumentUnreadable
from position_monitor.errors import ExchangeFailure, Refused

TURN_S = 15.0
WALK_EVERY_MS = 5 * MINUTE_MS
"""How often the candles of one position are asked for."""
WALKS_AT_ONCE = 5
"""Positions whose candles are asked for in one turn."""
FINAL_WITHIN_MS = 3_600_000
"""How long a pair waits for the money of its record to be proven."""
RECORD_WITHIN_MS = 24 * 3_600_000
"""How long it waits for any record at all."""
UNWALKED_MS = 3_600_000
"""How long after the horizon candles may be missing before the book is given up."""
GAP_MOST_MS = 10 * MINUTE_MS
"""How long the way of a book may be unknown, all in all."""
SAME_POSITION_MS = 60_000
"""By how much the first fill of a record and the beginning of an epoch may differ."""
PAIRS_KEPT = 1_000
_DECIDES_EXITS = ("protection.", "bounds.", "exit.", "symbols.")


@dataclass(slots=True)
class ExitsHash:
    """The hash of every setting that decides exits, made once for a configuration."""

    config: Callable[[], Config]
    _made: tuple[Config | None, str] = field(default=(None, ""), init=False)

    def __call__(self) -> str:
        """12 hex digits that change when a setting changes by which a policy decides."""
        config = self.config()
        if self._made[0] is not config:
            deciding = (f"{key}={value}" for key, value, _ in config.effective() if key.startswith(_DECIDES_EXITS))
            self._made = (config, hashlib.sha256("\n".join(deciding).encode()).hexdigest()[:12])
        return self._made[1]


@dataclass(slots=True)
class PairKeeper:
    """Keeps the pairs of one account."""

    following: ShadowFollowing
    exchange: Exchange
    history: AccountHistory
    records: Callable[[], tuple[Record, ...]]
    """The records of closed positions that this process has."""
    store: RedisPairs
    clock: Clock
    market: Callable[[str], MarketState | None]
    _kept: deque[Pair] = field(default_factory=lambda: deque(maxlen=PAIRS_KEPT), init=False)
    _unwritten: list[Pair] = field(default_factory=list, init=False)
    _written: tuple[Followed, ...] = field(default=(), init=False)
    """What was told last of the books that are followed."""
    _read_back: bool = field(default=False, init=False)
    _asked_ms: dict[str, int] = field(default_factory=dict, init=False)
    """When the candles of a position were asked for last."""

    async def run(self) -> None:
        """Keep pairs until cancelled."""
        while True:
            await self.clock.sleep(TURN_S)
            await self.turn()

    async def turn(self) -> None:
        """Do what is due now. Nothing the venue or Redis does ends it."""
        if not self.store.may_write:
            self._read_back = False  # who takes over begins with what the other one followed
            return
        if self.following.desk.rules.beside_for is None and not self.following.ended:
            return
        try:
            await self._read_before()
            await self._walk()
            self._pair()
            await self._write()
        except REDIS_FAILURES as fault:
            logger.debug("pairs wait for Redis: {}", type(fault).__name__)
        except ExchangeFailure as failure:
            logger.debug("pairs wait for candles: {}", failure)

    # -- after a start

    async def _read_before(self) -> None:
        """Take up the books of the process before this one, once. What is not readable is lost, and counted so."""
        if self._read_back:
            return
        texts, written = await self.store.followed_before(), await self.store.written_before()
        self._read_back = True
        ids = {pair.record_id for pair in self._unwritten}
        self._kept = deque([*(one for one in written if one.record_id not in ids), *self._unwritten], PAIRS_KEPT)
        ended: dict[PositionKey, Followed] = {}
        for text in texts:
            try:
                key = key_of(text)
                grounds = self._grounds(key)
                if grounds is not None:
                    ended[key] = read_followed(text, grounds)
            except DocumentUnreadable as fault:
                logger.warning("A book that was followed is lost: {}", fault)
        if ended:
            logger.info("{} simulated books of the process before this one go on, by candles", len(ended))
        self.following.restore(ended)

    def _grounds(self, key: PositionKey) -> Grounds | None:
        rules, instrument = self.following.desk.rules, self.exchange.instrument(key.symbol)
        shadow = rules.beside_for(key) if rules.beside_for is not None else None
        if shadow is None or instrument is None:
            return None
        return Grounds(
            account=rules.account,
            settings_hash=self.following.settings_hash(),
            instrument=instrument,
            shadow=shadow,
            own=rules.protection_for(key),
        )

    # -- candles

    async def _walk(self) -> None:
        """Candles for the books that no mark reaches, the longest waiting first. Raises `ExchangeFailure`."""
        now_ms = self.exchange.venue_now_ms()
        waiting = [one for one in self.following.everything() if one.by_candles and not one.over]
        asked = {record_ref(one): self._asked_ms.get(record_ref(one), 0) for one in waiting}
        due = [one for one in waiting if now_ms - asked[record_ref(one)] >= WALK_EVERY_MS]
        self._asked_ms = asked
        for one in sorted(due, key=lambda one: asked[record_ref(one)])[:WALKS_AT_ONCE]:
            self._asked_ms[record_ref(one)] = now_ms
            self.following.put_back(await self._walked(one, now_ms))

    async def _walked(self, followed: Followed, now_ms: int) -> Followed:
        """One book as far as its candles go. Raises `ExchangeFailure`."""
        horizon_ms, since_ms = followed.horizon_ms, first_minute_to_walk(followed)
        until_ms = min(now_ms, horizon_ms) if horizon_ms else now_ms
        try:
            candles = await self.history.mark_minutes(followed.key.symbol, since_ms=since_ms, until_ms=until_ms)
        except Refused:
            candles = ()  # the symbol is gone
        for candle in candles:
            followed = walked_on(followed, candle, self.market(followed.key.symbol))
        if followed.gap_ms > GAP_MOST_MS or (horizon_ms and now_ms > horizon_ms + UNWALKED_MS and not candles):
            return followed._replace(censored=followed.censored or Censored.GAP)
        if horizon_ms and followed.at_ms + MINUTE_MS > horizon_ms:
            return at_horizon(followed)
        return followed

    # -- pairs

    def _pair(self) -> None:
        """Pair what ended with its record, as soon as both are there."""
        now_ms, records = self.exchange.venue_now_ms(), self.records()
        for followed in list(self.following.ended.values()):
            record, waited_ms = record_for(followed, records), now_ms - followed.ended_ms
            if not followed.over and (record is None or not ends_by_hand(record)):
                continue
            if record is None:
                if waited_ms > RECORD_WITHIN_MS:
                    self.following.let_go(followed)
                continue
            if record.final or waited_ms > FINAL_WITHIN_MS:
                self.following.let_go(followed)
                self._keep(paired(record, followed, records))

    def _keep(self, pair: Pair) -> None:
        self._kept.append(pair)
        self._unwritten = [*self._unwritten, pair][-PAIRS_KEPT:]

    async def _write(self) -> None:
        """Tell Redis what it does not have. Raises one of `REDIS_FAILURES`."""
        if not await self.store.stands():
            logger.info("Redis has lost the shadow results: {} are written again", len(self._kept))
            self._unwritten = list(self._kept)
        followed = tuple(self.following.everything())
        if not self._unwritten and followed == self._written:
            return
        batch = list(self._unwritten)
        if await self.store.write(batch, followed, self.clock.now_ms()):
            self._unwritten = [pair for pair in self._unwritten if pair not in batch]
            self._written = followed


def record_for(followed: Followed, records: tuple[Record, ...]) -> Record | None:
    """The record of a followed position: by the epoch its orders carry, else by when it began."""
    began_ms = epoch_began_ms(followed.epoch)
    for record in reversed(records):
        if record.key != followed.key:
            continue
        if followed.epoch in record.order_epochs or abs(record.opened_at_ms - began_ms) <= SAME_POSITION_MS:
            return record
    return None


def paired(record: Record, followed: Followed, records: tuple[Record, ...]) -> Pair:
    """The pair of a closed position, with the costs that this account's own records say."""
    costs = costs_of(records)
    return Pair(
        record_id=record.record_id,
        revision=1,
        account=record.account,
        symbol=record.key.symbol,
        side=record.key.side,
        epoch=record.epoch,
        opened_at_ms=record.opened_at_ms,
        closed_at_ms=record.closed_at_ms,
        final=record.final,
        settings_hash=followed.settings_hash,
        notional=record.quantity_entered * record.entry_average,
        risk=record.risk.money,
        live=live_of(record),
        shadow=scored(record, followed.shadow, costs, followed.censored),
        own=scored(record, followed.own, costs, followed.censored),
        costs=costs.source,
        marks_from="candles" if followed.minutes else "watched",
        gap_ms=followed.gap_ms,
        ambiguous=followed.ambiguous,
    )
