"""Rows: the page against reading the same keys by hand, what it costs, and that the daemon does not notice who looks.

Reading by hand is what `redis-cli` in a loop does, one command after another over one connection, without the time in
which such a program starts: so the comparison is with the quickest way there is. The page runs as in production,
`python -m position_monitor dashboard`, on the state that a real daemon publishes.
"""

from __future__ import annotations

import contextlib
import re
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import redis

from tests.bench.exposure import Exposure, exposures
from tests.bench.figures import Figure, Spread
from tests.bench.fill_to_stop import trades
from tests.bench.gauges import cpu_s, memory_mib
from tests.bench.processes import (
    PREFIX,
    BenchFailed,
    Venue,
    Watched,
    daemon,
    ended,
    environ,
    eventually,
    venue,
    wait_settled,
)

PAINT_ROW, DELAY_ROW, COST_ROW, LOAD_ROW = "page: first paint", "page: a change", "page: cost", "page: Redis and fills"
PAINT_BAR_MS, DELAY_BAR_MS = 300, 1_500
MEMORY_BAR_MIB, CPU_BAR_PCT = 60, 1
READS_BAR, FILLS_BAR = 1.1, 1.25
"""Times the same with one viewer, and with none."""
VIEWERS, MANY_VIEWERS = 5, 50
PAINTS, PAINTS_APART_S = 11, 1.1
"""Each after another look, so that each page is made anew: within a second everybody gets the same."""
EVENTS_READ = 60
CHANGE_WITHIN_S = 30.0
TRADES_APART_S = 0.4
SYMBOLS_OF_A_TURN = 6


class Page:
    """The page as a process."""

    def __init__(self, running: Watched) -> None:
        config = str(running.manager.path.parent / "config.toml")
        command = [sys.executable, "-m", "position_monitor", "--config", config, "dashboard", "--port", "0"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ())
        assert self.process.stderr is not None
        said = self.process.stderr.readline()
        address = re.search(r":(\d+)/", said)
        if address is None:
            raise BenchFailed(f"the page did not start: {said!r}")
        self.port = int(address[1])

    def connected(self, path: str) -> socket.socket:
        """A connection on which a path was asked for."""
        one = socket.create_connection(("127.0.0.1", self.port), timeout=CHANGE_WITHIN_S)
        one.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return one

    def whole(self) -> bytes:
        """The page, over a connection of its own."""
        with self.connected("/") as one:
            return b"".join(iter(lambda: one.recv(2**20), b""))


@contextlib.contextmanager
def page(running: Watched) -> Iterator[Page]:
    """The page on the state of a daemon for the length of the block."""
    shown = Page(running)
    try:
        yield shown
    finally:
        ended(shown.process)


