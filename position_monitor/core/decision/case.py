"""One open position with everything that is derived about it from one observation, each fact once.

Book, plan and verdict are made from the same case: they cannot disagree about what counts as cover, and what is worked
out for one of them is not worked out again for the others.
"""

from __future__ import annotations

from typing import NamedTuple

from position_monitor.core.book.desired_book import WantedOrders
from position_monitor.core.book.diff import BookDiff
from position_monitor.core.book.wanted import BookInputs
from position_monitor.core.evidence.evidence import Belief
from position_monitor.core.exits.view import AskedExits
from position_monitor.core.model.desired import CloseReason, DesiredBook
from position_monitor.core.model.positions import Position
from position_monitor.core.model.settings import EvidenceSettings, ProtectionSettings
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.observation.cover import Cover
from position_monitor.core.observation.live_book import LiveBook


class Case(NamedTuple):
    """What is known and wanted for one open position."""

    position: Position
    key: PositionKey
    settings: ProtectionSettings
    belief: Belief | None
    unmanaged: bool
    live: LiveBook
    cover: Cover
    """What counts as a stop among the orders that were read."""
    to_close: CloseReason | None
    """Why it should be closed at market, or None."""
    book: DesiredBook | None
    """None where nothing may be wanted: unmanaged, unreadable, or without trading rules."""
    wanted: WantedOrders | None
    """The orders of the book and how what rests differs from them; None without a book."""
    inputs: BookInputs | None = None
    """What the book was made from; None without a book."""
    asked: AskedExits | None = None
    """What its policy was asked for the book; None without a book."""

    @property
    def diff(self) -> BookDiff | None:
        """The book against what rests; None without a book."""
        return self.wanted.diff if self.wanted is not None else None

    @property
    def closing(self) -> str:
        """Why it should be closed at market, or empty."""
        return self.to_close.text if self.to_close is not None else ""

    @property
    def quiet(self) -> bool:
        """Whether nothing is to be done: it is as it should be, or nothing may be wanted."""
        diff = self.diff
        return diff is None or not (diff.missing or diff.surplus or self.to_close)

    def long_missing(self, settings: EvidenceSettings, now_ms: int) -> bool:
        """Whether its stop is missing now and was missing in this daemon's own reads for two check intervals."""
        return self.belief is not None and not self.cover.full and self.belief.long_exposed(settings, now_ms)
