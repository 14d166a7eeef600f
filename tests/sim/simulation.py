"""One run: the daemon's real service over virtual time, against the venue in memory, driven by one seed."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from itertools import count
from typing import Any
from unittest import mock

from loguru import logger

from position_monitor.config import Config
from position_monitor.edge.ai_engine import AdvicePoller
from position_monitor.edge.backend import BreakerPoller
from position_monitor.edge.reading import schedule
from position_monitor.edge.streams.mark_stream import MarkStream
from position_monitor.edge.streams.user_stream import UserStream
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.paper import scenario
from position_monitor.paper.engine import Engine
from position_monitor.paper.gateway import Gateway
from position_monitor.paper.journal import Entry, Journal
from position_monitor.paper.signing import Gatekeeper
from position_monitor.service import ConfigInForce, Hearer, Service, Streams
from tests.sim import bounds, host_faults, stream_faults
from tests.sim.checkers import Checker
from tests.sim.conduct import Conduct
from tests.sim.control_model import control_on
from tests.sim.exit_rules import rules_for
from tests.sim.files import Files, read_from
from tests.sim.judges import LYING_LISTS, Judges
from tests.sim.lease_rights import without_lease
from tests.sim.levels import WINDOW_MS, Levels
from tests.sim.listening import listen, undated
from tests.sim.pairs_model import KeptPairs, NoHistory
from tests.sim.people import Adviser, FractionAdviser, Market, Trader
from tests.sim.prompt import Prompt
from tests.sim.redis_model import RedisModel, store_on
from tests.sim.report import describe
from tests.sim.streams import StreamHost, connected_to
from tests.sim.swarm import STREAM_EPISODES, Swarm
from tests.sim.truth import is_own
from tests.sim.venue import SimTransport
from tests.sim.virtual_time import EPOCH_MS, SimClock, run, sleep, true_ms

SYMBOLS = ["BTCUSDT", "ETHUSDT", "XRPUSDT", "1000PEPEUSDT"]
FAULTY_S = (10.0, 15.0, 25.0, 60.0)
"""How long faults and people are at work; each seed draws one: many short stories reach more than few long ones."""
SETTLE_S = 6.0
"""After the faults stop the market stands still for at least this long, more than one check, and until all is well."""
CALM_S = 8.0
"""Then it moves gently, so that what rests is put to use."""
STILL_S = 2.0
"""Then it stands still again until all is well, so that no position is just then closing at the final look."""
QUIET_AFTER_S = 27.0
"""By then what the faults and the last moves of the price left to do is written, take-profits that waited included."""
BUDGET_S = 95.0
"""A daemon that used up the venue's request weight while things failed waits for the venue's next minute to read again;
when the clock was wrong meanwhile, that minute is counted half as long again."""
TIMEOUT_S = 4.0
OPERATORS = "operators_ask"
"""The power under which daemons hear operators."""
INFO_LEVEL = 20
ERROR_LEVEL = 40
LOOK_S = 0.5
LOOKS_PER_BOUNDS_CHECK = 6
SPEAKER: contextvars.ContextVar[object] = contextvars.ContextVar("speaker", default="?")
"""Number of the daemon that runs in this task, for the trace."""
INTERVAL_S = 5.0
USUAL: dict[str, dict[str, Any]] = {
    "loop": {"check_interval_s": INTERVAL_S, "full_sweep_s": 20},
    "exchange": {"request_timeout_s": TIMEOUT_S, "rest_url": "http://127.0.0.1:1"},
}
"""The configuration of a daemon, where no power changes it."""


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
    """Length of every stretch a position was without full cover."""
    converged_ms: int
    """How long after the faults stopped the last position was fully covered."""
    faulty: bool
    log: list[str] = field(default_factory=list)


class QuietSystemd:
    """A service manager nobody listens to."""

    def ready(self, status: str = "") -> None: ...
    def watchdog(self, status: str = "") -> None: ...
    def reloading(self) -> None: ...
    def stopping(self, status: str = "") -> None: ...


PASTS = 8
"""Different pasts of the market: enough for every regime, and few enough to be worked out once."""


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


class WatchedJournal(Journal):
    """The venue's journal, read while it is written: the world is still as the entry describes it."""

    def __init__(self, earlier: Journal, listener: Any) -> None:
        super().__init__()
        self._listener = listener
        for entry in earlier.after(0):
            self.append(*(getattr(entry, name) for name in Entry.__slots__[1:]))

    def append(self, *facts: Any) -> None:
        super().append(*facts)
        self._listener(self._entries[-1])


