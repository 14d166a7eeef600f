"""What the daemon would do first, by its own observer and core; nothing is sent."""

from __future__ import annotations

from position_monitor.config import Config
from position_monitor.core.model.actions import Cancel, Close, Place
from position_monitor.edge.http.rate_budget import SHARE_USED_UP
from position_monitor.errors import PositionMonitorError, RateLimited
from position_monitor.preflight.findings import Finding, error, ok, unanswered, warning

SUBJECT = "first plan"


async def first_plan(config: Config, *, readable: bool) -> Finding:
    """The plan in one sentence. `readable`: positions and lists could be read a moment ago."""
    if not readable:
        return unanswered(SUBJECT, "the account cannot be read", "put right what stands above")
    from position_monitor.inspector import Inspector

    try:
        inspection = await Inspector(config).look()
    except RateLimited as limited:
        return unanswered(SUBJECT, str(limited), "run this again in the next minute")
    except PositionMonitorError as unread:
        if SHARE_USED_UP in str(unread):
            return unanswered(SUBJECT, str(unread), "run this again in the next minute")
        return error(SUBJECT, str(unread), "run this again; the daemon would wait as well")
    actions = [action for position in inspection.positions for action in position.actions]
    counts = [sum(isinstance(action, kind) for action in actions) for kind in (Place, Cancel, Close)]
    held = sum(len(position.held) for position in inspection.positions) + len(inspection.orphans)
    account = inspection.account
    words = (
        f"{account.positions} positions, {account.protected} with full stop cover ({account.risk_status}); "
        f"{counts[0]} orders to place, {counts[1]} to cancel, {counts[2]} positions to close, {held} waiting"
    )
    if counts[2]:
        return warning(SUBJECT, words, "it would close at market: read `position-monitor plan` before you start it")
    return ok(SUBJECT, words)
