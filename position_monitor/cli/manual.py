"""The man page, made from the parser: `python -m position_monitor.cli.manual` writes position-monitor.1."""

from __future__ import annotations

import argparse
import sys

from position_monitor import __version__
from position_monitor.cli.command_line import parser
from position_monitor.cli.command_tree import Command, argument_of, help_of, tree

_FILES = (
    ("/etc/quantum/position-monitor.toml", "configuration of the plain unit; `config generate` shows every key"),
    ("/etc/quantum/position-monitor-NAME.toml", "configuration of the instance quantum-position-monitor@NAME"),
    ("/etc/quantum/position-monitor.env, position-monitor-NAME.env", "variables for the unit, mode 0600"),
    ("/etc/quantum/credentials/, credentials/NAME/", "exchange_api_key and exchange_api_secret, mode 0600"),
)
_EXITS = (
    ("0", "well: all protected, nothing to do, agrees, stopped"),
    ("1", "the question could not be answered, or the command line was wrong"),
    ("2", "something needs attention: not protected, changes to make, disagrees"),
    ("3", "status: the daemon was not heard"),
    ("78", "the configuration cannot be used"),
)


def manual(command_line: argparse.ArgumentParser) -> str:
    """The page as roff with the man macros (man(7))."""
    root = tree(command_line)
    lines = [
        f'.TH POSITION\\-MONITOR 1 "" "quantum\\-position\\-monitor {_roff(__version__)}" "User Commands"',
        ".SH NAME",
        "position\\-monitor \\- " + _roff((root.parser.description or "").rstrip(".").lower()),
        ".SH SYNOPSIS",
        "\\fBposition\\-monitor\\fR [\\fIOPTION\\fR ...] \\fICOMMAND\\fR [\\fIARGUMENT\\fR ...]",
        ".SH DESCRIPTION",
        "A daemon under systemd (quantum\\-position\\-monitor.service) and the commands to ask it.",
        "Data goes to standard output, talk to standard error.",
        ".SH OPTIONS",
        "Options of every command, before or behind its name:",
        *_arguments(root),
        ".SH COMMANDS",
    ]
    for command in root.all():
        if command.words and not command.below:
            lines += _command(command, {option.dest for option in root.options})
    lines += [".SH EXIT STATUS", *_pairs(_EXITS), ".SH FILES", *_pairs(_FILES)]
    lines += [".SH SEE ALSO", "systemctl(1), journalctl(1), systemd.exec(5)"]
    return "\n".join(lines) + "\n"


def _command(command: Command, shared: set[str]) -> list[str]:
    synopsis = " ".join([*command.words, *(argument_of(action) for action in command.operands)])
    own = [action for action in (*command.operands, *command.options) if action.dest not in shared]
    return [f".SS {_roff(synopsis)}", _text(command.parser.description or ""), *_each(own)]


def _arguments(command: Command) -> list[str]:
    return _each(command.options)


def _each(actions: tuple[argparse.Action, ...] | list[argparse.Action]) -> list[str]:
    lines: list[str] = []
    for action in actions:
        names = ", ".join(f"\\fB{_roff(name)}\\fR" for name in action.option_strings)
        argument = f"\\fI{_roff(argument_of(action))}\\fR" if argument_of(action) else ""
        lines += [".TP", " ".join(part for part in (names, argument) if part), _text(help_of(action))]
    return lines


def _pairs(pairs: tuple[tuple[str, str], ...]) -> list[str]:
    return [line for name, words in pairs for line in (".TP", f"\\fB{_roff(name)}\\fR", _text(words))]


def _roff(text: str) -> str:
    """Plain text within a line of roff."""
    return text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")


def _text(text: str) -> str:
    """A line of its own: a dot or an apostrophe at its beginning would be a request."""
    line = _roff(text) or "\\&"
    return f"\\&{line}" if line[0] in ".'" else line


if __name__ == "__main__":
    sys.stdout.write(manual(parser()))
