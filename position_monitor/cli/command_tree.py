"""The command line as a tree, for the man page and the shell completion: both are made from the parser that runs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One command, or the whole program at the top."""

    words: tuple[str, ...]
    """What is typed, without the program's name: empty at the top, `("config", "show")` further down."""
    parser: argparse.ArgumentParser
    below: tuple[Command, ...]

    @property
    def options(self) -> tuple[argparse.Action, ...]:
        """What begins with a dash, in the order of the help."""
        actions = self.parser._actions
        return tuple(action for action in actions if action.option_strings and action.help != argparse.SUPPRESS)

    @property
    def operands(self) -> tuple[argparse.Action, ...]:
        """What stands without a dash; the choice of a command below is none."""
        actions = self.parser._actions
        return tuple(
            action
            for action in actions
            if not action.option_strings and not isinstance(action, argparse._SubParsersAction)
        )

    def all(self) -> Iterator[Command]:
        """This one and everything below it."""
        yield self
        for command in self.below:
            yield from command.all()


def tree(parser: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Command:
    """The commands of a parser."""
    choices = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    below = [(name, child) for action in choices for name, child in action.choices.items()]
    return Command(words, parser, tuple(tree(child, (*words, name)) for name, child in below))


def argument_of(action: argparse.Action) -> str:
    """What follows an option, or stands for an operand: `SECONDS`, `[SYMBOL]`, `one|two`; empty for a switch."""
    if action.nargs == 0:
        return ""
    choices = "|".join(str(choice) for choice in action.choices or ())
    name = choices or (action.metavar if isinstance(action.metavar, str) else action.dest.upper())
    return {"?": f"[{name}]", "*": f"[{name} ...]", "+": f"{name} ..."}.get(str(action.nargs), name)


def help_of(action: argparse.Action) -> str:
    """The help of one argument, as argparse shows it."""
    text = action.help or ""
    return text % {**vars(action), "prog": "position-monitor"} if "%" in text else text
