"""The newest look at every account as a frame of parts, and what differs between two frames.

A frame is a value: whoever shows an older one gets only what changed since, in one message, however many frames were
between. So a viewer that is slow costs no queue.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from position_monitor.charts.markup import Markup, element, joined
from position_monitor.dashboard import account_parts, position_parts
from position_monitor.dashboard.levels import worst_first
from position_monitor.dashboard.watching import AccountView, AccountWatch
from position_monitor.errors import PositionMonitorError

LOOK_EVERY_S: Final = 1.0
CARDS_MAX: Final = 250
"""Positions of one account with a card; all have a row, and a page of their own."""


class Frame(NamedTuple):
    """Everything that changes on the page."""

    number: int
    parts: Mapping[str, Markup]
    """The content of each element that stays, by its id; of the lists of rows and cards the whole element."""
    orders: Mapping[str, tuple[str, ...]]
    """By id of a list: the ids of its children, in order."""


NO_FRAME: Final = Frame(0, {}, {})


def frame_of(views: Sequence[AccountView], number: int) -> Frame:
    """All parts of all accounts."""
    parts: dict[str, Markup] = {}
    orders: dict[str, tuple[str, ...]] = {}
    for place, view in enumerate(views):
        parts[f"a{place}-head"] = account_parts.head(view)
        parts[f"a{place}-facts"] = account_parts.account_facts(view)
        parts[f"a{place}-controls"] = account_parts.controls(view)
        parts[f"a{place}-events"] = account_parts.events(view)
        parts[f"a{place}-exits"] = account_parts.exits(view)
        rows: list[str] = []
        cards: list[str] = []
        for key, state in worst_first(view.positions.items()):
            problem = view.unreadable.get(key, "")
            rows.append(position_parts.part_id("r", view.account, key))
            parts[rows[-1]] = position_parts.row(view.account, key, state, problem)
            if len(cards) < CARDS_MAX:
                cards.append(position_parts.part_id("c", view.account, key))
                parts[cards[-1]] = position_parts.card(view.account, key, state, problem)
        orders[f"a{place}-rows"], orders[f"a{place}-cards"] = tuple(rows), tuple(cards)
    return Frame(number, parts, orders)


def changes(before: Frame, after: Frame, *, at_ms: int) -> str:
    """What a page that shows `before` needs to show `after`, as JSON; only the time where nothing differs."""
    document: dict[str, object] = {"at_ms": at_ms}
    changed = {name: part for name, part in after.parts.items() if before.parts.get(name) != part}
    if changed:
        document["parts"] = changed
    orders = {name: order for name, order in after.orders.items() if before.orders.get(name) != order}
    if orders:
        document["orders"] = orders
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def children(frame: Frame, name: str) -> Markup:
    """The children of a list, in order."""
    return joined(frame.parts[one] for one in frame.orders.get(name, ()))


class Board:
    """Looks at every account once a second and keeps the newest views. One task; it ends with `close`."""

    def __init__(self, watches: Sequence[AccountWatch]) -> None:
        self.watches = tuple(watches)
        self.views: tuple[AccountView, ...] = ()
        self._frame = NO_FRAME
        self._drawn: tuple[AccountView, ...] = ()
        self._turn = asyncio.Event()
        self._messages: dict[tuple[int, int], str] = {}
        self._is_ended = False

    async def run(self) -> None:
        """Once a second until `end`; a failure of one account is in its view.

        A cancellation may be lost inside the client of Redis, so the end is a word of its own.
        """
        while not self._is_ended:
            began_s = time.monotonic()
            await self.look()
            await asyncio.sleep(max(0.05, LOOK_EVERY_S - (time.monotonic() - began_s)))

    def end(self) -> None:
        """No further look."""
        self._is_ended = True

    async def look(self) -> None:
        """One look at every account; then whoever waits goes on."""
        self.views = tuple(await asyncio.gather(*(watch.look() for watch in self.watches)))
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()

    async def next_turn(self) -> None:
        """Wait for the next look."""
        await self._turn.wait()

    @property
    def frame(self) -> Frame:
        """The newest frame. It is drawn when somebody wants it, once a look; its number changes when it differs."""
        if self._drawn is not self.views:
            drawn = frame_of(self.views, self._frame.number + 1)
            if (drawn.parts, drawn.orders) != (self._frame.parts, self._frame.orders):
                self._frame = drawn
            self._drawn = self.views
            self._messages.clear()
        return self._frame

    def message(self, before: Frame) -> str:
        """What a page that shows `before` needs now; the same text for every page that shows the same."""
        frame = self.frame
        name = (before.number, frame.number)
        if name not in self._messages:
            at_ms = max((view.looked_at_ms for view in self.views), default=0)
            self._messages[name] = changes(before, frame, at_ms=at_ms)
        return self._messages[name]

    async def close(self) -> None:
        """Disconnect from Redis."""
        for watch in self.watches:
            try:
                await watch.close()
            except PositionMonitorError:
                continue


def section(place: int, view: AccountView, frame: Frame) -> Markup:
    """One account as it stands on the page that is sent first."""
    name = f"a{place}"
    columns = position_parts.COLUMNS
    head = element("tr", *(element("th", one, scope="col", class_=position_parts.column_class(one)) for one in columns))
    rows = element("tbody", children(frame, f"{name}-rows"), id=f"{name}-rows")
    table = element("table", element("caption", "Positions, worst first"), element("thead", head), rows)
    positions = (
        element(
            "div",
            table,
            class_="scroll positions",
            tabindex=0,
            role="region",
            aria_label=f"Positions of {view.account}",
        ),
        element("h2", "Ladders", id=f"{name}-ladders"),
        element("p", "Percent from the mark, R from the entry; minus is a loss for the position.", class_="quiet"),
        element("div", children(frame, f"{name}-cards"), id=f"{name}-cards", class_="cards"),
    )
    others = (
        _part(frame, name, "controls", "Pauses and holds"),
        _part(frame, name, "events", "What happened"),
        _part(frame, name, "exits", "Exits"),
        _part(frame, name, "facts", "Figures and surroundings"),
    )
    ways = (("ladders", "Ladders"), ("events", "What happened"), ("exits", "Exits"), ("facts", "Surroundings"))
    links = joined(element("a", words, href=f"#{name}-{part}") for part, words in ways)
    heads = (
        element("h1", f"Account {view.account}"),
        element("div", frame.parts[f"{name}-head"], id=f"{name}-head", role="status"),
        element("nav", links, class_="ways", aria_label=f"Parts of {view.account}"),
    )
    return element(
        "section", joined((*heads, *positions, *others)), class_="account", aria_label=f"Account {view.account}"
    )


def _part(frame: Frame, name: str, part: str, title: str) -> Markup:
    content = element("div", frame.parts[f"{name}-{part}"], id=f"{name}-{part}")
    return joined((element("h2", title), content))
