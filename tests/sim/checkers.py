"""The invariants, checked from outside: only the venue's journal and what Redis was told. No planner code in here.

The journal is replayed entry by entry into a small truth of its own (`truth.py`). With `conduct.py` it is also known
what the daemon that acts could have known. Every violation is a sentence with the invariant's number (DESIGN 2).
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from tests.sim.conduct import TARGETS_GONE, Conduct
from tests.sim.giving_way import GivingWay
from tests.sim.names import Names
from tests.sim.truth import PREFIX, Key, Order, Truth, is_own, is_stop, reducing, side_of

TRIFLE = Decimal("0.01")
"""The part of a position by which a ladder may differ from what the user's own take-profits leave."""
OWN_ORDERS_MAX = 32
"""The configured limit of 10, the backstop and 4 working stops beyond it, and what late lists may hide."""
WRITES_PER_MINUTE_MAX = 60
"""Accepted orders of ours for one position within a minute, beside one stop for each change of its size."""
REMEMBERED = 300
MINUTE_MS = 60_000
HEARD_OF_MS = 100_000
"""How old the news of a position may be: the process may have been suspended in between."""
LEFT_BEHIND_MS = 15_000
"""Within this after a position began anew no stop of ours rests that was made for an earlier life of it."""
AT_ONCE_MS = 100
"""A position that is closed and opened again within this is one and the same in every look."""
FIRING_MS = 20_000
"""How long a stop may be in the act of triggering before another one is due (`triggering_grace_s` and a look)."""
CHANGES = frozenset(f"order_{end}" for end in ("accepted", "canceled", "vanished", "rejected", "expired", "finished"))
CHANGES |= {"order_triggering", "order_triggered", "order_filled", "mode_changed"}
"""Kinds of entries after which a symbol's orders are not what they were."""


