"""The published text of every position, written anew only where more than its price and its time changed.

A quiet account is published every few seconds, and nearly all of it is as before. The text of a position is kept with
gaps in it for what moves; a cycle fills the gaps. What is published is the same as without this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Final

from position_monitor.core.model.sides import PositionKey
from position_monitor.core.publication.state import PositionState
from position_monitor.edge.redis.documents import decimal_text, json_text, position_document, position_fields

_GAPS: Final = {
    "mark_price": "\ue000",
    "unrealized_pnl": "\ue001",
    "liquidation_price": "\ue002",
    "observed_at_ms": "\ue003",
    "published_at_ms": "\ue004",
}
"""Stand-ins from Unicode's private use area: JSON leaves them as they are. Liquidation moves with the price of every
other position of the account."""
_WITHOUT_QUOTES: Final = ("liquidation_price", "observed_at_ms", "published_at_ms")
"""In the document these have a gap that includes the quotes: two are numbers, one may be null."""
_LIQUIDATION_IN_DOCUMENT: Final = "\ue005"
_GAPS_IN_ALL: Final = 9
"""Each is a field and a member of the document, but for the time of publishing, which is only a member."""
_standing: Final = attrgetter(*(field.name for field in fields(PositionState) if field.name not in _GAPS))


@dataclass(frozen=True, slots=True)
class _Kept:
    standing: tuple[Any, ...]
    """Everything of the state that does not move with price and time."""
    text: str
    """For the % operator, with the names of `_GAPS`."""


class PositionTexts:
    """The positions of one account as the JSON that the publishing script takes."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._kept: dict[PositionKey, _Kept] = {}

    def array(self, states: Iterable[PositionState], *, published_at_ms: int) -> str:
        """`[["BTCUSDT:LONG", [field, value, ...]], ...]`."""
        kept, self._kept = self._kept, {}
        texts: list[str] = []
        for state in states:
            mark, pnl = decimal_text(state.mark_price), decimal_text(state.unrealized_pnl)
            known = self._known(state, kept.get(state.key)) if mark and pnl else None
            if known is None:
                document = position_document(state, self._account, published_at_ms=published_at_ms)
                texts.append(_entry(state, position_fields(document)))
                continue
            self._kept[state.key] = known
            liquidation = decimal_text(state.liquidation_price)
            texts.append(
                known.text
                % {
                    "mark_price": mark,
                    "unrealized_pnl": pnl,
                    "liquidation_price": liquidation,
                    "liquidation_in_document": f'\\"{liquidation}\\"' if liquidation else "null",
                    "observed_at_ms": state.observed_at_ms,
                    "published_at_ms": published_at_ms,
                }
            )
        return f"[{','.join(texts)}]"

    def _known(self, state: PositionState, before: _Kept | None) -> _Kept | None:
        """The text with gaps; None when a text of the state looks like a gap itself."""
        standing = _standing(state)
        if before is not None and before.standing == standing:
            return before
        found = position_fields(position_document(state, self._account, published_at_ms=0) | _GAPS)
        for name in _WITHOUT_QUOTES:
            inner = _LIQUIDATION_IN_DOCUMENT if name == "liquidation_price" else _GAPS[name]
            found["doc"] = found["doc"].replace(f'"{_GAPS[name]}"', inner)
        text = _entry(state, found)
        names = {**_GAPS, "liquidation_in_document": _LIQUIDATION_IN_DOCUMENT}
        if sum(map(text.count, names.values())) != _GAPS_IN_ALL:
            return None
        text = text.replace("%", "%%")
        for name, gap in names.items():
            text = text.replace(gap, f"%({name})s")
        return _Kept(standing, text)


def _entry(state: PositionState, found: Mapping[str, str]) -> str:
    return json_text([str(state.key), [text for pair in found.items() for text in pair]])
