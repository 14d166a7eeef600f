"""freqtrade as a process beside the daemon, and what it believes about its trades: its own database, read only."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.bench.freqtrade_peer import VENV, configuration
from tests.bench.processes import Venue, ended

STRATEGIES = Path(__file__).parent / "strategies"
STAKE_USDT = 500
COMMAND = VENV / "bin" / "freqtrade"


@dataclass(frozen=True, slots=True)
class Believed:
    """One trade as freqtrade has it."""

    symbol: str
    open: bool
    amount: Decimal
    exit_reason: str


@dataclass(frozen=True, slots=True)
class Bot:
    """One freqtrade process."""

    process: subprocess.Popen[str]
    folder: Path

    def words(self) -> list[str]:
        """Its log."""
        return (self.folder / "log").read_text(errors="replace").splitlines()

    def complaints(self) -> list[str]:
        """Lines of its log that are not ordinary life."""
        bad = (" - ERROR - ", " - CRITICAL - ", "Traceback", "InvalidOrder", "InsufficientFunds", "ExchangeError")
        return [line for line in self.words() if any(word in line for word in bad)]

    def trades(self) -> list[Believed]:
        """Every trade of its database, oldest first; none before the database is made."""
        with contextlib.suppress(sqlite3.OperationalError), self._read() as base:
            rows = base.execute("SELECT pair, is_open, amount, exit_reason FROM trades ORDER BY id").fetchall()
            return [
                Believed(pair.replace("/USDT:USDT", "USDT"), bool(is_open), Decimal(str(amount)), reason or "")
                for pair, is_open, amount, reason in rows
            ]
        return []

    def open_amounts(self) -> dict[str, Decimal]:
        """What it believes to hold."""
        return {trade.symbol: trade.amount for trade in self.trades() if trade.open and trade.amount}

    def ended_by(self, symbol: str) -> list[str]:
        """The exit reasons of a symbol's closed trades, oldest first."""
        return [trade.exit_reason for trade in self.trades() if trade.symbol == symbol and not trade.open]

    def _read(self) -> contextlib.closing[sqlite3.Connection]:
        path = self.folder / "trades.sqlite"
        return contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10))


@dataclass(frozen=True, slots=True)
class Led:
    """The venue's own names, led to the paper exchange's TLS port on loopback."""

    port: int
    authority: Path

    def options(self) -> tuple[str, ...]:
        """What the paper exchange is started with."""
        return "--tls-port", str(self.port), "--ca-file", str(self.authority)

    @staticmethod
    def beside(folder: Path) -> Led:
        """A free port, and a place for the authority."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return Led(probe.getsockname()[1], folder / "authority.pem")

    def configured(self, config: dict[str, Any]) -> dict[str, Any]:
        """freqtrade's configuration without addresses of ours: ccxt keeps the venue's, and trusts the authority."""
        exchange = dict(config["exchange"])
        exchange["ccxt_config"] = {"options": exchange["ccxt_config"]["options"]}
        exchange["ccxt_sync_config"] = {"requests_trust_env": True}
        exchange["ccxt_async_config"] = {"cafile": str(self.authority)}
        return config | {"exchange": exchange}


LEADING = """
import os
import socket

looked_up = socket.getaddrinfo


def led(host, port, *rest, **more):
    if isinstance(host, str) and host.endswith(".binance.com"):
        host, port = "127.0.0.1", int(os.environ["PAPER_TLS_PORT"])
    return looked_up(host, port, *rest, **more)


socket.getaddrinfo = led
"""
"""Run by the bot's interpreter at its start (`sitecustomize`)."""


@contextlib.contextmanager
def freqtrade(exchange: Venue, bases: Sequence[str], led: Led, *, strategy: str = "HoldAndReenter") -> Iterator[Bot]:
    """freqtrade on these coins for the length of the block, as far as it knows on the venue itself."""
    with tempfile.TemporaryDirectory(prefix="position-monitor-beside-") as name:
        folder = Path(name)
        config = configuration(exchange.url, [f"{base}/USDT:USDT" for base in bases]) | {"stake_amount": STAKE_USDT}
        (folder / "config.json").write_text(json.dumps(led.configured(config)))
        (folder / "led").mkdir()
        (folder / "led" / "sitecustomize.py").write_text(LEADING)
        arguments = ["trade", "--config", str(folder / "config.json"), "--userdir", str(folder)]
        arguments += ["--strategy", strategy, "--strategy-path", str(STRATEGIES)]
        arguments += ["--db-url", f"sqlite:///{folder}/trades.sqlite"]
        environ = {key: value for key, value in os.environ.items() if not key.startswith("FREQTRADE")}
        environ |= {"PYTHONPATH": str(folder / "led"), "PAPER_TLS_PORT": str(led.port)}
        environ["REQUESTS_CA_BUNDLE"] = str(led.authority)
        with (folder / "log").open("w") as out:
            process = subprocess.Popen([str(COMMAND), *arguments], stdout=out, stderr=out, text=True, env=environ)
        try:
            yield Bot(process, folder)
        finally:
            ended(process)
