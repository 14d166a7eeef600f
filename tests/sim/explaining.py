"""What `explain` says of a position on the stage: from the very decision its daemon took last."""

from __future__ import annotations

import re
from typing import Any

import pytest

from position_monitor.cli.explain_exits import exit_lines
from position_monitor.core.decision.decide import Decision
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.daemon import Daemon
from position_monitor.inspector import InspectedExits, inspected_exits
from tests.sim.stage_process import Process

COLUMNS = 78
"""Of a line as it is printed: 80, less the indent of its section."""


class Explainer:
    """Remembers the last decision of each daemon."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._last: dict[int, Decision] = {}
        decide, last = Daemon._decide, self._last

        def remembered(daemon: Daemon, observed: Any) -> Decision:
            last[id(daemon)] = decision = decide(daemon, observed)
            return decision

        monkeypatch.setattr(Daemon, "_decide", remembered)

    def exits(self, process: Process, symbol: str, side: str) -> InspectedExits:
        """Why its exits are what they are."""
        daemon, key = process.service.daemon, PositionKey(symbol, Side(side))
        found = inspected_exits(self._last[id(daemon)].inputs[key], daemon.surroundings)
        assert found is not None
        return found

    def text(self, process: Process, symbol: str, side: str) -> str:
        """The section of `explain` about them, in one line; each printed line fits a terminal."""
        key = PositionKey(symbol, Side(side))
        judged = self._last[id(process.service.daemon)].judgements[key]
        assert judged.book is not None
        lines = list(exit_lines(self.exits(process, symbol, side), judged.position, judged.book))
        assert all(len(line) <= COLUMNS for line in lines), lines
        return re.sub(r"\s+", " ", " ".join(lines))


def under(policy: str) -> dict[str, Any]:
    """Settings of the stage under which this policy is live for every symbol."""
    if policy == "brain":
        return {"exit": {"mode": "EXIT_BRAIN_V3", "executor_mode": "LIVE", "live_rollout": "ENABLED"}}
    return {"exit": {"legacy_policy": policy}}
