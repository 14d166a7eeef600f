"""`run`: the daemon in this process."""

from __future__ import annotations

import argparse
import asyncio


def execute(arguments: argparse.Namespace) -> int:
    """Check the configuration, open the journal, hand over to the service; returns its exit code."""
    from position_monitor.config import load_config
    from position_monitor.edge import log

    config = load_config(arguments.config)
    log.configure()
    for secret in (config.credentials.api_key, config.credentials.api_secret):
        log.register_secret(secret.get_secret_value())

    import uvloop

    from position_monitor import service

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(service.run(config, arguments.config))
