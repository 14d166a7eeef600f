"""`run`: the daemon in this process."""

from __future__ import annotations

import argparse
import asyncio


def execute(arguments: argparse.Namespace) -> int:
    """Check the configuration, open the journal, hand over to the service; returns its exit code."""
    from position_monitor.cli.journal import open_journal
    from position_monitor.config import load_config

    config = load_config(arguments.config)
    open_journal(config, "INFO")

    import uvloop

    from position_monitor import service

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(service.run(config, arguments.config))
