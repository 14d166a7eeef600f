"""Who owns the account: any value in any key of Redis, and a second daemon that Redis does not tell of."""

from __future__ import annotations

import random
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from position_monitor.config import Config
from position_monitor.edge.venues.transport import Endpoint
from tests.sim.conduct import Answer
from tests.sim.powers import power
from tests.sim.redis_model import RedisModel
from tests.sim.virtual_time import sleep, true_ms

if TYPE_CHECKING:
    from tests.sim.simulation import Simulation

KEYS = ("lease", "lease:epoch", "lease:given_up", "status", "positions", "position:BTCUSDT:LONG")
VALUES: tuple[Any, ...] = ("x", "", "two words", "y" * 300, "1e300", "-7", ["x"], {"x"}, {"config_hash": "z" * 99}, 7.5)
SIGNS_COUNT_MS = 15_000
"""So long after its start a daemon has looked, and what another hand writes counts as a sign (6 s), with two checks."""
REMOVALS_MAX = 4
"""A removal that was decided before the sign was read: one ladder, for each of the two."""
TTLS_MS = (0, 0, 3_000, 19_000, 24_000)


def nobody_has_it(run: Simulation, rng: random.Random) -> None:
    """The last value goes, so that only the caution after it outlives the faults."""
    run.redis.evict_lease()


@power("any_value_in_redis", chance=0.04, gentle=True, later_s=25.0, why="a lease time of caution", end=nobody_has_it)
async def any_value_in_redis(run: Simulation, rng: random.Random) -> None:
    """Somebody writes what he likes into the keys of the account, the lease first of all."""
    while True:
        key = "lease" if rng.random() < 0.5 else rng.choice(KEYS)
        run.redis.put(f"q:main:{key}", rng.choice(VALUES), rng.choice(TTLS_MS))
        run.counts["fault any value in Redis"] += 1
        await sleep(rng.uniform(1, 40))


def first_value(run: Simulation, rng: random.Random) -> None:
    """Before anybody looked, the lease holds a name without an expiry."""
    run.redis.put("q:main:lease", "x")


@power("lease_of_nobody", chance=0.04, gentle=True, prepare=first_value, end=nobody_has_it)
async def lease_of_nobody(run: Simulation, rng: random.Random) -> None:
    """The value comes back as soon as somebody has the lease."""
    while True:
        await sleep(rng.uniform(20, 60))
        run.redis.put("q:main:lease", "x")
        run.counts["fault lease of nobody"] += 1


def start_a_stranger(run: Simulation, rng: random.Random) -> None:
    """A daemon with a Redis of its own and other ideas about the ladder."""
    shared, settings = run.redis, run.settings
    ladder = [{"target_pct": 2.0, "share_pct": 60}, {"target_pct": 3.0, "share_pct": 40}]
    data = {"loop": {"check_interval_s": 5, "full_sweep_s": 20}, "exchange": {"rest_url": "http://127.0.0.1:1"}}
    run.settings = Config.from_data({**data, "protection": {"ladder": ladder, "trailing_pct": 1.2}})
    run.redis = RedisModel()
    run.redis.conduct = run.conduct
    run.start_daemon()
    run.redis, run.settings = shared, settings


def only_one_is_left(run: Simulation, rng: random.Random) -> None:
    """Everybody is killed, and one daemon begins anew: it is careful with nobody."""
    for number in run.alive:
        run.kill(number)
    run.start_daemon()


class Fight:
    """Two daemons that remove each other's orders: the signs of a second writer must end it (invariant 9).

    What one placed when the other had long begun, the other leaves alone: it is careful from the first sign on.
    """

    def __init__(self, run: Simulation) -> None:
        self._run = run
        self._from_ms = true_ms() + SIGNS_COUNT_MS
        self._placed: dict[str, int] = {}
        """The venue's id of an order -> the daemon that placed it since then."""
        self._removals = 0

    def answer(self, answer: Answer) -> None:
        """How a request of a daemon ended."""
        if answer.status != HTTPStatus.OK or true_ms() < self._from_ms or not isinstance(answer.body, dict):
            return
        order_id = str(answer.body.get("algoId", ""))
        if answer.endpoint is Endpoint.PLACE_ALGO_ORDER:
            self._placed[order_id] = answer.daemon
        elif answer.endpoint is Endpoint.CANCEL_ALGO_ORDER:
            placer = self._placed.get(order_id, answer.daemon)
            self._removals += placer != answer.daemon and placer in self._run.alive
            if self._removals > REMOVALS_MAX:
                self._removals = 0
                self._run.checker.violations.append(
                    f"INV-9: daemon {answer.daemon} removes what a second writer places, again and again: {order_id}"
                )


@power("redis_of_its_own", chance=0.03, end=only_one_is_left, silences=("over_exit",))
async def redis_of_its_own(run: Simulation, rng: random.Random) -> None:
    """Two daemons, each the owner by its own Redis."""
    await sleep(rng.uniform(1, 8))
    start_a_stranger(run, rng)
    if not run.swarm.venue:  # else a list that lies, or an answer that is lost, may hide the signs
        run.conduct.listeners.append(Fight(run).answer)
    run.counts["fault Redis of its own"] += 1
    await sleep(100_000)
