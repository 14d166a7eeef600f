"""One life on the stage: venue, Redis, streams and daemons, a story that acts, and faults at its contacts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from position_monitor.config import Config
from position_monitor.paper import scenario
from position_monitor.paper.errors import VenueRefusal
from position_monitor.paper.gateway import Gateway
from position_monitor.paper.signing import Gatekeeper
from tests.explore.contacts import Kind, Strike
from tests.explore.fates import Fates
from tests.explore.settings import config_from, file_with
from tests.explore.world import ExploredStreams, ExploredTransport
from tests.sim.conduct import Conduct
from tests.sim.simulation import SPEAKER
from tests.sim.stage_process import Neighbours, Process, process_of
from tests.sim.stage_world import StageWorld
from tests.sim.streams import Socket
from tests.sim.virtual_time import EPOCH_MS, sleep, true_ms

if TYPE_CHECKING:
    from tests.explore.lives import Life

RESTART_S = 2.0
"""After so many seconds the service manager starts a process again that died."""
STOPPING_S = 30.0
LOOK_S = 0.5
LOOKS_PER_MOMENT = 2
STRANGER = "elsewhere:99:0-99"
"""An owner of the lease that is no daemon of the life."""
Result = TypeVar("Result")


class Play(StageWorld):
    """A life while it is lived."""

    def __init__(self, life: Life, strikes: Sequence[Strike], say: Callable[[str], None]) -> None:
        held = [one.row() for one in life.held]
        play = {"description": "", "wallet": "500000", "hedge": life.hedge, "positions": held}
        super().__init__(scenario.build(scenario.parse(life.name, play), 1, EPOCH_MS))
        self.world.market.frozen = True
        self.life = life
        self.strikes = tuple(strikes)
        self.say = say
        self.settings = dict(life.config)
        self.gateway = Gateway(self.engine, Gatekeeper("key", "secret"))
        self.conduct = Conduct(lambda: self.engine.world.journal.last_sequence)
        self.redis.conduct = self.conduct
        self.redis.befall = self._befall
        self.fates = Fates(strikes, say)
        self.fates.play = self
        self.streams = ExploredStreams(self.engine, self.fates, lambda number: self.processes[number].clock)
        self.processes: list[Process] = []
        self.excused = ""
        """Why a stop rightly waits just now, where the life itself is the reason."""
        self.look: Callable[[], None] = lambda: None
        """Called every half second."""
        self._slots: dict[str, Process] = {}
        self._down: set[str] = set()
        """Where no process shall run: the story or a lasting fault wants it so."""
        self._suspended: set[int] = set()
        self._lasting: list[asyncio.Task[None]] = []

    @property
    def config(self) -> Config:
        """The configuration a daemon starts with now."""
        return config_from(json.dumps(self.settings))

    # -- the story

    async def rest(self, seconds: float) -> None:
        """Let time pass; each second is a contact of the world and of every process."""
        for look in range(round(seconds / LOOK_S)):
            if look % LOOKS_PER_MOMENT == 0:
                self._moment("a second")
            await self.pass_time()

    async def pass_time(self) -> None:
        """Half a second; what is due at the venue is done, and everything is looked at."""
        await sleep(LOOK_S)
        self.engine.advance_to(true_ms())
        self.fates.look()
        self.look()

    def act(self, what: str, action: Callable[[], Result]) -> Result | None:
        """Somebody does something. What the venue refuses in the world as it has become is not done, and said."""
        self._moment(what)
        self.say(f"story: {what}")
        self.engine.advance_to(true_ms())
        try:
            return action()
        except (VenueRefusal, ValueError, IndexError) as impossible:
            self.say(f"story: that could not be done: {impossible!r}")
            return None

    def _moment(self, what: str) -> None:
        self.fates.meet(Kind.MOMENT, "world", what, None)
        for process in list(self._slots.values()):
            if process.alive and process.number not in self._suspended:
                self.fates.meet(Kind.PROCESS, "process", what, process.number)

    # -- processes

    def start(self, slot: str = "a") -> None:
        """A daemon with nothing remembered, on the host of this name, unless one runs there or none may."""
        if slot in self._down or (slot in self._slots and self._slots[slot].alive):
            return
        if not self.watched:
            self.fates.free_since_ms = true_ms()
        number, neighbours = len(self.processes), Neighbours()
        line = partial(ExploredTransport, fates=self.fates, conduct=self.conduct, number=number)
        process = process_of(
            number, slot, self.config, self.gateway, self.redis, partial(self._is_dead, slot),
            neighbours, path=None, stream=self.life.stream, line=line,
        )  # fmt: skip
        if self.life.stream and not self._lasting:
            self._lasting.append(asyncio.create_task(self.streams.ticking()))
        token = SPEAKER.set(number)
        process.task = asyncio.create_task(process.service.serve())
        SPEAKER.reset(token)
        self.processes.append(process)
        self._slots[slot] = process
        self.say(f"daemon {number} starts on host {slot}")

    def _is_dead(self, slot: str, holder: str) -> bool:
        """What a process sees of the processes on its own host; of others it knows nothing."""
        where, _, number = holder.rpartition(":")[0].partition(":")
        return where == slot and number.isdigit() and not self.processes[int(number)].alive

    def on(self, slot: str) -> Process:
        """The process on a host, or the last that was."""
        return self._slots[slot]

    def end(self, slot: str, *, kill: bool) -> None:
        """The story stops or kills what runs there, and it stays down until the story starts it again."""
        self._down.add(slot)
        process = self._slots[slot]
        if process.alive:
            self._kill(process) if kill else self._let_stop(process, slot)

    def begin_again(self, slot: str) -> None:
        """The story starts a daemon where it stopped one."""
        self._down.discard(slot)
        self.start(slot)

    def kill(self, number: int, *, for_good: bool) -> None:
        """kill -9, and the service manager starts it again after a while, unless `for_good`."""
        process = self.processes[number]
        self._kill(process)
        self._come_back(process, RESTART_S, for_good=for_good)

    def _kill(self, process: Process) -> None:
        process.transport.gone = True
        process.kill()
        self._suspended.discard(process.number)

    def _come_back(self, process: Process, after_s: float, *, for_good: bool) -> None:
        if for_good:
            self._down.add(process.host)
        else:
            asyncio.get_running_loop().call_later(after_s, self.start, process.host)

    def terminate(self, number: int | None, *, for_good: bool) -> None:
        """SIGTERM, and a start after it has ended, unless `for_good`."""
        assert number is not None
        process = self.processes[number]
        if for_good:
            self._down.add(process.host)
        self._let_stop(process, process.host)

    def _let_stop(self, process: Process, slot: str) -> None:
        self._lasting.append(asyncio.create_task(self._stopping(process, slot)))

    async def _stopping(self, process: Process, slot: str) -> None:
        process.service.stop()
        await asyncio.wait([process.task], timeout=STOPPING_S)
        if not process.alive:
            await process.store.close()
        self.start(slot)

    def restart(self, number: int) -> None:
        """What a lasting fault kept down may run again."""
        slot = self.processes[number].host
        self._down.discard(slot)
        self.start(slot)

    def suspend(self, number: int | None) -> None:
        """The host of a process sleeps."""
        assert number is not None
        if self.processes[number].alive:
            self._suspended.add(number)
            self.processes[number].suspend()

    def resume(self, number: int | None) -> None:
        assert number is not None
        if number in self._suspended:
            self._suspended.discard(number)
            self.processes[number].resume()

    def reload(self, number: int | None, changes: dict[str, Any] | None = None) -> None:
        """SIGHUP, with the settings as they are, or after some sections of the file have changed."""
        assert number is not None
        self.settings = {**self.settings, **(changes or {})}
        process = self.processes[number]
        if process.alive:
            process.service.in_force.path = file_with(json.dumps(self.settings))
            process.service.request_reload()

    # -- what is no daemon's own

    def steal_lease(self, *, ttl_s: int) -> None:
        """Somebody writes another owner into the lease; 0: without expiry."""
        self.redis.put("q:main:lease", STRANGER, ttl_s * 1000)

    def free_lease(self) -> None:
        """The operator deletes a lease that is no daemon's."""
        if self.redis.get("q:main:lease") == STRANGER:
            self.redis.evict_lease()

    def cut_streams(self, *, refused: bool) -> None:
        """Every connection ends; while `refused`, no new one is made."""
        self.streams.troubles.refuse = "network" if refused else ""
        for socket in list(self.streams.sockets):
            Socket.cut(socket)

    def accept_streams(self) -> None:
        self.streams.troubles.refuse = ""

    def silence_streams(self) -> None:
        """Every connection stands, and nothing comes."""
        for socket in self.streams.sockets:
            socket.dead = True

    def _befall(self, script: str, owner: str) -> str:
        """What a call of Redis meets."""
        number = owner.split(":")[1]
        met = self.fates.meet(Kind.REDIS, script, f"Redis: {script}", int(number) if number.isdigit() else None)
        return next((fault.word for fault in met if fault.word), "")

    def status(self) -> dict[str, str]:
        """The published state of the account; empty where there is none, or something else."""
        found = super().status()
        return found if isinstance(found, dict) else {}

    # -- the end

    def heal(self) -> None:
        """Every fault off, everything that shall run runs."""
        super().heal()
        self.fates.heal()
        for number in sorted(self._suspended):
            self.resume(number)
        self.accept_streams()
        self.redis.down = self.redis.hung = False

    async def close(self) -> None:
        """End everything, and let go of what killed processes were waiting for."""
        for task in self._lasting:
            task.cancel()
        for process in self.processes:
            process.transport.gone = True
            process.kill()
        await asyncio.gather(*(process.task for process in self.processes), return_exceptions=True)

    @property
    def watched(self) -> bool:
        """Whether a daemon runs that could protect."""
        return any(process.alive and process.number not in self._suspended for process in self._slots.values())
