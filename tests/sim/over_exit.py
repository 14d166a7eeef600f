"""Never over-exit (invariant 16), judged whenever an order of ours is accepted.

At no price do take-profits of ours that rest close more at or before that price than the policy wants closed there. The
daemon decides from a read that may be some seconds old, so every size and entry that the position had in the last
seconds counts as an honest reason. Nothing new is placed for a position while a stop of ours is in the act of
triggering and the daemon knows; and nothing is closed at market on one witness, nor where no price was ever beyond the
stop that the venue refused.

The policy is the default one of the configuration: hybrid, 30/30/40 % at 1.5/2.5/4.0 % of the entry. Under another one
the total counts: never for more than the position, nor for a part that runs on (`exit_rules.py`). No planner code.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from position_monitor.edge.venues.transport import Endpoint
from position_monitor.paper.world import World
from tests.sim.conduct import NO_ANSWER, Answer
from tests.sim.exit_rules import DEFAULT_POLICY, ExitRules, more_than
from tests.sim.truth import Key, Order, Truth, is_own, left_of, reducing, side_of

LADDER = ((Decimal("1.5"), Decimal("0.3")), (Decimal("2.5"), Decimal("0.6")), (Decimal("4.0"), Decimal(1)))
"""Distance from the entry in percent -> share of the position that may have been closed when it is reached."""
WINDOW_MS = 30_000
"""How old the size and the entry may be that an order was decided from."""
NEAR = Decimal("0.0015")
"""Levels differ from the policy's by ticks, and by less than the least move (0.1 %)."""
TRIGGERING_GRACE_MS = 10_000
"""`triggering_grace_s`: after it a stop in the act of triggering counts as stuck, and is replaced."""
REFUSED_MS = 60_000
"""How old the refusal may be that a close at market follows from."""
CROSSED = -2021
WITNESSES = 2


class Held(NamedTuple):
    """A position as it was from a moment on."""

    at_ms: int
    size: Decimal
    entry: Decimal


class OverExit:
    """Remembers what positions were like, and judges what is placed for them."""

    def __init__(
        self,
        truth: Truth,
        world: World,
        marks: Callable[[str, int], Iterable[Decimal]],
        *,
        ladder: bool = True,
        squeezed: Collection[str] = frozenset(),
        alive: Callable[[], Collection[int]] = lambda: (),
        rules: ExitRules = DEFAULT_POLICY,
    ) -> None:
        """`marks(symbol, since_ms)` are the prices the symbol had since then; `ladder` says that the levels of the
        targets are the policy's own: no advice moves them, and no list hides one. In `squeezed` symbols the venue's
        bounds move a target to the nearest permitted price, by the bounds that the daemon read. `alive` are the
        daemons that live now: what a dead one sent, and the venue executes late, nobody can know of."""
        self._ladder = ladder
        self._squeezed = squeezed
        self._alive = alive
        self._rules = rules
        self._senders: dict[str, int] = {}
        """Client id -> the daemon that sent it last and got no answer."""
        self._truth = truth
        self._world = world
        self._marks = marks
        self._held: dict[Key, deque[Held]] = defaultdict(lambda: deque(maxlen=40))
        self._firing: dict[int, tuple[Key, int, int]] = {}
        """Stop of ours that is triggering -> its position, since which moment and ms."""
        self._learned: dict[int, set[int]] = defaultdict(set)
        """Daemon -> stops it knows to be triggering."""
        self._refused: dict[Key, deque[tuple[int, Decimal]]] = defaultdict(lambda: deque(maxlen=10))
        """Stops of ours that the venue refused as already passed: (ms, trigger)."""
        self._reads: dict[tuple[int, str], deque[int]] = defaultdict(lambda: deque(maxlen=WITNESSES))
        """When a daemon last read a symbol's position."""

    # -- what happens

    def answer(self, answer: Answer, at_ms: int) -> None:
        """A request of a daemon ended: what it can know from it."""
        if answer.endpoint is Endpoint.PLACE_ALGO_ORDER and answer.status == NO_ANSWER:
            self._senders[answer.params.get("clientAlgoId", "")] = answer.daemon
        if not isinstance(answer.body, list):
            return
        if answer.endpoint in (Endpoint.POSITIONS, Endpoint.POSITION_ROWS):
            for symbol in {str(row.get("symbol")) for row in answer.body if isinstance(row, dict)}:
                self._reads[answer.daemon, symbol].append(at_ms)
        elif answer.endpoint is Endpoint.OPEN_ALGO_ORDERS and self._firing:
            shown = {str(row.get("algoId")) for row in answer.body if isinstance(row, dict) and _fires(row)}
            self._learned[answer.daemon] |= {number for number in self._firing if str(number) in shown}

    def entry(self, entry: Any, speaker: int | None) -> list[str]:
        """One journal entry, after the truth has it; the sentences it deserves."""
        detail = entry.detail
        self._note_positions(entry)
        self._note_firing(entry)
        if "client_id" not in detail or not is_own(detail):
            return []
        key = (entry.symbol, side_of(detail.get("position_side", "BOTH"), detail["side"]))
        if entry.kind == "order_refused" and detail.get("code") == CROSSED and detail.get("trigger"):
            self._refused[key].append((entry.at_ms, Decimal(detail["trigger"])))
        if entry.kind != "order_accepted" or entry.origin != "api":
            return []
        if detail.get("order_kind") != "algo" and detail["client_id"][3:5] != "2t":
            return self._closed(key, entry, speaker)
        found = self._beside_firing(key, entry, speaker)
        if self._ladder and key[0] not in self._squeezed and _takes_profit(detail) and not self._is_bequest(detail):
            found += self._too_much(key, entry.at_ms)
        return found

    def _is_bequest(self, detail: Mapping[str, Any]) -> bool:
        """Whether a daemon sent it that got no answer and died."""
        sender = self._senders.get(detail["client_id"])
        return sender is not None and sender not in self._alive()

    def _note_positions(self, entry: Any) -> None:
        for leg, position in self._world.account.positions.get(entry.symbol, {}).items():
            side = leg if leg != "BOTH" else ("LONG" if position.amount > 0 else "SHORT")
            line, size = self._held[entry.symbol, side], abs(position.amount)
            if not line or line[-1].size != size or line[-1].entry != position.entry:
                line.append(Held(entry.at_ms, size, position.entry))

    def _note_firing(self, entry: Any) -> None:
        detail = entry.detail
        if detail.get("order_kind") != "algo" or "order_id" not in detail:
            return
        if entry.kind == "order_triggering" and is_own(detail) and detail["type"] == "STOP_MARKET":
            key = (entry.symbol, side_of(detail["position_side"], detail["side"]))
            self._firing[detail["order_id"]] = (key, entry.sequence, entry.at_ms)
        elif entry.kind not in ("order_triggering", "order_triggered"):
            self._firing.pop(detail["order_id"], None)

    # -- judging

    def _beside_firing(self, key: Key, entry: Any, speaker: int | None) -> list[str]:
        if speaker is None:
            return []
        for number, (position, _, since_ms) in self._firing.items():
            recent = entry.at_ms - since_ms < TRIGGERING_GRACE_MS
            if position == key and recent and number in self._learned[speaker]:
                return [f"INV-16: placed for {key} while a stop of ours is triggering: {entry.detail}"]
        return []

    def _closed(self, key: Key, entry: Any, speaker: int | None) -> list[str]:
        """A closing order of ours: its refusals were true, and the daemon looked twice."""
        way, at_ms = 1 if key[1] == "LONG" else -1, entry.at_ms
        refused = [(ms, trigger) for ms, trigger in self._refused[key] if at_ms - ms <= REFUSED_MS]
        if not refused:
            return []
        marks = list(self._marks(key[0], refused[0][0] - 2_000))
        if not any(way * (mark - trigger) <= NEAR * trigger for mark in marks for _, trigger in refused):
            return [f"INV-16: {key} was closed at market; no price was beyond a stop that was refused: {entry.detail}"]
        if speaker is None:
            return []
        reads = [read_ms for read_ms in self._reads[speaker, key[0]] if at_ms - read_ms <= REFUSED_MS]
        if len(reads) < WITNESSES:
            return [f"INV-16: {key} was closed at market after {len(reads)} looks at it: {entry.detail}"]
        return []

    def _too_much(self, key: Key, at_ms: int) -> list[str]:
        rungs = rungs_of(self._truth, key)
        line = self._held[key]
        recent = [held for held in line if held.at_ms >= at_ms - WINDOW_MS]
        recent += [held for held in line if held.at_ms < at_ms - WINDOW_MS][-1:]
        least = least_of(self._world, key)
        if self._rules.own_levels:
            excess = [too_much(rungs, key[1], held.size, held.entry, least) for held in recent if held.size]
        else:
            excess = [more_than(rungs, held.size, self._rules, least.step) for held in recent if held.size]
        if excess and all(excess):
            return [f"INV-16: take-profits of {key} close too much: {excess[-1]}"]
        return []


