"""The ledger of tries: how many settings were tried on the same data. The best of many worthless ones looks good."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from position_monitor.core.backtest.result import Tries

SUFFIX = ".tries.jsonl"
BYTES_MAX = 50_000_000


def ledger_beside(entries: Path) -> Path:
    """Where the ledger of these entries is kept, if nobody says otherwise."""
    return entries.with_name(f"{entries.name}{SUFFIX}")


def add_try(ledger: Path, *, data_hash: str, settings_hash: str, policy: str, at_ms: int) -> Tries | str:
    """Write one more try down, and say how many there are of these data; or why that cannot be said, in words.

    `best_by_luck_r` is 0: what luck is worth follows from the spread of the results (`cli/backtest.py`).
    """
    row = {"at_ms": at_ms, "data_hash": data_hash, "policy": policy, "settings_hash": settings_hash}
    try:
        before = list(_tries(ledger, data_hash))
        with ledger.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(row)}\n")
    except (OSError, ValueError) as problem:
        said = problem.strerror if isinstance(problem, OSError) else str(problem)
        return f"the ledger of tries {ledger} could not be kept ({said}): how many settings were tried is not known"
    settings = {str(one.get("settings_hash")) for one in before} | {settings_hash}
    return Tries(number=len(before) + 1, settings=len(settings), best_by_luck_r=0.0, where=str(ledger))


def _tries(ledger: Path, data_hash: str) -> Iterator[dict[str, Any]]:
    """The tries on these data. Raises `ValueError` for a file that is no ledger: it is not written to."""
    if not ledger.exists():
        return
    if ledger.stat().st_size > BYTES_MAX:
        raise ValueError(f"it has more than {BYTES_MAX} bytes")
    for number, line in enumerate(ledger.read_text("utf-8").splitlines(), start=1):
        row = json.loads(line) if line.startswith("{") else None
        if not isinstance(row, dict) or "data_hash" not in row:
            raise ValueError(f"line {number} is no try")
        if row["data_hash"] == data_hash:
            yield row