class Viewers:
    """So many open pages, all read by one thread; what the newest messages say is kept for who waits for a word."""

    def __init__(self, shown: Page, count: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._connections = [shown.connected("/stream") for _ in range(count)]
        for one in self._connections:
            one.setblocking(False)
            self._selector.register(one, selectors.EVENT_READ)
        self._word, self._came_s = b"", 0.0
        self._last = b""
        self._is_ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def await_word(self, word: str) -> None:
        """From now on this is looked for at the first viewer."""
        self._came_s, self._word = 0.0, word.encode()

    @property
    def came_s(self) -> float:
        """When the word came, monotonic seconds; 0 before."""
        return self._came_s

    def _read(self) -> None:
        while not self._is_ended:
            for ready, _ in self._selector.select(0.2):
                assert isinstance(ready.fileobj, socket.socket)
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    came = ready.fileobj.recv(2**20)
                    if ready.fileobj is self._connections[0]:
                        self._look(came)

    def _look(self, came: bytes) -> None:
        self._last = self._last[-200:] + came
        if self._word and not self._came_s and self._word in self._last:
            self._came_s = time.monotonic()

    def close(self) -> None:
        """Close every page."""
        self._is_ended = True
        self._thread.join()
        for one in self._connections:
            one.close()


@contextlib.contextmanager
def viewers(shown: Page, count: int) -> Iterator[Viewers]:
    """So many viewers for the length of the block."""
    looking = Viewers(shown, count)
    try:
        yield looking
    finally:
        looking.close()


def read_by_hand(store: redis.Redis) -> int:
    """The keys that the page shows, one command after another; gives how many positions there are."""
    store.hgetall(f"{PREFIX}:status")
    store.get(f"{PREFIX}:lease")
    store.xrevrange(f"{PREFIX}:events", count=EVENTS_READ)
    store.hget(f"{PREFIX}:performance", "doc")
    members = list(store.smembers(f"{PREFIX}:positions"))  # type: ignore[arg-type]
    for member in members:
        store.hget(f"{PREFIX}:position:{member}", "doc")
    return len(members)


@dataclass(frozen=True, slots=True)
class Paint:
    """Milliseconds of the page, and of the same keys read by hand just before."""

    page_ms: float
    by_hand_ms: float


def measure(accounts: Sequence[int], *, seconds: float, turns: int) -> list[Figure]:
    """All rows for the first account; first paint and memory for the others as well."""
    found: list[Figure] = []
    for number, positions in enumerate(accounts):
        with venue(f"generated-{positions}") as exchange, daemon(exchange) as running:
            wait_settled(exchange, running, within_s=60 + positions / 10)
            with page(running) as shown:
                found += _of_account(exchange, running, shown, seconds=seconds, turns=0 if number else turns)
            running.require_alive()
    return found


def _of_account(exchange: Venue, running: Watched, shown: Page, *, seconds: float, turns: int) -> list[Figure]:
    positions = read_by_hand(running.store)
    eventually("the page shows every position", lambda: shown.whole().count(b"<tr id=") == positions, CHANGE_WITHIN_S)
    size = len(shown.whole())
    found = [paint_figure([_paint(running, shown) for _ in range(PAINTS)], positions, size)]
    with viewers(shown, VIEWERS):
        used_pct, by_hand_pct = _cpu_pct(running, shown, seconds)
    found.append(cost_figure(memory_mib(shown.process.pid).rss, used_pct, by_hand_pct, positions))
    if turns:
        delays = [_delay(exchange, running, shown, number) for number in range(2 * turns)]
        found.append(delay_figure(delays, positions))
        found.append(reads_figure(*_reads_a_second(running, shown), positions))
        found.append(fills_figure(*_fills(exchange, shown, turns), positions))
    return found


def _paint(running: Watched, shown: Page) -> Paint:
    time.sleep(PAINTS_APART_S)
    began_s = time.perf_counter()
    read_by_hand(running.store)
    between_s = time.perf_counter()
    shown.whole()
    return Paint((time.perf_counter() - between_s) * 1_000, (between_s - began_s) * 1_000)


def paint_figure(paints: Sequence[Paint], positions: int, size: int) -> Figure:
    """From the connection to the last byte, against reading by hand."""
    spread = Spread.of([one.page_ms for one in paints])
    ratio = Spread.of([one.page_ms / one.by_hand_ms for one in paints]).median
    return Figure(
        PAINT_ROW,
        f"{positions} positions",
        f"median {spread.median:.1f} ms, slowest {spread.largest:.1f} ms of {spread.count}; "
        f"{ratio:.1f} x reading the same keys by hand; {size / 1024:.0f} KiB",
        f"<= {PAINT_BAR_MS} ms",
        spread.median <= PAINT_BAR_MS,
        spread.values("ms") | {"positions": positions, "ratio": round(ratio, 2), "bytes": size},
    )


def _cpu_pct(running: Watched, shown: Page, seconds: float) -> tuple[float, float]:
    """Of a core: the page with its viewers, and as many who read by hand once a second."""
    began_s, used_s = time.monotonic(), cpu_s(shown.process.pid)
    by_hand_s, reads = 0.0, 0
    while time.monotonic() - began_s < seconds:
        before_s = time.thread_time()
        read_by_hand(running.store)
        by_hand_s, reads = by_hand_s + time.thread_time() - before_s, reads + 1
        time.sleep(1)
    lasted_s = time.monotonic() - began_s
    return (cpu_s(shown.process.pid) - used_s) / lasted_s * 100, by_hand_s / reads * VIEWERS * 100


def cost_figure(rss_mib: float, used_pct: float, by_hand_pct: float, positions: int) -> Figure:
    """Memory and CPU; the bar of CPU is for a usual account."""
    is_usual = positions <= 10
    return Figure(
        COST_ROW,
        f"{positions} positions, {VIEWERS} viewers",
        f"RSS {rss_mib:.0f} MiB; {used_pct:.2f} % of a core "
        f"({VIEWERS} who read by hand once a second: {by_hand_pct:.2f} %)",
        f"RSS <= {MEMORY_BAR_MIB} MiB" + (f", <= {CPU_BAR_PCT} %" if is_usual else ""),
        rss_mib <= MEMORY_BAR_MIB and (used_pct <= CPU_BAR_PCT or not is_usual),
        {"positions": positions, "rss_mib": round(rss_mib, 1), "cpu_pct": round(used_pct, 3)}
        | {"by_hand_cpu_pct": round(by_hand_pct, 3)},
    )


def _delay(exchange: Venue, running: Watched, shown: Page, number: int) -> tuple[float, float]:
    """Milliseconds from a fill that opens a position until a viewer has it, and until it is read by hand in a loop."""
    trade = next(iter(trades(exchange, 1, seed=1_000 + number)))
    name, by_hand_s = f"{trade.symbol}:{trade.side}", 0.0
    with viewers(shown, 1) as looking:
        time.sleep(1.2 + number % 5 * 0.2)  # meets the looks of the page at every phase
        looking.await_word(f"{trade.symbol} {trade.side}")
        began_s = time.monotonic()
        exchange.tell("position", action="open", symbol=trade.symbol, side=trade.side, quantity=trade.quantity)
        while not (looking.came_s and by_hand_s):
            if time.monotonic() - began_s > CHANGE_WITHIN_S:
                raise BenchFailed(f"{name} was never shown")
            if not by_hand_s and running.store.sismember(f"{PREFIX}:positions", name):
                by_hand_s = time.monotonic()
            time.sleep(0.005)
        came_s = looking.came_s
    exchange.tell("position", action="close", symbol=trade.symbol, side=trade.side)
    return (came_s - began_s) * 1_000, (by_hand_s - began_s) * 1_000


def delay_figure(delays: Sequence[tuple[float, float]], positions: int) -> Figure:
    """From the fill on the exchange."""
    at_viewer, by_hand = (Spread.of(column) for column in zip(*delays, strict=True))
    return Figure(
        DELAY_ROW,
        f"{positions} positions, a fill opens one",
        f"at a viewer: median {at_viewer.median:.0f} ms, slowest {at_viewer.largest:.0f} ms of {at_viewer.count}; "
        f"by hand in a loop: median {by_hand.median:.0f} ms ({at_viewer.median / by_hand.median:.1f} x)",
        f"median <= {DELAY_BAR_MS} ms",
        at_viewer.median <= DELAY_BAR_MS,
        at_viewer.values("ms") | {"positions": positions, "by_hand_median_ms": round(by_hand.median, 1)},
    )


def _reads_a_second(running: Watched, shown: Page) -> tuple[float, float]:
    """Commands that only a reader sends: with one viewer, and with many."""
    rates = []
    for count in (1, MANY_VIEWERS):
        with viewers(shown, count):
            time.sleep(2)
            began_s, before = time.monotonic(), _reads(running.store)
            time.sleep(10)
            rates.append((_reads(running.store) - before) / (time.monotonic() - began_s))
    return rates[0], rates[1]


def _reads(store: redis.Redis) -> int:
    stats = store.info("commandstats")
    names = ("hget", "hgetall", "get", "scard", "smismember", "smembers", "xrevrange")
    return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in names)  # type: ignore[union-attr]