class Least(NamedTuple):
    """The venue's least amounts of a symbol."""

    step: Decimal
    quantity: Decimal
    notional: Decimal


def least_of(world: World, key: Key) -> Least:
    """The venue's least amounts now."""
    instrument = world.instruments[key[0]]
    return Least(instrument.step, max(instrument.min_qty, instrument.step), instrument.min_notional)


def rungs_of(truth: Truth, key: Key) -> list[tuple[Decimal, Decimal]]:
    """Our resting take-profits of a position: (price, quantity)."""
    symbol = key[0]
    return [
        (Decimal(order.get("trigger") or order["price"]), left_of(order))
        for order in (*truth.orders.values(), *truth.plain.values())
        if order["symbol"] == symbol and _takes_profit(order) and is_own(order) and reducing(order, key)
    ]


def too_much(rungs: Iterable[tuple[Decimal, Decimal]], side: str, size: Decimal, entry: Decimal, least: Least) -> str:
    """What take-profits (price, quantity) would close beyond the policy's wish, as words; empty when nothing.

    Asked at the price of each. What is too small for the venue joins a neighbour: a step for each rung, or later rungs
    that are below the venue's least amounts, are none too many.
    """
    way, rungs = 1 if side == "LONG" else -1, list(rungs)
    total = sum((quantity for _, quantity in rungs), Decimal(0))
    for price, _ in rungs:
        closes = sum((quantity for other, quantity in rungs if way * (other - price) <= NEAR * price), Decimal(0))
        share = _share(way * (price / entry - 1) * 100)
        later = total * (1 - share)
        small = later < least.quantity or later * price < least.notional * Decimal("1.1")
        most = (size if small else size * share) + len(LADDER) * least.step
        if closes > most:
            return f"{closes} of {size} (entry {entry}) by {price}; at most {most}"
    return ""


def _share(distance_pct: Decimal) -> Decimal:
    """The share that may be closed at this distance: that of the last rung reached; nearer than the first, nothing."""
    reached = [share for pct, share in LADDER if distance_pct >= pct - NEAR * 100]
    return reached[-1] if reached else Decimal(0)


def _takes_profit(order: Mapping[str, Any] | Order) -> bool:
    return order["type"] in ("TAKE_PROFIT_MARKET", "TAKE_PROFIT", "LIMIT")


def _fires(row: Mapping[str, Any]) -> bool:
    return row.get("algoStatus") in ("TRIGGERING", "TRIGGERED")