class Checker:
    """Replays the journal and judges."""

    def __init__(
        self, *, stale_ms: int, conduct: Conduct | None = None, foggy: bool = True, lists_lie: bool = False
    ) -> None:
        """`stale_ms` is how old the answers may be that the run's faults hand out; `foggy` says that answers may
        be unreadable or wrong, so that nothing follows from what the daemon asked; `lists_lie`: an order that rests
        need not be in a list."""
        self._lists_lie = lists_lie
        self.truth = Truth()
        self.violations: list[str] = []
        self.yields = False
        """Whether a stop of ours is to give way to another's (`yield_to_foreign_stop`)."""
        self.grace_ms = 0
        """How long a fresh position may be without its stop by the operator's wish, a restart in between included."""
        self.counts: Counter[str] = Counter()
        self.exposed_ms: list[int] = []
        """Length of every stretch a position was without full cover."""
        self._others = GivingWay(self.truth)
        self._stale_ms = stale_ms
        self._conduct = conduct
        self._foggy = foggy
        self._covered: dict[Key, list[tuple[int, bool]]] = defaultdict(list)
        """Per position: moments at which full cover began or ended."""
        self._known_levels: dict[str, dict[Key, Decimal | None]] = {}
        self._changed: dict[str, list[tuple[int | None, int, int]]] = defaultdict(list)
        """symbol -> newest change by each hand: (daemon or None, moment, ms)."""
        self._exposed_since: dict[Key, tuple[int, int]] = {}
        """Position without full cover -> (ms, moment) since when."""
        self._closed_exposed: dict[Key, tuple[int, int]] = {}
        """Position -> since when it was without full cover (ms), and when it was closed so."""
        self._accepted: dict[Key, deque[int]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self._traded: dict[str, deque[int]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        """Symbol -> when its position changed."""
        self._open_ms: dict[Key, int] = {}
        """Position -> when it was last seen to be open."""
        self._firing: dict[Key, int] = {}
        """Position -> when a stop of ours began to trigger."""
        self.names = Names(foggy=foggy and conduct is not None)
        self._placed_by: dict[str, tuple[int | None, int]] = {}
        """Client id -> the daemon that placed the newest order of that id, and the moment."""
        self._resized: dict[Key, int] = {}
        """When a position last changed."""
        self._began: dict[Key, tuple[int, int]] = {}
        """Position -> the entry with which its life began, and when."""
        self._first_accepted: dict[str, tuple[str, int]] = {}
        """Client id -> symbol, and the moment at which an order of this id was accepted first."""

    # -- the journal

    def entry(self, entry: Any) -> None:
        """Judge one journal entry."""
        detail, symbol = entry.detail, entry.symbol
        own = entry.origin == "api" and str(detail.get("client_id", "")).startswith(PREFIX)
        self.counts[f"{'own ' if own else ''}{entry.kind}"] += 1
        if entry.kind == "order_triggering" and is_own(detail) and detail["type"] == "STOP_MARKET":
            self._firing[symbol, _side(detail)] = entry.at_ms
            self._made_for_it(entry)
        if entry.kind == "mode_changed":
            self.names.mode_changed()
        if detail.get("order_kind") == "algo":
            self.violations += self.names.entry(entry, own=own)
            if own and entry.kind in ("order_accepted", "order_refused"):
                self._for_something(entry)
        if entry.kind not in CHANGES and entry.position_before == entry.position_after:
            return
        before = self._known_levels.get(symbol, {})
        self._never_expose(entry, own)
        self.truth.apply(entry)
        after = self._known_levels[symbol] = self._levels(symbol)
        if not symbol:  # the mode of the account changed
            self._known_levels = {name: self._levels(name) for name in self._known_levels}
        if self.yields:
            self._others.note([symbol] if symbol else self._known_levels, entry.sequence, entry.at_ms)
        if entry.kind == "order_canceled" and entry.origin == "api":
            self._cancel(entry, before, after)
        if entry.kind == "order_accepted":
            self._placed_by[detail["client_id"]] = (self._speaker, entry.sequence)
            self._first_accepted.setdefault(detail["client_id"], (symbol, entry.sequence))
        if entry.kind == "order_accepted" and own:
            self._once_per_intent(entry)
            self._stops_first(entry)
        self._note_change(entry)
        self._note_cover(symbol, after, entry)

    def _levels(self, symbol: str) -> dict[Key, Decimal | None]:
        return {key: self.truth.level(key) for key in self.truth.of_symbol(symbol)}

    @property
    def _speaker(self) -> int | None:
        return self._conduct.speaker if self._conduct else None

    def _note_change(self, entry: Any) -> None:
        """Remember who changed a symbol's position or orders last; a mode switch (symbol "") changes all of them."""
        hand = self._speaker if entry.origin == "api" else None
        others = [change for change in self._changed[entry.symbol] if change[0] != hand]
        self._changed[entry.symbol] = [*others, (hand, entry.sequence, entry.at_ms)]
        if self._conduct is not None and hand is not None:
            where = ""
            if entry.kind == "order_accepted":
                where = side_of(entry.detail["position_side"], entry.detail["side"])
            elif entry.kind == "order_canceled" and _is_target(entry.detail):
                where = TARGETS_GONE
            self._conduct.visitors[hand].wrote[entry.symbol, where] = (entry.sequence, self._conduct.sent_s)

    def _note_cover(self, symbol: str, levels: dict[Key, Decimal | None], entry: Any) -> None:
        for key in (*levels, *(key for key in self._covered if key[0] == symbol)):
            self._open_ms[key] = entry.at_ms
        for key in [key for key in self._covered if key[0] == symbol and key not in levels]:
            del self._covered[key]
            if key in self._exposed_since:
                self._closed_exposed[key] = (entry.at_ms - self.exposed_to_readers(key, entry.at_ms), entry.at_ms)
                self.exposed_ms.append(entry.at_ms - self._exposed_since.pop(key)[0])
        if entry.position_before != entry.position_after:
            self._traded[symbol].append(entry.at_ms)
            self._resized.update(dict.fromkeys(levels, entry.sequence))
        for key, level in levels.items():
            if key not in self._covered:
                self._began[key] = (entry.sequence, entry.at_ms)
            full, line = level is not None, self._covered[key]
            if not line or line[-1][1] != full:
                line.append((entry.at_ms, full))
            if not full:
                self._exposed_since.setdefault(key, (entry.at_ms, entry.sequence))
            elif key in self._exposed_since:
                self.exposed_ms.append(entry.at_ms - self._exposed_since.pop(key)[0])

    # -- invariants 1, 3, 4, 10: what is placed

    def _never_expose(self, entry: Any, own: bool) -> None:
        detail = entry.detail
        if entry.origin == "api" and entry.kind == "order_accepted":
            exits = detail["position_side"] in ("LONG", "SHORT") and (detail["position_side"] == "LONG") == (
                detail["side"] == "SELL"
            )
            if not (detail["reduce_only"] or detail["close_position"] or exits):
                self.violations.append(f"INV-1: an order that can open was sent: {detail}")
            if not own:
                self.violations.append(f"INV-4: an order without our prefix was sent: {detail}")
        if own and entry.position_before != entry.position_after:
            for leg, text in entry.position_after.items():
                grown = abs(Decimal(text)) - abs(Decimal(entry.position_before.get(leg, "0")))
                turned = Decimal(text) * Decimal(entry.position_before.get(leg, "0")) < 0
                if grown > 0 or turned:
                    self.violations.append(f"INV-1: a fill of ours exposed: {entry}")

    def _for_something(self, entry: Any) -> None:
        """A stop is sent for a position that is open, or was when the daemon can have heard of it last."""
        key = (entry.symbol, side_of("BOTH", entry.detail["side"]))
        if key in self.truth.positions or entry.detail["type"] != "STOP_MARKET":
            return
        if entry.at_ms - self._open_ms.get(key, -HEARD_OF_MS) >= HEARD_OF_MS:
            self.violations.append(f"INV-1: a stop was sent for {key}, which was not open: {entry.detail}")

    def _by_heirs(self, content: tuple[Any, ...]) -> bool:
        """Whether an order rests twice that two processes sent, and no list need have shown the second the first."""
        if not self._lists_lie:
            return False
        alike = [o["client_id"] for o in self.truth.own() if _content(o, epoch=True) == content]
        senders = [self._placed_by.get(client_id, (None, 0))[0] for client_id in alike]
        return len(set(senders)) == len(senders)

    def _once_per_intent(self, entry: Any) -> None:
        new = entry.detail
        if new.get("order_kind") != "algo":
            return
        # What a change of the position mode has made more than reducing is another order than it was.
        of_symbol = [order for order in self.truth.own() if order["symbol"] == entry.symbol]
        whole = [order for order in of_symbol if reducing(order, (entry.symbol, _side(order)))]
        by_daemons = [o for o in whole if self._placed_by.get(o["client_id"], (None, 0))[0] is not None]
        mine = [_content(order, epoch=True) for order in (by_daemons if self._conduct else whole)]
        content = _content({**new, "symbol": entry.symbol}, epoch=True)
        if mine.count(content) > 1 and not self._by_heirs(content):
            self.violations.append(f"INV-4: the same intent rests twice: {content}")
        key = (entry.symbol, side_of(new["position_side"], new["side"]))
        of_key = [order["client_id"] for order in of_symbol if _side(order) == key[1]]
        # What the world itself left there in our name is no deed of the daemon: it removes that as soon as it may.
        own = sum(1 for client_id in of_key if self._placed_by.get(client_id, (None, 0))[0] is not None)
        if own > OWN_ORDERS_MAX:
            self.violations.append(f"INV-10: {own} orders of ours rest for {key}")
        times = self._accepted[key]
        times.append(entry.at_ms)
        lately, traded = (_within_a_minute(line, entry.at_ms) for line in (times, self._traded[entry.symbol]))
        if lately == WRITES_PER_MINUTE_MAX + traded:
            self.violations.append(f"INV-10: {lately} orders of ours were accepted for {key} within a minute")

    def _stops_first(self, entry: Any) -> None:
        """No take-profit while a position the daemon has read without a stop had none tried for it (invariant 3)."""
        if self._speaker is None or self._foggy or entry.detail["type"] != "TAKE_PROFIT_MARKET":
            return
        assert self._conduct is not None
        began_ms = self._conduct.visitors[self._speaker].first_ms
        for key, (_, moment) in self._exposed_since.items():
            # A process gives a stop that is being triggered its time from when it first read it.
            if key in self._firing and entry.at_ms - max(self._firing[key], began_ms) < FIRING_MS:
                continue
            if entry.at_ms - self._began.get(key, (0, entry.at_ms))[1] <= self.grace_ms:
                continue
            if self._conduct.saw(key[0]) >= moment and not self._conduct.tried_since(key[0], moment):
                self.violations.append(f"INV-3: a take-profit was placed while {key} waited for its stop: {entry}")

    # -- invariants 2, 5, 8: what is removed

    def _cancel(self, entry: Any, before: dict[Key, Decimal | None], after: dict[Key, Decimal | None]) -> None:
        detail = entry.detail
        if not is_own(detail):
            self.violations.append(f"INV-5: a foreign order was cancelled: {detail}")
        if self._speaker is not None and not self._looked(entry):
            self.violations.append(f"INV-2: cancelled without a fresh read of {entry.symbol}: {detail}")
        key = (entry.symbol, _side(detail))
        if key not in before or detail["type"] != "STOP_MARKET":
            return
        if self.yields and self._gave_way(key, detail, entry.at_ms):
            self.counts["stop that gave way"] += 1
            return
        if self._knew_open(key, detail["client_id"]):
            self.violations.append(f"INV-7: a stop of {key} was removed, open since before it was placed: {detail}")
        if self._raced(entry):
            self.counts["cancel that raced with a change"] += 1
            return
        if before[key] is not None and after[key] is None:
            self.violations.append(f"INV-2: a cancel of ours uncovered {key}: {detail}")
        elif self._binds(key, detail) and before[key] is not None and _looser(after[key], before[key], key[1]):
            self.violations.append(f"INV-8: a cancel of ours loosened {key} to {after[key]}: {detail}")
        if detail["client_id"][4:5] == "b":
            self.violations.append(f"INV-2: the backstop of the open position {key} was cancelled: {detail}")
        elif self._speaker is not None and after[key] is not None and not self._proven(key):
            self.violations.append(f"INV-2: what replaces a stop of {key} was not read back often enough: {detail}")

    def _gave_way(self, key: Key, detail: Order, at_ms: int) -> bool:
        """Whether stops of others, seen often enough by the daemon that removes this one, did all that it does when the
        daemon looked last."""
        if self._speaker is None or self._conduct is None:
            return False
        proven, looked = self._conduct.seen_thrice(key[0]), self._conduct.saw(key[0])
        from_ms = at_ms - (self._stale_ms and self._stale_ms + 2_000)
        return self._others.may(key, detail, proven=proven, looked=looked, from_ms=from_ms)

    def _binds(self, key: Key, detail: Order) -> bool:
        """Whether the level of a stop counts: an epoch older than that of a resting backstop is an earlier life's."""
        mine = [order for order in self.truth.own() if order["close_position"] and reducing(order, key)]
        newer = any(order["client_id"][6:14] > detail["client_id"][6:14] for order in mine)
        return self._of_this_life(key, detail) and not newer and not self._nothing_tells(key, detail)

    def _nothing_tells(self, key: Key, detail: Order) -> bool:
        """Whether nothing told its daemon of which life a working stop is: the position changed since it was placed and
        before the daemon began, and no close-all stop rests that is older than the change. It may have been closed and
        opened again (docs/evidence.md)."""
        changed = self._resized.get(key, 0)
        first = self._conduct.visitors[self._speaker].first if self._conduct and self._speaker is not None else None
        if first is None or first <= changed or self._first_accepted.get(detail["client_id"], ("", 0))[1] > changed:
            return False
        close_alls = (o for o in self.truth.orders.values() if o["close_position"] and reducing(o, key))
        return not any(is_stop(order) and order["since"] <= changed for order in close_alls)

    def _knew_open(self, key: Key, client_id: str) -> bool:
        """Whether the backstop was placed by the very daemon that removes it, for a position that is open since before.

        It knew then that the position was open. Whatever shows the position flat is older than that, however late it
        comes (invariant 7): this holds for answers of any age.
        """
        hand, placed = self._placed_by.get(client_id, (None, 0))
        return (
            client_id[4:5] == "b"
            and hand is not None
            and hand == self._speaker
            and self._began.get(key, (0, 0))[0] < placed
        )

    def _made_for_it(self, entry: Any) -> None:
        """What closes a position was made for it: a stop that an earlier life of it left behind goes in time."""
        key = (entry.symbol, _side(entry.detail))
        old_ms = entry.at_ms - self._began.get(key, (0, entry.at_ms))[1]
        if not self._foggy and old_ms > LEFT_BEHIND_MS and not self._of_this_life(key, entry.detail):
            self.violations.append(f"INV-8: {key} is closed by a stop of an earlier life: {entry.detail}")

    def _of_this_life(self, key: Key, order: Order) -> bool:
        """Whether an order was made for the position that is open now: the level of any other binds nobody."""
        return self._first_accepted.get(order["client_id"], ("", 0))[1] >= self._began.get(key, (0, 0))[0]

    def _looked(self, entry: Any) -> bool:
        """Whether the daemon read positions and orders of the symbol after its own last write that matters here.

        That is an order it sent for this position before it sent this removal, or anything else in this symbol. An
        order for the other side, or one that an event made it send meanwhile, is none of this removal's business. The
        removals of take-profits may share a look; they cover nothing. A stop is looked at after those as well.
        """
        assert self._conduct is not None and self._speaker is not None
        wrote, seen = self._conduct.visitors[self._speaker].wrote, self._conduct.saw(entry.symbol)
        matters = (_side(entry.detail), "", *(() if _is_target(entry.detail) else (TARGETS_GONE,)))
        last = (wrote.get((entry.symbol, where), (0, 0.0)) for where in matters)
        return all(seen >= moment or sent_s >= self._conduct.sent_s for moment, sent_s in last)

    def _raced(self, entry: Any) -> bool:
        """Whether somebody else changed the symbol after the daemon's last look at it."""
        for hand, moment, at_ms in (*self._changed[entry.symbol], *self._changed[""]):
            if hand is not None and hand == self._speaker:
                continue
            if self._speaker is None or self._stale_ms:
                raced = entry.at_ms - at_ms <= self._stale_ms + 2_000
            else:
                raced = self._conduct is not None and self._conduct.saw(entry.symbol) < moment
            if raced:
                return True
        return False

    def _proven(self, key: Key) -> bool:
        """Whether stops that the daemon saw in enough reads (and anybody's own) cover the position by themselves."""
        assert self._conduct is not None
        since = self._conduct.seen_thrice(key[0])
        return self.truth.covered(key, lambda order: not is_own(order) or order["since"] <= since)

    # -- invariant 6

    def publication(self, at_ms: int, published: dict[str, Any]) -> None:
        """A published PROTECTED must have been true at some moment between the read it claims and now."""
        for member, fields in published["positions"].items():
            if fields["verdict"] not in ("PROTECTED", "STOP_ONLY"):
                continue
            symbol, side = member.rsplit(":", 1)
            from_ms = int(fields["observed_at_ms"]) - self._stale_ms - 50
            if not self._was_covered((symbol, side), from_ms, at_ms):
                self.violations.append(f"INV-6: {member} was called {fields['verdict']} at {at_ms} and never was")

    def told(self, owner: str, published: dict[str, Any]) -> None:
        """The very moment something is published: each stop it names was read back by the one who names it."""
        assert self._conduct is not None
        daemon = int(owner.split(":")[1])
        for member, fields in published["positions"].items():
            if fields["verdict"] not in ("PROTECTED", "STOP_ONLY"):
                continue
            for client_id in json.loads(fields["stop_client_ids"]):
                symbol, accepted = self._first_accepted.get(client_id, ("", 0))
                if symbol and not self._conduct.read_back(daemon, symbol, client_id, accepted):
                    self.violations.append(
                        f"INV-6: {member} is called protected by {client_id}, which {owner} never read"
                    )

    def _was_covered(self, key: Key, from_ms: int, to_ms: int) -> bool:
        line = self._covered.get(key)
        if not line:
            return True  # the position ended meanwhile; nothing was exposed
        index = bisect_right(line, (from_ms, True)) - 1
        state = line[index][1] if index >= 0 else True
        return state or any(full for at_ms, full in line[max(0, index) :] if at_ms <= to_ms)

    # -- the end

    def finish(self, at_ms: int) -> None:
        """Close the books: what is exposed now was exposed until now."""
        for key in sorted(self._exposed_since):
            self.exposed_ms.append(at_ms - self._exposed_since[key][0])

    def duplicates(self) -> list[Any]:
        """Contents of ours that rest more than once now, whatever epoch they were made in."""
        contents = Counter(_content(order, epoch=False) for order in self.truth.own())
        return [content for content, count in sorted(contents.items()) if count > 1]

    def uncovered(self) -> list[Key]:
        """Positions that are not fully covered now."""
        levels = self._known_levels
        return [key for key in sorted(self.truth.positions) if levels[key[0]][key] is None]

    @property
    def exposures(self) -> Mapping[Key, tuple[int, int]]:
        """Positions without full cover, and since which (ms, entry of the journal)."""
        return self._exposed_since

    def exposed(self, at_ms: int) -> dict[Key, int]:
        """Positions without full cover now, and for how many ms."""
        return {key: at_ms - since_ms for key, (since_ms, _) in sorted(self._exposed_since.items())}

    def exposed_to_readers(self, key: Key, at_ms: int) -> int:
        """For how many ms a position was without full cover in every look at it; 0 where it has full cover.

        Who looks at it now and then does not see that it was closed and opened again at once.
        """
        if key not in self._exposed_since:
            return 0
        since_ms = self._exposed_since[key][0]
        before_since_ms, closed_ms = self._closed_exposed.get(key, (since_ms, since_ms))
        return at_ms - (before_since_ms if since_ms - closed_ms <= AT_ONCE_MS else since_ms)

    def replacing(self) -> bool:
        """Whether a working stop of ours rests beside another one for the same position."""
        working = [(o["symbol"], _side(o)) for o in self.truth.own() if o["client_id"][4:5] == "w"]
        return any(working.count(key) > 1 and key in self.truth.positions for key in working)

    def orphans(self) -> list[str]:
        """Orders of ours whose position is not open."""
        mine = self.truth.own()
        return [o["client_id"] for o in mine if (o["symbol"], _side(o)) not in self.truth.positions]

    def overbooked(self) -> list[Key]:
        """Positions whose take-profits, everybody's together with ours, would close more than there is, by more than
        a trifle: the venue clips these orders, and a bot that changes its own a little must not replace a ladder."""
        return [
            key
            for key, size in sorted(self.truth.positions.items())
            if (ours := self.truth.target_quantity(key, ours=True))
            and ours > max(Decimal(0), size - self.truth.target_quantity(key, ours=False)) + size * TRIFLE
        ]


def _within_a_minute(times: Iterable[int], at_ms: int) -> int:
    return sum(1 for then_ms in times if at_ms - then_ms < MINUTE_MS)


def _is_target(order: Order) -> bool:
    return str(order["type"]).startswith("TAKE_PROFIT")


def _side(order: Order) -> str:
    return side_of(order["position_side"], order["side"])


def _looser(a: Decimal | None, b: Decimal | None, side: str) -> bool:
    return a is not None and b is not None and (a < b if side == "LONG" else a > b)


def _content(order: Order, *, epoch: bool) -> tuple[str, ...]:
    """What an order is, apart from its identity: role, rung and (if asked) epoch stand in its id."""
    tag = order["client_id"][4 : 14 if epoch else 6]
    return (order["symbol"], tag, order["side"], order["position_side"], order["trigger"], order["quantity"])
