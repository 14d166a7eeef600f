"""What the service asks of its two streams."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Protocol

from position_monitor.core.observation.stream_events import StreamHealth


class UserEvents(Protocol):
    """The private stream of the account."""

    async def run(self) -> None:
        """Stay connected until cancelled."""
        ...

    def health(self) -> StreamHealth:
        """What to publish about it."""
        ...

    def expect(self, client_id: str) -> None:
        """An order was accepted: its event must come soon."""
        ...


class Marks(Protocol):
    """The stream of mark prices."""

    async def run(self) -> None:
        """Stay connected until cancelled."""
        ...

    def health(self) -> StreamHealth:
        """What to publish about it."""
        ...

    def watch(self, symbols: Iterable[str]) -> None:
        """Watch exactly these symbols from now on."""
        ...

    def mark(self, symbol: str) -> tuple[Decimal, int] | None:
        """The latest mark price and the venue's time of it, None when it came too long ago."""
        ...
