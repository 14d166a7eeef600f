"""Which installed daemon a command is asked about, and what of it this user may not read."""

from __future__ import annotations

import argparse
import os

from position_monitor.cli.output import say
from position_monitor.errors import PositionMonitorError

WITHOUT_CONFIGURATION = ("demo", "paper")
"""Modules of commands that read no configuration of an installed daemon; nor does `config generate`."""


class TwoInstallations(PositionMonitorError):
    """The command line names a file and an instance."""


def choose_installation(arguments: argparse.Namespace) -> None:
    """Turn `--account NAME` into the file of that instance, and say on stderr when its env file cannot be read. That
    its keys cannot is said by a command that needs them.

    Raises `TwoInstallations` when `--config` names a file as well.
    """
    if arguments.module in WITHOUT_CONFIGURATION or getattr(arguments, "part", "") == "generate":
        return
    if arguments.module == "run" and arguments.account is None:
        return  # it says it in its journal, and loads nothing before it must
    from position_monitor.config.installation import DIRECTORY, Installation, process_environment
    from position_monitor.config.sources import config_path

    if arguments.account is not None:
        if arguments.config is not None:
            raise TwoInstallations("--account and --config both name a configuration file; expected one of them")
        arguments.config = Installation(arguments.account, DIRECTORY).config_file
    if getattr(arguments, "before_reload", False) or getattr(arguments, "after_reload", False):
        return  # started by the unit: systemd read the env file
    for sentence in process_environment(config_path(arguments.config, os.environ), os.environ).unreadable:
        say(f"! {sentence}")
