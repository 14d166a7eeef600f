"""Nothing changed, so it is the same object (docs/same-object.md), from the venue's bodies to the published text.

Two equal looks give the very same object at each link; one changed fact gives new objects at the links that depend on
it and at no other.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from position_monitor.core.book.desired_book import WantedOrders
from position_monitor.core.decision.decide import Decision, decide
from position_monitor.core.decision.history import History, after_judging
from position_monitor.core.evidence.evidence import Evidence
from position_monitor.core.evidence.learning import after_read
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.orders import LiveOrder
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.observation.reads import OrdersRead, PositionsRead
from position_monitor.core.publication.position_state import Published, published_positions
from position_monitor.edge.reading.observer import Observer
from position_monitor.edge.redis.documents import position_entries
from position_monitor.edge.redis.json_text import json_text
from position_monitor.edge.venues.binance.reads import orders_from, positions_from
from position_monitor.edge.venues.binance.sides import exit_side
from position_monitor.edge.venues.binance.traits import TRAITS
from position_monitor.edge.venues.transport import Endpoint
from tests.core.build import instrument, rules, settings
from tests.daemon.around import Around

BTC, ETH = PositionKey("BTCUSDT", Side.LONG), PositionKey("ETHUSDT", Side.LONG)
BEGAN_MS = 1_780_000_000_000
LINKS = ("rows", "orders", "live", "facts", "wanted", "diff", "ladder", "take_profits", "plan", "conditions", "text")
"""What is kept, in the order in which it is made; the text is written anew each time, and must read the same."""
MOVING = ("mark_price", "unrealized_pnl", "liquidation_price", "observed_at_ms", "published_at_ms")
"""What is told anew of every look."""


class Venue:
    """Two longs and their orders as the venue's bodies; each answer is parsed anew from its text."""

    traits = TRAITS

    def __init__(self) -> None:
        self.now_ms = BEGAN_MS
        self.positions = {key.symbol: position_row(key.symbol) for key in (BTC, ETH)}
        self.algo: list[dict[str, Any]] = []
        self.plain: list[dict[str, Any]] = [limit_row("ETHUSDT", 7, "140")]

    def instrument(self, symbol: str) -> Instrument:
        return INSTRUMENTS[symbol]

    async def read_positions(self) -> PositionsRead:
        body = json.loads(json.dumps([*self.positions.values()]))
        return positions_from(Endpoint.POSITIONS, body, hedged=False, leverages={}, began_at_ms=self.now_ms)

    async def read_position_rows(self, symbol: str) -> PositionsRead:
        zeros = dict.fromkeys([PositionKey(symbol, side) for side in Side], self.now_ms)
        return PositionsRead((), frozenset(zeros), {}, False, self.now_ms, symbol, zeros)

    async def read_orders(self, symbol: str | None) -> OrdersRead:
        lists = [[row for row in rows if symbol in (None, row["symbol"])] for rows in (self.plain, self.algo)]
        plain, algo = json.loads(json.dumps(lists))
        return orders_from(plain, algo, began_at_ms=self.now_ms, symbol=symbol)

    def orders_so_far(self, symbol: str) -> OrdersRead | None:
        return None

    async def query_order(self, symbol: str, client_id: str) -> LiveOrder | None:
        return None


INSTRUMENTS = {key.symbol: instrument(symbol=key.symbol) for key in (BTC, ETH)}


def position_row(symbol: str, **changes: object) -> dict[str, Any]:
    row = {"symbol": symbol, "positionSide": "BOTH", "positionAmt": "2", "entryPrice": "100", "markPrice": "100.5"}
    row |= {"unRealizedProfit": "1", "liquidationPrice": "60", "updateTime": BEGAN_MS - 60_000}
    return row | changes


def limit_row(symbol: str, order_id: int, price: str) -> dict[str, Any]:
    """A limit order of the user's own that takes profit far away."""
    row = {"symbol": symbol, "orderId": order_id, "clientOrderId": f"web_{order_id}", "type": "LIMIT", "side": "SELL"}
    row |= {"positionSide": "BOTH", "status": "NEW", "origQty": "0.5", "price": price, "reduceOnly": True}
    return row | {"time": BEGAN_MS - 50_000, "updateTime": BEGAN_MS - 50_000}


