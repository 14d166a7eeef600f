"""`explain` and `plan` beside a daemon, on the paper exchange, with an AI engine that speaks in fractions."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack import Stack, eventually, fully_protected


class _Engine(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        values = {"action": "SELL", "confidence": 0.95, "sl_pct": 0.015, "tp_pct": 0.025, "timestamp": time.time()}
        body = json.dumps(values).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def engine() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Engine)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def told(config: Path, *words: str) -> str:
    """What a command says on stdout, once the exchange answers it: the daemon's requests come first."""
    command = [sys.executable, "-m", "position_monitor", *words, "--config", str(config)]

    def answer() -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout if done.returncode in (0, 2) else ""

    return str(eventually(f"an answer to {words}", answer))


def with_an_atr(config: Path, command: str) -> dict[str, Any]:
    """What a command says of the position as JSON, once its look could read the candles."""

    def answer() -> dict[str, Any]:
        position = json.loads(told(config, command, "BTCUSDT", "--json"))["positions"][0]
        return {} if position["exits"]["market_missing"] else position

    return dict(eventually(f"an ATR in {command}", answer))


def exits_told(config: Path) -> Any:
    """The exits of `explain --json`; nothing while what is left of the minute's weight belongs to the daemon."""
    document = json.loads(told(config, "explain", "BTCUSDT", "--json"))
    return document["positions"][0]["exits"] if "positions" in document else None


def text_told(config: Path) -> str:
    """`explain` on one line; empty while what is left of the minute's weight belongs to the daemon."""
    return re.sub(r"\s+", " ", told(config, "explain", "BTCUSDT"))


def test_explain_agrees_with_plan_and_with_what_the_daemon_rests(stack: Stack, engine: str) -> None:
    stack.start_redis()
    paper = stack.start_paper("seven-naked", "--price-interval-s", "0")
    config = stack.config(
        f'[exit]\nlegacy_policy = "dynamic"\ncandles = true\n[ai_engine]\nurl = "{engine}"\n', check_interval_s=10
    )
    wanted, before = with_an_atr(config, "plan"), with_an_atr(config, "explain")["exits"]
    placed = [action["order"] for action in wanted["actions"] if action["order"]["role"] == "backstop"]
    assert [order["trigger_price"] for order in placed] == [before["explanation"]["stop"]["price"]]
    assert before["resting"] is None and before == wanted["exits"] | {"explanation": before["explanation"]}
    assert before["explanation"]["advice"]["case"].startswith("ignored as a whole")
    stack.start_daemon(config)
    eventually("protected", lambda: fully_protected(paper))
    rests = [row["triggerPrice"] for row in paper.resting() if row["symbol"] == "BTCUSDT" and row["closePosition"]]
    after = eventually("a minute with weight left for a look", lambda: exits_told(config))
    assert [after["resting"]["order"]["trigger_price"]] == rests
    assert after["explanation"]["r_read_back"] and after["explanation"]["stop"]["price"] == rests[0]
    text = eventually("a minute with weight left for a look", lambda: text_told(config))
    assert "policy dynamic" in text and "resting stop " in text
    assert "SELL, confidence 0.95, stop 0.015 %, take-profit 0.025 %. The stop: ignored as a whole" in text
