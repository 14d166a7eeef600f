"""NautilusTrader on the same account as the daemon.

1.221.0 is the last version for Python 3.11.  It is older than the venue's algo service: it cannot place conditional
orders there, and logs an error of its own for each `ALGO_UPDATE`, whoever's order that is.  Newer ones need 3.12.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.bench.processes import Venue, daemon, ended, venue
from tests.beside.own_venv import python_of
from tests.beside.record import Shared

pytestmark = pytest.mark.skipif(not os.environ.get("BESIDE"), reason="takes minutes and a venv of its own: make beside")
HERE = Path(__file__).parent / "nautilus"
SYMBOLS = {"BTCUSDT", "ETHUSDT"}
QUIET_S = 40.0


class Node:
    """One NautilusTrader process and what it said last."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self._log = log

    def words(self) -> list[str]:
        """Everything it wrote."""
        return self._log.read_text(errors="replace").splitlines()

    def believes(self) -> dict[str, Any]:
        """Positions and open orders by its cache."""
        said = [line for line in self.words() if line.startswith('{"held"')]
        return json.loads(said[-1]) if said else {"held": {}, "resting": []}  # type: ignore[no-any-return]

    def complaints(self) -> list[str]:
        """Its errors, except that it does not know the algo service's events."""
        return [line for line in self.words() if "[ERROR]" in line and "ALGO_UPDATE" not in line]


@contextmanager
def nautilus(python: Path, exchange: Venue, log: Path) -> Iterator[Node]:
    """NautilusTrader for the length of the block."""
    with log.open("w") as out:
        command = [str(python), str(HERE / "holder.py"), exchange.url]
        process = subprocess.Popen(command, stdout=out, stderr=out, text=True)
    try:
        yield Node(process, log)
    finally:
        ended(process)


def test_it_never_believes_in_a_position_that_is_not_there(tmp_path: Path) -> None:
    """Our stop ends one position, its own take-profit the other; every reconciliation between is without an error."""
    python = python_of(HERE / "requirements.txt")
    with venue("flat") as exchange, daemon(exchange) as running:
        exchange.tell("freeze")
        shared = Shared(exchange)
        running.manager.wait_ready(90)
        with nautilus(python, exchange, tmp_path / "nautilus.log") as node:
            shared.reached("it holds both, ours rest for both", lambda: shared.stops(ours=True) == SYMBOLS)
            shared.reached("its own orders rest", lambda: len(node.believes()["resting"]) == 2)
            assert set(node.believes()["held"]) == SYMBOLS
            place = shared.place()
            time.sleep(QUIET_S)
            assert shared.writes(place) == [], "nothing of ours is written in a quiet while"

            shared.move("BTCUSDT", -0.9, -0.9)
            shared.reached("our stop closed one", lambda: set(shared.held()) == {"ETHUSDT"})
            shared.reached("it knows", lambda: set(node.believes()["held"]) == {"ETHUSDT"})
            shared.move("ETHUSDT", 1.1, 1.1)
            shared.reached("its profit is taken", lambda: shared.held() == {})
            shared.reached("it knows that too", lambda: node.believes() == {"held": {}, "resting": []})

            assert node.complaints() == []
            assert shared.refused() == []
            assert shared.reused_ids() == []
            assert shared.busiest_minute() <= 20
            running.require_alive()