def algo_row(order: Any, algo_id: int) -> dict[str, Any]:
    """An order of ours as the venue lists it."""
    size = "0" if order.quantity is None else str(order.quantity)
    row = {"symbol": order.symbol, "algoId": algo_id, "clientAlgoId": order.client_id, "algoType": "CONDITIONAL"}
    row |= {"orderType": str(order.purpose), "side": str(exit_side(order.side)), "positionSide": "BOTH"}
    row |= {"algoStatus": "NEW", "quantity": size, "triggerPrice": str(order.trigger_price)}
    row |= {"closePosition": order.quantity is None, "reduceOnly": order.quantity is not None}
    return row | {"workingType": "MARK_PRICE", "createTime": BEGAN_MS, "updateTime": BEGAN_MS}


class Clock:
    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def now_ms(self) -> int:
        return self._venue.now_ms

    def monotonic_s(self) -> float:
        return (self._venue.now_ms - BEGAN_MS) / 1000

    async def sleep(self, seconds: float) -> None:
        self._venue.now_ms += round(seconds * 1000)


class Chain:
    """What a daemon does in a cycle without the writing, with everything that it keeps from one cycle to the next."""

    def __init__(self) -> None:
        self.venue = Venue()
        self.observer = Observer(self.venue, Clock(self.venue), Around())  # type: ignore[arg-type]
        self.evidence, self.history = Evidence(), History()
        self.wanted: dict[PositionKey, WantedOrders] = {}
        self.published: dict[PositionKey, Published] = {}
        self.text, self.rules = "", rules()

    async def look(self) -> Decision:
        self.venue.now_ms += 10_000
        now_ms = self.venue.now_ms
        observed = (await self.observer.account(self.evidence)).symbols
        for seen in observed.values():
            assert seen.readable, seen.unreadable
            self.evidence = after_read(self.evidence, seen)
        decision = decide(observed, self.evidence, self.rules, {}, Mode.LIVE, 0, now_ms, before=self.wanted)
        self.wanted = dict(decision.wanted)
        self.history, _ = after_judging(
            self.history, decision.judgements, observed, self.evidence, self.rules.evidence, now_ms
        )
        self.published = published_positions(self.history, self.published)
        states = [published.state for published in self.published.values()]
        self.text = json_text(position_entries(states, "main", published_at_ms=now_ms))
        self.observed = observed
        return decision

    def links(self, key: PositionKey) -> dict[str, object]:
        wanted, state = self.wanted[key], self.published[key].state
        orders = self.observed[key.symbol].live
        values = (tuple(orders), orders, orders.by_position[key], wanted.facts, wanted.orders, wanted.diff)
        told = json.dumps({name: value for name, value in self.said(key).items() if name not in MOVING})
        last = (wanted.diff.ladder, state.take_profits, state.plan, state.conditions, told)
        return dict(zip(LINKS, (*values, *last), strict=True))

    def said(self, key: PositionKey) -> dict[str, Any]:
        """The published document of one position."""
        fields = dict(json.loads(self.text))[str(key)]
        return json.loads(fields[fields.index("doc") + 1])


async def quiet() -> Chain:
    """Both positions are protected, and what was wanted rests for several looks."""
    chain, number = Chain(), 100
    for _ in range(6):
        decision = await chain.look()
        for plan in decision.plans.values():
            for place in (*plan.stops, *plan.take_profits):
                number += 1
                chain.venue.algo.append(algo_row(place.order, number))
    assert decision.empty and {judged.verdict for judged in decision.judgements.values()} == {Verdict.PROTECTED}
    return chain


