"""`verify`: an independent look at the exchange, compared with what Redis claims. It places nothing."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
from collections.abc import Coroutine, Sequence
from typing import Final

from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.output import print_json, print_json_line, print_lines, say
from position_monitor.config import Config, load_config
from position_monitor.config.installation import process_environment
from position_monitor.config.sources import Credentials, config_path, read_only_credentials
from position_monitor.edge.background import end_tasks
from position_monitor.errors import PositionMonitorError
from position_monitor.verification import Difference, Expectations, Report, SignedReads, Verification
from position_monitor.verification.claims import ClaimReader
from position_monitor.verification.signed_reads import ORIGINS, Key

LEAST_EVERY_S: Final = 10.0
"""Least time between two verifications: each costs request weight that the daemon beside it needs."""


def execute(arguments: argparse.Namespace) -> int:
    """0 when Redis and the venue agree, 2 when they do not, 1 when either cannot be read."""
    if arguments.self_test:
        from position_monitor.cli.verify_self_test import self_test

        return self_test(as_json=arguments.json)
    config = load_config(arguments.config, need_credentials=False)
    environment = process_environment(config_path(arguments.config, os.environ), os.environ)
    credentials = read_only_credentials(environment) or config.credentials
    _open_journal(config, credentials)
    if arguments.watch is None:
        report = asyncio.run(_once(config, credentials))
        _show(config, report, as_json=arguments.json)
        return ExitCode.OK if report.agrees else ExitCode.ATTENTION
    return asyncio.run(_watch(config, credentials, arguments.watch, as_json=arguments.json))


def _open_journal(config: Config, credentials: Credentials) -> None:
    from position_monitor.cli.journal import open_journal
    from position_monitor.edge import log

    open_journal(config)
    for secret in (credentials.api_key, credentials.api_secret):
        log.register_secret(secret.get_secret_value())


def opened(config: Config, credentials: Credentials) -> Verification:
    """Both sides of a verification; nothing is sent yet."""
    exchange = config.exchange
    origin = exchange.effective_rest_url or ORIGINS[exchange.environment]
    key = Key(credentials.api_key.get_secret_value(), credentials.api_secret.get_secret_value())
    return Verification(
        reads=SignedReads(origin, key, timeout_s=exchange.request_timeout_s, tell=_tell_wait),
        claims=ClaimReader(config.redis.url.get_secret_value(), prefix=config.redis.prefix, account=config.account),
        expected=Expectations.of(config),
    )


def _tell_wait(words: str) -> None:
    say(f"position-monitor: {words}")


async def _once(config: Config, credentials: Credentials) -> Report:
    verification = opened(config, credentials)
    try:
        return await verification.verify()
    finally:
        await verification.aclose()


def _show(config: Config, report: Report, *, as_json: bool) -> None:
    if as_json:
        code = int(ExitCode.OK if report.agrees else ExitCode.ATTENTION)
        print_json(_document(config, report) | {"exit_code": code})
    else:
        print_lines([*_sentences(report.differences), _summary(config, report)])
    for passed in report.passed:
        say(f"not reported, because the second look did not confirm it: {passed.subject} {passed.kind}")


def _document(config: Config, report: Report) -> dict[str, object]:
    return {"account": config.account, "environment": config.exchange.environment, **report.document()}


def _sentences(differences: Sequence[Difference]) -> list[str]:
    """One line for each difference. In the journal each is an error: it is what wakes somebody."""
    mark = "<3>[POSITION-MONITOR] " if "JOURNAL_STREAM" in os.environ else ""
    return [f"{mark}{difference.sentence}" for difference in differences]


def _summary(config: Config, report: Report) -> str:
    what = f"{report.positions} positions, {report.orders} open orders, account {config.account}"
    if report.agrees:
        return f"Redis and the venue agree: {what}."
    count = len(report.differences)
    return f"{count} difference{'s' if count != 1 else ''} between Redis and the venue, in two looks: {what}."


async def _watch(config: Config, credentials: Credentials, interval_s: float, *, as_json: bool) -> int:
    """Until Ctrl-C or SIGTERM: says what changed since the verification before.

    Returns the last one's exit code after Ctrl-C, and 0 after SIGTERM: a unit that is stopped has not failed.
    """
    if interval_s < LEAST_EVERY_S:
        say(f"position-monitor: the exchange is read every {LEAST_EVERY_S:g} s, not more often")
    left, stopped = asyncio.Event(), asyncio.Event()

    def stop() -> None:
        stopped.set()
        left.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, left.set)
    loop.add_signal_handler(signal.SIGTERM, stop)
    verification, code = opened(config, credentials), ExitCode.ERROR
    before: Report | str = ""
    try:
        while (now := await _unless(left, _verified(verification))) is not None:
            code = _code(now)
            _tell_change(config, before, now, as_json=as_json)
            before = now
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(left.wait(), max(interval_s, LEAST_EVERY_S))
    finally:
        await verification.aclose()
    return ExitCode.OK if stopped.is_set() else code


async def _unless(left: asyncio.Event, look: Coroutine[None, None, Report | str]) -> Report | str | None:
    """The outcome of a look, or None as soon as the watch is to end."""
    outcomes: list[Report | str] = []

    async def noted() -> None:
        outcomes.append(await look)

    async def leaving() -> None:
        await left.wait()

    tasks = (asyncio.create_task(noted()), asyncio.create_task(leaving()))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end_tasks(tasks)
    return None if left.is_set() else outcomes[0]


async def _verified(verification: Verification) -> Report | str:
    """The report, or why there is none."""
    try:
        return await verification.verify()
    except PositionMonitorError as error:
        return str(error)


def _code(outcome: Report | str) -> ExitCode:
    if isinstance(outcome, str):
        return ExitCode.ERROR
    return ExitCode.OK if outcome.agrees else ExitCode.ATTENTION


def _tell_change(config: Config, before: Report | str, now: Report | str, *, as_json: bool) -> None:
    """Say what is new and what is over, and nothing while all is as it was."""
    if isinstance(now, str):
        if now != before:
            say(f"position-monitor: {now}")
        return
    had = {} if isinstance(before, str) else {one.identity: one for one in before.differences}
    has = {one.identity: one for one in now.differences}
    new = [one for identity, one in has.items() if identity not in had]
    over = [one for identity, one in had.items() if identity not in has]
    if not isinstance(before, str) and not new and not over:
        return
    if as_json:
        print_json_line(_document(config, now) | {"over": [one.document() for one in over]})
        return
    ended = [f"over: {one.subject} {one.kind}" for one in over]
    print_lines([*_sentences(new), *ended, _summary(config, now)])
