"""`verify --self-test`: shows of every kind of difference whether it is seen."""

from __future__ import annotations

import asyncio

from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.output import print_json, print_lines
from position_monitor.rehearsal import Outcome, rehearse


def self_test(*, as_json: bool) -> int:
    """0 when all planted differences were reported, and nothing where nothing was planted; else 1."""
    outcomes = asyncio.run(_all(as_json=as_json))
    missed = [outcome for outcome in outcomes if not outcome.right]
    if as_json:
        print_json({"planted": [_document(outcome) for outcome in outcomes], "missed": len(missed)})
    else:
        kinds = len({outcome.kind for outcome in outcomes if outcome.kind})
        print_lines(
            [f"{len(outcomes) - len(missed)} of {len(outcomes)} as they must be, {kinds} kinds of differences."]
        )
    return ExitCode.ERROR if missed else ExitCode.OK


async def _all(*, as_json: bool) -> list[Outcome]:
    outcomes = []
    async for outcome in rehearse():
        outcomes.append(outcome)
        if not as_json:
            print_lines([_line(outcome)])
    return outcomes


def _line(outcome: Outcome) -> str:
    if not outcome.kind:
        return f"{'yes' if outcome.right else 'NO '}  {'(silent)':<24} {outcome.words}{_reported(outcome)}"
    return f"{'yes' if outcome.right else 'NO '}  {outcome.kind:<24} {outcome.words}{_reported(outcome)}"


def _reported(outcome: Outcome) -> str:
    return "" if outcome.right else f" (reported: {', '.join(outcome.reported) or 'nothing'})"


def _document(outcome: Outcome) -> dict[str, object]:
    return {
        "kind": outcome.kind, "planted": outcome.words, "seen": outcome.right, "reported": list(outcome.reported),
    }  # fmt: skip
