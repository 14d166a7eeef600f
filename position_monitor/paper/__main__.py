"""`python -m position_monitor.paper`: run the paper exchange by itself."""

from __future__ import annotations

import argparse
import asyncio
import os

from position_monitor.paper import scenario
from position_monitor.paper.server import PaperOptions, serve_forever


def _scenario_name(text: str) -> str:
    try:
        return scenario.load(text).name
    except ValueError as unknown:
        raise argparse.ArgumentTypeError(str(unknown)) from None


def options_from(arguments: list[str] | None = None) -> PaperOptions:
    """Options of a command line."""
    defaults = PaperOptions()
    parser = argparse.ArgumentParser(prog="python -m position_monitor.paper", description=__doc__)
    parser.add_argument("--host", default=defaults.host)
    parser.add_argument("--port", type=int, default=defaults.port)
    parser.add_argument("--scenario", default=defaults.scenario, type=_scenario_name)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--latency-ms", type=int, default=defaults.latency_ms)
    parser.add_argument("--price-interval-s", type=float, default=defaults.price_interval_s)
    parser.add_argument("--api-key", default=defaults.api_key)
    parser.add_argument("--trigger-delay-ms", type=int, default=defaults.trigger_delay_ms)
    parser.add_argument("--tls-port", type=int, help="serve TLS too, with a certificate for the venue's names")
    parser.add_argument("--ca-file", default="", help="where to write the authority that clients must trust")
    options = parser.parse_args(arguments)
    if options.tls_port is not None and not options.ca_file:
        parser.error("--tls-port needs --ca-file: clients must be told which authority to trust")
    return PaperOptions(**vars(options), control_token=os.environ.get("PAPER_CONTROL_TOKEN", ""))


def main() -> None:
    """Run until interrupted."""
    asyncio.run(serve_forever(options_from()))


if __name__ == "__main__":
    main()
