"""Since when the daemon has the exit switches of this configuration, as its events say.

The time stop spares positions that are older than their policy. A process that just began cannot know that time; the
daemon announces it.
"""

from __future__ import annotations

from position_monitor.config import Config
from position_monitor.core.exits.live_policy import SwitchesSince
from position_monitor.edge.redis.event_stream import EventStream
from position_monitor.errors import PositionMonitorError


async def switches_of_daemon(config: Config) -> tuple[tuple[SwitchesSince, ...], str]:
    """The exit switches of this configuration and since when the daemon has them, as its events say; without an answer
    nothing, and why: Redis is away, or the events were trimmed, or it runs by other switches than these."""
    plan = config.exit_plan()
    stream = EventStream(config.redis.url.get_secret_value(), prefix=config.redis.prefix, account=config.account)
    try:
        events = (await stream.part()).events
        await stream.close()
    except PositionMonitorError as problem:
        return (), str(problem)
    since_ms = None
    for event in reversed(events):
        if event.type == "ModeChanged" and event.details.get("subject") == "exits":
            if event.details.get("after") != plan.described:
                break
            since_ms = event.at_ms
            if event.details.get("cause") == "start":
                break
    if since_ms is None:
        return (), "no event in Redis says that the daemon runs by these exit switches"
    return (SwitchesSince(since_ms, plan.switches),), ""
