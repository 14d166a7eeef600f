"""The two streams of the service: what it asks of them, and what they tell it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from position_monitor.core.observation.stream_events import (
    MarkPrice,
    MarkPrices,
    StreamEvent,
    StreamHealth,
    StreamState,
)


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


class Hearer(Protocol):
    """Whoever the streams tell. Neither call waits."""

    def on_event(self, event: StreamEvent) -> None:
        """Take an event of the user stream."""
        ...

    def on_marks(self, marks: MarkPrices) -> None:
        """Take mark prices."""
        ...


@dataclass(frozen=True, slots=True)
class Streams:
    """The streams there are. Without any the daemon looks in turn only."""

    user: UserEvents | None = None
    marks: Marks | None = None

    @property
    def workers(self) -> tuple[Callable[[], Coroutine[None, None, None]], ...]:
        """What keeps each of them connected."""
        return tuple(stream.run for stream in (self.user, self.marks) if stream is not None)

    def health(self) -> Mapping[str, StreamHealth]:
        """What to publish about each of them."""
        named = {"user": self.user, "marks": self.marks}
        return {name: stream.health() for name, stream in named.items() if stream is not None}

    def events_delivered(self) -> bool:
        """Whether the user stream would tell of changes of orders and positions."""
        return self.user is not None and self.user.health().state is StreamState.LIVE

    def mark(self, symbol: str) -> MarkPrice | None:
        """The mark price of a symbol as streamed; None when there is no fresh one."""
        streamed = self.marks.mark(symbol) if self.marks is not None else None
        return MarkPrice(symbol, *streamed) if streamed is not None else None

    def expect(self, client_id: str) -> None:
        """An order was accepted: its event must come soon."""
        if self.user is not None:
            self.user.expect(client_id)

    def watch(self, symbols: Iterable[str]) -> None:
        """Stream the mark prices of exactly these symbols from now on."""
        if self.marks is not None:
            self.marks.watch(symbols)


def no_streams(hearer: Hearer) -> Streams:
    """Nobody tells `hearer` anything."""
    return Streams()
