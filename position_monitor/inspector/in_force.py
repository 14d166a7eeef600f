"""What operators asked for, as the daemon has published it: a look at the exchange alone cannot show it."""

from __future__ import annotations

from dataclasses import dataclass, field

from position_monitor.config import Config
from position_monitor.core.model.control import NO_CONTROL, Control
from position_monitor.edge.clock import Clock
from position_monitor.edge.redis.published_values import DocumentUnreadable
from position_monitor.edge.redis.reader import RedisStateReader, RedisUnreachable


@dataclass(slots=True)
class PublishedControl:
    """The pauses and holds in force; none where Redis or the daemon cannot be heard."""

    config: Config
    clock: Clock
    _control: Control = field(default=NO_CONTROL, init=False)

    def now(self) -> Control:
        """What of it is in force now."""
        return self._control.at(self.clock.now_ms())

    async def read(self) -> None:
        """Read it, within a few seconds."""
        url = self.config.redis.url.get_secret_value()
        reader = RedisStateReader(url, prefix=self.config.redis.prefix, account=self.config.account)
        try:
            account = await reader.account()
            await reader.close()
        except (RedisUnreachable, DocumentUnreadable):
            account = None
        self._control = NO_CONTROL if account is None else Control(account.control)
