"""A reload: what the new configuration means for everything around the daemon, and what is said of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loguru import logger

from position_monitor.config import Config
from position_monitor.edge.clock import Clock
from position_monitor.edge.redis.state import RedisState
from position_monitor.edge.systemd import answer_reload
from position_monitor.errors import ConfigError
from position_monitor.service.reloading import ConfigInForce, Reloaded
from position_monitor.service.starting import LEASE_WAIT_S
from position_monitor.service.telling import Teller


@dataclass(slots=True)
class ConfigFollowing:
    """Takes over what was written into the file."""

    in_force: ConfigInForce
    clock: Clock
    store: RedisState
    teller: Teller
    followers: Sequence[Callable[[], None]]
    """Each looks at the configuration in force again."""

    async def reload(self) -> None:
        """Take over a valid new configuration; an invalid one is reported and the old one stays. Never raises."""
        before = self.in_force.config
        try:
            reloaded = self.in_force.reload(self.clock.now_ms())
        except ConfigError as problem:
            logger.bind(event="ConfigRefused").error(
                "The configuration was not reloaded, the old one stays: {}", problem
            )
            self._refuse(str(problem))
        except Exception as defect:  # whatever a file does to us, it must not end the loop
            logger.exception("The configuration was not reloaded, the old one stays")
            self._refuse(type(defect).__name__)
        else:
            await self._follow(before, reloaded)
            answer_reload("")

    def _refuse(self, problem: str) -> None:
        answer_reload(problem)
        self.teller.config_refused(problem)

    async def _follow(self, before: Config, reloaded: Reloaded) -> None:
        """Say what takes effect now and what does not, and let the lease follow."""
        config, say = self.in_force.config, logger.bind(event="ConfigReloaded")
        if reloaded.waiting:
            say.warning("Changed, and in effect only after a restart: {}", ", ".join(reloaded.waiting))
        changed = ", ".join(reloaded.changed) or "nothing that takes effect now"
        say.info("Configuration reloaded, hash {}; changed: {}", config.config_hash, changed)
        self.teller.reloaded(before, config, reloaded.waiting)
        for follow in self.followers:
            follow()
        contends = config.protection.mode == "live"
        self.store.follow(
            config.loop.check_interval_s,
            lease_ttl_s=config.lease_ttl_s,
            contend=contends,
            reading_within_s=config.reading_within_s,
        )
        if contends != (before.protection.mode == "live"):
            await asyncio.wait({asyncio.ensure_future(self.store.renew_lease())}, timeout=LEASE_WAIT_S)
