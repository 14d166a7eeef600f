"""Invariant 10 inside the process: what the daemon remembers stays small whatever happens outside."""

from __future__ import annotations

from collections.abc import Sequence

from position_monitor.core.observation.stream_events import BOX_KEYS_MAX
from position_monitor.core.shadow.following import GROWTHS_MAX
from position_monitor.daemon.fast_path import SYMBOLS_MAX
from position_monitor.daemon.following import ENDED_MAX, OPEN_MAX
from position_monitor.edge.streams.user_stream import EXPECTED_MAX, HEARD_IDS_MAX, UserStream
from position_monitor.service import Service
from position_monitor.service.records.pairing import PAIRS_KEPT

AWAITED_MAX = 64
"""Writes not read back yet; the core's own bound per position, here for the whole account."""
IDS_MAX = 40
"""Owned client ids followed for one position: at most what may rest of ours, before and after a replacement."""
FOREIGN_MAX = 1_000
CLOSES_MAX = 10
WINDOW_MAX = 4
RUNGS_MAX = 36
FILLS_MAX = 4 * GROWTHS_MAX + 4
"""Of a book whose ladder is made anew after each addition: far fewer, as a rule."""


def exceeded(service: Service, symbols: Sequence[str]) -> list[str]:
    """Every bound of the daemon's memory that does not hold now."""
    evidence, history = service.daemon.evidence, service.daemon.history
    sizes = {
        "positions in the evidence": (len(evidence.keys), 2 * len(symbols)),
        "awaited writes": (len(evidence.awaited), AWAITED_MAX),
        "positions in the history": (len(history.tracks), 2 * len(symbols)),
        "foreign orders in the history": (len(history.foreign_orders), FOREIGN_MAX),
    }
    for key, known in evidence.keys.items():
        sizes[f"client ids seen of {key}"] = (len(known.listed_reads), IDS_MAX)
        sizes[f"closes of {key}"] = (len(known.closes_at_ms), CLOSES_MAX)
        sizes[f"quantities of {key}"] = (len(known.quantities), WINDOW_MAX)
        sizes[f"rungs of {key}"] = (len(known.rung_sizes) + len(known.done_rungs), 2 * RUNGS_MAX)
    sizes |= _of_streams(service, symbols) | _of_shadows(service)
    return [f"INV-10: {name}: {size}; expected at most {most}" for name, (size, most) in sizes.items() if size > most]


def _of_streams(service: Service, symbols: Sequence[str]) -> dict[str, tuple[int, int]]:
    """What events leave behind until the next read."""
    fast, box, user = service.daemon.fast_path, service._box, service.streams.user
    sizes = {
        "symbols with events since their read": (len(fast._since), SYMBOLS_MAX),
        "symbols with news": (len(fast._news), SYMBOLS_MAX),
        "symbols just placing from an event": (len(fast._tasks), len(symbols)),
        "symbols in the box": (len(box._symbols), BOX_KEYS_MAX),
        "positions in the box": (len(box._latest), BOX_KEYS_MAX),
    }
    if isinstance(user, UserStream):
        sizes["events expected"] = (len(user._expected), EXPECTED_MAX)
        sizes["client ids heard"] = (len(user._heard_ids), HEARD_IDS_MAX)
    return sizes


def _of_shadows(service: Service) -> dict[str, tuple[int, int]]:
    """What is kept of the policies beside the live one."""
    following, pairs = service.following, service._pairs
    books = [book for one in following.everything() for book in (one.shadow, one.own)]
    sizes = {
        "positions followed": (len(following.open), OPEN_MAX),
        "followed positions that ended": (len(following.ended), ENDED_MAX),
        "symbols of followed positions": (len(following._by_symbol), len(following.open)),
        "fills of a simulated book": (max((len(book.fills) for book in books), default=0), FILLS_MAX),
        "rungs of a simulated book": (max((len(book.rungs) for book in books), default=0), RUNGS_MAX),
    }
    if pairs is not None:
        sizes["pairs kept"] = (len(pairs._kept), PAIRS_KEPT)
        sizes["books whose candles were asked for"] = (len(pairs._asked_ms), OPEN_MAX + ENDED_MAX)
    return sizes
