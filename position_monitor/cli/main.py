"""`position-monitor`: runs one command and turns what went wrong into words and an exit code. Each command imports what
it needs, when it runs.

There is no flatten and no cancel-all: a program that can do those is one typo away from an incident.
"""

from __future__ import annotations

import argparse
import codecs
import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence

from position_monitor.cli.command_line import parser
from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.installed import choose_installation
from position_monitor.cli.output import print_json, say
from position_monitor.errors import ConfigError, PositionMonitorError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    _stand_in_for_closed_streams()
    _speak_in_any_terminal()
    arguments = parser().parse_args(argv)
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
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


def _run(arguments: argparse.Namespace) -> int:
    """The exit code of the command. What it could not do is said, and is data where data was asked for."""
    try:
        choose_installation(arguments)
        command = importlib.import_module(f"position_monitor.cli.{arguments.module}")
        return int(command.execute(arguments))
    except ConfigError as error:
        return _failed(arguments, error, ExitCode.BAD_CONFIG)
    except PositionMonitorError as error:
        return _failed(arguments, error, ExitCode.ERROR)


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
    """What a terminal's encoding cannot show is replaced or escaped: a shield that is not drawn must not hide who is
    naked, and a table stays a table."""
    codecs.register_error("in_plain_characters", _in_plain_characters)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="in_plain_characters")


_PLAIN = str.maketrans(
    {"✔": "+", "✖": "X", "·": "|", "…": "~", "→": ">", "─": "-", "\ufe0f": "", "🛡": "[OK]", "⚠": "[!]", "❓": "[?]"}
    | {"✅": "[OK]", "🔍": "[..]", "🛑": "[STOP]"}
)
"""For the marks that this program uses itself."""


def _in_plain_characters(fault: UnicodeError) -> tuple[str | bytes, int]:
    """The handler of an encoding that lacks a character: a plain stand-in, or an escape where there is none."""
    if not isinstance(fault, UnicodeEncodeError):
        raise fault
    text = fault.object[fault.start : fault.end].translate(_PLAIN)
    return text.encode("ascii", "backslashreplace").decode("ascii"), fault.end


def _let_go_of_stdout() -> None:
    """Python would complain again while it flushes what nobody can take."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(arguments: argparse.Namespace, error: PositionMonitorError, code: ExitCode) -> ExitCode:
    say(f"position-monitor: {error}")
    if arguments.json:
        problems = getattr(error, "problems", (str(error),))
        print_json({"error": type(error).__name__, "problems": problems, "exit_code": int(code)})
    return code
