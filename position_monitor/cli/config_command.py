"""`config show` and `config generate`."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.output import print_json, print_rendered, say
from position_monitor.errors import ConfigError

if TYPE_CHECKING:
    from position_monitor.config import Config


def execute(arguments: argparse.Namespace) -> int:
    """Run the part that was asked for."""
    return _generate(arguments) if arguments.part == "generate" else _show(arguments)


def _generate(arguments: argparse.Namespace) -> int:
    from position_monitor.config.example import example

    if arguments.json:
        print_json({"format": "toml", "text": example()})
    else:
        sys.stdout.write(example())
    return ExitCode.OK


def _show(arguments: argparse.Namespace) -> int:
    from position_monitor.config import load_config
    from position_monitor.config.sources import config_path

    config = load_config(arguments.config, need_credentials=False)
    rows = [*config.effective(), _credentials_row(config)]
    plan = config.exit_plan()
    files = [f"file {config_path(arguments.config, os.environ)}", *config.environment.sources]
    if arguments.json:
        print_json(
            {
                "config_hash": config.config_hash,
                "settings": {key: {"value": value, "origin": origin} for key, value, origin in rows},
                "exit_plan": plan,
                "files": files,
            }
        )
        return ExitCode.OK
    _print_table(rows)
    say("; ".join(files))
    say(f"config {config.config_hash}; {plan.described}")
    for sentence in (
        *config.environment.keys_unreadable,
        *plan.conflicts,
        *([plan.degraded_reason] if plan.degraded_reason else []),
        *config.notices,
    ):
        say(f"! {sentence}")
    return ExitCode.OK


def _credentials_row(config: Config) -> tuple[str, str, str]:
    try:
        return "credentials", '"***"', config.credentials.origin
    except ConfigError:
        return "credentials", "none", "not given to this process"


def _print_table(rows: list[tuple[str, str, str]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("key", "value", "origin"):
        table.add_column(name, overflow="fold")
    for key, value, origin in rows:
        changed = "" if origin == "default" else "bold"
        table.add_row(escape(key), escape(value), escape(origin), style=changed)
    print_rendered(table)
