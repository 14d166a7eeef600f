"""The command line: every command with its arguments. It decides nothing; `cli/main.py` runs what was asked for."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from position_monitor import __version__
from position_monitor.cli.argument_types import (
    account_name,
    count,
    decimal,
    decimal_above_zero,
    not_negative,
    not_negative_ms,
    port,
    positive,
)
from position_monitor.cli.asked_position import FORMS, asked_position
from position_monitor.cli.control_arguments import Subject, duration_ms, reason, subject
from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.moments import SINCE_FORMS, since_ms
from position_monitor.core.model.control import EVERY_SYMBOL

WATCH_INTERVAL_S = 2.0
VERIFY_INTERVAL_S = 60.0
WAIT_TIMEOUT_S = 60.0


class _Parser(argparse.ArgumentParser):
    """argparse exits 2 on a wrong command line; here 2 means "not protected"."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit 1."""
        self.print_usage(sys.stderr)
        self.exit(ExitCode.ERROR, f"{self.prog}: {message}\n")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    root = _Parser(prog="position-monitor", description="No open perpetual-futures position is ever without a stop.")
    root.add_argument("--version", action="version", version=__version__)
    _shared(root, config=None, account=None, json=False)
    commands = root.add_subparsers(metavar="COMMAND", required=True)
    _daemon_commands(commands)
    _reading_commands(commands)
    _verify_command(commands)
    _event_commands(commands)
    _record_commands(commands)
    _control_commands(commands)
    _config_commands(commands)
    _paper_commands(commands)
    _dashboard_command(commands)
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
    if defaults.get("accounts"):
        words = "the accounts to show, as Redis names them (default: that of the configuration)"
        target.add_argument(
            "--account", dest="accounts", type=account_name, nargs="+", action="extend", metavar="NAME", help=words
        )
    else:
        _account_option(target, **defaults)
    target.add_argument(
        "--json", action="store_true", default=defaults.get("json", argparse.SUPPRESS), help="machine-readable output"
    )


