"""No jam (invariant 10): at rest the wanted book is reached, whatever orders of ours there were.

Looked at again and again over some checks: what is wrong in every look is a jam. Wanted is one level of working stops
and no more of them than there is to close, none of them of an earlier life of the position; a whole ladder, where the
user's own take-profits leave something and the venue's least amounts allow one; and a stop that is not behind the
policy's level, unless the price had passed that level since the position began, so that the stop was measured from the
mark. Levels are those of the configuration's default policy; under another one, the bounds of any (`exit_rules.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from decimal import Decimal
from typing import Any

from position_monitor.paper.world import World
from tests.sim.checkers import TRIFLE
from tests.sim.exit_rules import DEFAULT_POLICY, ExitRules, more_than
from tests.sim.over_exit import NEAR, Least, least_of, rungs_of, too_much
from tests.sim.truth import Key, Order, Truth, is_own, side_of

SMALL = Decimal("1.1")
"""A ladder below the venue's least notional by this much may be absent."""


class SettledBook:
    """Remembers which levels prices have passed, and judges what rests at the end."""

    def __init__(
        self,
        truth: Truth,
        world: World,
        *,
        own_levels: bool = True,
        squeezed: Collection[str] = frozenset(),
        by_last: bool = False,
        rules: ExitRules = DEFAULT_POLICY,
    ) -> None:
        """`own_levels`: the levels are the policy's own, no advice moves them. In `squeezed` symbols the venue's bounds
        may: a target beyond them lies at the bound of the moment at which it was placed, or is left out. `by_last`: the
        last trade may arm the stops, so that they are measured from it."""
        self._by_last = by_last
        self._rules = rules
        self._nearest = {side: 1 - way * rules.nearest_pct / 100 for side, way in (("LONG", 1), ("SHORT", -1))}
        """Side -> the part of its entry at which the first stop of a position may lie."""
        self._truth = truth
        self._world = world
        self._own_levels = own_levels
        self._squeezed = squeezed
        self._passed: set[Key] = set()
        """Positions whose policy stop the price had passed since they began."""
        self._began: dict[Key, int] = {}
        """Position -> the journal entry with which its life began."""
        self._close_all_ids: Counter[str] = Counter()
        """How many close-all stops of ours had this client id."""
        self._untold: set[Key] = set()
        """Positions that ended with a close-all stop whose id an earlier one had: the venue may answer a question about
        it with the first of them, so nothing tells a life that begins at once from the one before."""
        self._acting: dict[int, Key] = {}
        """Take-profit of ours that is in the act of triggering -> its position: it is a rung still."""

    def entry(self, entry: Any) -> None:
        """One journal entry, after the truth has it: a position that ended is forgotten, any other is looked at."""
        if entry.position_before != entry.position_after:
            self._passed -= {key for key in self._passed if key[0] == entry.symbol and self._anew(key, entry)}
            anew = [key for key in self._truth.of_symbol(entry.symbol) if self._anew(key, entry)]
            self._began.update(dict.fromkeys(anew, entry.sequence))
        self._note_acting(entry)
        self._note_close_all(entry)
        self.look((entry.symbol,))

    def _note_acting(self, entry: Any) -> None:
        detail = entry.detail
        if detail.get("order_kind") != "algo" or "order_id" not in detail:
            return
        if detail.get("status") in ("TRIGGERING", "TRIGGERED") and is_own(detail) and "TAKE" in detail["type"]:
            self._acting[detail["order_id"]] = (entry.symbol, side_of(detail["position_side"], detail["side"]))
        else:
            self._acting.pop(detail["order_id"], None)

    def _note_close_all(self, entry: Any) -> None:
        detail = entry.detail
        if not detail.get("close_position") or not is_own(detail):
            return
        client_id, key = detail["client_id"], (entry.symbol, side_of(detail["position_side"], detail["side"]))
        if entry.kind == "order_accepted":
            self._close_all_ids[client_id] += 1
        if detail.get("status") == "EXPIRED":
            (self._untold.add if self._close_all_ids[client_id] > 1 else self._untold.discard)(key)

    def _anew(self, key: Key, entry: Any) -> bool:
        """Whether the position is not the one it was: flat, or turned."""
        leg = key[1] if key[1] in entry.position_before else "BOTH"
        before, after = (Decimal(legs.get(leg, "0")) for legs in (entry.position_before, entry.position_after))
        return before * after <= 0

    def look(self, symbols: Collection[str]) -> None:
        """The prices as they are now: has one passed the level of a position's stop?"""
        for key in self._truth.positions:
            if key[0] in symbols and key not in self._passed and (entry := self._entry(key)):
                way, market, level = _way(key), self._world.market, entry * self._nearest[key[1]]
                near = NEAR * level
                passed = way * (market.mark(key[0]) - level) <= near
                if passed or (self._by_last and way * (market.last(key[0]) - level) <= near):
                    self._passed.add(key)

    def may_be_anchored(self, key: Key) -> bool:
        """Whether the price has passed the level of the policy's stop since the position began."""
        return key in self._passed

    def surplus(self) -> set[str]:
        """Working stops of ours that are too many now; like all of these, in words that do not change by themselves."""
        return {f"INV-10: {key} {what}" for key in sorted(self._truth.positions) for what in self._of(key)}

    def _of(self, key: Key) -> Iterator[str]:
        size = self._truth.positions[key]
        stops = self._truth.stops_of(key)
        began = self._began.get(key, 0)
        if key not in self._untold and any(is_own(order) and order["since"] < began for order in stops):
            yield "has a stop of ours that an earlier life of it left behind"
        working = [o for o in stops if is_own(o) and not o["close_position"]]
        if key[0] not in self._squeezed:  # where no price protects any more, ours are left as they rest
            yield from self._surplus(size, working, least_of(self._world, key))

    def ladders(self) -> set[str]:
        """Ladders of ours that are short, or would close too much too soon."""
        positions = sorted(self._truth.positions.items())
        return {f"INV-10: {key} {what}" for key, size in positions for what in self._ladder(key, size)}

    def behind(self) -> set[str]:
        """Stops, all of them ours, that are behind the policy's level now."""
        return {f"INV-10: {key} {what}" for key in sorted(self._truth.positions) for what in self._behind(key)}

    def _surplus(self, size: Decimal, working: list[Order], least: Least) -> Iterator[str]:
        levels = sorted({order["trigger"] for order in working})
        if len(levels) > 1:
            yield f"has working stops of ours at {len(levels)} levels: {', '.join(levels)}"
        total = sum((Decimal(order["quantity"]) for order in working), Decimal(0))
        # With legs, no order says reduce-only: of a position below the least notional no smaller one is taken.
        alone = len(working) == 1 and working[0].get("position_side", "BOTH") != "BOTH"
        if alone and size * Decimal(levels[0]) < least.notional:
            return
        if len(levels) == 1 and total >= size + least.quantity:
            yield f"has working stops of ours over {total}, and its size is {size}"

    def _ladder(self, key: Key, size: Decimal) -> Iterator[str]:
        if key in self._acting.values():
            return
        entry, least, rungs = self._entry(key), least_of(self._world, key), rungs_of(self._truth, key)
        left = size - self._truth.target_quantity(key, ours=False)
        total = sum((quantity for _, quantity in rungs), Decimal(0))
        mark = self._world.market.mark(key[0])
        enough = left >= least.quantity and left * mark >= least.notional * SMALL
        trifle = size * TRIFLE if left < size else Decimal(0)  # beside the user's own a ladder need not be exact
        if not self._rules.own_levels:
            if words := more_than(rungs, size, self._rules, least.step):
                yield f"has a wrong ladder: {words}"
            return
        room = key[0] not in self._squeezed or total > 0
        if enough and room and entry and left - total >= least.step and left - total > trifle:
            yield f"has take-profits of ours over {total}, where {left} are left for them"
        own_levels = self._own_levels and key[0] not in self._squeezed
        if own_levels and entry and (words := too_much(rungs, key[1], size, entry, least)):
            yield f"has a wrong ladder: {words}"

    def _behind(self, key: Key) -> Iterator[str]:
        if key in self._passed or key[0] in self._squeezed:
            return
        if not all(is_own(order) for order in self._truth.stops_of(key)):
            return
        level, entry, way = self._truth.level(key), self._entry(key), _way(key)
        wanted = entry * (1 - way * self._rules.furthest_pct / 100)
        if level is not None and way * (wanted - level) > NEAR * wanted:
            yield f"has its stop at {level}, behind the policy's level {wanted:f} for its entry {entry:f}"

    def _entry(self, key: Key) -> Decimal:
        legs = self._world.account.positions.get(key[0], {})
        for name in (key[1], "BOTH"):
            leg = legs.get(name)
            if leg is not None and leg.amount:
                return leg.entry
        return Decimal(0)


def _way(key: Key) -> int:
    return 1 if key[1] == "LONG" else -1
