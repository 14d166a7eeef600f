"""One run: the daemon's real service over virtual time, against the venue in memory, driven by one seed."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from unittest import mock

from loguru import logger

from position_monitor.config import Config
from position_monitor.core.model import Mode
from position_monitor.edge import redis_state
from position_monitor.edge.ai_engine import AdvicePoller
from position_monitor.edge.backend import BreakerPoller
from position_monitor.edge.redis_state import RedisState
from position_monitor.edge.venues.binanceusdm import BinanceUsdm
from position_monitor.paper import scenario
from position_monitor.paper.engine import Engine
from position_monitor.paper.gateway import Gateway
from position_monitor.paper.signing import Gatekeeper
from position_monitor.service import Service
from tests.sim.checkers import Checker
from tests.sim.people import Market, Trader
from tests.sim.redis_model import FakeClient, RedisModel
from tests.sim.swarm import Swarm
from tests.sim.venue import SimTransport
from tests.sim.virtual_time import EPOCH_MS, SimClock, run, true_ms

SYMBOLS = ["BTCUSDT", "ETHUSDT", "XRPUSDT", "1000PEPEUSDT"]
FAULTY_S = 60.0
CALM_S = 50.0
STILL_S = 15.0
"""The market stands still before the final look, so that no position is just then closing."""
TIMEOUT_S = 4.0
INTERVAL_S = 5.0


@dataclass
class Result:
    """What one seed showed."""

    seed: int
    violations: list[str]
    trace: str
    """A digest of everything that happened: equal for equal seeds."""
    simulated_s: float
    counts: Counter[str]
    exposed_ms: list[int]
    faulty: bool
    log: list[str] = field(default_factory=list)


class QuietSystemd:
    """A service manager nobody listens to."""

    def ready(self, status: str = "") -> None: ...
    def status(self, sentence: str) -> None: ...
    def watchdog(self) -> None: ...
    def reloading(self) -> None: ...
    def stopping(self, status: str = "") -> None: ...


def build_engine(rng: random.Random, seed: int) -> Engine:
    """An account in one-way or hedge mode with zero to four positions."""
    hedge = rng.random() < 0.4
    positions = []
    for symbol in SYMBOLS:
        for side in ("LONG", "SHORT") if hedge else (rng.choice(("LONG", "SHORT")),):
            if rng.random() < 0.5:
                positions.append({"symbol": symbol, "side": side, "quantity": _quantity(symbol, rng)})
    held = scenario.parse("simulated", {"description": "", "wallet": "500000", "hedge": hedge, "positions": positions})
    return scenario.build(held, seed, EPOCH_MS)


def _quantity(symbol: str, rng: random.Random) -> str:
    base = {"BTCUSDT": 0.01, "ETHUSDT": 0.2, "XRPUSDT": 500.0, "1000PEPEUSDT": 40_000.0}[symbol]
    quantity = base * rng.choice((1, 3, 10))
    return f"{quantity:.3f}" if quantity < 100 else str(round(quantity))


class Simulation:
    """Everything of one run."""

    def __init__(self, seed: int, swarm: Swarm | None = None, *, faulty_s: float = FAULTY_S, config: str = "") -> None:
        self.seed = seed
        self.faulty_s = faulty_s
        self.rng = random.Random(f"sim:{seed}")
        self.swarm = swarm if swarm is not None else Swarm.drawn(self.rng)
        self.engine = build_engine(self.rng, seed)
        self.engine.world.market.frozen = True
        for symbol in SYMBOLS:
            self.engine.change_instrument(symbol, min_notional=Decimal(5))
        self.gateway = Gateway(self.engine, Gatekeeper("key", "secret"))
        self.redis = RedisModel()
        self.checker = Checker(stale_ms=self.swarm.stale_ms + (400_000 if "clock_step" in self.swarm.host else 0))
        self.counts: Counter[str] = Counter()
        self.defects: list[str] = []
        self.log: list[str] = []
        self.daemons: list[tuple[Service, SimClock, asyncio.Task[int], SimTransport]] = []
        self._digest = hashlib.sha256()
        self._read_to = 0
        self._config_text = config

    # -- processes

    def start_daemon(self, *, crash_at: int = 0) -> Service:
        """Start a daemon with nothing remembered."""
        clock = SimClock()
        number = len(self.daemons)
        rng = random.Random(f"net:{self.seed}:{number}")
        transport = SimTransport(self.gateway, clock, rng, timeout_s=TIMEOUT_S, crash_at=crash_at)
        config = _config()
        owner = f"sim:{number}:0-{number}"
        with mock.patch.object(redis_state, "connect", lambda url: FakeClient(self.redis)):
            store = RedisState(
                "redis://sim",
                prefix="q",
                account="main",
                owner=owner,
                clock=clock,
                check_interval_s=config.loop.check_interval_s,
                lease_ttl_s=config.lease_ttl_s,
                is_dead=self._is_dead,
            )
        service = Service(
            config=config,
            config_path=None,
            clock=clock,
            exchange=BinanceUsdm(transport, clock),
            store=store,
            advisor=AdvicePoller(None, clock),
            breaker=BreakerPoller(None, clock),
            systemd=QuietSystemd(),  # type: ignore[arg-type]
            owner=owner,
        )
        task = asyncio.create_task(service.serve())
        self.daemons.append((service, clock, task, transport))
        return service

    def _is_dead(self, owner: str) -> bool:
        number = int(owner.split(":")[1])
        return self.daemons[number][2].done()

    def kill(self, index: int) -> None:
        """kill -9: its tasks vanish where they are."""
        _, _, task, _ = self.daemons[index]
        task.cancel()
        self.counts["crash"] += 1

    @property
    def alive(self) -> list[int]:
        return [index for index, (_, _, task, _) in enumerate(self.daemons) if not task.done()]

    # -- the run

    async def play(self) -> Result:
        market = Market(self.engine, SYMBOLS, random.Random(f"market:{self.seed}"))
        trader = Trader(self.engine, SYMBOLS, random.Random(f"trader:{self.seed}"))
        crash_at = self.rng.randint(1, 120) if "crash" in self.swarm.host else 0
        self.swarm.switch_on(self.engine)
        self.start_daemon(crash_at=crash_at)
        others = [asyncio.create_task(market.live()), asyncio.create_task(trader.live())]
        others += [asyncio.create_task(self._host_fault(name)) for name in self.swarm.host]
        watcher = asyncio.create_task(self._watch())
        await asyncio.sleep(self.faulty_s)
        for task in others[1:]:
            task.cancel()
        await self._heal(market)
        await asyncio.sleep(CALM_S - STILL_S)
        others[0].cancel()
        await asyncio.sleep(STILL_S)
        self._check_journal()
        self._check_converged()
        for task in [others[0], watcher, *(entry[2] for entry in self.daemons)]:
            task.cancel()
        await asyncio.gather(*(entry[2] for entry in self.daemons), return_exceptions=True)
        return self._result()

    async def _heal(self, market: Market) -> None:
        """Faults off, the market calm, one daemon alive."""
        self.engine.remove_fault()
        market.calm = True
        self.redis.down = self.redis.hung = False
        for _, clock, _, transport in self.daemons:
            clock.running.set()
            transport.crash_at = 0
        await asyncio.sleep(0)
        if not self.alive:
            self.start_daemon()

    async def _watch(self) -> None:
        """Replay the journal as it grows, restart what crashed, look for defects."""
        while True:
            await asyncio.sleep(0.25)
            self._check_journal()
            for index in self.alive:
                service, _, _, transport = self.daemons[index]
                if transport.crashed.is_set():
                    self.kill(index)
                    await asyncio.sleep(0.05)
                    self.start_daemon(crash_at=self.rng.randint(5, 200) if "crash" in self.swarm.host else 0)
                elif len(service.daemon.evidence.awaited) > 400:
                    self.defects.append("INV-10: too many awaited writes are remembered")

    def _check_journal(self) -> None:
        journal = self.engine.world.journal
        for entry in journal.after(self._read_to):
            self._read_to = entry.sequence
            self.checker.entry(entry)
            self._digest.update(repr((entry.at_ms, entry.kind, entry.symbol, sorted(entry.detail.items()))).encode())
        publications, self.redis.publications = self.redis.publications, []
        for at_ms, owner, published in publications:
            self.checker.publication(at_ms, published)
            self._digest.update(repr((at_ms, owner, published["status"]["status_line"])).encode())

    def _check_converged(self) -> None:
        """After the faults stop, everything is covered and says so."""
        for key in self.checker.uncovered():
            if self._is_dust(*key):
                continue
            self.checker.violations.append(f"INV-3: {key} is not covered {CALM_S:.0f} s after the faults stopped")
        for content in self.checker.duplicates():
            self.checker.violations.append(f"INV-4: {content} rests more than once after the faults stopped")
        if not self.alive:
            self.checker.violations.append("the daemon is not alive")
        status = self.redis.get("q:main:status")
        if status is None:
            self.checker.violations.append("nothing is published after the faults stopped")
        elif any(self._is_dust(*key) for key in self.checker.uncovered()):
            self.counts["dust that only a close-all order could cover"] += 1
        elif status["risk_status"] not in ("PROTECTED", "DEGRADED"):
            self.checker.violations.append(f"the published state is {status['risk_status']}: {status['reason']}")

    def _result(self) -> Result:
        self.checker.finish(true_ms())
        for rule in self.engine.world.journal.after(0):
            if rule.kind == "fault_struck":
                self.counts[f"fault {rule.detail['name']}"] += 1
        self.counts.update(self.checker.counts)
        return Result(
            seed=self.seed,
            violations=[*self.checker.violations, *self.defects],
            trace=self._digest.hexdigest(),
            simulated_s=asyncio.get_running_loop().time(),
            counts=self.counts,
            exposed_ms=self.checker.exposed_ms,
            faulty=bool(self.swarm.venue or self.swarm.host),
            log=self.log,
        )

    # -- the host

    async def _host_fault(self, name: str) -> None:
        rng = random.Random(f"{name}:{self.seed}")
        while True:
            await asyncio.sleep(rng.uniform(5, 45))
            self.counts[f"fault {name}"] += 1
            match name:
                case "second_daemon":
                    if len(self.alive) < 2:
                        self.start_daemon()
                case "redis_down" | "redis_hung":
                    setattr(self.redis, name.removeprefix("redis_"), True)
                    await asyncio.sleep(rng.uniform(2, 40))
                    setattr(self.redis, name.removeprefix("redis_"), False)
                case "redis_flushed":
                    self.redis.flush()
                case "lease_evicted":
                    self.redis.evict_lease()
                case "clock_step":
                    for _, clock, _, _ in self.daemons:
                        clock.skew_ms += rng.choice((-1, 1)) * rng.choice((300, 3_000, 120_000))
                case "suspend":
                    await self._suspend(rng)
                case "clock_skew":
                    await self._with_fault("clock_skew", rng, delay_ms=rng.choice((-9_000, 1_500, 20_000)))
                case "filter_change":
                    symbol = rng.choice(SYMBOLS)
                    known = self.engine.world.instruments[symbol]
                    self.engine.change_instrument(symbol, tick=known.tick * rng.choice((1, 2)))
                case "mode_flip" if not self._both_legs():
                    self.engine.force_hedge(not self.engine.world.account.hedge)
                case "crash":
                    if self.alive and rng.random() < 0.3:
                        index = rng.choice(self.alive)
                        self.kill(index)
                        await asyncio.sleep(rng.uniform(0.1, 8))
                        self.start_daemon(crash_at=rng.randint(5, 200))

    def _is_dust(self, symbol: str, side: str) -> bool:
        """In hedge mode nothing but a close-all order is accepted for less than the minimum notional."""
        world = self.engine.world
        value = self.checker.truth.positions[(symbol, side)] * world.market.mark(symbol)
        return world.account.hedge and value < world.instruments[symbol].min_notional * Decimal("1.1")

    def _both_legs(self) -> bool:
        """Whether a symbol holds a long and a short leg: no venue can switch such an account to one-way mode."""
        positions = self.engine.world.account.positions.values()
        return any(sum(1 for leg in legs.values() if leg.amount) > 1 for legs in positions)

    async def _suspend(self, rng: random.Random) -> None:
        index = rng.choice(self.alive) if self.alive else 0
        clock = self.daemons[index][1]
        clock.running.clear()
        await asyncio.sleep(rng.choice((3, 15, 40)))
        clock.running.set()

    async def _with_fault(self, name: str, rng: random.Random, **settings: int) -> None:
        rule = self.engine.add_fault(name, **settings)
        await asyncio.sleep(rng.uniform(3, 20))
        self.engine.remove_fault(fault_id=rule.fault_id)


def _config() -> Config:
    return Config.from_data(
        {
            "loop": {"check_interval_s": INTERVAL_S, "full_sweep_s": 20},
            "exchange": {"request_timeout_s": TIMEOUT_S, "rest_url": "http://127.0.0.1:1"},
        }
    )


def simulate(seed: int, swarm: Swarm | None = None, *, faulty_s: float = FAULTY_S, level: str = "ERROR") -> Result:
    """Run one seed from beginning to end."""
    log: list[str] = []
    logger.remove()
    sink = logger.add(lambda message: log.append(str(message)), level=level, format="{level} {message}")
    try:
        result: Result = run(_play(seed, swarm, faulty_s))
    finally:
        logger.remove(sink)
    result.violations += [f"defect: {line.strip()[-1500:]}" for line in log if "Traceback" in line]
    result.log = log
    return result


async def _play(seed: int, swarm: Swarm | None, faulty_s: float) -> Result:
    return await Simulation(seed, swarm, faulty_s=faulty_s).play()


__all__ = ["Mode", "Result", "Simulation", "Swarm", "simulate"]
