"""`position-monitor`: reads the command line and hands over. Each command imports what it needs, when it runs.

There is no flatten and no cancel-all: a program that can do those is one typo away from an incident.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import io
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from position_monitor import __version__
from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.output import print_json, say
from position_monitor.errors import ConfigError, PositionMonitorError

WATCH_INTERVAL_S = 2.0


class _Parser(argparse.ArgumentParser):
    """argparse exits 2 on a wrong command line; here 2 means "not protected"."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit 1."""
        self.print_usage(sys.stderr)
        self.exit(ExitCode.ERROR, f"{self.prog}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    _stand_in_for_closed_streams()
    _speak_in_any_terminal()
    arguments = parser().parse_args(argv)
    try:
        command = importlib.import_module(f"position_monitor.cli.{arguments.module}")
        code = int(command.execute(arguments))
        sys.stdout.flush()
        return code
    except ConfigError as error:
        return _failed(arguments, error, ExitCode.BAD_CONFIG)
    except PositionMonitorError as error:
        return _failed(arguments, error, ExitCode.ERROR)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has left. Python would complain again while flushing stdout at exit.
        _let_go_of_stdout()
        return ExitCode.ERROR
    except OSError as error:
        if error.errno not in _CANNOT_BE_WRITTEN:
            raise
        say(f"position-monitor: the output could not be written: {error.strerror}")
        _let_go_of_stdout()
        return ExitCode.ERROR


_CANNOT_BE_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)


def _stand_in_for_closed_streams() -> None:
    """Whoever starts us may have closed the standard streams: that costs words, never a stop. Their numbers are taken,
    so that no socket gets one of them and what a library prints does not go to an exchange."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def _speak_in_any_terminal() -> None:
    """What a terminal's encoding cannot show is escaped: a shield that is not drawn must not hide who is naked."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _let_go_of_stdout() -> None:
    """Python would complain again while it flushes what nobody can take."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(arguments: argparse.Namespace, error: PositionMonitorError, code: ExitCode) -> ExitCode:
    say(f"position-monitor: {error}")
    if arguments.json:
        problems = getattr(error, "problems", (str(error),))
        print_json({"error": type(error).__name__, "problems": problems, "exit_code": int(code)})
    return code


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    root = _Parser(prog="position-monitor", description="No open perpetual-futures position is ever without a stop.")
    root.add_argument("--version", action="version", version=__version__)
    _shared(root, config=None, json=False)
    commands = root.add_subparsers(metavar="COMMAND", required=True)
    _daemon_commands(commands)
    _reading_commands(commands)
    _record_commands(commands)
    _config_commands(commands)
    _paper_commands(commands)
    return root


def _shared(target: argparse.ArgumentParser, **defaults: object) -> None:
    """Options that may stand before or after the command."""
    target.add_argument(
        "--config",
        type=Path,
        metavar="PATH",
        default=defaults.get("config", argparse.SUPPRESS),
        help="configuration file (default: $POSITION_MONITOR_CONFIG, else /etc/quantum/position-monitor.toml)",
    )
    target.add_argument(
        "--json", action="store_true", default=defaults.get("json", argparse.SUPPRESS), help="machine-readable output"
    )


def _command(
    commands: argparse._SubParsersAction[_Parser], name: str, module: str, summary: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=summary)
    _shared(command)
    command.set_defaults(module=module)
    return command


def _daemon_commands(commands: argparse._SubParsersAction[_Parser]) -> None:
    _command(commands, "run", "run", "the daemon: protects every open position until it is told to stop")
    check = _command(commands, "check", "check", "is this configuration usable? --live asks the exchange and Redis too")
    check.add_argument("--live", action="store_true", help="also read the exchange and Redis; places nothing")


def _reading_commands(commands: argparse._SubParsersAction[_Parser]) -> None:
    status = _command(commands, "status", "status", "the protection of every position, as published in Redis")
    status.add_argument(
        "--watch",
        nargs="?",
        type=_positive,
        const=WATCH_INTERVAL_S,
        metavar="SECONDS",
        help="again and again until Ctrl-C (default every 2 s; with --direct at least 10 s apart)",
    )
    status.add_argument("--direct", action="store_true", help="read the exchange instead of Redis; places nothing")
    plan = _command(commands, "plan", "plan", "what the daemon would do now, and what it holds back; does nothing")
    plan.add_argument("symbol", nargs="?", metavar="SYMBOL", type=str.upper, help="only this symbol, e.g. BTCUSDT")
    _command(commands, "exits", "exits", "who controls exits: module, policies, switches, conflicts, orders by policy")
    explain = _command(commands, "explain", "explain", "why a position's orders are what they are")
    explain.add_argument("symbol", metavar="SYMBOL", type=str.upper, help="e.g. BTCUSDT")


def _record_commands(commands: argparse._SubParsersAction[_Parser]) -> None:
    performance = _command(
        commands, "performance", "performance", "what every exit was worth: reasons, rungs, slippage, in R and in money"
    )
    performance.add_argument("--csv", action="store_true", help="one row a record, for a spreadsheet")


def _config_commands(commands: argparse._SubParsersAction[_Parser]) -> None:
    config = commands.add_parser("config", help="show or generate configuration", description="Configuration.")
    parts = config.add_subparsers(metavar="COMMAND", required=True)
    show = _command(parts, "show", "config_command", "effective values and where each comes from; secrets hidden")
    show.set_defaults(part="show")
    generate = _command(parts, "generate", "config_command", "an example file with every key, its meaning and default")
    generate.set_defaults(part="generate")


def _paper_commands(commands: argparse._SubParsersAction[_Parser]) -> None:
    paper = _command(commands, "paper-exchange", "paper", "the local Binance-compatible exchange, on loopback")
    paper.add_argument("--host", default="127.0.0.1")
    paper.add_argument("--port", type=_port, default=8799, help="0 takes a free one")
    paper.add_argument("--scenario", default="seven-naked", help="which account it begins with")
    paper.add_argument("--seed", type=int, default=1, help="the same seed gives the same prices")
    paper.add_argument("--latency-ms", type=_not_negative, default=0, help="how long each answer takes")
    paper.add_argument(
        "--price-interval-s", type=_not_negative, default=1, help="seconds between two price moves; 0: prices stand"
    )
    paper.add_argument(
        "--trigger-delay-ms", type=_not_negative_ms, default=20, help="from a stop's trigger to the fill of its child"
    )
    paper.add_argument("--tls-port", type=_port, help="serve TLS too, with a certificate for the venue's names")
    paper.add_argument("--ca-file", default="", metavar="PATH", help="where to write the authority clients must trust")
    demo = _command(
        commands, "demo", "demo", "the incident's seven naked positions on the paper exchange, protected live"
    )
    demo.add_argument("--for", dest="for_s", type=_positive, metavar="SECONDS", help="end by itself")


def _number(text: str, expected: str, *, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"was {text!r}, expected {expected}")
    return value


def _positive(text: str) -> float:
    return _number(text, "a positive number of seconds", least=1e-3, most=1e7)


def _not_negative(text: str) -> float:
    return _number(text, "a number that is not negative", least=0, most=1e7)


def _not_negative_ms(text: str) -> int:
    return int(_number(text, "milliseconds that are not negative", least=0, most=3_600_000))


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:6]) <= 65_535):
        raise argparse.ArgumentTypeError(f"was {text!r}, expected a port from 0 to 65535")
    return int(text)
