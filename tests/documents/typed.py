"""Command lines of `position-monitor` in the documentation, in the form in which the parser can judge them."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shlex
from functools import cache

from position_monitor.cli import command_line
from tests.documents.reading import Code, shell_lines

PROGRAM = "position-monitor"
parser = cache(command_line.parser)
_OPTIONAL = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]")
_VALUES = {"S": "5", "SECONDS": "5", "N": "5", "TIME": "2h", "DURATION": "30m", "...": "words", "REASON": "words", "PATH": "x.toml"}


def names() -> frozenset[str]:
    """The commands that the program has."""
    (commands,) = (one for one in parser()._actions if isinstance(one, argparse._SubParsersAction))
    return frozenset(commands.choices)


@cache
def command_lines() -> list[Code]:
    """Every command line of the program; inline code may leave the program's name out."""
    found = []
    for code in shell_lines():
        for part in re.split(r"\s*(?:&&|;)\s+", code.text):
            words = part.strip()
            if code.inline and words.split(" ")[0].split("|")[0] in names() and re.search(r" (-|\[|[A-Z])", words):
                words = f"{PROGRAM} {words}"
            words = re.sub(r"^(sudo|exec) ", "", words)
            if re.match(rf"{PROGRAM}(\s|$)", words):
                found.append(Code(code.page, code.line, code.language, words, code.inline))
    return found


def arguments(words: str) -> list[list[str]]:
    """What the program would get. Words in brackets are left out, and what stands for a value becomes one."""
    words = re.sub(r"(--\w+) \.\.\.", r"\1 words", words).removesuffix(" ...")
    plain = re.split(r"\s(?:[|>]|2>)", _OPTIONAL.sub("", words))[0]
    made: list[list[str]] = [[]]
    for token in shlex.split(plain, comments=True)[1:]:
        choices = token.split("|") if re.fullmatch(r"[a-z-]+(\|[a-z-]+)+", token) else [_VALUES.get(token, token)]
        made = [[*begun, choice] for begun in made for choice in choices]
    return made


def options(words: str) -> set[str]:
    """Every option that is named, those in brackets included."""
    return set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)", words))


def refusal(argv: list[str]) -> str:
    """Why the parser does not take these arguments; empty where it does."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            parser().parse_args(argv)
        except SystemExit as left:
            return said.getvalue().strip().splitlines()[-1] if left.code else ""
    return ""


def offered(command: str) -> set[str]:
    """The options of one command, or of all where it is not one."""
    (commands,) = (one for one in parser()._actions if isinstance(one, argparse._SubParsersAction))
    chosen = [commands.choices[command]] if command in commands.choices else list(commands.choices.values())
    return {option for one in chosen for action in one._actions for option in action.option_strings}
