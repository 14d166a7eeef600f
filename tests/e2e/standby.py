"""Two daemons for one account, and what happens to one of them: measured with real processes.

Each daemon reaches the exchange and Redis through forwarders of its own, which can be cut without a sign, as a network
that drops every packet is. `python -m tests.e2e.standby` prints the table of docs/operations.md.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.sentinels import Sentinels
from tests.e2e.stack import Running, Stack, duplicated_intents, eventually, fully_protected, stack_in

LEASE_TTL_S = 9
OPENED = ("LTCUSDT", "LONG")
"""The position that is opened after the event, and how long it stays naked is measured."""
POLL_S = 0.02


class Wire:
    """Forwards one port of loopback. `cut` drops everything in both directions and leaves every connection open."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._whole = threading.Event()
        self._whole.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """From now on nothing arrives, and nobody is told."""
        self._whole.clear()

    def mend(self) -> None:
        """What is sent from now on arrives."""
        self._whole.set()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._target_port))
                except OSError:
                    near.close()
                    continue
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if self._whole.is_set():
                    target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@dataclass(slots=True)
class Host:
    """One of the two: its daemon, and what connects it."""

    daemon: Running
    exchange: Wire
    redis: Wire


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an event led to, in milliseconds of the exchange's own clock."""

    naked_ms: int
    """From the fill of a new position to its first stop."""
    whole_s: float
    """From the event until the ladder of the new position rests as well: somebody owns the account again."""
    worst_cover: str
    """The positions that were protected before and were seen without their stop afterwards."""
    duplicates: list[Any]
    orders: int
    """Orders that the exchange accepted from the event on."""


class Pair:
    """Two daemons with one configuration, seven positions and one lease."""

    def __init__(self, stack: Stack, *, second: str = "", redis_url: str = "") -> None:
        """`redis_url`: a Redis of another kind, reached without a forwarder."""
        self.stack = stack
        self._redis_url = redis_url
        stack.start_redis()
        self.paper = stack.start_paper("seven-naked", "--price-interval-s", "0")
        self.first = self._host("first", "")
        eventually("the first protects", lambda: fully_protected(self.paper))
        self.second = self._host("second", second)
        eventually("the second stands by", lambda: "Lease: " in self.second.daemon.text())
        self._before = set(self.paper.positions())

    def _host(self, name: str, more: str) -> Host:
        assert self.stack.redis is not None
        wires = Wire(urlsplit(self.paper.url).port or 0), Wire(self.stack.redis.port)
        for wire in wires:
            self.stack.closing.callback(wire.close)
        path = self.stack.folder / f"{name}.toml"
        redis_url = self._redis_url or f"redis://127.0.0.1:{wires[1].port}/0"
        path.write_text(
            f'[exchange]\nrest_url = "http://127.0.0.1:{wires[0].port}"\n'
            f'[redis]\nurl = "{redis_url}"\nlease_ttl_s = {LEASE_TTL_S}\n'
            f"[loop]\ncheck_interval_s = 1\nfull_sweep_s = 2\n{more}"
        )
        return Host(self.stack.start_daemon(path), *wires)

    def after(self, event: Callable[[Pair], None]) -> Outcome:
        """Let it happen, open a position at once, and watch until everything is in order."""
        begun_s, entries = time.monotonic(), len(self.paper.journal())
        event(self)
        self.paper.post("position", action="open", symbol=OPENED[0], side=OPENED[1], quantity="20")
        worst: set[str] = set()
        while not self._covered(OPENED):
            worst |= {key[0] for key in self._before if not self._covered(key)}
            if time.monotonic() - begun_s > 60:
                raise AssertionError(f"no stop after a minute; {self.second.daemon.text()[-2000:]}")
            time.sleep(POLL_S)
        eventually("somebody owns the account and the ladders rest", lambda: fully_protected(self.paper))
        whole_s = time.monotonic() - begun_s
        journal = self.paper.journal()[entries:]
        accepted = [one for one in journal if one["kind"] == "order_accepted" and one["origin"] == "api"]
        return Outcome(
            naked_ms=_naked_ms(journal),
            whole_s=round(whole_s, 1),
            worst_cover=",".join(sorted(worst)),
            duplicates=duplicated_intents(self.paper),
            orders=len(accepted),
        )

    def _covered(self, key: tuple[str, str]) -> bool:
        exit_side = "SELL" if key[1] == "LONG" else "BUY"
        return any(
            row["symbol"] == key[0] and row["side"] == exit_side and row["orderType"] == "STOP_MARKET"
            for row in self.paper.resting()
        )


def _naked_ms(journal: list[dict[str, Any]]) -> int:
    """From the fill of the new position to the first stop of it, by the exchange's clock."""
    of_symbol = [entry for entry in journal if entry["symbol"] == OPENED[0]]
    filled = next(entry["at_ms"] for entry in of_symbol if entry["kind"] == "filled")
    stops = (e["at_ms"] for e in of_symbol if e["kind"] == "order_accepted" and e["detail"]["type"] == "STOP_MARKET")
    return int(next(stops)) - int(filled)


def nothing(pair: Pair) -> None:
    """To compare with: both are well."""


def killed(pair: Pair) -> None:
    """The owner ends without a word."""
    pair.first.daemon.kill()


def suspended(pair: Pair) -> None:
    """The owner does not run for a while; its connections stay open."""
    pair.first.daemon.process.send_signal(signal.SIGSTOP)


def cut_off(pair: Pair) -> None:
    """The owner reaches neither the exchange nor Redis."""
    pair.first.exchange.cut()
    pair.first.redis.cut()


def cut_from_redis(pair: Pair) -> None:
    """The owner reaches the exchange and not Redis."""
    pair.first.redis.cut()


def cut_from_exchange(pair: Pair) -> None:
    """The owner renews its lease and cannot read a position."""
    pair.first.exchange.cut()


EVENTS: dict[str, Callable[[Pair], None]] = {
    "nothing": nothing,
    "kill -9 of the owner": killed,
    "the owner is suspended": suspended,
    "the owner's network is cut": cut_off,
    "only Redis is cut from the owner": cut_from_redis,
    "only the exchange is cut from the owner": cut_from_exchange,
}


def measured(name: str, second: str = "") -> Outcome:
    """One event with a pair of its own. `second`: what the second's configuration has beyond the first's."""
    with tempfile.TemporaryDirectory() as folder, stack_in(Path(folder)) as stack:
        pair = Pair(stack, second=second)
        try:
            return pair.after(EVENTS[name])
        finally:
            pair.first.daemon.process.send_signal(signal.SIGCONT)


def failed_over() -> Outcome:
    """The primary of three Sentinels dies; both daemons are well."""
    with tempfile.TemporaryDirectory() as folder, stack_in(Path(folder)) as stack:
        sentinels = Sentinels(Path(folder))
        stack.closing.callback(sentinels.close)
        return Pair(stack, redis_url=sentinels.url).after(lambda _: sentinels.kill_primary())


DIFFERENT = "[protection]\nstop_loss_pct = 2.0\n"


def main() -> None:
    """Print the table."""
    for name in EVENTS:
        print(f"| {name} | {measured(name)}")
    print(f"| kill -9, the second has stop_loss_pct = 2.0 | {measured('kill -9 of the owner', DIFFERENT)}")
    print(f"| the Redis primary dies under three Sentinels | {failed_over()}")


if __name__ == "__main__":
    main()