class Simulation:
    """Everything of one run."""

    def __init__(self, seed: int, swarm: Swarm | None = None, *, faulty_s: float | None = None) -> None:
        self.seed = seed
        self.rng = random.Random(f"sim:{seed}")
        self.swarm = swarm if swarm is not None else Swarm.drawn_for(seed, self.rng)
        self._foggy, self._gentle = self.swarm.foggy, self.swarm.gentle
        self.faulty_s = faulty_s if faulty_s is not None else self.rng.choice(FAULTY_S)
        self.symbols = [*SYMBOLS]
        """Those in which something may happen."""
        self.engine = build_engine(self.rng, seed)
        self.engine.world.market.past_seed = seed % PASTS
        self.engine.world.market.frozen = True
        for symbol in SYMBOLS:
            self.engine.change_instrument(symbol, min_notional=Decimal(5))
        self.market = Market(self.engine, SYMBOLS, random.Random(f"market:{seed}"))
        self.trader = Trader(self.engine, SYMBOLS, random.Random(f"trader:{seed}"))
        self.gateway = Gateway(self.engine, Gatekeeper("key", "secret"))
        self.redis = RedisModel()
        self.conduct = Conduct(lambda: self.engine.world.journal.last_sequence)
        self.redis.conduct = self.conduct
        stale_ms = self.swarm.stale_ms + (400_000 if "clock_step" in self.swarm.host else 0)
        lists_lie = bool(LYING_LISTS & {*self.swarm.venue})
        self.checker = Checker(stale_ms=stale_ms, conduct=self.conduct, foggy=self._foggy, lists_lie=lists_lie)
        self.redis.listener = self._told
        self.levels = Levels(self.engine.world)
        self.stream_host = StreamHost(
            self.engine, random.Random(f"stream:{seed}"), lambda number: self.daemons[number][1]
        )
        self.stream_host.before_tick = lambda: self.levels.note_marks(true_ms(), self.symbols)
        self.counts: Counter[str] = Counter()
        self.defects: list[str] = []
        self.log: list[str] = []
        self.daemons: list[tuple[Service, SimClock, asyncio.Task[int], SimTransport]] = []
        self.trace: list[tuple[int, str]] = []
        """What happened when, for people; filled only when `traced`."""
        self.traced = False
        self.pairs: KeptPairs | None = None
        """Where the daemons keep shadow results; None: they score no shadow."""
        self._lasting: list[asyncio.Task[None]] = []
        """What goes on until the run ends."""
        self._digest = hashlib.sha256()
        self._converged_ms = self._healed_ms = 0
        data = self._settings()
        self.settings = _config_with(data)
        """The configuration a daemon starts with; a power may put another one in its place."""
        self.files = Files(data)
        """The configuration a daemon reads again when it is told to."""
        self.interval_s = self.settings.loop.check_interval_s
        """Time between two checks; what is granted to a daemon follows from it."""
        self.conduct.own_ttl_ms = round(1000 * self.settings.lease_ttl_s)
        self.conduct.reads_age_ms = max(self.conduct.reads_age_ms, round(3000 * self.interval_s))
        self.checker.yields = self.settings.protection.yield_to_foreign_stop
        self.checker.grace_ms = round(2_000 * self.settings.protection.foreign_stop_grace_s)
        self.levels.crossed_window_ms = round(3_000 * self.interval_s) if self._gentle else WINDOW_MS
        switched = self.swarm.switches_exits
        self.levels.rules = rules_for(self.settings, other=self.swarm.other_exits, switched=switched)
        self.judges = Judges(self)
        self.prompt = Prompt(within_s=self.swarm.prompt_s(self.interval_s), interval_s=self.interval_s, look_s=LOOK_S)
        self.levels.by_last = self.settings.protection.working_type == "CONTRACT_PRICE"
        self.engine.world.journal = WatchedJournal(self.engine.world.journal, self._on_entry)

    def _settings(self) -> dict[str, dict[str, Any]]:
        """What the powers of this seed change of the usual configuration, section by section."""
        data = {name: dict(values) for name, values in USUAL.items()}
        for one in self.swarm.powers:
            for section, values in one.settings(random.Random(f"{one.name}:{self.seed}:settings")).items():
                data[section] = {**data.get(section, {}), **values}
        return data

    # -- processes

    def start_daemon(self, *, crash_at: int = 0) -> Service:
        """Start a daemon with nothing remembered."""
        clock = SimClock()
        number = len(self.daemons)
        rng = random.Random(f"net:{self.seed}:{number}")
        transport = SimTransport(
            self.gateway,
            clock,
            rng,
            timeout_s=TIMEOUT_S,
            crash_at=crash_at,
            conduct=self.conduct,
            number=number,
        )
        config = self.settings
        owner = self.owner_of(number)
        store = store_on(self.redis, owner, config, clock, self._is_dead)
        exchange = BinanceUsdm(transport, clock)

        def open_streams(hearer: Hearer) -> Streams:
            if self.swarm.stream is None:
                return Streams()
            origin = StreamHost.origin(number)
            user = UserStream(exchange, hearer.on_event, origin=origin, clock=clock)
            marks = MarkStream(hearer.on_marks, origin=origin, clock=clock) if self.swarm.marks else None
            return Streams(user, marks)

        service = Service(
            in_force=ConfigInForce(config, None, exchange.traits),
            clock=clock,
            exchange=exchange,
            store=store,
            advisor=AdvicePoller(self._adviser(number, clock), clock, interval_s=7.0),  # type: ignore[arg-type]
            breaker=BreakerPoller(None, clock),
            systemd=QuietSystemd(),  # type: ignore[arg-type]
            owner=owner,
            open_streams=open_streams,
            open_pairs=self.pairs and self.pairs.keeper(exchange, clock, store, NoHistory()),
            control_stream=control_on(self.redis, owner) if OPERATORS in self.swarm.host else None,
        )
        token = SPEAKER.set(number)
        task = asyncio.create_task(service.serve())
        SPEAKER.reset(token)
        self.judges.ages.begins(number, true_ms())
        self.judges.claims.begins(number, true_ms(), alone=not self.alive)
        self.daemons.append((service, clock, task, transport))
        return service

    @staticmethod
    def owner_of(number: int) -> str:
        """The name under which a daemon holds the lease."""
        return f"sim:{number}:0-{number}"

    def _adviser(self, number: int, clock: SimClock) -> Adviser | FractionAdviser | None:
        rng = random.Random(f"ai:{self.seed}:{number}")
        if "ai_advice" in self.swarm.host:
            return Adviser(clock, rng)
        return FractionAdviser(clock, rng) if "advice_in_fractions" in self.swarm.host else None

    def _is_dead(self, owner: str) -> bool:
        number = owner.removeprefix("sim:").partition(":")[0]
        return number.isdigit() and self.daemons[int(number)][2].done()

    def kill(self, index: int) -> None:
        """kill -9: its tasks vanish where they are."""
        _, _, task, transport = self.daemons[index]
        transport.gone = True
        task.cancel()
        self.counts["crash"] += 1

    @property
    def alive(self) -> list[int]:
        """Daemons whose process runs. One that was killed is gone at once, whatever its tasks still have to tidy up."""
        return [index for index, (_, _, task, door) in enumerate(self.daemons) if not (task.done() or door.gone)]

    @property
    def watching(self) -> list[int]:
        """Daemons that run now and may act: not suspended, and not told to only observe or to stop."""
        return [
            number
            for number in self.alive
            if self.daemons[number][1].running.is_set()
            and not self.daemons[number][3].cut
            and not self.daemons[number][0].turns.ended
            and self.settings.protection.mode == "live"
            and self.files.is_live(number)
        ]

    @property
    def standing_by(self) -> set[int]:
        """Daemons that were told of a live other owner of the lease; what they were told has not run out."""
        leases = self.conduct.leases
        return {number for number in self.alive if leases[self.owner_of(number)].beside_an_owner}

    # -- the run

    async def play(self) -> Result:
        market, trader = self.market, self.trader
        crash_at = self.rng.randint(1, 120) if "crash" in self.swarm.host else 0
        self.swarm.switch_on(self.engine)
        for one in self.swarm.powers:
            one.prepare(self, random.Random(f"{one.name}:{self.seed}:prepare"))
        self.start_daemon(crash_at=crash_at)
        others = [asyncio.create_task(market.live()), asyncio.create_task(trader.live())]
        others += [asyncio.create_task(host_faults.happen(name, self)) for name in self.swarm.host]
        others += self._stream_faults()
        watcher = asyncio.create_task(self._watch())
        await sleep(self.faulty_s)
        for task in others:
            task.cancel()
        await self._heal(market)
        await self._settle(SETTLE_S)
        others.append(asyncio.create_task(market.live()))
        await sleep(CALM_S)
        others[-1].cancel()
        await self._settle(STILL_S)
        await self._check_left_over()
        await self._check_quiet()
        await self._settle(0)  # a position may just have been closed, by its stop or for its age
        self._check_publications()
        self._check_converged()
        for task in [watcher, *self._lasting, *(entry[2] for entry in self.daemons)]:
            task.cancel()
        await asyncio.gather(*(entry[2] for entry in self.daemons), return_exceptions=True)
        return self._result()

    async def _heal(self, market: Market) -> None:
        """Faults off, the market calm, one daemon alive."""
        self._healed_ms = true_ms()
        self.engine.remove_fault()
        self.stream_host.troubles.end()
        for one in self.swarm.powers:
            one.end(self, random.Random(f"{one.name}:{self.seed}:end"))
        market.calm, market.paused = True, False
        self.redis.down = self.redis.hung = False
        for _, clock, _, transport in self.daemons:
            clock.running.set()
            transport.crash_at = 0
        await asyncio.sleep(0)
        if not self.alive:
            self.start_daemon()

    async def _settle(self, least_s: float) -> None:
        """The faults are off and the market is still: everything is covered within the time the swarm allows."""
        began_ms, allowed_s, since_s = true_ms(), self.swarm.settle_s(self.interval_s), 0.0
        late: list[tuple[str, str]] = []
        while late or since_s < least_s or (since_s < allowed_s and not self._well()):
            await sleep(LOOK_S)
            late = [key for key in self.checker.uncovered() if not self.is_dust(*key)]
            since_s = (true_ms() - began_ms) / 1000
            if allowed_s < BUDGET_S and self._has_spent_its_budget():
                allowed_s = BUDGET_S
                self.counts["waits for the request budget"] += 1
            if late and since_s > allowed_s:
                self.checker.violations.append(f"INV-3: {late} not covered {since_s:g} s after the faults stopped")
                return
            self._converged_ms = max(self._converged_ms, round(since_s * 1000) if late else 0)

    def published(self) -> dict[str, str]:
        """The state of the account in Redis; empty when there is none, or something else stands there."""
        status = self.redis.get("q:main:status")
        return status if isinstance(status, dict) else {}

    def _has_spent_its_budget(self) -> bool:
        return "request budget" in self.published().get("reason", "")

    def _has_all_rights(self) -> bool:
        """Whether the account may be written to in every way: not without the lease, and not beside a second writer."""
        return self.published().get("mode") in ("live", None)

    def _well(self) -> bool:
        return self.published().get("risk_status") in ("PROTECTED", "DEGRADED")

    async def _watch(self) -> None:
        """Judge what was published, restart what crashed, look for defects."""
        for look in count():
            await sleep(LOOK_S)
            self.levels.note_marks(true_ms(), self.symbols)
            self._check_publications()
            self.judges.look()
            if self._gentle:
                self._check_prompt()
            for index in self.alive:
                service, _, _, transport = self.daemons[index]
                if transport.crashed.is_set():
                    self.kill(index)
                    await sleep(0.05)
                    self.start_daemon(crash_at=self.rng.randint(5, 200) if "crash" in self.swarm.host else 0)
                elif look % LOOKS_PER_BOUNDS_CHECK == 0:
                    self.defects += [] if self.defects else bounds.exceeded(service, self.symbols)

    def _on_entry(self, entry: Entry) -> None:
        """Judge one entry of the venue's journal at the very moment it is written."""
        self._check_lease(entry)
        self.judges.before(entry)
        self.checker.entry(entry)
        if judged := self.levels.entry(entry):
            self.checker.violations.append(judged)
        self.judges.entry(entry)
        if entry.kind == "fault_struck":
            self.counts[f"fault {entry.detail['name']}"] += 1
        facts = repr((entry.at_ms, entry.kind, entry.symbol, sorted(entry.detail.items())))
        self._digest.update(facts.encode())
        if self.traced:
            self.trace.append((entry.at_ms, f"venue: {describe(entry)}"))

    def _told(self, owner: str, published: dict[str, Any]) -> None:
        self.checker.told(owner, published)
        self.judges.told(owner, published)

    def _check_lease(self, entry: Entry) -> None:
        number = self.conduct.speaker
        if number is None:
            return
        owner = self.owner_of(number)
        sure = "clock_step" not in self.swarm.host
        self.checker.violations += without_lease(
            entry, owner, self.conduct, self.checker, foggy=self._foggy, standing_by=sure
        )

    def _check_prompt(self) -> None:
        """Where nothing hinders the daemon, a position is covered in time, whatever Redis and the streams do."""
        exposed = {key: ms for key, ms in self.checker.exposed(true_ms()).items() if not self.is_dust(*key)}
        watching = self.watching
        standing_by = bool(watching) and self.standing_by.issuperset(watching)
        self.checker.violations += self.prompt.look(true_ms(), exposed, standing_by=standing_by)

    def _check_publications(self) -> None:
        publications, self.redis.publications = self.redis.publications, []
        for at_ms, owner, published in publications:
            self.checker.publication(at_ms, published)
            if self.traced:
                self.trace.append((at_ms, f"published by {owner}: {published['status']['status_line']}"))
            self._digest.update(repr((at_ms, owner, published["status"]["status_line"])).encode())

    async def _check_left_over(self) -> None:
        """What should go goes within two cycles: duplicates, orphans, ladders on top of the user's own.

        What was gone once is not waited for, so where nothing is left the run goes on.
        """
        left = self._left_over()
        for _ in range(round(self.left_over_s)):
            if not left:
                break
            await sleep(1)
            left &= self._left_over()
        self.checker.violations += sorted(left)
        if self._has_spent_its_budget():
            await self._settle(0)  # it may run out now, of a minute in which things failed

    async def _check_quiet(self) -> None:
        """Where nothing moves and nothing is left over, no order is written any more, whatever the policy is."""
        if not self.swarm.other_exits or "ai_advice" in self.swarm.host or not self._well():
            return  # the AI engine goes on talking, and its regime moves a lock
        await sleep(max(0.0, QUIET_AFTER_S - (true_ms() - self._healed_ms) / 1000))
        if not self._has_all_rights():
            return  # a ladder that waits for the lease is written when it comes
        before, began_ms = self.engine.world.journal.last_sequence, true_ms()
        await sleep(2 * self.interval_s)
        if self.conduct.background_ms >= began_ms - 1_000 * self.interval_s:
            return  # candles that a restarted daemon reads late change the regime, and with it a lock
        for entry in self.engine.world.journal.after(before):
            if entry.kind == "order_accepted" and entry.origin == "api" and is_own(entry.detail):
                self.checker.violations.append(f"INV-10: an order is written where all is settled: {entry.detail}")

    @property
    def left_over_s(self) -> float:
        """Two check intervals, and how long removals may rest: after that nothing superfluous is under way any more."""
        return 2 * self.interval_s + max((one.removals_rest_s for one in self.swarm.powers), default=0.0)

    def _left_over(self) -> set[str]:
        if not self._has_all_rights():
            return set()  # it removes nothing now
        checker, end = self.checker, f"for {self.left_over_s:g} s after the faults stopped"
        found = {f"INV-4: {content} rests more than once {end}" for content in checker.duplicates()}
        found |= {f"{wrong} {end}" for wrong in self.judges.left_over()}
        found |= {f"INV-10: {order} rests without its position {end}" for order in checker.orphans()}
        return found | {f"INV-5: the take-profits of {key} ignore the user's own {end}" for key in checker.overbooked()}

    def _check_converged(self) -> None:
        """After the faults stop, everything is covered and says so."""
        for key in self.checker.uncovered():
            if self.is_dust(*key):
                continue
            self.checker.violations.append(f"INV-3: {key} is not covered at the end, long after the faults stopped")
        if not self.alive:
            self.checker.violations.append("the daemon is not alive")
        status = self.redis.get("q:main:status")
        if status is None:
            self.checker.violations.append("nothing is published after the faults stopped")
        elif any(self.is_dust(*key) for key in self.checker.uncovered()):
            self.counts["dust that only a close-all order could cover"] += 1
        elif status["risk_status"] not in ("PROTECTED", "DEGRADED"):
            self.checker.violations.append(f"the published state is {status['risk_status']}: {status['reason']}")

    def _result(self) -> Result:
        self.checker.finish(true_ms())
        self.judges.end()
        self.counts.update(self.checker.counts)
        self.counts.update({f"fault {name}": number for name, number in self.stream_host.troubles.seen.items()})
        return Result(
            seed=self.seed,
            violations=[*self.checker.violations, *self.defects],
            trace=self._digest.hexdigest(),
            simulated_s=asyncio.get_running_loop().time(),
            counts=self.counts,
            exposed_ms=self.checker.exposed_ms,
            converged_ms=self._converged_ms,
            faulty=bool(self.swarm.venue or self.swarm.host or self.swarm.stream),
            log=self.log,
        )

    # -- the host

    def _stream_faults(self) -> list[asyncio.Task[None]]:
        rates, host = self.swarm.stream or {}, self.stream_host
        stream_faults.switch_on(host.troubles, rates)
        ticking = [asyncio.create_task(host.ticking())] if self.swarm.marks else []
        self._lasting += ticking
        return [
            asyncio.create_task(stream_faults.episodes(name, host, self.engine, random.Random(f"{name}:{self.seed}")))
            for name in rates
            if name in STREAM_EPISODES
        ]

    def is_dust(self, symbol: str, side: str) -> bool:
        """In hedge mode nothing but a close-all order is accepted for less than the minimum notional."""
        world = self.engine.world
        value = self.checker.truth.positions[(symbol, side)] * world.market.mark(symbol)
        return world.account.hedge and value < world.instruments[symbol].min_notional * Decimal("1.1")


