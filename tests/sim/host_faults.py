"""What goes wrong around a daemon: another one, Redis, clocks, a suspended or killed process, rules that change."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.sim.swarm import ALL_POWERS
from tests.sim.virtual_time import sleep

if TYPE_CHECKING:
    from tests.sim.simulation import Simulation


async def happen(name: str, run: Simulation) -> None:
    """One kind of fault, now and then, until cancelled."""
    rng = random.Random(f"{name}:{run.seed}")
    if name in ALL_POWERS:
        return await ALL_POWERS[name].happen(run, rng)
    while True:
        await sleep(rng.uniform(5, 45))
        run.counts[f"fault {name}"] += 1
        match name:
            case "second_daemon":
                if len(run.alive) < 2:
                    run.start_daemon()
            case "redis_down" | "redis_hung":
                setattr(run.redis, name.removeprefix("redis_"), True)
                await sleep(rng.uniform(2, 40))
                setattr(run.redis, name.removeprefix("redis_"), False)
            case "redis_flushed":
                run.redis.flush()
            case "lease_evicted":
                run.redis.evict_lease()
            case "clock_step":
                for _, clock, _, _ in run.daemons:
                    clock.skew_ms += rng.choice((-1, 1)) * rng.choice((300, 3_000, 120_000))
            case "suspend":
                await _suspend(run, rng)
            case "suspend_after_stop":
                await _suspend_after_stop(run, rng)
            case "clock_skew":
                await _with_fault(run, "clock_skew", rng, delay_ms=rng.choice((-9_000, 1_500, 20_000)))
            case "filter_change":
                symbol = rng.choice(run.symbols)
                known = run.engine.world.instruments[symbol]
                run.engine.change_instrument(symbol, tick=known.tick * rng.choice((1, 2)))
            case "mode_flip" if not _both_legs(run):
                run.engine.force_hedge(not run.engine.world.account.hedge)
            case "crash":
                if run.alive and rng.random() < 0.3:
                    index = rng.choice(run.alive)
                    run.kill(index)
                    await sleep(rng.uniform(0.1, 8))
                    run.start_daemon(crash_at=rng.randint(5, 200))


def _both_legs(run: Simulation) -> bool:
    """Whether a symbol holds a long and a short leg: no venue can switch such an account to one-way mode."""
    positions = run.engine.world.account.positions.values()
    return any(sum(1 for leg in legs.values() if leg.amount) > 1 for legs in positions)


async def _suspend(run: Simulation, rng: random.Random) -> None:
    index = rng.choice(run.alive) if run.alive else 0
    clock = run.daemons[index][1]
    clock.running.clear()
    await sleep(rng.choice((3, 15, 40, 90)))
    clock.running.set()


async def _suspend_after_stop(run: Simulation, rng: random.Random) -> None:
    """The host sleeps just when a stop waits to replace another: the moment evidence must not survive."""
    while not run.checker.replacing():
        await sleep(0.1)
    await sleep(rng.uniform(0, 1))
    clock = run.daemons[run.alive[0]][1]
    run.market.paused = run.trader.paused = True  # so that the replacement still makes sense afterwards
    clock.running.clear()
    await sleep(90)
    run.market.paused = run.trader.paused = False
    clock.running.set()


async def _with_fault(run: Simulation, name: str, rng: random.Random, **settings: int) -> None:
    rule = run.engine.add_fault(name, **settings)
    await sleep(rng.uniform(3, 20))
    run.engine.remove_fault(fault_id=rule.fault_id)