def _account_option(target: argparse.ArgumentParser, **defaults: object) -> None:
    target.add_argument(
        "--account",
        type=account_name,
        metavar="NAME",
        default=defaults.get("account", argparse.SUPPRESS),
        help="the installed instance of this name, with its file, env file and credentials (default: the plain unit)",
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
    reload = check.add_mutually_exclusive_group()
    reload.add_argument(
        "--before-reload", action="store_true", help="for ExecReload= of the unit: says only what is wrong"
    )
    reload.add_argument(
        "--after-reload", action="store_true", help="for ExecReload= of the unit: waits for what the daemon says to it"
    )
    _command(commands, "alert-test", "alert_test", "send one message to every target of [alerts]; says which took it")


def _reading_commands(commands: argparse._SubParsersAction[_Parser]) -> None:
    status = _command(commands, "status", "status", "the protection of every position, as published in Redis")
    again = status.add_mutually_exclusive_group()
    again.add_argument(
        "--watch",
        nargs="?",
        type=positive,
        const=WATCH_INTERVAL_S,
        metavar="SECONDS",
        help="again and again until Ctrl-C (default every 2 s; with --direct at least 10 s apart)",
    )
    again.add_argument(
        "--wait",
        choices=("protected", "heard"),
        metavar="STATE",
        help="until it is so, then exit 0: protected (as exit code 0), heard (a running daemon says something)",
    )
    status.add_argument(
        "--timeout",
        type=positive,
        default=WAIT_TIMEOUT_S,
        metavar="SECONDS",
        help="with --wait: how long (default 60 s); after that the exit code is that of a plain status",
    )
    status.add_argument("--problems", action="store_true", help="only positions that are not protected")
    status.add_argument("--direct", action="store_true", help="read the exchange instead of Redis; places nothing")
    plan = _command(commands, "plan", "plan", "what the daemon would do now, and what it holds back; does nothing")
    plan.add_argument("position", nargs="?", metavar="SYMBOL", type=asked_position, help=f"only this one: {FORMS}")
    _command(commands, "exits", "exits", "who controls exits: module, policies, switches, conflicts, orders by policy")
    explain = _command(commands, "explain", "explain", "why a position's orders are what they are")
    explain.add_argument("position", metavar="SYMBOL", type=asked_position, help=FORMS)


def _event_commands(commands: argparse._SubParsersAction[_Parser]) -> None:
    events = _command(commands, "events", "events", "what happened, one line each, as published in Redis")
    events.add_argument("-f", "--follow", action="store_true", help="go on with what happens from now on, until Ctrl-C")
    events.add_argument(
        "--limit",
        type=count,
        metavar="N",
        help="only the last N (default 100, with --follow 10, with --since all that Redis has)",
    )
    history = _command(
        commands, "history", "history", "the life of a position: levels, orders, who changed what, what it was worth"
    )
    for command, needed in ((events, "?"), (history, None)):
        command.add_argument("position", nargs=needed, metavar="SYMBOL[:SIDE]", type=asked_position, help=FORMS)
        command.add_argument("--since", type=since_ms, metavar="TIME", help=SINCE_FORMS)


def _verify_command(commands: argparse._SubParsersAction[_Parser]) -> None:
    verify = _command(
        commands, "verify", "verify", "an independent look at the exchange, compared with what Redis claims"
    )
    again = verify.add_mutually_exclusive_group()
    again.add_argument(
        "--watch",
        nargs="?",
        type=positive,
        const=VERIFY_INTERVAL_S,
        metavar="SECONDS",
        help="again and again until Ctrl-C (default every 60 s, at least 10 s apart); says only what changed",
    )
    again.add_argument(
        "--self-test",
        action="store_true",
        help="plant differences of every kind on a paper exchange and show that each is reported",
    )


def _record_commands(commands: argparse._SubParsersAction[_Parser]) -> None:
    performance = _command(
        commands, "performance", "performance", "what every exit was worth: reasons, rungs, slippage, in R and in money"
    )
    performance.add_argument("--csv", action="store_true", help="one row a record, for a spreadsheet")
    performance.add_argument("--html", type=Path, metavar="FILE", help="also write one page with every chart")
    shadow = _command(
        commands,
        "shadow-report",
        "shadow_report",
        "what the policy in shadow would have been worth, and how sure that is",
    )
    shadow.add_argument("--csv", action="store_true", help="one row a closed position, for a spreadsheet")
    _backtest(commands)


def _backtest(commands: argparse._SubParsersAction[_Parser]) -> None:
    one = _command(
        commands, "backtest", "backtest", "a policy on past candles, beside static and hybrid, as an interval in R"
    )
    one.add_argument("--candles", action="append", metavar="FILE", help="CSV: time,open,high,low,close; or SYMBOL=FILE")
    one.add_argument("--entries", type=Path, metavar="FILE", help="CSV: time,symbol,side,quantity[,price]")
    one.add_argument("--policy", default="hybrid", help="static, hybrid, dynamic, brain or brain:PROFILE")
    one.add_argument("--prices", choices=("mark", "trade"), default="mark", help="what the candles are made of")
    one.add_argument("--split", metavar="DATE", help="headline before and after this day, e.g. 2026-03-01")
    one.add_argument("--fee-pct", type=decimal, default="0.05", help="per side (default 0.05)")
    one.add_argument("--maker-fee-pct", type=decimal, default="0.02", help="of limit rungs (default 0.02)")
    one.add_argument(
        "--slippage-bps", default="5", metavar="BPS", help="5 for all, or stop=5,target=2,entry=0,close=5 (default 5)"
    )
    one.add_argument("--funding-bps", type=decimal, help="at 00, 08 and 16 UTC, against the position (default 1)")
    one.add_argument(
        "--funding", action="append", default=[], metavar="FILE", help="CSV: time,rate[,symbol][,mark]; or SYMBOL=FILE"
    )
    one.add_argument("--leverage", type=decimal_above_zero, help="isolated margin, for liquidation (default: none)")
    one.add_argument("--maintenance-pct", type=decimal, default="0.5", help="maintenance margin (default 0.5)")
    one.add_argument("--tick", type=decimal_above_zero, help="least price step (default: by the decimals of the file)")
    one.add_argument("--step", type=decimal_above_zero, help="least quantity step (default: by those of the entries)")
    one.add_argument("--hedge", action="store_true", help="an account in hedge mode: the least notional counts")
    one.add_argument("--min-notional", type=decimal, default="5", help="least order value in hedge mode (default 5)")
    one.add_argument("--max-quantity", type=decimal_above_zero, help="most of one market order (default: no bound)")
    one.add_argument("--tries", type=Path, metavar="FILE", help="ledger of tries (default: beside the entries)")
    one.add_argument("--csv", action="store_true", help="one row a position and policy")
    one.add_argument("--report", type=Path, metavar="FILE.html", help="also write one page with every chart")
    one.add_argument("--sample", type=Path, metavar="DIR", help="write sample candles and entries there, and end")
    one.add_argument("--seed", type=int, default=1, help="of the sample (default 1)")


def _dashboard_command(commands: argparse._SubParsersAction[_Parser]) -> None:
    summary = "the page: the protection of accounts on one screen, read from Redis; nothing can be changed from it"
    page = commands.add_parser("dashboard", help=summary, description=summary)
    _shared(page, accounts=True)
    page.set_defaults(module="dashboard")
    page.add_argument("--host", default="127.0.0.1", help="any other than loopback needs --token-file")
    page.add_argument("--port", type=port, default=8790, help="0 takes a free one (default 8790)")
    page.add_argument("--token-file", type=Path, metavar="FILE", help="who looks must know what it holds")


def _control_commands(commands: argparse._SubParsersAction[_Parser]) -> None:
    pause = _command(commands, "pause", "control", "no removal, no move, no take-profit for a while; stops are placed")
    resume = _command(commands, "resume", "control", "end what was paused or held before its time")
    hold = _command(commands, "hold", "control", "accept a stop of your own that is looser than allowed, for a while")
    for command, name in ((pause, "pause"), (resume, "resume"), (hold, "hold")):
        command.set_defaults(request=name)
        command.add_argument(
            "subject",
            metavar="SYMBOL[:SIDE]",
            type=subject,
            nargs=None if command is hold else "?",
            default=Subject(EVERY_SYMBOL, None),
            help="e.g. BTCUSDT or BTCUSDT:LONG" + ("" if command is hold else " (default: every position)"),
        )
        command.add_argument("--reason", required=command is not resume, type=reason, help="why, for whoever reads it")
        command.add_argument("--by", default="", metavar="NAME", help="who asks (default: the user who calls)")
    for command in (pause, hold):
        command.add_argument(
            "--for",
            dest="lasts_ms",
            required=True,
            type=duration_ms,
            metavar="TIME",
            help="90s, 30m, 2h, 1d; at most 7d",
        )


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
    paper.add_argument("--port", type=port, default=8799, help="0 takes a free one")
    paper.add_argument("--scenario", default="seven-naked", help="which account it begins with")
    paper.add_argument("--seed", type=int, default=1, help="the same seed gives the same prices")
    paper.add_argument("--latency-ms", type=not_negative, default=0, help="how long each answer takes")
    paper.add_argument(
        "--price-interval-s", type=not_negative, default=1, help="seconds between two price moves; 0: prices stand"
    )
    paper.add_argument(
        "--trigger-delay-ms", type=not_negative_ms, default=20, help="from a stop's trigger to the fill of its child"
    )
    paper.add_argument("--tls-port", type=port, help="serve TLS too, with a certificate for the venue's names")
    paper.add_argument("--ca-file", default="", metavar="PATH", help="where to write the authority clients must trust")
    demo = _command(
        commands, "demo", "demo", "the incident's seven naked positions on the paper exchange, protected live"
    )
    demo.add_argument("--for", dest="for_s", type=positive, metavar="SECONDS", help="end by itself")
