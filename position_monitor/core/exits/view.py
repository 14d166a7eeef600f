"""What a policy sees and what it answers: `ExitView` in, `Exits` out.

A policy is a pure function from the one to the other. The same function plans, judges the verdict, and later runs in
shadow and in the backtest, so the view holds plain values only: no order, no list, no memory of this process.

Not in the view yet, because no policy reads them (exits.md names each):

    R                  distance from the entry to the backstop that rests (S1); the book reads it from the live book
    age                time since that backstop was created (S8); the same
    volatility, regime ATR, ADX and the regime in force (S3, S20), from `core/market`
    rungs that rest    the runner needs them (S4); today the rungs that took their profit are enough
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from position_monitor.core.model.desired import CloseReason, Level, Target, Trailing
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.outside import Advice
from position_monitor.core.model.positions import Position
from position_monitor.core.model.settings import ProtectionSettings


class RestingStop(NamedTuple):
    """The tightest stop of ours that rests and that no new stop may be looser than (invariant 8)."""

    price: Decimal
    anchored: bool
    """Whether it was measured from the mark, in a loss or without an entry price, when it was placed."""


class ExitView(NamedTuple):
    """Everything a policy may know about one position."""

    position: Position
    instrument: Instrument
    settings: ProtectionSettings
    mark: Decimal
    """The price that arms the orders of the position: the mark, or the last trade where that is configured and read."""
    resting: RestingStop | None
    rungs_done: frozenset[int]
    """The rungs that took their profit, each by its fill; that the mark passed one is not enough (S6)."""
    refusals: int
    """How often in a row the venue refused a stop as already passed, while nothing covers the whole position."""
    refused_as: str
    """The venue's own name of the last of these refusals; empty without one."""
    advice: Advice | None
    """The AI engine's last word, which may have expired."""
    now_ms: int


class Obstacle(StrEnum):
    """What keeps a stop from protecting, whoever places it."""

    NONE = ""
    LIQUIDATION_FIRST = "no price lies between the liquidation price and the mark: the stop may come too late"
    NO_PRICE = "the venue permits no stop price on the losing side of the mark; one is tried all the same"


class Exits(NamedTuple):
    """What a policy wants for one position now, before sizing. Every price is one that the venue permits."""

    stop: Level
    """Where the stop should be now: the tightest of what the policy asks for. What rests may be tighter: the ratchet
    is the book's."""
    initial_stop: Level
    """The policy's own level without lock and trail: where a new backstop goes."""
    moves_resting: bool
    """Whether the stop of ours that rests is to move to `stop`. False while the policy wants it to stay although `stop`
    is tighter: it was anchored to the mark and the position still loses, or advice came too near the mark."""
    crossed: bool
    """The price has already passed the policy's own level: both stops are anchored to the mark instead."""
    least: Decimal | None
    """A stop that is looser than this lies too near the liquidation price; None without one ahead."""
    obstacle: Obstacle
    """Why the stops cannot protect: they lie where the venue takes them (LIQUIDATION_FIRST), or nowhere (NO_PRICE)."""
    targets: tuple[Target, ...]
    """The whole ladder, nearest first, whatever was filled; empty while the entry price is unknown. The mark has no
    part in it: it stays the same from cycle to cycle."""
    passed: frozenset[int]
    """The rungs whose level the mark has reached: none of them may be placed now (S11)."""
    beyond_last: Decimal | None
    """Where a target goes when the mark has reached the last level; None while it has not."""
    trail: Trailing | None
    """How the stop follows the mark; None under a policy that does not trail."""
    close: CloseReason | None
    """Why the position is to be closed at market; None nearly always. A wish: `core/decision/closing.py` asks for reads
    that agree and for a second witness before it sends anything (invariant 16)."""
    profile: str
    regime: str
    notes: tuple[str, ...]
