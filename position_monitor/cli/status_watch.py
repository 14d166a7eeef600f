"""`status --watch` and `status --wait`: the same look again and again, for a screen or for a script."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Final

from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.leaving import leaving, pause
from position_monitor.cli.moments import now_ms
from position_monitor.cli.output import console, print_json_line, say
from position_monitor.cli.status import (
    NOT_HEARD,
    Look,
    Overview,
    direct_look,
    document,
    exit_code,
    redis_look,
    render,
    show,
)
from position_monitor.cli.status_table import COLOURS, age
from position_monitor.config import Config
from position_monitor.core.model.verdicts import RiskStatus
from position_monitor.errors import PositionMonitorError

DIRECT_EVERY_S: Final = 10.0
"""Least time between two looks at the exchange itself."""
TICK_S: Final = 1.0
"""How often a screen is drawn again between two looks, so that ages grow."""
WAIT_EVERY_S: Final = 0.5


async def watch(config: Config, arguments: argparse.Namespace) -> int:
    """Until Ctrl-C; a failed look is shown and does not end the watch. Returns the last look's code."""
    if arguments.direct and arguments.watch < DIRECT_EVERY_S:
        say(f"position-monitor: with --direct the exchange is read every {DIRECT_EVERY_S:g} s, not more often")
    every_s = max(DIRECT_EVERY_S, arguments.watch) if arguments.direct else arguments.watch
    screen = Live(console=console(), auto_refresh=False)
    on_screen = screen.console.is_terminal and not screen.console.is_dumb_terminal and not arguments.json
    watching = Watching(
        config, as_json=arguments.json, only_problems=arguments.problems, screen=screen if on_screen else None
    )
    left = leaving()
    async with _look(config, direct=arguments.direct) as look:
        with screen if on_screen else nullcontext():
            while not left.is_set():
                await watching.look_once(look, left)
                await watching.pause(every_s, left)
    return watching.code


async def wait(config: Config, arguments: argparse.Namespace) -> int:
    """Until the state is as wanted, then 0; when the time is up, what `status` would return. Shows the last look."""
    deadline_s = time.monotonic() + arguments.timeout
    every_s = DIRECT_EVERY_S if arguments.direct else WAIT_EVERY_S
    trouble, left = "", leaving()
    async with _look(config, direct=arguments.direct) as look:
        while True:
            try:
                overview = await look()
            except PositionMonitorError as error:
                if time.monotonic() + every_s >= deadline_s:
                    raise
                trouble = _said_once(str(error), trouble)
            else:
                trouble = ""
                reached = _reached(overview, arguments.wait)
                if reached or time.monotonic() + every_s >= deadline_s:
                    break
            if await pause(left, every_s):
                return ExitCode.INTERRUPTED
    if not reached:
        say(f"position-monitor: not {arguments.wait} within {arguments.timeout:g} s")
    show(config, overview, as_json=arguments.json, only_problems=arguments.problems)
    return ExitCode.OK if reached else exit_code(overview)


def _reached(overview: Overview, wanted: str) -> bool:
    """`protected`: `status` would exit with 0. `heard`: a running daemon says something, whatever it is."""
    code = exit_code(overview)
    return code is ExitCode.OK if wanted == "protected" else code is not ExitCode.NOT_HEARD


@asynccontextmanager
async def _look(config: Config, *, direct: bool) -> AsyncIterator[Look]:
    """Looks at the exchange cost request weight that the daemon beside them needs: they keep one connection."""
    if not direct:
        yield redis_look(config)
        return
    from position_monitor.inspector import Inspector

    inspector = Inspector(config, kept=True)
    try:
        yield direct_look(config, inspector)
    finally:
        await inspector.aclose()


@dataclass(slots=True)
class Watching:
    """What was looked at last, and the screen or the pipe it goes to."""

    config: Config
    as_json: bool
    only_problems: bool
    screen: Live | None
    code: ExitCode = ExitCode.ERROR
    _last: Overview | None = field(default=None, init=False)
    _trouble: str = field(default="", init=False)
    _trouble_since_ms: int = field(default=0, init=False)

    async def look_once(self, look: Look, left: asyncio.Event) -> None:
        """Look and show, unless the user leaves before. The screen lives on while an answer takes its time."""
        looking = asyncio.ensure_future(look())
        leaves = asyncio.ensure_future(left.wait())
        try:
            while not looking.done():
                await asyncio.wait({looking, leaves}, timeout=TICK_S, return_when=asyncio.FIRST_COMPLETED)
                if left.is_set():
                    return
                self._draw()
            overview = looking.result()
        except PositionMonitorError as error:
            self._failed(str(error))
        else:
            self._looked(overview)
        finally:
            looking.cancel()
            leaves.cancel()

    async def pause(self, seconds: float, left: asyncio.Event) -> None:
        """Until the next look; ages on a screen go on growing."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            if await pause(left, min(TICK_S, left_s)):
                return
            self._draw()

    def _looked(self, overview: Overview) -> None:
        if self.screen is None and self._trouble and not self.as_json and overview.account is not None:
            say("position-monitor: heard again")
        self.code = exit_code(overview)
        if overview.account is None:
            self._not_heard(overview)
            return
        self._last, self._trouble = overview, ""
        if self.as_json:
            print_json_line(document(overview, only_problems=self.only_problems))
        elif self.screen is None:
            show(self.config, overview, as_json=False, only_problems=self.only_problems)
        self._draw()

    def _not_heard(self, overview: Overview) -> None:
        if self.as_json:
            print_json_line(document(overview, only_problems=self.only_problems))
        self._note(NOT_HEARD)

    def _failed(self, error: str) -> None:
        self.code = ExitCode.ERROR
        if self.as_json:
            print_json_line({"error": error, "exit_code": int(self.code), "at_ms": now_ms()})
        self._note(error)

    def _note(self, trouble: str) -> None:
        """Say what is wrong, once until it is something else."""
        if not self._trouble:
            self._trouble_since_ms = now_ms()
        if self.screen is None:
            self._trouble = _said_once(trouble, self._trouble)
        self._trouble = trouble
        self._draw()

    def _draw(self) -> None:
        """The screen as of now. What is no longer confirmed stays to be read below a word that claims nothing."""
        if self.screen is None:
            return
        height = max(8, self.screen.console.size.height - 1)
        if self._trouble:
            text = f"? UNKNOWN for {age(now_ms() - self._trouble_since_ms)}: {self._trouble}"
            self.screen.update(self._last_view(text, height), refresh=True)
        elif self._last is not None:
            view = render(self.config, self._last, only_problems=self.only_problems, height=height)
            self.screen.update(view, refresh=True)

    def _last_view(self, trouble: str, height: int) -> RenderableType:
        if self._last is None:
            return Text(trouble, style=COLOURS[RiskStatus.UNKNOWN])
        below = f"{trouble}. What stands below was heard last"
        return render(self.config, self._last, only_problems=self.only_problems, height=height, trouble=below)


def _said_once(trouble: str, before: str) -> str:
    """Say it unless it was the last thing that was said; returns what was."""
    if trouble != before:
        say(f"position-monitor: {trouble}")
    return trouble
