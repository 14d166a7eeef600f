"""`run`: the daemon in this process."""

from __future__ import annotations

import argparse
import asyncio
import gc
from typing import TYPE_CHECKING

from position_monitor.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from position_monitor.config import Config


def execute(arguments: argparse.Namespace) -> int:
    """Check the configuration, open the journal, hand over to the service; returns its exit code."""
    gc.disable()  # nothing that is loaded now ever becomes garbage; the service switches it on after its first cycle
    from position_monitor.edge.allocator import keep_heap_dense

    keep_heap_dense()  # before the heap grows
    from loguru import logger

    from position_monitor.config import load_config
    from position_monitor.edge import log
    from position_monitor.errors import ConfigError

    log.configure()  # first, so that a bad configuration is in the journal with its priority
    try:
        return _serve(load_config(arguments.config), arguments)
    except ConfigError as error:
        logger.error("Nothing was started: {}", error)
        return ExitCode.BAD_CONFIG


def _serve(config: Config, arguments: argparse.Namespace) -> int:
    import uvloop
    from loguru import logger

    from position_monitor import service
    from position_monitor.cli.journal import open_journal

    open_journal(config, "INFO")
    for sentence in config.environment.unreadable:
        logger.warning("{}", sentence)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(service.run(config, arguments.config))
