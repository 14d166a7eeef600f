"""`pause`, `resume`, `hold`: what an operator asks of the daemon, always with an end and a reason (DESIGN 5, 6).

The request is written to `P:control`; the answer of the daemon is an event. None of it removes a stop.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.output import print_json, say
from position_monitor.cli.redis_place import keys_in_redis
from position_monitor.core.model.control import EVERY_SYMBOL, ControlRequest, ControlType
from position_monitor.core.publication.control_words import in_words
from position_monitor.errors import PositionMonitorError

if TYPE_CHECKING:
    from position_monitor.config import Config

RESUME_VALID_MS = 120_000
"""A request to resume that was not heard by then is of no use any more."""
ANSWER_WITHIN_S = 20.0
"""How long the answer is waited for, at least; it comes with the next state, and that with the end of a cycle."""
NAME_LENGTH_MAX = 100


def execute(arguments: argparse.Namespace) -> int:
    """0 when the daemon accepted it, 1 when it refused or was not heard."""
    from position_monitor.config import load_config
    from position_monitor.edge.clock import SystemClock
    from position_monitor.edge.redis.control_stream import ask

    config, clock = load_config(arguments.config), SystemClock()
    request = _request(arguments, clock.now_ms())
    within_s = max(ANSWER_WITHIN_S, 3 * config.loop.check_interval_s)
    url, prefix = config.redis.url.get_secret_value(), config.redis.prefix
    reply = asyncio.run(ask(url, request, prefix=prefix, account=config.account, within_s=within_s, clock=clock))
    accepted = None if reply is None else reply.accepted
    text = _unheard(config, within_s) if reply is None else reply.text
    if accepted and request.type is not ControlType.RESUME and not asyncio.run(_is_open(config, request)):
        text = "; ".join(filter(None, (text, f"{request.subject} has no open position now")))
    code = ExitCode.OK if accepted else ExitCode.ERROR
    if arguments.json:
        print_json({"request": request, "accepted": accepted, "text": text, "exit_code": int(code)})
    elif accepted:
        print(_accepted(request, text))
    else:
        say(f"position-monitor: {'refused: ' if reply is not None else ''}{text}")
    return code


async def _is_open(config: Config, request: ControlRequest) -> bool:
    """Whether the request is about a position that is open, as far as Redis says: a hold of the wrong side is no help.
    A request about every position always is, and where nobody can say it counts as one."""
    from position_monitor.edge.redis.reader import RedisStateReader

    if request.symbol == EVERY_SYMBOL:
        return True
    reader = RedisStateReader(config.redis.url.get_secret_value(), prefix=config.redis.prefix, account=config.account)
    try:
        published = await reader.published()
    except PositionMonitorError:
        return True
    finally:
        with suppress(PositionMonitorError):
            await reader.close()
    return published.account is None or any(request.covers(key) for key in published.positions)


def _request(arguments: argparse.Namespace, now_ms: int) -> ControlRequest:
    kind = ControlType(arguments.request)
    lasts_ms = RESUME_VALID_MS if kind is ControlType.RESUME else arguments.lasts_ms
    return ControlRequest(
        id=f"{now_ms}-{secrets.token_hex(6)}",
        type=kind,
        symbol=arguments.subject.symbol,
        side=arguments.subject.side,
        until_ms=now_ms + lasts_ms,
        reason=arguments.reason or "",
        by=(arguments.by or _who())[:NAME_LENGTH_MAX],
        at_ms=now_ms,
    )


def _who() -> str:
    """Who calls: the person behind sudo, if there is one."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a number that has no name on this host
        return f"uid {os.getuid()}"


def _accepted(request: ControlRequest, remark: str) -> str:
    what = f"resumed ({request.subject})" if request.type is ControlType.RESUME else in_words(request)
    return f"accepted: {what}" + (f" ({remark})" if remark else "")


def _unheard(config: Config, within_s: float) -> str:
    return (
        f"the daemon of account {config.account} was not heard within {within_s:g} s: whether it took the request is "
        "not known; it stands there and takes effect when a daemon reads it before its end "
        f"({keys_in_redis(config)})"
    )
