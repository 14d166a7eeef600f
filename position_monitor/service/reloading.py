"""A configuration read again in mid-run: what of it takes effect now, what waits for a restart, and how often.

Now: [loop], [protection], [bounds], [exit], [symbols], [evidence], [limits], [alerts]. After a restart: `account`,
[exchange], [redis] and [events], which say whose orders and whose keys are ours, [ai_engine] and [backend], whose
clients are open, [metrics], whose port is, and the credentials. What waits keeps its running value in everything: ids,
keys, the published hash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from position_monitor.config import Config, ExitPlan, load_config
from position_monitor.config.rules import broken_rules
from position_monitor.config.values import Section
from position_monitor.core.exits.live_policy import SwitchesSince
from position_monitor.core.model.traits import VenueTraits
from position_monitor.daemon.surroundings import Settings
from position_monitor.edge.candles import CandleSettings
from position_monitor.edge.clock import Clock
from position_monitor.errors import ConfigError
from position_monitor.service.wiring import candle_settings_from, settings_from, with_history

WAIT_FOR_RESTART = ("account", "exchange", "redis", "events", "ai_engine", "backend", "metrics")
EXIT_HISTORY_MAX = 64
"""Changes of the exit switches that are remembered; a policy counts as live since the oldest of them at most."""
RELOAD_EVERY_S = 5.0
"""Least time between two reloads, however often one is asked for: each ends with a look at the whole account."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What became of a configuration that was read again."""

    config: Config
    """What holds from now on."""
    waiting: tuple[str, ...]
    """Keys that were changed and take effect after a restart."""
    changed: tuple[str, ...] = ()
    """Keys that take effect now, each with its value before and now, as shown to people."""


def taken_over(running: Config, fresh: Config) -> Reloaded:
    """`fresh` with everything that waits for a restart as it runs. Raises `ConfigError` when the two do not fit."""
    kept: dict[str, Any] = {name: getattr(running, name) for name in WAIT_FOR_RESTART}
    waiting = [key for name in WAIT_FOR_RESTART for key in _changed(name, getattr(running, name), getattr(fresh, name))]
    if running._credentials is not None and running._credentials != fresh._credentials:
        waiting.append("the exchange's credentials")
    effective = fresh.with_sections(kept).with_credentials_of(running)
    if problems := broken_rules(effective):
        both = f"with {', '.join(waiting)} as they are until a restart: " if waiting else ""
        raise ConfigError(both + "; ".join(problems))
    return Reloaded(effective, tuple(waiting), tuple(_now_changed(running, effective)))


def _now_changed(running: Config, effective: Config) -> Iterator[str]:
    """Each key whose value is another one now; a symbol's own value that came or went is one too."""
    before = {key: value for key, value, _ in running.effective()}
    after = {key: value for key, value, _ in effective.effective()}
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key, "not set"), after.get(key, "not set")
        if was != now:
            yield f"{key} {was} -> {now}"


def _changed(name: str, running: object, fresh: object) -> list[str]:
    """The keys of a section that differ; their values are not shown, an address may hold a password."""
    if running == fresh:
        return []
    if not isinstance(running, Section):
        return [name]
    return [f"{name}.{key}" for key in type(running).model_fields if getattr(running, key) != getattr(fresh, key)]


@dataclass(slots=True)
class ConfigInForce:
    """The configuration that holds now. Who needs it asks here, so a reload reaches everybody in one step."""

    config: Config
    path: Path | None
    """The file it was read from; None where there is none."""
    traits: VenueTraits
    """Of the venue: what it grants stays, whatever is reloaded."""
    settings: Settings = field(init=False)
    """The same, as the daemon sees it."""
    candles: CandleSettings = field(init=False)
    """The same, as the reader of candles sees it."""
    exit_plan: ExitPlan = field(init=False)
    """Who protects live under it, and what computes beside."""
    _exit_history: tuple[SwitchesSince, ...] = field(default=(), init=False)
    """Which exit switches were in force since the first reads of the account, oldest first; none before."""
    _reads: int = field(default=0, init=False)
    """How often the account was read, until the history begins."""

    def __post_init__(self) -> None:
        self._take(self.config)

    def _take(self, config: Config) -> None:
        self.config, self.settings = config, settings_from(config, self.traits, self._exit_history)
        self.candles, self.exit_plan = candle_settings_from(config), config.exit_plan()

    def account_read(self, now_ms: int) -> None:
        """The account was read. What is open at its first reads counts as older than the policy here (exits.md 12.5).

        Its row tells of its last change only, and it may have grown while the process began. Before, nobody knows. One
        list without it proves nothing, so the first `flat_reads` reads count.
        """
        if self._exit_history:
            return
        self._reads += 1
        if self._reads >= self.config.evidence_section.flat_reads:
            self._exit_history = (SwitchesSince(now_ms, self.exit_plan.switches),)
            self.settings = with_history(self.settings, self._exit_history)

    def reload(self, now_ms: int) -> Reloaded:
        """Read the file again and take it over. Raises `ConfigError`, and the old configuration stays."""
        reloaded = taken_over(self.config, load_config(self.path))
        switches = reloaded.config.exit_plan().switches
        if self._exit_history and self._exit_history[-1].switches != switches:
            self._exit_history = (*self._exit_history, SwitchesSince(now_ms, switches))[-EXIT_HISTORY_MAX:]
        self._take(reloaded.config)
        return reloaded


@dataclass(slots=True)
class ReloadPace:
    """Lets reloads through one by one. The last request is never lost: it waits its turn."""

    clock: Clock
    _wanted: bool = field(default=False, init=False)
    _last_s: float = field(default=float("-inf"), init=False)

    def ask(self) -> None:
        """A reload is wanted."""
        self._wanted = True

    @property
    def due_in_s(self) -> float:
        """How long a reload that is asked for has to wait; 0 when it may be done now."""
        return max(0.0, self._last_s + RELOAD_EVERY_S - self.clock.monotonic_s())

    def take(self) -> bool:
        """Whether to reload now."""
        if not self._wanted or self.due_in_s > 0:
            return False
        self._wanted, self._last_s = False, self.clock.monotonic_s()
        return True

    async def wake_when_due(self, wake: Callable[[], None]) -> None:
        """Call `wake` when the reload may be done."""
        await self.clock.sleep(self.due_in_s)
        wake()
