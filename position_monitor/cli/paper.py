"""`paper-exchange`: the local Binance-compatible exchange in this process, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import os

from position_monitor.cli.exit_codes import ExitCode
from position_monitor.errors import PositionMonitorError


class PaperNotStarted(PositionMonitorError):
    """The paper exchange cannot be started as asked."""


def execute(arguments: argparse.Namespace) -> int:
    """Serve until told to stop. The line that says it is ready names the address, data on stdout like any other."""
    from position_monitor.config.sources import CREDENTIALS
    from position_monitor.paper import scenario
    from position_monitor.paper.server import PaperOptions, serve_forever

    if arguments.scenario not in scenario.available():
        scenarios = ", ".join(scenario.available())
        raise PaperNotStarted(f"--scenario was {arguments.scenario!r}; allowed is one of {scenarios}")

    if arguments.tls_port is not None and not arguments.ca_file:
        raise PaperNotStarted("--tls-port needs --ca-file: clients must be told which authority to trust")
    (_, api_key), (_, api_secret) = CREDENTIALS.values()
    options = PaperOptions(
        host=arguments.host,
        port=arguments.port,
        scenario=arguments.scenario,
        seed=arguments.seed,
        latency_ms=arguments.latency_ms,
        price_interval_s=arguments.price_interval_s,
        trigger_delay_ms=arguments.trigger_delay_ms,
        tls_port=arguments.tls_port,
        ca_file=arguments.ca_file,
        control_token=os.environ.get("PAPER_CONTROL_TOKEN", ""),
        api_key=api_key,
        api_secret=api_secret,
    )
    try:
        asyncio.run(serve_forever(options, as_json=arguments.json))
    except OSError as error:
        where = f"{options.host}:{options.port}"
        raise PaperNotStarted(f"the paper exchange cannot listen on {where}: {error.strerror or error}") from None
    return ExitCode.OK