@cache
def _config() -> Config:
    """The usual configuration."""
    return Config.from_data(USUAL)


def _config_with(data: dict[str, dict[str, Any]]) -> Config:
    return _config() if data == USUAL else Config.from_data(data)


@contextmanager
def _heard(simulation: Simulation) -> Iterator[None]:
    """Defects the daemons log are kept; with a trace, everything they say."""

    def hear(message: Any) -> None:
        text = str(message).rstrip()
        if simulation.traced:
            simulation.trace.append((true_ms(), f"daemon {SPEAKER.get()}: {text}"))
        if message.record["level"].no >= ERROR_LEVEL:
            simulation.log.append(text)
        if message.record["level"].no >= INFO_LEVEL and isinstance(number := SPEAKER.get(), int):
            simulation.judges.said(number, text)

    sink = listen(hear, "DEBUG" if simulation.traced else "INFO", backtrace=False, diagnose=False)
    try:
        yield
    finally:
        logger.remove(sink)


@contextmanager
def _reading_orders(*, thrifty: bool) -> Iterator[None]:
    """As for a large account beside a stream, in every third of these cycles and by sweeps; or all in every cycle."""
    quiet_s, singles = (schedule.QUIET_ORDERS_S, 1) if thrifty else (0.0, schedule.SINGLES_MAX)
    with mock.patch.multiple(schedule, QUIET_ORDERS_S=quiet_s, SINGLES_MAX=singles):
        yield


