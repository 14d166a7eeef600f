"""Names of market streams: which route carries them, and the payload they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from position_monitor.paper import stream_bodies as bodies
from position_monitor.paper.market import INTERVALS_MS, BookUpdate
from position_monitor.paper.world import World

Body = dict[str, Any]
PUBLIC_CHANNELS = ("bookTicker", "depth", "rpiDepth", "trade")


@dataclass(frozen=True, slots=True)
class Stream:
    """A parsed stream name; no symbol means all symbols (`!markPrice@arr`)."""

    channel: str
    symbol: str | None
    argument: str = ""


def route_of(name: str) -> str:
    """`public` for book and trade streams, `market` for everything else."""
    channel = name.lstrip("!").split("@")[0] if name.startswith("!") else name.partition("@")[2]
    return "public" if channel.startswith(PUBLIC_CHANNELS) else "market"


class Streams:
    """Parses names against the known symbols and remembers the result."""

    def __init__(self, world: World) -> None:
        self._instruments = world.instruments
        self._symbols: dict[str, str] = {}
        self._parsed: dict[str, Stream | None] = {}

    def parse(self, name: str) -> Stream | None:
        """The stream, or None for names nobody serves."""
        if len(self._symbols) != len(self._instruments):  # a contract was listed
            self._symbols = {symbol.lower(): symbol for symbol in self._instruments}
            self._parsed.clear()
        if name not in self._parsed:
            if len(self._parsed) > 10_000:
                self._parsed.clear()
            self._parsed[name] = self._read(name)
        return self._parsed[name]

    def _read(self, name: str) -> Stream | None:
        if name.startswith("!"):
            return Stream(name[1:].split("@")[0], None)
        lowered, _, rest = name.partition("@")
        if rest.startswith("continuousKline_"):
            lowered = lowered.removesuffix("_perpetual")
        symbol = self._symbols.get(lowered)
        channel = rest.split("@")[0]
        if symbol is None or not channel:
            return None
        for prefix in ("kline_", "continuousKline_", "depth"):
            if channel.startswith(prefix):
                return Stream(prefix.rstrip("_"), symbol, channel.removeprefix(prefix))
        return Stream(channel, symbol)


_RENDER: dict[str, Callable[[World, str], Body]] = {
    "markPrice": bodies.stream_mark,
    "bookTicker": bodies.stream_book,
    "ticker": bodies.stream_day,
    "miniTicker": bodies.stream_mini,
    "aggTrade": lambda world, symbol: bodies.stream_trade(world, symbol, "aggTrade"),
    "trade": lambda world, symbol: bodies.stream_trade(world, symbol, "trade"),
}
_CANDLES = {"kline": bodies.stream_kline, "continuousKline": bodies.stream_continuous}
_ONE_BY_ONE = frozenset({"bookTicker"})
"""Streams of all symbols that send each symbol in a message of its own, not as an array."""


def payloads_of(world: World, stream: Stream | None, moved: Mapping[str, BookUpdate]) -> list[Body | list[Body]]:
    """The messages the stream sends now; none when none of its symbols moved."""
    if stream is None:
        return []
    if stream.symbol is None:
        render = _RENDER.get(stream.channel)
        if render is None or not moved:
            return []
        rows = [render(world, symbol) for symbol in sorted(moved)]
        return [*rows] if stream.channel in _ONE_BY_ONE else [rows]
    if stream.symbol not in moved:
        return []
    if stream.channel in _CANDLES and stream.argument in INTERVALS_MS:
        return [_CANDLES[stream.channel](world, stream.symbol, stream.argument)]
    if stream.channel == "depth":
        levels = min(int(stream.argument), 100) if stream.argument.isdigit() else None
        return [bodies.stream_depth(world, stream.symbol, moved[stream.symbol], levels)]
    render = _RENDER.get(stream.channel)
    return [render(world, stream.symbol)] if render else []
