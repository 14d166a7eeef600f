"""`dashboard`: the page, in a process of its own. It reads Redis, holds no exchange key and can change nothing."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.output import say
from position_monitor.config import load_config
from position_monitor.dashboard.access import Access, read_token
from position_monitor.dashboard.board import Board
from position_monitor.dashboard.server import serving
from position_monitor.dashboard.watching import AccountWatch
from position_monitor.errors import BadInput

ACCOUNTS_MAX = 32
OLD_AFTER_S_MIN = 30.0


def execute(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT. Raises `ConfigError` (78) and `BadInput` (1)."""
    config = load_config(arguments.config, need_credentials=False)
    accounts = list(dict.fromkeys(arguments.accounts or [config.account]))
    if len(accounts) > ACCOUNTS_MAX:
        raise BadInput(f"--account named {len(accounts)} accounts; expected at most {ACCOUNTS_MAX}")
    token = None if arguments.token_file is None else read_token(Path(arguments.token_file))
    access = Access(arguments.host, token)
    old_after_s = max(OLD_AFTER_S_MIN, 3.0 * config.loop.check_interval_s + 5.0)
    url = config.redis.url.get_secret_value()
    board = Board([
        AccountWatch(url, prefix=config.redis.prefix, account=name, old_after_s=old_after_s) for name in accounts
    ])  # fmt: skip
    try:
        asyncio.run(_serve(board, access, host=arguments.host, port=arguments.port))
    except OSError as fault:
        raise BadInput(f"cannot listen on {arguments.host} port {arguments.port}: {fault.strerror}") from None
    return ExitCode.OK


async def _serve(board: Board, access: Access, *, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(board, access, host=host, port=port) as listening:
        say(f"position-monitor: the page is on http://{f'[{host}]' if ':' in host else host}:{listening}/")
        await stop.wait()
