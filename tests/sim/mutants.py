"""Planted bugs: each is one mistake a programmer could make in the daemon, and each must be caught by the simulator.

A mutant replaces a function of the daemon while it is planted. Where the guard would hold a careless planner back
(which is what the guard is for), the same mistake is made in both places, as a shared misunderstanding would do it; the
mutants that also take the guard away say so. `expected` names the invariants whose violation counts as caught: a mutant
that merely crashes the run, or breaks something else, does not count.
"""

from __future__ import annotations

import importlib
import pkgutil
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count
from typing import Any
from unittest import mock

import tests.sim
from position_monitor.config import Config
from position_monitor.core.book import stop_level
from position_monitor.core.book.diff import BookDiff, diff
from position_monitor.core.decision import guard, plan, surplus
from position_monitor.core.decision.guard import Approved
from position_monitor.core.decision.plan_inputs import PlanInputs
from position_monitor.core.evidence import written
from position_monitor.core.evidence.evidence import Belief
from position_monitor.core.evidence.outcome import Sent
from position_monitor.core.exits import brain, hybrid, in_r, levels, static
from position_monitor.core.model import ids, money
from position_monitor.core.model.actions import Cancel, Mode, Place
from position_monitor.core.model.orders import LiveOrder, OrderStatus, Purpose, Role, Tag
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.observation.cover import loosened_at, outdated_backstop, why_not_cover
from position_monitor.core.observation.reads import PositionsRead
from position_monitor.daemon import Daemon, removal
from position_monitor.daemon.desk import Desk
from position_monitor.daemon.placing import Placing, SentRound
from position_monitor.edge import actor
from position_monitor.edge.reading.observer import Observer
from position_monitor.edge.redis.lease import Lease, Unavailable
from position_monitor.edge.redis.lease_keeper import LeaseKeeper
from position_monitor.edge.venues.binance import order_rows
from position_monitor.edge.venues.binance import writes as binance_writes
from position_monitor.edge.venues.binance.reads import orders_from
from position_monitor.edge.venues.binance.sides import OrderSide
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.errors import Ambiguous, ExchangeFailure
from position_monitor.service.surroundings import ProcessSurroundings
from tests.sim.simulation import SYMBOLS
from tests.sim.swarm import Swarm

Planting = Callable[[ExitStack], None]
ADVISED = Swarm({}, ("ai_advice",))
"""Nothing breaks, but the advice moves stops and ladders all the time."""
BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True)
class Mutant:
    """A planted bug, and what must notice it."""

    name: str
    plant: Planting
    expected: frozenset[str]
    swarm: Swarm = field(default_factory=Swarm)
    faulty_s: float = 60.0
    caught_at: int = 1
    """The first seed that shows it: asked before all others."""

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Within, the daemon has the bug; what it remembers of its work was made with the bug, and goes with it."""
        with ExitStack() as stack:
            self.plant(stack)
            for remembered in REMEMBERED:
                remembered.cache_clear()
                stack.callback(remembered.cache_clear)
            yield


MUTANTS: list[Mutant] = []
REMEMBERED = (levels.from_entry, hybrid._own, hybrid._advised, static._own, order_rows._algo_order)
REMEMBERED += (brain._plan, brain._shares, in_r._own, in_r._advised)
"""What the core remembers beyond a run."""


def all_mutants() -> list[Mutant]:
    """Every planted bug of every module of this folder that plants any."""
    for planting in sorted(module.name for module in pkgutil.iter_modules(tests.sim.__path__)):
        if planting.endswith("_mutants"):
            importlib.import_module(f"tests.sim.{planting}")
    return MUTANTS


def mutant(
    *expected: str, swarm: Swarm | None = None, faulty_s: float = 60.0, caught_at: int = 1
) -> Callable[[Planting], Planting]:
    """Register a planting under its function's name."""

    def register(plant: Planting) -> Planting:
        MUTANTS.append(Mutant(plant.__name__, plant, frozenset(expected), swarm or Swarm(), faulty_s, caught_at))
        return plant

    return register


