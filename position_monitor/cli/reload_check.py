"""`check` for `ExecReload=` of the unit: before the signal, is the file usable; after it, what did the daemon say?

Both are needed. The first sees the file as the daemon's own user and with the env file as it is now, so that what the
next start would refuse is refused at once; systemd does not let it read the credentials of the daemon. The second asks
the daemon, which has its credentials, its own environment and its running values beside the new ones. A reload fails
when either does, and the old configuration stays.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Final

from loguru import logger

from position_monitor.cli.exit_codes import ExitCode
from position_monitor.config import load_config
from position_monitor.config.sources import stack_variables
from position_monitor.edge import log
from position_monitor.edge.systemd import changed_variables, forget_reload_answer, reload_answer
from position_monitor.errors import ConfigError

ANSWER_WITHIN_S: Final = 75.0
"""How long the daemon may take: the cycle in hand and the pause between two reloads come first."""
LOOK_EVERY_S: Final = 0.05


def before_reload(arguments: argparse.Namespace) -> ExitCode:
    """0 and no word when the file can be used, else 78 and what is wrong with it in the journal."""
    log.configure()
    try:
        load_config(arguments.config, need_credentials=False)
    except ConfigError as problem:
        logger.error("The configuration was not reloaded, the old one stays: {}", problem)
        return ExitCode.BAD_CONFIG
    if changed := changed_variables(stack_variables(os.environ)):
        logger.warning("Changed in the env file, and in effect only after a restart: {}", ", ".join(changed))
    forget_reload_answer()
    return ExitCode.OK


def after_reload() -> ExitCode:
    """0 when the daemon took the file over, 78 when it refused (it says why itself), 1 when it did not answer."""
    log.configure()
    deadline_s = time.monotonic() + ANSWER_WITHIN_S
    while (problem := reload_answer()) is None:
        if time.monotonic() > deadline_s:
            logger.error("The daemon did not say within {:g} s whether it reloaded its configuration", ANSWER_WITHIN_S)
            return ExitCode.ERROR
        time.sleep(LOOK_EVERY_S)
    return ExitCode.BAD_CONFIG if problem else ExitCode.OK
