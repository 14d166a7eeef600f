"""Completion for bash, made from the parser: `python -m position_monitor.cli.completion` writes the script."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterable

from position_monitor.cli.command_line import parser
from position_monitor.cli.command_tree import tree

_SCRIPT = """\
# bash completion of position-monitor, generated from its parser.
_position_monitor_accounts() {
    local file
    for file in /etc/quantum/position-monitor-*.toml; do
        [ ! -e "$file" ] || { file=${file##*/position-monitor-}; echo "${file%.toml}"; }
    done
}
_position_monitor() {
    local word previous place command=""
    word=${COMP_WORDS[COMP_CWORD]}
    previous=${COMP_WORDS[COMP_CWORD-1]}
    COMPREPLY=()
    for ((place = 1; place < COMP_CWORD; place++)); do
        case "$command ${COMP_WORDS[place]}" in
@COMMANDS@
        esac
    done
    case "$command $previous" in
@VALUES@
    esac
    case "$command" in
@WORDS@
    esac
}
complete -F _position_monitor position-monitor
"""


def bash(command_line: argparse.ArgumentParser) -> str:
    """The script: commands, options, and the values of those that have a list of them or name a file."""
    commands = list(tree(command_line).all())
    steps, values, words = [], [], []
    for command in commands:
        name = " ".join(command.words)
        if command.words:
            step = " ".join(command.words[:-1]) + f" {command.words[-1]}"
            steps.append(f'{shlex.quote(step)}) command="{name}" ;;')
        for option in command.options:
            given = [f"{name} {text}" for text in option.option_strings]
            pattern = "|".join(shlex.quote(text) for text in given)
            if option.choices:
                values.append(f"{pattern}) {_reply(str(choice) for choice in option.choices)}; return ;;")
            elif option.metavar == "PATH":
                values.append(f'{pattern}) COMPREPLY=($(compgen -f -- "$word")); return ;;')
            elif option.dest == "account":
                values.append(
                    f'{pattern}) COMPREPLY=($(compgen -W "$(_position_monitor_accounts)" -- "$word")); return ;;'
                )
            elif option.nargs is None:
                values.append(f"{pattern}) return ;;")
        offered = [child.words[-1] for child in command.below]
        offered += [str(choice) for operand in command.operands for choice in operand.choices or ()]
        offered += [text for option in command.options for text in option.option_strings if text.startswith("--")]
        words.append(f"{shlex.quote(name)}) {_reply(offered)} ;;")
    script = _SCRIPT
    for mark, lines, indent in (("@COMMANDS@", steps, 12), ("@VALUES@", values, 8), ("@WORDS@", words, 8)):
        script = script.replace(mark, "\n".join(" " * indent + line for line in lines))
    return script


def _reply(offered: Iterable[str]) -> str:
    return f'COMPREPLY=($(compgen -W {shlex.quote(" ".join(offered))} -- "$word"))'


if __name__ == "__main__":
    sys.stdout.write(bash(parser()))
