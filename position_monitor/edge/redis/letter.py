"""What is handed in to be published, and the text that the publishing script takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from position_monitor.core.model.events import Event
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.publication.state import AccountState, PositionState
from position_monitor.core.shadow.shadow_book import ShadowBook
from position_monitor.edge.clock import Clock
from position_monitor.edge.redis.documents import event_data, position_entries, status_fields
from position_monitor.edge.redis.json_text import json_text
from position_monitor.edge.redis.shadow_documents import shadow_entry

NO_SHADOWS: Final[Mapping[PositionKey, ShadowBook]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Letter:
    """The newest state, and when it was handed in: a state ages while it waits, and so does its expiry."""

    account: AccountState
    positions: tuple[PositionState, ...]
    shadows: Mapping[PositionKey, ShadowBook]
    """The shadow books of all open positions."""
    handed_in_s: float
    handed_in_ms: int

    def age_s(self, clock: Clock) -> float:
        """Time since it was handed in, by the clock that says more: one of them stands still during a suspend."""
        return max(clock.monotonic_s() - self.handed_in_s, (clock.now_ms() - self.handed_in_ms) / 1000)


def text_of(
    letter: Letter,
    events: Sequence[tuple[int, Event]],
    *,
    account: str,
    owner: str,
    epoch: int,
    written: Mapping[PositionKey, ShadowBook],
) -> str:
    """The letter and its numbered events as JSON; of the shadow books those that are not the `written` ones."""
    start_id = owner.rpartition(":")[2]
    fields = status_fields(letter.account, owner=owner, epoch=epoch)
    changed = [book for key, book in sorted(letter.shadows.items()) if written.get(key) is not book]
    return json_text({
        "status": [text for pair in fields.items() for text in pair],
        "positions": position_entries(letter.positions, account, published_at_ms=letter.account.published_at_ms),
        "events": [event_data(event, account, event_id=f"{start_id}-{number}") for number, event in events],
        "shadows": {
            "open": [str(key) for key in sorted(letter.shadows)],
            "changed": [shadow_entry(book, account) for book in changed],
        },
    })  # fmt: skip
