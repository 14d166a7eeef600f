"""Faults of whole stream connections: they come, last for a while, and go."""

from __future__ import annotations

import random
from collections.abc import Callable

from position_monitor.paper.engine import Engine
from tests.sim.streams import Socket, StreamHost, Troubles
from tests.sim.virtual_time import sleep

FLOOD = 300
REFUSALS = ("hang", "network", "403", "429", "502")


def switch_on(troubles: Troubles, rates: dict[str, float]) -> None:
    """The faults that meet single messages."""
    troubles.lost = rates.get("stream_lost", 0.0)
    troubles.late = rates.get("stream_late", 0.0)
    troubles.duplicated = rates.get("stream_duplicated", 0.0)
    troubles.reordered = rates.get("stream_reordered", 0.0)
    troubles.garbage = rates.get("stream_garbage", 0.0)


async def episodes(name: str, host: StreamHost, engine: Engine, rng: random.Random) -> None:
    """Bring one kind of fault about again and again."""
    while True:
        await sleep(rng.uniform(3, 40))
        host.troubles.seen[name] += 1
        match name:
            case "stream_lag":
                host.troubles.lag_s = rng.choice((0.5, 3.0, 20.0))
                await sleep(rng.uniform(2, 30))
                host.troubles.lag_s = 0.0
            case "stream_refused":
                host.troubles.refuse = rng.choice(REFUSALS)
                _each(host, rng, Socket.cut)
                await sleep(rng.uniform(1, 30))
                host.troubles.refuse = ""
            case "stream_deaf" | "stream_dead":
                _each(host, rng, lambda socket: setattr(socket, name.removeprefix("stream_"), True))
            case "stream_cut":
                _each(host, rng, Socket.cut)
            case "stream_flood":
                _each(host, rng, lambda socket: host.flood(socket, FLOOD))
            case "stream_key_lost":
                if rng.random() < 0.5:
                    engine.listen_keys.expire()
                else:
                    engine.listen_keys.close()


def _each(host: StreamHost, rng: random.Random, act: Callable[[Socket], object]) -> None:
    """Do something to about half of the connections, at least to one when there is any."""
    chosen = [socket for socket in host.sockets if rng.random() < 0.5] or host.sockets[:1]
    for socket in chosen:
        act(socket)
