"""`paper-exchange`: the local Binance-compatible exchange in this process, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio

from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.output import say


def execute(arguments: argparse.Namespace) -> int:
    """Serve until told to stop."""
    from position_monitor.config.sources import CREDENTIALS
    from position_monitor.paper.server import PaperOptions, serve_forever

    (_, api_key), (_, api_secret) = CREDENTIALS.values()
    options = PaperOptions(
        host=arguments.host,
        port=arguments.port,
        scenario=arguments.scenario,
        seed=arguments.seed,
        latency_ms=arguments.latency_ms,
        price_interval_s=arguments.price_interval_s,
        api_key=api_key,
        api_secret=api_secret,
    )
    say(f"paper exchange, scenario {options.scenario}: http://{options.host}:{options.port} (Ctrl-C ends it)")
    asyncio.run(serve_forever(options))
    return ExitCode.OK