def reads_figure(one: float, many: float, positions: int) -> Figure:
    """One reader for all viewers."""
    return Figure(
        LOAD_ROW,
        f"{positions} positions, reads of Redis",
        f"{many:.1f} a second with {MANY_VIEWERS} viewers, {one:.1f} with one ({many / one:.2f} x)",
        f"<= {READS_BAR} x",
        many <= READS_BAR * one,
        {"positions": positions, "reads_per_s": round(many, 2), "reads_per_s_of_one": round(one, 2)},
    )


def _fills(exchange: Venue, shown: Page, turns: int) -> tuple[list[float], list[float]]:
    """Milliseconds from fill to stop by turns: without a viewer, and with many."""
    spans: list[tuple[bool, int, int]] = []
    for turn in range(2 * turns):
        with contextlib.ExitStack() as stack:
            if is_watched := turn % 2 == 1:
                stack.enter_context(viewers(shown, MANY_VIEWERS))
            time.sleep(1)
            began_ms = exchange.ask("state", history="false")["now_ms"]
            for trade in trades(exchange, SYMBOLS_OF_A_TURN, seed=turn // 2):
                values = {"action": trade.action, "symbol": trade.symbol, "side": trade.side}
                if trade.action != "close":
                    values["quantity"] = trade.quantity
                exchange.tell("position", **values)
                time.sleep(TRADES_APART_S)
            time.sleep(1)
            spans.append((is_watched, began_ms, exchange.ask("state", history="false")["now_ms"]))
    waited = [one for one in exposures(exchange.journal()) if one.cause in ("opened", "flipped")]
    return _within(waited, spans, is_watched=False), _within(waited, spans, is_watched=True)


def _within(waited: Sequence[Exposure], spans: Sequence[tuple[bool, int, int]], *, is_watched: bool) -> list[float]:
    """How long each exposure lasted that began in the turns of one kind."""
    inside = [
        one for one in waited if any(kind == is_watched and first <= one.from_ms <= last for kind, first, last in spans)
    ]
    if any(one.lasted_ms is None for one in inside):
        raise BenchFailed("a position never got its stop")
    return [float(one.lasted_ms or 0) for one in inside]


def fills_figure(alone_ms: Sequence[float], watched_ms: Sequence[float], positions: int) -> Figure:
    """The daemon beside nobody who looks, and beside many."""
    alone, watched = Spread.of(alone_ms), Spread.of(watched_ms)
    ratio = watched.median / alone.median if alone.median else 1.0
    return Figure(
        LOAD_ROW,
        f"{positions} positions, fill to stop",
        f"median {watched.median:.0f} ms with {MANY_VIEWERS} viewers, {alone.median:.0f} ms with none ({ratio:.2f} x); "
        f"slowest {watched.largest:.0f} and {alone.largest:.0f} ms of {watched.count} and {alone.count}",
        f"median <= {FILLS_BAR} x",
        ratio <= FILLS_BAR,
        watched.values("ms") | {"positions": positions, "alone_median_ms": alone.median, "ratio": round(ratio, 3)},
    )