def everywhere(original: Any, changed: Any) -> AbstractContextManager[None]:
    """Replace a function in every module of the daemon that imported it by name."""
    stack = ExitStack()
    found = 0
    for name, module in sorted(sys.modules.items()):
        if name.startswith("position_monitor.") and getattr(module, original.__name__, None) is original:
            stack.enter_context(mock.patch.object(module, original.__name__, changed))
            found += 1
    assert found, f"{original.__name__} is nowhere: the mutant has to follow the daemon"
    return stack


def changed(owner: Any, name: str, value: Any) -> AbstractContextManager[Any]:
    """Replace one attribute of a class or module."""
    assert hasattr(owner, name), f"{owner.__name__}.{name} is gone: the mutant has to follow the daemon"
    return mock.patch.object(owner, name, value)


def approved(action: Any) -> Approved[Any]:
    """An approval nobody gave."""
    return Approved(action, guard._SEAL)


def without_guard(stack: ExitStack) -> None:
    """Every action is approved."""
    for check in (guard.approve_place, guard.approve_cancel, guard.approve_close):
        stack.enter_context(everywhere(check, lambda action, gate: approved(action)))


# -- identity and retries (invariant 4)


@mutant("INV-4", swarm=Swarm({"lose_response": 0.2, "delayed_listing": 0.2}))
def client_ids_are_random(stack: ExitStack) -> None:
    rng = random.Random("ids")
    honest = ids.client_id
    stack.enter_context(changed(ids, "client_id", lambda **intent: another_id(honest(**intent), rng)))
    stack.enter_context(changed(guard, "_why_wrong_id", lambda order, gate: ""))


@mutant("INV-4", swarm=Swarm({"lose_response": 0.2, "unknown_503": 0.1}))
def ambiguous_write_is_sent_again_with_a_new_id(stack: ExitStack) -> None:
    rng = random.Random("retry")
    honest = BinanceUsdm.place

    async def place(self: BinanceUsdm, given: Approved[Place]) -> str:
        try:
            return await honest(self, given)
        except Ambiguous:
            order = given.action.order
            order = order._replace(client_id=another_id(order.client_id, rng))
            return await honest(self, approved(replace(given.action, order=order)))

    stack.enter_context(changed(BinanceUsdm, "place", place))


def another_id(client_id: str, rng: random.Random) -> str:
    """The same role, rung and epoch; a digest that says nothing."""
    return client_id[:-18] + "".join(rng.choices(BASE32, k=18))


# -- what may be concluded from a read (invariants 6 and 7)


@mutant("INV-2", swarm=Swarm({"false_flat": 0.3}))
def one_empty_read_is_flat(stack: ExitStack) -> None:
    stack.enter_context(changed(Belief, "flat_proven", lambda self, settings: self.absent_reads >= 1))


@mutant("INV-2", swarm=Swarm({"false_flat": 0.8}))
def zero_row_is_not_asked_for(stack: ExitStack) -> None:
    enough = lambda self, settings: self.absent_reads >= settings.flat_reads  # noqa: E731 - stands for a method
    stack.enter_context(changed(Belief, "flat_proven", enough))


@mutant("INV-2", swarm=Swarm({"html": 0.2, "empty": 0.2, "lose_request": 0.2}))
def unreadable_is_flat(stack: ExitStack) -> None:
    honest = BinanceUsdm._read_positions

    async def read(self: BinanceUsdm, endpoint: Any, symbol: str | None) -> PositionsRead:
        try:
            return await honest(self, endpoint, symbol)
        except ExchangeFailure:
            zeros = frozenset(PositionKey(name, side) for name in SYMBOLS for side in Side)
            return PositionsRead((), zeros, {}, False, self._clock.now_ms(), symbol)

    stack.enter_context(changed(BinanceUsdm, "_read_positions", read))


@mutant("INV-3", "INV-4", "INV-10")
def algo_list_is_not_read(stack: ExitStack) -> None:
    stack.enter_context(everywhere(orders_from, lambda plain, algo, **more: orders_from(plain, [], **more)))


@mutant("INV-5")
def plain_list_is_not_read(stack: ExitStack) -> None:
    stack.enter_context(everywhere(orders_from, lambda plain, algo, **more: orders_from([], algo, **more)))


