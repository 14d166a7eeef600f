"""Liveness: where positions are readable and the venue would take a stop, one rests soon, whatever else is broken.

Side, size and some price of a position, and an order endpoint that works, are all that a stop may wait for (invariant
3). So only what spoils one of these starts the clock anew: an answer about positions that does not show the position as
it is, a stop that was lost on its way, a change of the position, of the venue's rules, of the process. That the lists,
the position mode, Redis or a neighbour fail is no excuse. Only where a stop rested and was lost without a word must the
lists be readable too: nothing else can tell of it.

Judged from what reached each daemon at the door; no planner code in here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from position_monitor.edge.venues.transport import Endpoint
from position_monitor.paper.faults import GARBLING, REFUSING, Fault
from position_monitor.paper.gateway import Gateway
from position_monitor.paper.ratelimit import LONGEST_BAN_MS, WEIGHT_LIMIT
from tests.sim.conduct import NO_ANSWER, Answer
from tests.sim.state_truth import unreadable_sizes
from tests.sim.truth import Key, Truth, is_own, side_of

SOON_MS = 15_000
"""Within this after the last change a stop rests."""
BESIDE_ANOTHER_MS = 30_000
"""As long as another daemon lives it may hold the lease: a standby first reads the position naked for two intervals. So
it does beside a value in the lease that expires as soon as that of a live owner: nobody can tell them apart."""
LIMITED_MS = 60_000
"""A 429 holds back at most for the venue's minute, whatever its Retry-After says."""
PROBED_MS = 301_000
"""A ban without a usable end is asked about in growing steps, the longest of five minutes."""
OPEN_CONDITIONAL_MAX = 200
KEPT_FOR_STOPS = 75
"""Weight of a minute that is not asked for any more: 10 is left to stops, and the last ones are not counted alike."""
MINUTE_MS = 60_000
CROWDED = 0.8
"""The share of the minute's weight from which lists may wait for the next minute."""
CROWDED_MS = 15_000
"""Then a stop that was lost on its way is missed by looks without the list, which takes so much longer."""
READS = (Endpoint.POSITIONS.value.path, "GET")
WRITES = (Endpoint.PLACE_ALGO_ORDER.value.path, "POST")
NEEDED = (Endpoint.POSITIONS, Endpoint.POSITION_ROWS, Endpoint.PLACE_ALGO_ORDER)
"""Calls whose answer a stop may wait for, as long as one of them that was lost may take: the second is asked when the
first fails."""
MISDATED = -1021
LASTING = 0.9
"""A fault that strikes this often is the state of the venue, whether the daemon asks or not."""
HOLDING_BACK = ("lose_request", "lose_response", "timeout_before", "timeout_after", "late_execution")
HOLDING_BACK += ("odd_rows", *REFUSING, *GARBLING, "false_flat", "shrunken_positions", "stale_reads")
LOST = frozenset({"order_canceled", "order_vanished", "order_rejected", "order_expired", "order_finished"})
"""Kinds of journal entries by which a stop that rested is gone."""
RULES_CHANGED = frozenset({"filters_changed", "mode_changed"})
RULES_READ_MS = 60_000
"""Rules and a position mode that change under a running daemon may be read this late (`swarm.LATER_S`)."""


