"""Rows: freqtrade with its stop on the exchange, against the same paper exchange.

freqtrade protects only what it bought itself, so it opens the positions: the first few one per iteration, which is the
best case for its stops, then all the others at once. Its venv is made on the first run from the hashes beside the
strategy. Everything is as shipped (an iteration every 5 s); ccxt reaches the exchange by configured addresses.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.exposure import exposures
from tests.bench.figures import Figure, Spread
from tests.bench.gauges import cpu_s, memory_mib
from tests.bench.processes import BenchFailed, Venue, ended, eventually, venue
from tests.bench.quiet_figures import WEIGHT_1M

HERE = Path(__file__).parent / "freqtrade"
LOCK = HERE / "requirements.txt"
VENV = HERE / ".venv"
WAIT_BAR = 500
"""Times our own median from fill to stop, at least."""
STRATEGY, PACED = "EnterEverything", 7
COVERED_WITHIN_S = 300.0
REST_S = 15.0
PATHS = {
    "fapiPublic": "fapi/v1",
    "fapiPublicV2": "fapi/v2",
    "fapiPublicV3": "fapi/v3",
    "fapiPrivate": "fapi/v1",
    "fapiPrivateV2": "fapi/v2",
    "fapiPrivateV3": "fapi/v3",
    "fapiData": "futures/data",
    "public": "api/v3",
    "private": "api/v3",
    "sapi": "sapi/v1",
}
"""Of ccxt's interfaces those freqtrade uses for USDⓈ-M futures, and those it might try: nothing leaves loopback."""


def version() -> str:
    """The version the lock names."""
    for line in LOCK.read_text().splitlines():
        if line.startswith("freqtrade=="):
            return line.split("==")[1].split()[0]
    raise BenchFailed("the lock does not name freqtrade")


def install() -> Path:
    """The freqtrade command, installed on the first call. Raises `BenchFailed` without a package index."""
    command, stamp = VENV / "bin" / "freqtrade", VENV / ".installed"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print("installing freqtrade into its own venv, once", file=sys.stderr)
        pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for step in ([sys.executable, "-m", "venv", str(VENV)], [*pip, "--require-hashes", "-r", str(LOCK)]):
            done = subprocess.run(step, capture_output=True, text=True, check=False)
            if done.returncode:
                raise BenchFailed(f"freqtrade could not be installed: {done.stderr.strip().splitlines()[-1:]}")
        stamp.write_text(wanted)
    return command


def configuration(origin: str, pairs: Sequence[str]) -> dict[str, Any]:
    """freqtrade's configuration: live trading of these pairs on the exchange at `origin`."""
    addresses: dict[str, Any] = {name: f"{origin}/{path}" for name, path in PATHS.items()}
    # Only linear contracts exist there; the wallet's currency list is an interface of the spot exchange.
    options = {"fetchCurrencies": False, "fetchMargins": False, "fetchMarkets": {"types": ["linear"]}}
    pricing = {"price_side": "other", "use_order_book": True, "order_book_top": 1}
    return {
        "bot_name": "bench",
        "initial_state": "running",
        "dry_run": False,
        "trading_mode": "futures",
        "margin_mode": "isolated",
        "stake_currency": "USDT",
        "stake_amount": 100,
        "max_open_trades": len(pairs),
        "entry_pricing": pricing,
        "exit_pricing": pricing,
        "pairlists": [{"method": "StaticPairList"}],
        "exchange": {
            "name": "binance",
            "key": "paper-key",
            "secret": "paper-secret",
            "ccxt_config": {"urls": {"api": addresses}, "options": options},
            "ccxt_async_config": {"urls": {"api": {"ws": {"linear": f"{origin.replace('http', 'ws', 1)}/ws"}}}},
            "pair_whitelist": list(pairs),
        },
    }


@contextlib.contextmanager
def bot(command: Path, exchange: Venue, positions: int) -> Iterator[subprocess.Popen[str]]:
    """freqtrade for the length of the block."""
    listed = exchange.client.get("/fapi/v1/exchangeInfo").json()["symbols"]
    free = sorted(row["baseAsset"] for row in listed if row["symbol"].startswith("G"))
    with tempfile.TemporaryDirectory(prefix="position-monitor-freqtrade-") as name:
        folder = Path(name)
        config = folder / "config.json"
        pairs = [f"{base}/USDT:USDT" for base in free[:positions]]
        config.write_text(json.dumps(configuration(exchange.url, pairs)))
        arguments = ["trade", "--config", str(config), "--userdir", str(folder), "--strategy", STRATEGY]
        arguments += ["--strategy-path", str(HERE / "strategies"), "--db-url", f"sqlite:///{folder}/trades.sqlite"]
        environ = {key: value for key, value in os.environ.items() if not key.startswith("FREQTRADE")}
        with (folder / "log").open("w") as out:
            process = subprocess.Popen([str(command), *arguments], stdout=out, stderr=out, text=True, env=environ)
        try:
            yield process
            if process.poll() is not None:
                raise BenchFailed(f"freqtrade ended: {(folder / 'log').read_text().splitlines()[-3:]}")
        finally:
            ended(process)


