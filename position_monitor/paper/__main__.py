"""`python -m position_monitor.paper`: run the paper exchange by itself."""

from __future__ import annotations

import argparse
import asyncio

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
    return PaperOptions(**vars(parser.parse_args(arguments)))


def main() -> None:
    """Run until interrupted."""
    asyncio.run(serve_forever(options_from()))


if __name__ == "__main__":
    main()
