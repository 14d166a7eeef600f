"""`events`: what happened, one line each, from `P:events`; with --follow also what happens from now on."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from rich.cells import cell_len
from rich.text import Text

from position_monitor.cli.asked_position import AskedPosition
from position_monitor.cli.event_words import STYLES, Telling, telling
from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.journal import open_journal
from position_monitor.cli.leaving import leaving
from position_monitor.cli.lines import hanging
from position_monitor.cli.moments import moment
from position_monitor.cli.output import columns, print_json_line, print_rendered, say
from position_monitor.cli.redis_place import keys_in_redis
from position_monitor.config import load_config
from position_monitor.edge.redis.event_stream import EventStream, StreamedEvent, StreamPart

SHOWN: Final = 100
SHOWN_BEFORE_FOLLOWING: Final = 10


def execute(arguments: argparse.Namespace) -> int:
    """Print the events; nothing that happened is no error."""
    config = load_config(arguments.config, need_credentials=False)
    open_journal(config)
    url = config.redis.url.get_secret_value()
    stream = EventStream(url, prefix=config.redis.prefix, account=config.account)
    return asyncio.run(_events(stream, arguments, keys_in_redis(config)))


async def _events(stream: EventStream, arguments: argparse.Namespace, place: str) -> int:
    shown = Shown(arguments.position, as_json=arguments.json)
    part = await stream.part(since_ms=arguments.since or 0)
    events = [event for event in part.events if shown.wants(event)]
    limit = _limit(arguments)
    shown.print(events if limit is None else events[max(0, len(events) - limit) :])
    say_where_it_begins(part, arguments.since)
    if part.unreadable:
        say(f"! {part.unreadable} entries of the stream are no events and are left out")
    if not events and not arguments.follow:
        say(f"position-monitor: no event{_about(arguments)} in {place}")
    if arguments.follow:
        await _follow(stream, part.newest_id, shown)
    await stream.close()
    return ExitCode.OK


def _limit(arguments: argparse.Namespace) -> int | None:
    if arguments.limit is not None:
        return int(arguments.limit)
    if arguments.since is not None:
        return None
    return SHOWN_BEFORE_FOLLOWING if arguments.follow else SHOWN


def _about(arguments: argparse.Namespace) -> str:
    about = f" about {arguments.position}" if arguments.position is not None else ""
    return about + (f" since {moment(arguments.since)}" if arguments.since is not None else "")


def say_where_it_begins(part: StreamPart, since_ms: int | None) -> None:
    """Say so where somebody asks for more than Redis still has."""
    if since_ms is None or part.begins_at_ms is None or part.begins_at_ms <= since_ms:
        return
    gone = "; earlier ones were trimmed" if part.trimmed else ""
    say(f"! the events in Redis begin {moment(part.begins_at_ms)}{gone}")


@dataclass(frozen=True, slots=True)
class Shown:
    """Which events are shown, and how."""

    asked: AskedPosition | None
    as_json: bool

    def wants(self, event: StreamedEvent) -> bool:
        """Whether it is about what was asked for. Of a symbol without a side everything is."""
        if self.asked is None:
            return True
        return self.asked.covers(event.symbol, event.side) or (event.symbol == self.asked.symbol and not event.side)

    def print(self, events: Iterable[StreamedEvent]) -> None:
        """One line each."""
        if self.as_json:
            for event in events:
                print_json_line({**event.document, "stream_id": event.stream_id})
            return
        lines = [line for event in events for line in event_lines(event)]
        if lines:
            print_rendered(*lines)


def event_lines(event: StreamedEvent) -> list[Text]:
    """Time, mark, position, and what happened: one line, where the terminal is wide enough for it."""
    sentence = telling(event)
    about = ":".join(part for part in (event.symbol, event.side) if part)
    return telling_lines(f"{moment(event.at_ms)} ", about, sentence)


def telling_lines(head: str, about: str, sentence: Telling) -> list[Text]:
    """The mark and the sentence behind `head`; what has no room hangs below it. The id of an order is the first to go.

    The colour says what the mark says.
    """
    mark, text = sentence.mark, f"{about} {sentence.text}".strip()
    blanks = " " * (len(head) + len(mark) + 1)
    room = max(20, columns() - len(blanks))
    with_id = f"{text} (id {sentence.order_id})"
    if sentence.order_id and cell_len(with_id) <= room:
        text = with_id
    lines = []
    for place, part in enumerate(hanging(text, room, "")):
        line = Text(f"{head}{mark} {part}" if not place else f"{blanks}{part}")
        line.stylize(STYLES[mark], len(head))
        lines.append(line)
    return lines


async def _follow(stream: EventStream, after: str, shown: Shown) -> None:
    """Until Ctrl-C. That Redis is away, and that it is back, is said once each."""
    left = leaving()
    leaves = asyncio.ensure_future(left.wait())
    async with aclosing(stream.follow(after)) as following:
        while True:
            coming: asyncio.Task[Any] = asyncio.ensure_future(anext(following))
            await asyncio.wait({coming, leaves}, return_when=asyncio.FIRST_COMPLETED)
            if left.is_set():
                coming.cancel()
                await asyncio.wait({coming})
                return
            item = coming.result()
            if isinstance(item, str):
                say(f"position-monitor: {item or 'Redis answers again'}")
            elif shown.wants(item):
                shown.print([item])
