"""`history`: the life of a position. Levels, orders, who changed what, and what it was worth, as Redis has it."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.text import Text

from position_monitor.cli.asked_position import AskedPosition, say_not_open
from position_monitor.cli.events import telling_lines
from position_monitor.cli.exit_codes import ExitCode
from position_monitor.cli.journal import open_journal
from position_monitor.cli.life import Moment, life_of
from position_monitor.cli.lines import hanging
from position_monitor.cli.moments import clock, day, moment, now_ms
from position_monitor.cli.output import columns, print_json, print_rendered, say
from position_monitor.cli.status_table import COLOURS, SHAPES, age, number
from position_monitor.config import Config, load_config
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.publication.state import PositionState
from position_monitor.edge.redis.event_stream import EventStream, StreamPart
from position_monitor.edge.redis.reader import Published, RedisStateReader
from position_monitor.edge.redis.record_stream import RecordStream, read_records

_ACTOR_COLUMNS = 10


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that Redis says."""

    events: StreamPart
    records: RecordStream
    published: Published


def execute(arguments: argparse.Namespace) -> int:
    """Tell the life; 1 where Redis has nothing of such a position."""
    config = load_config(arguments.config, need_credentials=False)
    open_journal(config)
    asked: AskedPosition = arguments.position
    sources = asyncio.run(_read(config))
    whole = life_of(asked, sources.events.events, sources.records.records)
    life = [one for one in whole if one.at_ms >= (arguments.since or 0)]
    now = [
        state
        for key, state in sorted(sources.published.positions.items())
        if state is not None and asked.covers(key.symbol, key.side)
    ]
    if arguments.json:
        print_json(_document(asked, life, now, sources))
    listed = _listed(asked, sources.published)
    if (life or listed) and not arguments.json:
        print_rendered(*_lines(asked, life, sources), *_now(now, listed, sources.published))
    if life or listed:
        return ExitCode.OK
    if whole:
        say(f"position-monitor: nothing happened to {asked} since {moment(arguments.since)}")
        return ExitCode.OK
    say_not_open(asked, sources.published.positions, also=", and Redis has no event and no record of it")
    return ExitCode.ERROR


async def _read(config: Config) -> Sources:
    url, prefix = config.redis.url.get_secret_value(), config.redis.prefix
    stream = EventStream(url, prefix=prefix, account=config.account)
    reader = RedisStateReader(url, prefix=prefix, account=config.account)
    events = await stream.part()
    published = await reader.published()
    await stream.close()
    await reader.close()
    return Sources(events, await read_records(url, prefix=prefix, account=config.account), published)


def _lines(asked: AskedPosition, life: Sequence[Moment], sources: Sources) -> list[Text]:
    """Day by day. Where both sides have a life, each line says which it is of."""
    sides = {one.side for one in life if one.side}
    lines = [Text(line, style="dim") for line in hanging(_begins(asked, sources.events), columns())]
    for of_day, moments in groupby(life, key=lambda one: day(one.at_ms)):
        lines.append(Text(f"{of_day} (UTC)", style="bold"))
        for one in moments:
            side = one.side if len(sides) > 1 and one.side else ""
            head = f"{clock(one.at_ms)} {one.telling.actor:<{_ACTOR_COLUMNS}} "
            lines += telling_lines(head, side, one.telling)
    return lines


def _begins(asked: AskedPosition, events: StreamPart) -> str:
    """From when on the daemon's own deeds are known; fills come from the records, which go further back."""
    if events.begins_at_ms is None:
        return f"{asked}: Redis has no events; what stands here comes from the records of closed positions"
    trimmed = "; earlier ones were trimmed" if events.trimmed else ""
    return f"{asked}: the events in Redis begin {moment(events.begins_at_ms)}{trimmed}"


def _listed(asked: AskedPosition, published: Published) -> list[PositionKey]:
    """The positions that were asked about and are open by Redis, whether their state can be read or not."""
    return sorted(key for key in published.positions if asked.covers(key.symbol, key.side))


def _now(states: Sequence[PositionState], listed: Sequence[PositionKey], published: Published) -> list[Text]:
    if not states:
        return [Text(f"now: {_not_shown(listed, published)}", style="bold")]
    return [_state_now(state, published) for state in states]


def _not_shown(listed: Sequence[PositionKey], published: Published) -> str:
    """Why no state of it is shown: a state that has expired is not a position that is closed (DESIGN 5)."""
    if published.account is None:
        return "not known, the daemon was not heard"
    if listed:
        return f"not known: {', '.join(map(str, listed))} is listed, and its state has expired or cannot be read"
    return "not open, as the daemon last said"


def _state_now(state: PositionState, published: Published) -> Text:
    since = f" for {age(now_ms() - state.since_ms)}" if published.account is not None and state.since_ms else ""
    stop = f"stop {number(state.stop_price)}" if state.stop_price is not None else "no stop"
    text = Text("now: ", style="bold").append(f"{state.key.side} {number(state.quantity)}, {stop}, ", style="")
    return text.append(f"{SHAPES[state.verdict]} {state.verdict}{since}", style=COLOURS[state.verdict])


def _document(
    asked: AskedPosition, life: Sequence[Moment], now: Sequence[PositionState], sources: Sources
) -> dict[str, object]:
    return {
        "position": str(asked),
        "events_begin_at_ms": sources.events.begins_at_ms,
        "trimmed": sources.events.trimmed,
        "life": [
            {
                "at_ms": one.at_ms,
                "symbol": one.symbol,
                "side": one.side,
                "type": one.kind,
                "by": one.telling.actor,
                "text": one.telling.text,
                "order_id": one.telling.order_id,
            }
            for one in life
        ],
        "now": list(now),
    }
