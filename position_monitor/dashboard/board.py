"""The newest look at every account as a frame of parts, and what differs between two frames.

A frame is a value: whoever shows an older one gets only what changed since, in one message, however many frames were
between. So a viewer that is slow costs no queue.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from position_monitor.charts.markup import Markup, element, joined, raw
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.publication.state import PositionState
from position_monitor.dashboard import account_parts, position_parts
from position_monitor.dashboard.levels import worst_first
from position_monitor.dashboard.watching import AccountView, AccountWatch
from position_monitor.errors import PositionMonitorError

LOOK_EVERY_S: Final = 1.0
LATE_S: Final = 2.0
"""A look that has not ended by then, although it was told to, is not waited for with the last value on the page."""
PAUSE_S_MIN: Final = 0.2
"""Between two looks, so that a Redis that is slow is not asked without a pause."""
CARDS_MAX: Final = 250
"""Positions of one account with a card; all have a row, and a page of their own."""


class Frame(NamedTuple):
    """Everything that changes on the page."""

    number: int
    parts: Mapping[str, Markup]
    """The content of each element that stays, by its id; of the lists of rows and cards the whole element."""
    orders: Mapping[str, tuple[str, ...]]
    """By id of a list: the ids of its children, in order."""


_PositionPart = Callable[[str, PositionKey, "PositionState | None", str], Markup]
NO_FRAME: Final = Frame(0, {}, {})


class Drawn(NamedTuple):
    """What was drawn of one account, so that only what differs is drawn again."""

    view: AccountView | None
    surroundings: AccountView | None
    parts: Mapping[str, Markup]
    orders: Mapping[str, tuple[str, ...]]


NOTHING_DRAWN: Final = Drawn(None, None, {}, {})


def drawn_of(place: int, view: AccountView, before: Drawn) -> Drawn:
    """All parts of one account; what shows the same as `before` is taken from there."""
    view = replace(view, looked_at_ms=0)
    if view == before.view:
        return before
    parts = {
        f"a{place}-head": _part_of(account_parts.head, view),
        f"a{place}-facts": _part_of(account_parts.account_facts, view),
        f"a{place}-controls": _part_of(account_parts.controls, view),
    }
    surroundings = replace(view, state=None, positions={}, unreadable={}, clock_ahead_ms=0, lease_owner=None)
    for name, draw in ((f"a{place}-events", account_parts.events), (f"a{place}-exits", account_parts.exits)):
        is_same = surroundings == before.surroundings and name in before.parts
        parts[name] = before.parts[name] if is_same else _part_of(draw, surroundings)
    orders = _positions_of(place, view, before, parts)
    return Drawn(view, surroundings, parts, orders)


def _positions_of(
    place: int, view: AccountView, before: Drawn, parts: dict[str, Markup]
) -> Mapping[str, tuple[str, ...]]:
    """Rows and cards of an account into `parts`, the worst first; gives the ids of both lists."""
    rows: list[str] = []
    cards: list[str] = []
    for key, state in worst_first(view.positions.items()):
        problem = view.unreadable.get(key, "")
        shown = [(rows, "r", position_parts.row)]
        shown += [(cards, "c", position_parts.card)] if len(cards) < CARDS_MAX else []
        is_same = before.view is not None and _is_same(key, before.view, view)
        for ids, kind, draw in shown:
            name = position_parts.part_id(kind, view.account, key)
            ids.append(name)
            if is_same and name in before.parts:
                parts[name] = before.parts[name]
            else:
                parts[name] = _position_part(draw, view.account, key, state=state, problem=problem)
    return {f"a{place}-rows": tuple(rows), f"a{place}-cards": tuple(cards)}


def _is_same(key: PositionKey, before: AccountView, after: AccountView) -> bool:
    """Whether a position shows the same in both."""
    was_listed = key in before.positions and before.positions[key] == after.positions[key]
    return was_listed and before.unreadable.get(key) == after.unreadable.get(key)


def _part_of(draw: Callable[[AccountView], Markup], view: AccountView) -> Markup:
    """A part of an account; one that cannot be drawn hides no other."""
    try:
        return draw(view)
    except Exception as fault:  # whatever stands in Redis, the rest is worth having
        return _undrawn(fault)


def _position_part(
    draw: _PositionPart, account: str, key: PositionKey, *, state: PositionState | None, problem: str
) -> Markup:
    """A row or a card; where it cannot be drawn, that of a position whose state is UNKNOWN."""
    try:
        return draw(account, key, state, problem)
    except Exception as fault:
        return draw(account, key, None, f"it could not be shown ({type(fault).__name__})")


def _undrawn(fault: Exception) -> Markup:
    return element("p", f"UNKNOWN: this could not be shown ({type(fault).__name__})", class_="warn")


def frame_of(
    views: Sequence[AccountView], number: int, before: Sequence[Drawn] = ()
) -> tuple[Frame, tuple[Drawn, ...]]:
    """All parts of all accounts, and what was drawn, for the next time."""
    earlier = (*before, *[NOTHING_DRAWN] * (len(views) - len(before)))
    drawn = tuple(drawn_of(place, view, earlier[place]) for place, view in enumerate(views))
    parts = {name: part for one in drawn for name, part in one.parts.items()}
    orders = {name: order for one in drawn for name, order in one.orders.items()}
    return Frame(number, parts, orders), drawn


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


HOLE: Final = "\x00"
"""Around the name of a list where its children belong: no text on a page holds this character.