@mutant("INV-6", swarm=Swarm({"stuck_triggering": 0.5}))
def triggering_counts_as_cover(stack: ExitStack) -> None:
    def lenient(order: LiveOrder, position: Any, settings: Any) -> str:
        if order.status is OrderStatus.TRIGGERING:
            order = order._replace(status=OrderStatus.NEW)
        return why_not_cover(order, position, settings)

    stack.enter_context(everywhere(why_not_cover, lenient))


@mutant("INV-6", "INV-3", swarm=Swarm({"late_expire": 0.2, "vanish": 0.2, "lose_request": 0.1}))
def acknowledgement_is_believed(stack: ExitStack) -> None:
    """What was sent is taken to rest from then on, whatever the lists say."""
    believed: dict[str, LiveOrder] = {}
    honest_send, honest_seen = actor.send_place, Observer._observation

    async def send(exchange: Any, clock: Any, given: Approved[Place]) -> Any:
        ended = await honest_send(exchange, clock, given)
        if ended.sent in (Sent.ACCEPTED, Sent.AMBIGUOUS):
            believed[given.action.order.client_id] = resting(given.action, clock.now_ms())
        return ended

    def observation(self: Observer, symbol: str, *reads: Any) -> Any:
        seen = honest_seen(self, symbol, *reads)
        held = {position.key for position in seen.positions}
        listed = {order.client_id for order in seen.orders}
        also = [o for o in believed.values() if o.symbol == symbol and o.key in held and o.client_id not in listed]
        return replace(seen, orders=(*seen.orders, *also))

    stack.enter_context(changed(actor, "send_place", send))
    stack.enter_context(changed(Observer, "_observation", observation))


def resting(action: Place, now_ms: int) -> LiveOrder:
    """An order as its acknowledgement would have us believe it."""
    order = action.order
    return LiveOrder(
        key=order.key,
        order_id="1",
        client_id=order.client_id,
        tag=ids.tag_of(order.client_id),
        purpose=order.purpose,
        quantity=order.quantity,
        trigger_price=order.trigger_price,
        limit_price=None,
        working_type=order.working_type,
        status=OrderStatus.NEW,
        executed_quantity=Decimal(0),
        reduces=True,
        hedged=order.hedged,
        conditional=True,
        caveat="",
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
    )


# -- prices and directions


@mutant("DESIGN-9")
def stops_are_rounded_outward(stack: ExitStack) -> None:
    stack.enter_context(everywhere(money.stop_trigger, money.target_trigger))


@mutant("DESIGN-9", "INV-3")
def shorts_get_the_stop_of_longs(stack: ExitStack) -> None:
    def against(price: Decimal, side: Side, pct: Decimal) -> Decimal:
        return price - price * pct / 100

    stack.enter_context(everywhere(money.against, against))


@mutant("INV-1", "INV-3")
def exits_are_always_sales(stack: ExitStack) -> None:
    stack.enter_context(changed(binance_writes, "exit_side", lambda side: OrderSide.SELL))


@mutant("INV-1")
def quantity_orders_are_not_reduce_only(stack: ExitStack) -> None:
    stack.enter_context(changed(binance_writes, "_reducing", lambda hedged: {}))


@mutant("INV-3")
def position_side_of_hedge_mode_is_forgotten(stack: ExitStack) -> None:
    stack.enter_context(changed(binance_writes, "_position_side", lambda side, hedged: "BOTH"))


# -- make before break (invariants 2 and 8)


@mutant("INV-2", "INV-8", swarm=ADVISED)
def stops_are_cancelled_before_new_ones_are_placed(stack: ExitStack) -> None:
    honest = Placing.round

    async def cancel_first(self: Placing, observed: Any, decision: Any, **more: Any) -> SentRound:
        for result in decision.plans.values():
            keys = {place.key for place in result.stops}
            for order in observed[result.symbol].orders:
                if order.key in keys and is_own_stop(order):
                    await cancel_unseen(self.desk, order)
        return await honest(self, observed, decision, **more)

    stack.enter_context(changed(Placing, "round", cancel_first))