class VenueNow:
    """What the venue would do with a request now."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._lost: tuple[int, int] = (0, 0)
        """A minute, and the weight of it that was lost on its way: the daemon counts it, the venue does not."""

    def lost(self, weight: int, at_ms: int) -> None:
        """A request got no answer: perhaps it never arrived."""
        minute = at_ms // MINUTE_MS
        self._lost = (minute, weight + (self._lost[1] if self._lost[0] == minute else 0))

    def takes(self, key: Key) -> bool:
        """Whether it trades the symbol, has room for one more conditional order, and its order endpoint works."""
        world = self._gateway.engine.world
        trading = world.instruments[key[0]].status == "TRADING"
        return trading and world.algo.open_count < OPEN_CONDITIONAL_MAX and not self._holds_back(*WRITES, key[0])

    def answers(self, key: Key) -> bool:
        """Whether the positions can be read."""
        engine, limiter = self._gateway.engine, self._gateway.limiter
        minute, lost = self._lost
        used = limiter.weight.used(engine.now_ms) + (lost if minute == engine.now_ms // MINUTE_MS else 0)
        free = used + Endpoint.POSITIONS.spec.weight <= WEIGHT_LIMIT - KEPT_FOR_STOPS
        return free and not self._holds_back(*READS, key[0])

    @property
    def crowded(self) -> bool:
        """Whether little of the minute's weight is left."""
        return self._gateway.limiter.weight.used(self._gateway.engine.now_ms) >= CROWDED * WEIGHT_LIMIT

    def _holds_back(self, path: str, method: str, symbol: str) -> bool:
        rules: list[Fault] = self._gateway.engine.world.faults.of(HOLDING_BACK)
        asked = symbol if method == "POST" else None
        return any(rule.admits(asked, path, method, None) for rule in rules if rule.probability >= LASTING)


