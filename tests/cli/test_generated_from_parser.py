"""The man page and the completion are made from the parser that runs: every command and every option is in both."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess

import pytest

from position_monitor.cli.command_line import parser
from position_monitor.cli.command_tree import Command, tree
from position_monitor.cli.completion import bash
from position_monitor.cli.manual import manual

COMMANDS = list(tree(parser()).all())
LEAVES = [command for command in COMMANDS if command.words and not command.below]
BASH = shutil.which("bash") or ""

needs_bash = pytest.mark.skipif(not BASH, reason="bash is not installed on this machine")


def name(command: Command) -> str:
    return " ".join(command.words) or "position-monitor"


def offered(*words: str) -> list[str]:
    """What bash offers for the last of the words."""
    ask = 'COMP_WORDS=(position-monitor "$@"); COMP_CWORD=$#; _position_monitor; printf "%s\\n" "${COMPREPLY[@]}"'
    command = [BASH, "--norc", "-c", f"{bash(parser())}\n{ask}", "bash", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@needs_bash
@pytest.mark.parametrize("command", COMMANDS, ids=name)
def test_completion_offers_the_commands_and_options_of_every_command(command: Command) -> None:
    """As the parser has them, no more and no less."""
    below = {child.words[-1] for child in command.below}
    options = {text for option in command.options for text in option.option_strings if text.startswith("--")}
    assert set(offered(*command.words, "--")) == options
    assert below <= set(offered(*command.words, ""))


@needs_bash
def test_completion_takes_options_before_the_command_and_completes_values() -> None:
    """`--account NAME` does not hide the command behind it; a path is a path."""
    assert offered("--account", "x", "stat") == ["status"]
    assert "/etc/passwd" in offered("config", "show", "--config", "/etc/passw")
    assert offered("--account", "") == []


@needs_bash
def test_completion_offers_the_choices_of_an_option() -> None:
    """None of the commands has to have one for this to hold."""
    own = argparse.ArgumentParser(prog="position-monitor")
    own.add_argument("--lane", choices=("fast", "slow"))
    ask = "COMP_WORDS=(position-monitor --lane s); COMP_CWORD=2; _position_monitor; echo ${COMPREPLY[@]}"
    done = subprocess.run([BASH, "--norc", "-c", f"{bash(own)}\n{ask}"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["slow"]


@pytest.mark.parametrize("command", LEAVES, ids=name)
def test_the_manual_has_every_command_with_its_options(command: Command) -> None:
    """Below its own heading, with the words of `--help`."""
    page = manual(parser()).replace("\\-", "-")
    heading = re.search(rf"(?m)^\.SS {re.escape(name(command))}( .*)?$", page)
    assert heading is not None
    section = re.split(r"(?m)^\.S[SH] ", page[heading.end() :])[0]
    shared = {option.dest for option in COMMANDS[0].options}
    for option in command.options:
        if option.dest not in shared:
            assert all(f"\\fB{text}\\fR" in section for text in option.option_strings)


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed on this machine")
def test_the_manual_is_rendered_without_a_complaint(tmp_path) -> None:
    """`man -l`, with every warning of groff."""
    page = tmp_path / "position-monitor.1"
    page.write_text(manual(parser()))
    environ = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANROFFOPT": "-ww"}
    done = subprocess.run(
        ["man", "--warnings", "-P", "cat", "-l", str(page)], env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "EXIT STATUS" in done.stdout
    assert "paper-exchange" in done.stdout