@mutant("INV-2", "INV-8", swarm=ADVISED)
def old_stop_goes_on_the_acknowledgement_of_the_new(stack: ExitStack) -> None:
    honest = Desk.send

    async def send(self: Desk, action: Any, seen: Any) -> Any:
        outcome_of_it = await honest(self, action, seen)
        if isinstance(action, Place) and action.order.role is Role.WORKING_STOP:
            for order in seen.orders:
                if order.key == action.key and order.role is Role.WORKING_STOP:
                    await cancel_unseen(self, order)
        return outcome_of_it

    stack.enter_context(changed(Desk, "send", send))


def is_own_stop(order: LiveOrder) -> bool:
    return order.tag is not None and order.purpose is Purpose.STOP


async def cancel_unseen(writer: Desk, order: LiveOrder) -> None:
    """Remove an order without asking anybody."""
    with suppress(ExchangeFailure):
        await writer.exchange.cancel(approved(Cancel(order, order.key, "")))


@mutant("INV-2", swarm=ADVISED)
def one_read_of_the_replacement_is_enough(stack: ExitStack) -> None:
    honest = Config.evidence
    stack.enter_context(changed(Config, "evidence", lambda self: replace(honest(self), replacement_reads=0)))


@mutant("INV-2", swarm=ADVISED)
def cancels_do_not_look_again(stack: ExitStack) -> None:
    """The read made just for a removal is answered from the one before."""
    honest_seen, honest_fresh = Observer._observation, Observer.fresh
    last: dict[tuple[int, str], Any] = {}

    def observation(self: Observer, symbol: str, *reads: Any) -> Any:
        last[(id(self), symbol)] = honest_seen(self, symbol, *reads)
        return last[(id(self), symbol)]

    async def fresh(self: Observer, symbol: str) -> Any:
        known = last.get((id(self), symbol))
        return known if known is not None else await honest_fresh(self, symbol)

    stack.enter_context(changed(Observer, "_observation", observation))
    stack.enter_context(changed(Observer, "fresh", fresh))


@mutant("INV-2", swarm=ADVISED)
def removals_of_a_symbol_share_a_look(stack: ExitStack) -> None:
    """Only take-profits may: a stop must not go on the word of a read that is older than another removal."""
    stack.enter_context(changed(removal, "is_take_profit", lambda cancel: True))


@mutant("INV-2", swarm=ADVISED)
def backstop_is_moved_like_any_stop(stack: ExitStack) -> None:
    def outdated(order: LiveOrder, epoch: str, settings: Any) -> bool:
        return order.role is Role.BACKSTOP

    stack.enter_context(everywhere(outdated_backstop, outdated))
    nothing_loosens(stack)


@mutant("INV-8", swarm=ADVISED)
def stop_follows_the_policy_downward_too(stack: ExitStack) -> None:
    """The level is taken anew from the entry in every cycle, and nobody asks whether a removal loosens it."""
    stack.enter_context(
        everywhere(stop_level.effective_stop, lambda inputs, resting, exits: exits.initial_stop),
    )
    nothing_loosens(stack)


def nothing_loosens(stack: ExitStack) -> None:
    """Neither planner nor guard asks at which price the position is stopped after a removal."""
    stack.enter_context(everywhere(loosened_at, lambda *inputs, **more: None))
    stack.enter_context(changed(surplus, "stopped_by", lambda position, *rest: position.quantity))


@mutant("INV-2", "INV-8", swarm=ADVISED)
def planner_is_careless_and_the_guard_is_gone(stack: ExitStack) -> None:
    stack.enter_context(changed(surplus, "_why_keep_stop", lambda *inputs, **more: ""))
    without_guard(stack)


# -- ownership (invariant 5) and order (invariant 3)


@mutant("INV-5")
def orders_of_others_are_taken_for_ours(stack: ExitStack) -> None:
    honest, stop = ids.tag_of, Tag(Role.WORKING_STOP, 0, "")
    stack.enter_context(changed(ids, "tag_of", lambda client_id: honest(client_id) or stop))


@mutant("INV-3")
def take_profits_come_before_stops(stack: ExitStack) -> None:
    honest = Placing._send_all
    postponed: dict[int, list[Any]] = {}

    async def send_all(self: Placing, actions: Any, observed: Any) -> SentRound:
        """The groups come as stops, closes, take-profits; the stops are kept until after the third."""
        groups = postponed.setdefault(id(self.desk), [])
        groups.append(actions)
        if len(groups) == 1:
            return SentRound()
        touched = await honest(self, actions, observed)
        if len(groups) == 3:
            touched |= await honest(self, groups[0], observed)
            groups.clear()
        return touched

    stack.enter_context(changed(Placing, "_send_all", send_all))
    stack.enter_context(changed(plan, "_LADDER_READS", 0))


