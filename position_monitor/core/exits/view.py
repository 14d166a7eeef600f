"""What a policy sees and what it answers: `ExitView` in, `Exits` out.

A policy is a pure function from the one to the other. The same function plans, judges the verdict, and later runs in
shadow and in the backtest, so the view holds plain values only: no order, no list, no memory of this process.

What was decided when the position was opened stands in what rests: R is the distance to the backstop (S1), and the
`pin` in its id names profile or regime (S2). So a restart with empty memory sees the same view.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from position_monitor.core.model.desired import CloseReason, Ladder, Level, Target, Trailing
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.market import MarketState, Regime
from position_monitor.core.model.outside import Advice
from position_monitor.core.model.positions import Position
from position_monitor.core.model.settings import ProtectionSettings
from position_monitor.core.model.sides import Side


class RestingStop(NamedTuple):
    """The tightest stop of ours that rests and that no new stop may be looser than (invariant 8)."""

    price: Decimal
    anchored: bool
    """Whether it was measured from the mark, in a loss or without an entry price, when it was placed."""


class RungsLeft(NamedTuple):
    """What rests of a ladder that was placed before this process began, where the position changed after that."""

    nearest: int
    """The number of the nearest configured rung among them, from 0."""
    rungs: int
    total: Decimal
    """What they take together."""


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
    r: Decimal | None = None
    """R: distance from the entry to our backstop that rests (S1); None without one, 0 where it secures profit."""
    pin: int = 0
    """What was decided at entry, by the backstop's id (`core/model/pins.py`)."""
    since_ms: int | None = None
    """When that backstop was created: the age of the position counts from then (S8)."""
    epoch: str = ""
    """Of the position: it says when the position was first seen (`ids.epoch_began_ms`)."""
    rungs_rest: bool = False
    """Whether a take-profit of ours of this epoch rests (S4)."""
    rungs_left: RungsLeft | None = None
    """What is left of an earlier process's ladder; it tells which rungs are gone (`rungs_done.py`)."""
    inherited: bool = False
    """Whether the position was met with orders of ours at it, as after a restart: nobody remembers its rungs."""
    market: MarketState | None = None
    """What the closed candles say; None without candles, and once they are too old (S20)."""
    regime: Regime | None = None
    """The regime in force: the AI engine's fresh word where it is known, else that of the candles (12.2)."""
    direction: Side | None = None
    """Where the trend goes, by the same; None where nothing says so (S10)."""
    live_since_ms: int | None = None
    """Since when this policy is live here; None where nobody knows (12.5)."""


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
    """The profile in force, which the regime may have chosen; else the configured word."""
    regime: str
    notes: tuple[str, ...]
    runner: Decimal = Decimal(0)
    """Part of the whole position (0 to 1) that never gets a target (S4)."""
    also: tuple[Ladder, ...] = ()
    """Other ladders that may stay where they rest: of the policy before this one, of a profile or regime before (S2,
    S13). None of them is ever placed."""
    ladder_stays: bool = False
    """Whether a ladder that rests stays whatever its levels: they were made from figures that nobody remembers (S2)."""
    alone: bool = False
    """Whether what is left is the runner: every rung is gone, and none is placed again (S4)."""
    pin: int = 0
    """What a new backstop says in its id."""
    r: Decimal | None = None
    """R as this answer was made with; None under a policy without R."""
    failed: str = ""
    """Why the policy could not answer, so that this is the floor (S14); empty nearly always."""


class AskedExits(NamedTuple):
    """What a policy was shown of a position, and what it answered."""

    view: ExitView
    answer: Exits
