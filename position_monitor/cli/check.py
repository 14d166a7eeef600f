"""`check`: is this configuration usable? With --live: do the exchange and Redis answer as they must?"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.journal import open_journal
from position_monitor.cli.output import print_json, print_rendered
from position_monitor.config import Config, load_config
from position_monitor.errors import PositionMonitorError


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. A finding that is not `fine` but only `advice` does not fail the check."""

    subject: str
    fine: bool
    words: str
    advice: bool = False


def execute(arguments: argparse.Namespace) -> int:
    """0 when everything needed is there, 1 when a live question failed; bad configuration is 78 as everywhere."""
    if arguments.before_reload or arguments.after_reload:
        from position_monitor.cli.reload_check import after_reload, before_reload

        return after_reload() if arguments.after_reload else before_reload(arguments)
    config = load_config(arguments.config)
    findings = _offline(config)
    if arguments.live:
        open_journal(config)
        findings += asyncio.run(_live(config))
    if arguments.json:
        print_json({"config_hash": config.config_hash, "findings": findings})
    else:
        print_rendered(*(_line(finding) for finding in findings))
    return ExitCode.OK if all(finding.fine or finding.advice for finding in findings) else ExitCode.ERROR


def _line(finding: Finding) -> str:
    from rich.markup import escape

    mark = "[green]ok[/]    " if finding.fine else "[yellow]note[/]  " if finding.advice else "[bold red]failed[/]"
    return f"{mark} {escape(finding.subject)}: {escape(finding.words)}"


def _offline(config: Config) -> list[Finding]:
    plan = config.exit_plan()
    where = config.exchange.effective_rest_url or f"{config.exchange.id}, {config.exchange.environment}"
    findings = [
        Finding("configuration", True, f"every key and every rule between keys holds (hash {config.config_hash})"),
        Finding("exchange", True, where),
        Finding("credentials", True, f"present ({config.credentials.origin})"),
        Finding("protection", True, f"{plan.described}"),
    ]
    if config.protection.mode == "observe":
        findings.append(Finding("protection.mode", False, "observe: nothing will be placed", advice=True))
    if config.symbols.unmanaged:
        findings.append(Finding("symbols.unmanaged", False, f"left alone: {', '.join(config.symbols.unmanaged)}", True))
    findings += [Finding("exit switches", False, sentence, advice=True) for sentence in plan.conflicts]
    if plan.degraded_reason:
        findings.append(Finding("exit switches", False, plan.degraded_reason, advice=True))
    return findings


async def _live(config: Config) -> list[Finding]:
    return [await _asked("exchange", _exchange, config), await _asked("redis", _redis, config, advice=True)]


async def _asked(
    subject: str, question: Callable[[Config], Awaitable[str]], config: Config, *, advice: bool = False
) -> Finding:
    try:
        return Finding(f"{subject} (live)", True, await question(config))
    except PositionMonitorError as error:
        return Finding(f"{subject} (live)", False, str(error), advice)


async def _exchange(config: Config) -> str:
    """One read of positions and both order lists, judged by the core."""
    from position_monitor.inspector import Inspector

    inspection = await Inspector(config).look()
    account = inspection.account
    return f"answers; {account.positions} positions, {account.protected} with full stop cover ({account.risk_status})"


async def _redis(config: Config) -> str:
    from position_monitor.cli.status import redis_look

    overview = await redis_look(config)()
    return "answers; " + ("the daemon was not heard" if overview.account is None else overview.account.status_line)
