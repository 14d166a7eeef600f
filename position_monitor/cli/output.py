"""Where words go: data to stdout, talk to stderr; one way to turn values into JSON."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from position_monitor.cli.order_documents import order_document

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PLAIN_WIDTH = 180
"""Columns when stdout is not a terminal: a file or a pipe has no width, and a cut table is of no use."""


def say(text: str) -> None:
    """Talk to the human; never data. Where nobody takes it, that changes neither the answer nor its code."""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def console() -> Console:
    """Stdout for tables. Rich follows NO_COLOR, COLUMNS and the terminal's own width."""
    from rich.console import Console  # here, because the daemon prints no table and starts sooner without it

    own_width = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
    return Console(width=None if own_width else PLAIN_WIDTH, highlight=False)


def columns() -> int:
    """How wide a line on stdout may be."""
    return console().width


def print_rendered(*renderables: RenderableType) -> None:
    """Tables and lines on stdout. Piped output carries no trailing blanks."""
    target = console()
    if target.is_terminal:
        target.print(*renderables, sep="\n")
        return
    with target.capture() as capture:
        target.print(*renderables, sep="\n")
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))
    sys.stdout.flush()


def print_marked(lines: Iterable[str]) -> None:
    """Lines with rich's marks for colours on stdout, each as long as it is: a line is not broken by us."""
    target = console()
    for line in lines:
        target.print(line, soft_wrap=True)


def print_json(value: object) -> None:
    """One JSON document on stdout: decimals as plain strings, enums by value."""
    sys.stdout.write(f"{json.dumps(jsonable(value), ensure_ascii=False, indent=2)}\n")
    sys.stdout.flush()


def print_json_line(value: object) -> None:
    """One JSON document on one line of stdout: for what goes on, so that each line can be read by itself."""
    print_lines([json.dumps(jsonable(value), ensure_ascii=False, separators=(",", ":"))])


def print_lines(lines: Iterable[str]) -> None:
    """Plain lines on stdout, as long as they are."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def jsonable(value: object) -> Any:  # noqa: ANN401  JSON has no narrower type
    """A domain value as plain JSON values."""
    if (order := order_document(value)) is not None:
        value = order
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((jsonable(item) for item in value), key=str)
    return value
