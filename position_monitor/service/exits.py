"""The exit switches in force as they are published: who controls exits, by which switch, and what came of it."""

from __future__ import annotations

from position_monitor.config import Config
from position_monitor.core.publication.state import ExitsState, OrderCount


def exits_state(
    config: Config, *, decided_at_ms: int = 0, orders: tuple[OrderCount, ...] = (), foreign_writer: str = ""
) -> ExitsState:
    """Who controls exits under this configuration. `decided_at_ms` is the time of the last decision, 0 before it."""
    plan, section = config.exit_plan(), config.exit
    return ExitsState(
        requested=plan.requested,
        live=plan.live,
        described=plan.described,
        legacy_policy=str(plan.legacy_policy),
        shadow=plan.shadow,
        profile=section.profile,
        executor_mode=section.executor_mode,
        live_rollout=section.live_rollout,
        rollout_pct=plan.rollout_pct,
        kill_switch=plan.kill_switch,
        held_back_by=plan.held_back_by,
        decided_at_ms=decided_at_ms,
        foreign_writer=foreign_writer,
        orders=orders,
    )