def broken(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """The links that are other objects."""
    if [*map(id, before["rows"])] == [*map(id, after["rows"])]:  # type: ignore[call-overload]
        after = after | {"rows": before["rows"]}
    if before["text"] == after["text"]:
        after = after | {"text": before["text"]}
    return [link for link in LINKS if before[link] is not after[link]]


async def test_two_equal_looks_give_the_same_objects_at_every_link() -> None:
    chain = await quiet()
    before, text = {key: chain.links(key) for key in (BTC, ETH)}, chain.text
    await chain.look()
    assert [broken(before[key], chain.links(key)) for key in (BTC, ETH)] == [[], []]
    assert chain.text != text, "the time of the read is another"
    assert chain.said(BTC)["observed_at_ms"] == chain.said(BTC)["published_at_ms"] == chain.venue.now_ms


def the_mark_moves(chain: Chain) -> None:
    chain.venue.positions["BTCUSDT"] |= {"markPrice": "100.6", "unRealizedProfit": "1.2"}


def liquidation_moves(chain: Chain) -> None:
    chain.venue.positions["BTCUSDT"] |= {"liquidationPrice": "60.5"}


def the_position_grows(chain: Chain) -> None:
    chain.venue.positions["BTCUSDT"] |= {"positionAmt": "3", "updateTime": chain.venue.now_ms}


def an_order_is_touched(chain: Chain) -> None:
    chain.venue.algo[0] = chain.venue.algo[0] | {"updateTime": chain.venue.now_ms}


def a_rung_vanishes(chain: Chain) -> None:
    [*_, last] = [row for row in chain.venue.algo if row["symbol"] == "BTCUSDT"]
    chain.venue.algo.remove(last)


def the_user_places_an_entry(chain: Chain) -> None:
    """It belongs to no open position: the book of this one is sorted anew and is equal, so what follows is kept."""
    chain.venue.plain.append(limit_row("BTCUSDT", 8, "90") | {"side": "BUY", "reduceOnly": False})


def the_user_places_a_take_profit(chain: Chain) -> None:
    chain.venue.plain.append(limit_row("BTCUSDT", 9, "110") | {"origQty": "0.001"})


def the_configuration_is_reloaded_as_it_was(chain: Chain) -> None:
    chain.rules = rules()


def the_operator_widens_the_stop(chain: Chain) -> None:
    usual, wide = settings(), settings(stop_loss_pct="2")
    chain.rules = replace(rules(), protection_for=lambda key: wide if key == BTC else usual)


FROM_ROWS = LINKS[: LINKS.index("conditions")]
"""Whatever comes of the orders that rest, but for what is told of them."""
FROM_FACTS = LINKS[LINKS.index("facts") : LINKS.index("conditions")]


@pytest.mark.parametrize(
    ("change", "links"),
    [
        (the_mark_moves, ()),
        (liquidation_moves, ()),
        (the_configuration_is_reloaded_as_it_was, ()),
        (the_operator_widens_the_stop, (*FROM_FACTS, "text")),
        (an_order_is_touched, FROM_ROWS),
        (the_user_places_an_entry, LINKS[:3]),
        (the_user_places_a_take_profit, (*FROM_ROWS, "text")),
        (a_rung_vanishes, LINKS),
        (the_position_grows, (*FROM_FACTS, "conditions", "text")),
    ],
    ids=lambda one: one.__name__ if callable(one) else "",
)
async def test_a_changed_fact_gives_new_objects_where_it_counts_and_nowhere_else(
    change: Callable[[Chain], None], links: tuple[str, ...]
) -> None:
    chain = await quiet()
    before = {key: chain.links(key) for key in (BTC, ETH)}
    change(chain)
    await chain.look()
    assert broken(before[BTC], chain.links(BTC)) == list(links)
    assert broken(before[ETH], chain.links(ETH)) == [], "the other position is not touched"


async def test_what_moves_with_the_price_is_told_although_no_object_is_another() -> None:
    chain = await quiet()
    the_mark_moves(chain)
    liquidation_moves(chain)
    await chain.look()
    said = chain.said(BTC)
    assert (said["mark_price"], said["unrealized_pnl"], said["liquidation_price"]) == ("100.6", "1.2", "60.5")


async def test_what_is_kept_of_a_position_goes_with_it() -> None:
    chain = await quiet()
    del chain.venue.positions["BTCUSDT"]
    chain.venue.algo = [row for row in chain.venue.algo if row["symbol"] != "BTCUSDT"]
    for _ in range(4):
        await chain.look()
    assert set(chain.wanted) == set(chain.published) == {ETH}
