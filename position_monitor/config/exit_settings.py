"""What the exit policies share, from the section of the file to the core's own value."""

from __future__ import annotations

from position_monitor.config.profiles import DEFAULT_LOCKS, profile_table
from position_monitor.config.protection import ExitSection
from position_monitor.core.model.settings import ExitSettings


def exit_settings(section: ExitSection, *, advised: bool) -> ExitSettings:
    """The section as the core takes it. `advised`: an AI engine is asked for advice."""
    return ExitSettings(
        breakeven_offset_pct=section.breakeven_offset_pct,
        locks=None if section.locks == DEFAULT_LOCKS else tuple(lock.lock() for lock in section.locks),
        time_stop=section.time_stop,
        time_stop_adopted=section.time_stop_adopted,
        advised=advised,
        ranging_below_adx=section.regimes.ranging_below_adx,
        profiles=profile_table(section.profiles),
        regimes=section.regimes.table(),
    )