class Liveness:
    """Remembers when each daemon was last hindered, and judges positions that stay exposed."""

    def __init__(
        self,
        truth: Truth,
        venue: VenueNow,
        *,
        lists_seldom_ms: int = 0,
        interval_s: float = 5.0,
        in_vain: Mapping[tuple[int, Endpoint], int] | None = None,
    ) -> None:
        """`lists_seldom_ms`: how long a lost change of orders may go unseen because quiet lists are read rarely;
        `interval_s`: time between two checks, of which two may pass until something is noticed;
        `in_vain`: daemon and call -> until when it waits for an answer that does not come."""
        self._in_vain = in_vain if in_vain is not None else {}
        self._truth = truth
        self._venue = venue
        self._lists_seldom_ms = lists_seldom_ms
        self._looks_seldom_ms = round(2_000 * (interval_s - 5))
        self._interval_ms = round(1_000 * interval_s)
        self._watching: dict[int, int] = {}
        """Daemon that is at work -> since when."""
        self._hindered: dict[tuple[int, Key], int] = defaultdict(int)
        """When a daemon was last given something about a position that it could not work with."""
        self._blind: dict[tuple[int, str], int] = defaultdict(int)
        """When a list of a symbol's orders was last not to be had, or wrong."""
        self._barred: dict[int, int] = defaultdict(int)
        """Until when the venue told a daemon to ask nothing."""
        self._changed: dict[str, int] = defaultdict(int)
        """When a symbol ("" for all) last changed otherwise: its position, its rules, a stop that fires."""
        self._rules: dict[str, int] = defaultdict(int)
        """When the rules of a symbol ("" for all) last changed."""
        self._born: dict[int, int] = {}
        """When a daemon was first at work."""
        self._unspoken: dict[Key, bool] = {}
        """Exposed position -> whether only the lists can tell."""
        self._firing: dict[int, Key] = {}
        """Stop of ours in the act of triggering, by its order id -> its position."""
        self._unlisted: set[int] = set()
        """Daemons whose last list of positions was none."""
        self._misdated: set[int] = set()
        """Daemons whose timestamps the venue refuses: they must ask for the time first."""
        self._ruled: set[str] = set()
        """Client ids which the venue itself refused: its rules, not a fault."""
        self._stood_by: dict[int, int] = {}
        """When a daemon last knew of a live other owner of the lease."""
        self._told: set[Key] = set()
        self._crowded_at_ms = -2 * CROWDED_MS
        self._crowded = False
        """Whether little of the minute's weight is left, or was a moment ago."""

    # -- what happens

    def entry(self, entry: Any, exposed: Mapping[Key, tuple[int, int]]) -> None:
        """One journal entry; `exposed` is what it left without cover, and since which (ms, entry)."""
        if entry.kind == "order_refused" and is_own(entry.detail):
            self._ruled.add(entry.detail["client_id"])
        if entry.position_before != entry.position_after:
            self._changed[entry.symbol] = max(entry.at_ms, self._changed[entry.symbol])
        elif entry.kind == "order_triggering":  # it is given its time from when a look shows it
            self._changed[entry.symbol] = max(entry.at_ms + self._interval_ms, self._changed[entry.symbol])
        self._note_firing(entry)
        if entry.kind in RULES_CHANGED:
            self._rules[entry.symbol] = entry.at_ms
        for key, (_, moment) in exposed.items():
            if moment == entry.sequence:
                self._unspoken[key] = entry.kind in LOST

    def _note_firing(self, entry: Any) -> None:
        """Which stops of ours are in the act of triggering."""
        detail = entry.detail
        if detail.get("type") != "STOP_MARKET" or "order_id" not in detail or not is_own(detail):
            return
        if detail.get("status") == "TRIGGERING":
            self._firing[detail["order_id"]] = (entry.symbol, side_of(detail["position_side"], detail["side"]))
        else:
            self._firing.pop(detail["order_id"], None)

    def answer(self, answer: Answer, at_ms: int) -> None:
        """A request of a daemon ended."""
        if answer.status == NO_ANSWER:
            self._venue.lost(answer.endpoint.spec.weight, at_ms)
        if answer.status in (418, 429):
            self._barred[answer.daemon] = max(self._barred[answer.daemon], at_ms + _held_off_ms(answer))
        misdated = isinstance(answer.body, dict) and answer.body.get("code") == MISDATED
        if misdated != (answer.daemon in self._misdated):
            self._note_misdated(answer, misdated=misdated)
        if answer.endpoint is Endpoint.POSITIONS:
            shown = _shown(answer.body)
            (self._unlisted.discard if isinstance(answer.body, list) else self._unlisted.add)(answer.daemon)
            for key in self._truth.positions:
                if key not in shown:
                    self._hindered[answer.daemon, key] = at_ms
        elif answer.endpoint is Endpoint.POSITION_ROWS and "symbol" not in answer.params:
            # They are asked for in place of the list when that failed. Of a row that is missing here the list may tell,
            # unless it failed again.
            spoilt, shown = unreadable_sizes(answer.body), _shown(answer.body)
            for key in self._truth.positions:
                if key[0] in spoilt or (key not in shown and answer.daemon in self._unlisted):
                    self._hindered[answer.daemon, key] = at_ms
        elif answer.endpoint is Endpoint.OPEN_ALGO_ORDERS and not self._honest(answer.body):
            self._blind[answer.daemon, answer.params.get("symbol", "")] = at_ms
        elif answer.endpoint in (Endpoint.PLACE_ALGO_ORDER, Endpoint.PLACE_ORDER):
            by_rule = answer.params.get("clientAlgoId") in self._ruled
            acknowledged = isinstance(answer.body, dict) and ("algoId" in answer.body or "orderId" in answer.body)
            if answer.status == NO_ANSWER or not (acknowledged or by_rule):
                key = (answer.params["symbol"], side_of("BOTH", answer.params["side"]))
                self._hindered[answer.daemon, key] = at_ms

    def _note_misdated(self, answer: Answer, *, misdated: bool) -> None:
        if answer.endpoint.spec.signed and answer.status != NO_ANSWER:
            (self._misdated.add if misdated else self._misdated.discard)(answer.daemon)

    def _honest(self, body: object) -> bool:
        """Whether a list of conditional orders is one, and shows none that is gone."""
        if not isinstance(body, list):
            return False
        try:
            return all(int(row["algoId"]) in self._truth.orders for row in body if row["algoStatus"] == "NEW")
        except (KeyError, TypeError, ValueError):
            return False

    # -- judging

    def look(
        self,
        at_ms: int,
        watching: Iterable[int],
        exposed: Mapping[Key, int],
        *,
        living: int = 1,
        standing_by: Collection[int] = (),
    ) -> list[str]:
        """`watching` are the daemons at work now, of `living` that are alive and `standing_by` that know of a live
        other owner; `exposed` are positions without cover, and for how many ms."""
        at_work = set(watching)
        self._watching = {number: self._watching.get(number, at_ms) for number in at_work}
        for number in at_work:
            self._born.setdefault(number, at_ms)
        for number in self._misdated & at_work:
            waits_ms = self._in_vain.get((number, Endpoint.TIME), 0)
            self._barred[number] = max(self._barred[number], min(waits_ms, at_ms))
        self._stood_by |= dict.fromkeys(standing_by, at_ms)
        self._told &= exposed.keys()
        if self._venue.crowded:
            self._crowded_at_ms = at_ms
        self._crowded = at_ms - self._crowded_at_ms <= 2 * CROWDED_MS
        violations = []
        for key, exposed_ms in exposed.items():
            if not (self._venue.takes(key) and self._venue.answers(key)):
                self._changed[key[0]] = max(self._changed[key[0]], at_ms)
                continue
            for number, since_ms in self._watching.items():
                waited_ms = at_ms - max(since_ms, at_ms - exposed_ms, self._last_change(number, key))
                beside = living > 1 or self._stood_by.get(number, -1) >= at_ms - exposed_ms
                if waited_ms > self._allowed_ms(key, beside=beside) and key not in self._told:
                    self._told.add(key)
                    violations.append(
                        f"INV-3: {key} has no stop for {exposed_ms} ms; nothing that a stop needs failed for daemon "
                        f"{number} in the last {waited_ms} ms"
                    )
        return violations

    def _allowed_ms(self, key: Key, *, beside: bool) -> int:
        soon_ms = BESIDE_ANOTHER_MS if beside else SOON_MS
        soon_ms += CROWDED_MS if self._crowded else 0
        return soon_ms + self._looks_seldom_ms + (self._lists_seldom_ms if self._unspoken.get(key) else 0)

    def _last_change(self, number: int, key: Key) -> int:
        last = max(self._hindered[number, key], self._barred[number], self._changed[key[0]], self._changed[""])
        last = max([last, *(self._in_vain.get((number, call), 0) for call in NEEDED)])
        if (rules_ms := max(self._rules[key[0]], self._rules[""])) > self._born[number]:
            last = max(last, rules_ms + RULES_READ_MS)
        if key in self._firing.values():  # only the lists tell a later process that it is given its time
            blind_ms = max(self._blind[number, key[0]], self._blind[number, ""], self._born.get(number, 0))
            last = max(last, blind_ms + self._interval_ms)
        if self._unspoken.get(key):
            last = max(last, self._blind[number, key[0]], self._blind[number, ""])
        return last


def _held_off_ms(answer: Answer) -> int:
    """How long the venue asks for silence; where it says nothing usable, until a careful client would try again."""
    text = answer.headers.get("retry-after", "")
    asked_ms = 1_000 * int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if answer.status == 429:
        return min(asked_ms or LIMITED_MS, LIMITED_MS)
    return max(asked_ms, PROBED_MS) if asked_ms <= LONGEST_BAN_MS else PROBED_MS


def _shown(body: object) -> set[Key]:
    """The positions an answer shows with a side, a size and some price."""
    shown: set[Key] = set()
    for row in body if isinstance(body, list) else ():
        try:
            amount, side = Decimal(str(row["positionAmt"])), row["positionSide"]
            if not amount or not amount.is_finite():
                continue
            if Decimal(str(row.get("entryPrice") or 0)) > 0 or Decimal(str(row.get("markPrice") or 0)) > 0:
                shown.add((row["symbol"], side if side != "BOTH" else ("LONG" if amount > 0 else "SHORT")))
        except (KeyError, TypeError, AttributeError, InvalidOperation):
            continue
    return shown