They are most of a page. Joined into it on every level they would be there ten times at once.
"""


def children(name: str) -> Markup:
    """Where the children of a list belong."""
    return raw(f"{HOLE}{name}{HOLE}")


class Board:
    """Looks at every account once a second and keeps the newest views. One task; it ends with `close`."""

    def __init__(self, watches: Sequence[AccountWatch]) -> None:
        self.watches = tuple(watches)
        self.views: tuple[AccountView, ...] = ()
        self.is_ended = False
        # Numbers of this process only: a page of an earlier one shows something else under its number.
        self._frame = NO_FRAME._replace(number=time.time_ns() // 1_000_000)
        self._drawn: tuple[Drawn, ...] = ()
        self._drawn_views: tuple[AccountView, ...] = ()
        self._turn = asyncio.Event()
        self._looking = asyncio.Lock()
        self._messages: dict[tuple[int, int], bytes] = {}

    async def run(self) -> None:
        """Once a second until `end`; a failure of one account is in its view.

        A cancellation may be lost inside the client of Redis, so the end is a word of its own.
        """
        while not self.is_ended:
            began_s = time.monotonic()
            looking = asyncio.ensure_future(self.look())
            await asyncio.wait({looking}, timeout=LATE_S)
            if not looking.done():
                self._show(tuple(view.unanswered("no look has ended in time") for view in self.views))
            await looking
            await asyncio.sleep(max(PAUSE_S_MIN, LOOK_EVERY_S - (time.monotonic() - began_s)))

    def end(self) -> None:
        """No further look."""
        self.is_ended = True
        self._turn.set()

    async def look(self) -> None:
        """One look at every account, one at a time; then whoever waits goes on."""
        async with self._looking:
            self._show(tuple(await asyncio.gather(*(watch.look() for watch in self.watches))))

    def _show(self, views: tuple[AccountView, ...]) -> None:
        self.views = views
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()

    async def next_turn(self) -> None:
        """Wait for the next look, or the end."""
        if not self.is_ended:
            await self._turn.wait()

    @property
    def frame(self) -> Frame:
        """The newest frame. It is drawn when somebody wants it, once a look; its number changes when it differs."""
        if self._drawn_views is not self.views:
            drawn, self._drawn = frame_of(self.views, self._frame.number + 1, self._drawn)
            if (drawn.parts, drawn.orders) != (self._frame.parts, self._frame.orders):
                self._frame = drawn
            self._drawn_views = self.views
            self._messages.clear()
        return self._frame

    def message(self, before: Frame) -> bytes:
        """A server-sent event of what a page that shows `before` needs; the same bytes for all that show the same."""
        frame = self.frame
        name = (before.number, frame.number)
        if name not in self._messages:
            at_ms = max((view.looked_at_ms for view in self.views), default=0)
            content = changes(before, frame, at_ms=at_ms)
            self._messages[name] = f"id: {frame.number}\ndata: {content}\n\n".encode("utf-8", "replace")
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
    rows = element("tbody", children(f"{name}-rows"), id=f"{name}-rows")
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
        element("div", children(f"{name}-cards"), id=f"{name}-cards", class_="cards"),
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
