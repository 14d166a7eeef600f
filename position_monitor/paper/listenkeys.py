"""The user-stream key: one per account, 60 minutes, extended by PUT (or a second POST)."""

from __future__ import annotations

from position_monitor.paper.errors import refusal
from position_monitor.paper.events import listen_key_expired
from position_monitor.paper.world import World

LIFE_MS = 60 * 60_000


class ListenKeys:
    """Issues, extends and expires the key."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.current: str | None = None
        self._expires_ms = 0

    def issue(self) -> str:
        """POST: the current key with a fresh hour, or a new one."""
        if self.current is None:
            self.current = self._world.random_text(64)
        self._extend()
        return self.current

    def extend(self) -> str:
        """PUT: another hour, or -1125 when there is no key."""
        if self.current is None:
            raise refusal(-1125)
        self._extend()
        return self.current

    def close(self) -> None:
        """DELETE: the key is gone at once."""
        self.current = None

    def _extend(self) -> None:
        self._expires_ms = self._world.now_ms + LIFE_MS
        key = self.current
        self._world.schedule(LIFE_MS, lambda: self._expire_if_due(key))

    def _expire_if_due(self, key: str | None) -> None:
        if key is not None and key == self.current and self._world.now_ms >= self._expires_ms:
            self.expire()

    def expire(self) -> None:
        """The key dies; its connections hear so and then nothing more."""
        if self.current is not None:
            self._world.emit(listen_key_expired(self.current, self._world.now_ms))
            self.current = None
