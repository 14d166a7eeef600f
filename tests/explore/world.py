"""The venue's door, its streams and Redis of a life: as in the simulator, and at every contact the fates are asked."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from aiohttp import WSMsgType

from position_monitor.edge.venues.transport import Endpoint
from position_monitor.paper.engine import Engine
from position_monitor.paper.gateway import Reply
from tests.explore.contacts import Kind
from tests.explore.fates import Fates
from tests.explore.faults import OLD_MS, Fault
from tests.sim.stage_process import StageTransport
from tests.sim.streams import Socket, StreamHost
from tests.sim.virtual_time import SimClock, true_ms

ANSWERS_KEPT = 40
LATE_S = 4.0


class ExploredTransport(StageTransport):
    """A daemon's connection to the venue, every request and every answer of which is a contact."""

    def __init__(self, *args: Any, fates: Fates, **more: Any) -> None:
        super().__init__(*args, **more)
        self._fates = fates
        self._answers: dict[tuple[str, str], deque[tuple[int, Any]]] = defaultdict(lambda: deque(maxlen=ANSWERS_KEPT))

    def _answer(self, endpoint: Endpoint, params: Mapping[str, str]) -> Any:
        what = f"{endpoint.value.title} {params.get('symbol', '')} {params.get('type', '')}".strip()
        topic = (
            Endpoint.POSITIONS.name if endpoint is Endpoint.POSITION_ROWS else endpoint.name
        )  # one thing at the venue
        at_the_door = self._fates.meet(Kind.REQUEST, topic, what, self._number)
        if self.gone:
            return Reply(dropped=True)
        of_answers = self._fates.meet(Kind.ANSWER, topic, what, self._number)
        dies, self.gone = self.gone, False  # its last request still has its effect
        with self._switched_on((*at_the_door, *of_answers)):
            answer = super()._answer(endpoint, params)
        self.gone = dies
        for fault in of_answers:
            answer = self._spoiled(answer, fault.word, endpoint, params)
        if answer.status == 200 and answer.raw is None and endpoint.value.method == "GET":
            self._answers[endpoint.name, params.get("symbol", "")].append((true_ms(), answer.body))
        return answer

    @contextmanager
    def _switched_on(self, faults: Sequence[Fault]) -> Iterator[None]:
        """The venue's own faults, for this one request."""
        engine = self._gateway.engine
        rules = [engine.add_fault(one.venue, count=1, **one.settings) for one in faults if one.venue]
        try:
            yield
        finally:
            for rule in rules:
                engine.remove_fault(fault_id=rule.fault_id)

    def _spoiled(self, answer: Reply, word: str, endpoint: Endpoint, params: Mapping[str, str]) -> Reply:
        if word == "empty":
            return replace(answer, status=200, body=[], raw=None)
        if word == "older":
            kept = self._answers[endpoint.name, params.get("symbol", "")]
            old = [body for at_ms, body in kept if at_ms <= true_ms() - OLD_MS]
            return replace(answer, body=old[-1]) if old else answer
        return answer


class ExploredStreams(StreamHost):
    """The venue's stream host, every account event of which is a contact of each connection that hears it."""

    def __init__(self, engine: Engine, fates: Fates, clock_of: Callable[[int], SimClock]) -> None:
        super().__init__(engine, random.Random("explored streams"), clock_of)
        self._fates = fates

    def say(self, socket: Socket, text: str) -> None:
        met = self._fates.meet(Kind.EVENT, *_named(text), socket.number) if socket.route == "private" else []
        words = {fault.word for fault in met}
        if "cut" in words:
            socket.cut()
        socket.deaf |= "deaf" in words
        if words & {"cut", "deaf", "lost"}:
            return
        if "doubled" in words:
            self.later(socket, WSMsgType.TEXT, text, extra_s=LATE_S)
        if "late" in words:
            self.later(socket, WSMsgType.TEXT, text, extra_s=LATE_S)
            return
        super().say(socket, text)


def _named(text: str) -> tuple[str, str]:
    """The type of an event, and the same with what it is about."""
    start = text.index('"e":"') + 5
    name = text[start : text.index('"', start)]
    symbol = text.partition('"s":"')[2].partition('"')[0]
    return name, f"{name} {symbol}".strip()
