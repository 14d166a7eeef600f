"""`performance`: what every exit was worth, from the records that the daemon wrote to Redis. Reads nothing else."""

from __future__ import annotations

import argparse
import asyncio
import csv
import sys
import time
from typing import Any

from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.output import print_json, print_rendered, say
from position_monitor.cli.performance_page import performance_page
from position_monitor.cli.performance_view import report
from position_monitor.cli.report_file import write_page
from position_monitor.config import load_config
from position_monitor.core.performance.record import Record
from position_monitor.core.performance.summary import summary_of
from position_monitor.edge.redis.record_documents import performance_document, record_document
from position_monitor.edge.redis.record_stream import read_records

NOTHING = "no position was closed yet, as far as Redis knows: there is nothing to report"
LISTS = ("fills", "notes", "order_epochs", "rungs", "fees_by_asset", "residual_fees")
"""Members of a record that are no single value; a row of CSV has them as text, the fills as their number."""


def execute(arguments: argparse.Namespace) -> int:
    """Report over every record in Redis; nothing recorded is no error."""
    config = load_config(arguments.config, need_credentials=False)
    url = config.redis.url.get_secret_value()
    stream = asyncio.run(read_records(url, prefix=config.redis.prefix, account=config.account))
    summary = summary_of(stream.records)
    if arguments.json:
        document = performance_document(summary, account=config.account, profile="", updated_at_ms=0)
        del document["updated_at_ms"]
        documents = [record_document(record) for record in stream.records]
        print_json({**document, "unreadable": stream.unreadable, "records": documents})
    elif arguments.csv:
        _print_csv(stream.records)
    elif stream.records:
        print_rendered(*report(summary, stream.records))
    if not stream.records:
        say(f"position-monitor: {NOTHING}")
    if stream.unreadable:
        say(f"! {stream.unreadable} entries of the stream are not readable and are left out")
    if arguments.html is not None:
        at_ms = time.time_ns() // 1_000_000
        page = performance_page(
            summary, stream.records, account=config.account, unreadable=stream.unreadable, at_ms=at_ms
        )
        write_page(arguments.html, page)
        say(f"wrote {arguments.html}")
    return ExitCode.OK


def _print_csv(records: tuple[Record, ...]) -> None:
    """One row a record, with a heading even where there is none."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for number, record in enumerate(records):
        document = _flat(record_document(record))
        if not number:
            writer.writerow(document)
        writer.writerow(document.values())
    if not records:
        writer.writerow(("record_id", "status", "symbol", "side", "opened_at_ms", "closed_at_ms", "net", "net_r"))


def _flat(document: dict[str, Any]) -> dict[str, object]:
    flat = dict(document)
    flat["fills"] = len(document["fills"])
    for name in LISTS[1:]:
        value = document[name]
        if isinstance(value, dict):
            value = [f"{asset}={amount}" for asset, amount in value.items()]
        flat[name] = "" if value is None else " ".join(map(str, value))
    return {name: "" if value is None else value for name, value in flat.items()}
