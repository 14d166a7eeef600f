"""`check`: is this configuration usable? With --live: is everything as it must be before the daemon's first use?"""

from __future__ import annotations

import argparse
import asyncio
from typing import Final

from position_monitor.cli.check_outlets import outlet_findings
from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.journal import open_journal
from position_monitor.cli.output import print_json, print_marked, say
from position_monitor.config import load_config
from position_monitor.preflight import Finding, Outcome, live_findings, offline_findings

_STYLES: Final = {
    Outcome.OK: "green", Outcome.WARNING: "yellow", Outcome.ERROR: "bold red", Outcome.UNANSWERED: "magenta",
}  # fmt: skip
_WIDTH: Final = max(len(outcome) for outcome in Outcome)


def execute(arguments: argparse.Namespace) -> int:
    """0 when no finding is an error, else 1; bad configuration is 78 as everywhere."""
    if arguments.before_reload or arguments.after_reload:
        from position_monitor.cli.reload_check import after_reload, before_reload

        return after_reload() if arguments.after_reload else before_reload(arguments)
    config = load_config(arguments.config)
    findings = offline_findings(config) + outlet_findings(config)
    if arguments.live:
        open_journal(config)
        findings += asyncio.run(live_findings(config, say))
    failed = any(finding.outcome is Outcome.ERROR for finding in findings)
    code = ExitCode.ERROR if failed else ExitCode.OK
    if arguments.json:
        documents = [finding.document() for finding in findings]
        print_json({"config_hash": config.config_hash, "findings": documents, "exit_code": int(code)})
    else:
        print_marked([_line(finding) for finding in findings])
    return code


def _line(finding: Finding) -> str:
    from rich.markup import escape

    mark = f"[{_STYLES[finding.outcome]}]{finding.outcome:<{_WIDTH}}[/]"
    advice = f" Do: {finding.advice}." if finding.advice else ""
    return f"{mark} {escape(finding.subject)}: {escape(finding.words)}{'.' if advice else ''}{escape(advice)}"
