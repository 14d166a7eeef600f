"""`shadow-report`: what the policy in shadow would have been worth, from what the daemon wrote to Redis alone.

Nothing is promoted by it: it prints what a human would do.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import math
import sys
import time
from typing import Any

from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.output import print_json, print_rendered, say
from position_monitor.cli.shadow_report_view import PROMOTION, following, report
from position_monitor.config import load_config
from position_monitor.core.shadow.comparison import Verdict
from position_monitor.core.shadow.pair import FUNDING_RULE, Pair
from position_monitor.core.shadow.report import ShadowReport, report_of
from position_monitor.edge.redis.pair_documents import pair_document
from position_monitor.edge.redis.pairs import read_pairs
from position_monitor.edge.redis.record_stream import read_records

NOTHING = (
    "no shadow result yet, as far as Redis knows; a shadow is followed while the Exit Brain computes beside LEGACY"
)
_FLAT = ("live", "shadow", "own")


def execute(arguments: argparse.Namespace) -> int:
    """Report over every pair in Redis; no pair is no error."""
    config = load_config(arguments.config, need_credentials=False)
    url, where = config.redis.url.get_secret_value(), {"prefix": config.redis.prefix, "account": config.account}
    stream = asyncio.run(read_pairs(url, **where))
    records = asyncio.run(read_records(url, **where))
    made = report_of(stream.pairs, records.records)
    unreadable = stream.unreadable + records.unreadable
    if arguments.json:
        documents = [pair_document(pair) for pair in stream.pairs]
        print_json({
            "account": config.account,
            "report": None if made is None else _document(made),
            "unreadable": unreadable,
            "following": None if stream.followed is None else stream.followed._asdict(),
            "pairs": documents,
        })  # fmt: skip
    elif arguments.csv:
        _print_csv(stream.pairs)
    elif made is not None:
        print_rendered(*report(made))
    if made is None:
        say(f"position-monitor: {NOTHING}")
    if stream.followed is not None and not arguments.json:
        say(f"position-monitor: {following(stream.followed, time.time_ns() // 1_000_000)}")
    if unreadable:
        say(f"! {unreadable} entries of the streams are not readable and are left out")
    return ExitCode.OK


def _document(made: ShadowReport) -> dict[str, Any]:
    """The report as JSON; numbers as numbers, what is not known as null."""
    coverage = made.coverage
    return {
        "live_policy": made.live_policy,
        "shadow_policy": made.shadow_policy,
        "settings_hash": made.settings_hash,
        "first_closed_at_ms": made.first_ms,
        "last_closed_at_ms": made.last_ms,
        "pairs": made.pairs,
        "other_settings": made.other_settings,
        "without_risk": made.without_risk,
        "censored": dict(sorted(made.censored.items())),
        "calibrated": made.calibrated,
        "calibration": _verdict_document(made.calibration),
        "difference_r": _verdict_document(made.verdict),
        "difference_pct": _verdict_document(made.in_pct),
        "difference_r_at_p90_slippage": _verdict_document(made.at_p90),
        "word": str(made.word),
        "groups": [
            {"kind": row.kind, "name": row.name, "for_orientation": True, **_verdict_document(row.verdict)}
            for row in made.groups
        ],
        "coverage": {
            **coverage._asdict(),
            "epochs_pct": _share(coverage.paired, coverage.closed),
            "time_pct": _share(coverage.paired_ms, coverage.live_ms),
        },
        "costs": made.costs,
        "funding_rule": FUNDING_RULE,
        "promotion": PROMOTION,
    }


def _verdict_document(verdict: Verdict) -> dict[str, Any]:
    values = {name: value for name, value in verdict._asdict().items() if name != "word"}
    finite = {name: None if isinstance(value, float) and not math.isfinite(value) else value
              for name, value in values.items()}  # fmt: skip
    return {"word": str(verdict.word), **finite}


def _share(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 2) if whole else None


def _print_csv(pairs: tuple[Pair, ...]) -> None:
    """One row a pair, with a heading even where there is none."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for number, pair in enumerate(pairs):
        row = _row(pair)
        if not number:
            writer.writerow(row)
        writer.writerow(row.values())
    if not pairs:
        writer.writerow(("record_id", "symbol", "side", "closed_at_ms", "difference_r", "difference_pct"))


def _row(pair: Pair) -> dict[str, object]:
    row: dict[str, object] = {}
    for name, value in pair_document(pair).items():
        if name in _FLAT:
            row |= {f"{name}_{inner}": part for inner, part in value.items() if inner != "exits"}
            if "exits" in value:
                row[f"{name}_exits"] = len(value["exits"])
        else:
            row[name] = value
    return {name: "" if value is None else value for name, value in row.items()}
