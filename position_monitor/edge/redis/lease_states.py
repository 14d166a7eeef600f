"""What may be believed about the lease of an account, and for how long another owner counts as alive."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Final

from position_monitor.core.decision.ownership import LeaseStanding

MOVED_S: Final = 0.5
"""An expiry that lies this much later than before was renewed: what is less is the time an answer takes."""


@dataclass(frozen=True, slots=True)
class Owned:
    """We are the single remover, with this fencing number."""

    epoch: int
    standing = LeaseStanding.OURS

    def __str__(self) -> str:
        return f"ours, epoch {self.epoch}; this daemon places, moves and removes orders"


@dataclass(frozen=True, slots=True)
class HeldByOther:
    """A live other owner holds the lease: stand by. `config_hash` is what it published, if anything."""

    owner: str
    config_hash: str
    standing = LeaseStanding.ANOTHERS

    def __str__(self) -> str:
        return f"held by {self.owner} (configuration {self.config_hash or 'unknown'}); standing by"


@dataclass(frozen=True, slots=True)
class Stale:
    """The lease holds a value that nobody was seen to renew within our own expiry."""

    owner: str
    standing = LeaseStanding.STALE

    @property
    def reason(self) -> str:
        """What is wrong, for the state."""
        return f"the lease says {self.owner}, and nobody renews that"

    def __str__(self) -> str:
        return f"stale ({self.reason}); missing stops are placed, nothing is removed"


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Nobody can say who holds the lease: place missing protection, remove nothing."""

    reason: str
    standing = LeaseStanding.SILENT

    def __str__(self) -> str:
        return f"none ({self.reason}); missing stops are placed, nothing is removed"


LeaseState = Owned | HeldByOther | Stale | Unavailable


@dataclass(frozen=True, slots=True)
class Watched:
    """The lease of another owner as it was looked at, by our monotonic clock."""

    owner: str
    expires_s: float
    """Infinite for a lease without expiry."""
    unmoved_since_s: float
    """When it was last seen to move; when it was first seen, where it never did."""
    renewed: bool

    def looked_at(self, now_s: float, expires_s: float) -> Watched:
        """The same after another look: an expiry that lies later than before was renewed."""
        moved = isfinite(expires_s) and expires_s > self.expires_s + MOVED_S
        since_s = now_s if moved else self.unmoved_since_s
        return Watched(self.owner, expires_s, since_s, self.renewed or moved)

    def alive_for_s(self, now_s: float, ttl_s: float) -> float:
        """How long its owner counts as alive from now on, as far as is known; 0 or less when it does not.

        A lease that expires within our own time was renewed within it. Any other must have been seen to move.
        """
        if self.expires_s - now_s <= ttl_s + MOVED_S:
            return self.expires_s - now_s
        return self.unmoved_since_s + ttl_s - now_s if self.renewed else 0.0