@mutant("INV-3")
def stop_cancelled_by_hand_is_not_placed_again(stack: ExitStack) -> None:
    done: set[str] = set()

    def forgetful(orders: Any, live: Any) -> BookDiff:
        done.update(own.client_id for own in (*live.resting, *live.in_flight))
        found = diff(orders, live)
        return found._replace(missing=tuple(order for order in found.missing if order.client_id not in done))

    stack.enter_context(everywhere(diff, forgetful))


# -- the lease and the clock (invariant 9)


@mutant("INV-9", swarm=Swarm({}, ("second_daemon", "lease_evicted", "ai_advice")))
def lease_is_not_asked_for(stack: ExitStack) -> None:
    stack.enter_context(changed(ProcessSurroundings, "mode", lambda self, **signs: Mode.LIVE))


@mutant("INV-9", swarm=Swarm({}, ("redis_down", "redis_hung", "ai_advice")), faulty_s=120.0)
def lease_never_runs_out(stack: ExitStack) -> None:
    stack.enter_context(changed(Lease, "state", lambda self: self._state))
    honest = Lease.renew

    async def renew(self: Lease) -> Any:
        before = self._state
        after = await honest(self)
        if isinstance(after, Unavailable):
            self._state = before
        return self._state

    stack.enter_context(changed(Lease, "renew", renew))


@mutant("INV-9", swarm=Swarm({}, ("redis_down", "redis_hung", "clock_step", "ai_advice")), faulty_s=120.0)
def lease_is_timed_by_the_wall_clock(stack: ExitStack) -> None:
    stack.enter_context(changed(Lease, "_age_ms", lambda self: self._clock.now_ms() - self._sent_at[1]))


@mutant("INV-2", swarm=Swarm({}, ("suspend_after_stop", "ai_advice")), faulty_s=400.0)
def evidence_survives_a_suspend(stack: ExitStack) -> None:
    stack.enter_context(changed(Daemon, "_notice_gap", lambda self: None))
    stack.enter_context(changed(LeaseKeeper, "reads", property(lambda self: True)))


@mutant("INV-3", swarm=Swarm({}, ("redis_down", "redis_hung")))
def nothing_is_placed_without_redis(stack: ExitStack) -> None:
    honest = ProcessSurroundings.mode

    def mode(self: ProcessSurroundings, **signs: Any) -> Mode:
        answer = honest(self, **signs)
        return Mode.OBSERVE if answer is Mode.PLACE_ONLY else answer

    stack.enter_context(changed(ProcessSurroundings, "mode", mode))


# -- bounds (invariant 10)


@mutant("INV-5", "INV-10", swarm=Swarm({"stale_reads": 0.3, "empty_orders": 0.5}, ("ai_advice",)), faulty_s=120.0)
def orders_of_ours_are_not_counted(stack: ExitStack) -> None:
    """And none of them makes room for another, or for the user's own."""
    stack.enter_context(changed(PlanInputs, "room", lambda *inputs, **more: 10_000))
    stack.enter_context(changed(guard, "_why_too_many", lambda *inputs, **more: ""))
    stack.enter_context(changed(surplus, "_why_keep_target", lambda *inputs, **more: "it is kept"))


@mutant("INV-3", "INV-10", swarm=Swarm({"lose_request": 0.2, "late_expire": 0.2}, ("ai_advice",)))
def writes_are_awaited_for_ever(stack: ExitStack) -> None:
    """A write that no query finds is never given up, and every write is remembered under a name of its own."""
    honest = written.after_write
    number = count()

    def hoard(known: Any, symbol: str, client_id: str, now_ms: int, **more: Any) -> Any:
        known = honest(known, symbol, client_id, now_ms, **more)
        return honest(known, symbol, f"{client_id[:-4]}{next(number):04}", now_ms, **more)

    stack.enter_context(everywhere(honest, hoard))
    stack.enter_context(everywhere(written.after_miss, lambda known, *miss, **more: known))