def simulate(
    seed: int,
    swarm: Swarm | None = None,
    *,
    faulty_s: float | None = None,
    trace: list[str] | None = None,
    pairs: KeptPairs | None = None,
) -> Result:
    """Run one seed from beginning to end; `trace` is filled with what happened, for people. With `pairs` the daemons
    score their shadows."""
    run_of_it = _play(seed, swarm, faulty_s, trace, pairs)
    result: Result = run(run_of_it)
    result.violations += [f"defect: {line.strip()[-1500:]}" for line in result.log if "Traceback" in line]
    return result


async def _play(
    seed: int, swarm: Swarm | None, faulty_s: float | None, trace: list[str] | None, pairs: KeptPairs | None
) -> Result:
    simulation = Simulation(seed, swarm, faulty_s=faulty_s)
    simulation.pairs = pairs
    simulation.traced = trace is not None
    with (
        _heard(simulation),
        undated(),
        connected_to(simulation.stream_host),
        _reading_orders(thrifty=simulation.swarm.thrifty),
        read_from(simulation.files, SPEAKER.get),
    ):
        result = await simulation.play()
    if trace is not None:
        lines = sorted(simulation.trace, key=lambda line: line[0])
        trace += [f"{(at_ms - EPOCH_MS) / 1000:8.3f} {text}" for at_ms, text in lines]
    return result