@dataclass(frozen=True, slots=True)
class Peer:
    """What was measured of freqtrade; times in seconds."""

    positions: int
    paced: Spread
    """Fill to stop of the entries that came one per iteration."""
    burst: Spread | None
    """Of those that came at once."""
    weight_1m: float
    cpu_ms_per_s: float
    rss_mib: float
    pss_mib: float
    limited: int
    seconds: float


def run(positions: int, seconds: float) -> Peer:
    """Let freqtrade open `positions`, wait for all stops, then watch it for `seconds`."""
    command = install()
    with venue("generated-0") as exchange, bot(command, exchange, positions) as process:

        def covered() -> bool:
            if process.poll() is not None:
                return True
            found = exposures(exchange.journal())
            return len(found) == positions and all(one.until_ms is not None for one in found)

        eventually("every position freqtrade opened has a stop", covered, COVERED_WITHIN_S, every_s=1.0)
        time.sleep(REST_S)
        began_s, before, used_s = time.monotonic(), exchange.weight(), cpu_s(process.pid)
        time.sleep(seconds)
        elapsed_s = time.monotonic() - began_s
        memory = memory_mib(process.pid)
        waits_s = [one.lasted_ms / 1000 for one in exposures(exchange.journal()) if one.lasted_ms is not None]
        return Peer(
            positions=positions,
            paced=Spread.of(waits_s[:PACED]),
            burst=Spread.of(waits_s[PACED:]) if len(waits_s) > PACED else None,
            weight_1m=(exchange.weight() - before) * 60 / elapsed_s,
            cpu_ms_per_s=(cpu_s(process.pid) - used_s) / elapsed_s * 1000,
            rss_mib=memory.rss,
            pss_mib=memory.pss,
            limited=exchange.ask("usage")["limited"],
            seconds=seconds,
        )


def measure(positions: int, seconds: float, ours_ms: float | None) -> list[Figure]:
    """freqtrade's rows. `ours_ms` is our median from fill to stop in the same run, None where it was not measured."""
    return figures(run(positions, seconds), f"freqtrade {version()}", ours_ms)


def figures(peer: Peer, name: str, ours_ms: float | None) -> list[Figure]:
    """The rows beside ours. One bar: entries that come one at a time wait so many times as long for their stop.

    The venue answers freqtrade without latency, and of our time only what is beyond the latency counts.
    """
    waits = [(f"one entry at a time, {peer.paced.count} fills", peer.paced)]
    if peer.burst is not None:
        waits.append((f"{peer.burst.count} entries at once", peer.burst))
    found = [_wait(name, case, spread, ours_ms, promised=spread is peer.paced) for case, spread in waits]
    case = f"{peer.positions} positions"
    share_pct = peer.weight_1m / WEIGHT_1M * 100
    found += [
        Figure(
            f"{name}: weight, quiet",
            case,
            f"{peer.weight_1m:.0f} a minute, {share_pct:.0f} % of {WEIGHT_1M:,} (over {peer.seconds:.0f} s); "
            f"{peer.limited} answers 429 since the start",
            values={"positions": peer.positions, "weight_1m": round(peer.weight_1m, 1), "limited": peer.limited},
        ),
        Figure(
            f"{name}: CPU, quiet",
            case,
            f"{peer.cpu_ms_per_s:.0f} ms a second",
            values={"positions": peer.positions, "cpu_ms_per_s": round(peer.cpu_ms_per_s, 1)},
        ),
        Figure(
            f"{name}: memory",
            case,
            f"RSS {peer.rss_mib:.0f} MiB, PSS {peer.pss_mib:.0f} MiB",
            values={"positions": peer.positions, "rss_mib": round(peer.rss_mib), "pss_mib": round(peer.pss_mib)},
        ),
    ]
    return found


def _wait(name: str, case: str, spread: Spread, ours_ms: float | None, *, promised: bool) -> Figure:
    # The journal counts whole ms: a median of less than one is taken as one.
    ratio = None if ours_ms is None else spread.median * 1000 / max(ours_ms, 1.0)
    beside = "" if ratio is None else f"{ratio:,.0f} x ours; "
    judged = promised and ratio is not None
    return Figure(
        f"{name}: fill to stop",
        case,
        f"{beside}median {spread.median:.1f} s, longest {spread.largest:.1f} s",
        f">= {WAIT_BAR} x ours" if judged else "",
        ratio >= WAIT_BAR if ratio is not None and promised else None,
        spread.values("s") | {"ratio": None if ratio is None else round(ratio)},
    )
