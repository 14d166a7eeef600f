"""The books that are being followed, as JSON for the process after this one (`P:shadow_following`), and back. Pure.

Settings and trading rules are not in it: the next process takes its own, and only where their hash is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.money import plain
from position_monitor.core.model.profiles import RungKind
from position_monitor.core.model.settings import ProtectionSettings
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.performance.reasons import FillRole
from position_monitor.core.shadow.following import Followed
from position_monitor.core.shadow.pair import Censored
from position_monitor.core.shadow.simulated_position import Entry, SimulatedFill, SimulatedPosition, SimulatedRung
from position_monitor.edge.redis.json_text import json_text
from position_monitor.edge.redis.published_text import figure, parsed
from position_monitor.edge.redis.published_values import DocumentUnreadable

FOLLOWED_SCHEMA: Final = 1
ITEMS_MAX: Final = 1_000


class Grounds(NamedTuple):
    """What the next process takes of its own configuration and venue."""

    account: str
    settings_hash: str
    instrument: Instrument
    shadow: ProtectionSettings
    own: ProtectionSettings


def followed_text(followed: Followed) -> str:
    """One followed position as JSON."""
    entry = followed.own.entry
    return json_text({
        "schema": FOLLOWED_SCHEMA,
        "symbol": followed.key.symbol,
        "side": followed.key.side.value,
        "epoch": followed.epoch,
        "hedged": entry.hedged,
        "settings_hash": followed.settings_hash,
        "policies": [str(followed.shadow.entry.settings.policy), str(entry.settings.policy)],
        "at_ms": followed.at_ms,
        "price": plain(followed.price),
        "quantity": plain(followed.quantity),
        "entry_price": plain(followed.entry_price),
        "ended_ms": followed.ended_ms,
        "by_candles": followed.by_candles,
        "censored": str(followed.censored),
        "growths": followed.growths,
        "gap_ms": followed.gap_ms,
        "ambiguous": followed.ambiguous,
        "minutes": followed.minutes,
        "shadow": _book_document(followed.shadow),
        "own": _book_document(followed.own),
    })  # fmt: skip


def _book_document(book: SimulatedPosition) -> dict[str, Any]:
    return {
        "entered": plain(book.entry.quantity),
        "average": plain(book.entry.price),
        "quantity": plain(book.quantity),
        "at_ms": book.at_ms,
        "since_ms": book.since_ms,
        "pin": book.pin,
        "backstop": plain(book.backstop),
        "stop": plain(book.stop),
        "stop_source": book.stop_source,
        "anchored": book.anchored,
        "rungs": [[one.number, plain(one.price), plain(one.quantity), str(one.kind)] for one in book.rungs],
        "rungs_done": sorted(book.rungs_done),
        "fills": [
            [
                *(one.at_ms, plain(one.price), plain(one.quantity), plain(one.held), str(one.role), one.reason),
                *(one.maker, None if one.no_better_than is None else plain(one.no_better_than)),
            ]
            for one in book.fills
        ],
        "profile": book.profile,
        "regime": book.regime,
        "asked_to_close": book.asked_to_close,
        "levels": [plain(level) for level in book.levels],
    }


def key_of(text: str) -> PositionKey:
    """Whose books these are. Raises `DocumentUnreadable`."""
    document = _document(text)
    try:
        return PositionKey(str(document["symbol"]), Side(document["side"]))
    except (KeyError, ValueError) as fault:
        raise DocumentUnreadable(f"a followed position is not readable: {type(fault).__name__}") from None


def has_ended(text: str) -> bool:
    """Whether the live position of these books is closed, so that they outlive it. Raises `DocumentUnreadable`."""
    return bool(_document(text).get("ended_ms"))


def read_followed(text: str, grounds: Grounds) -> Followed:
    """One followed position back; raises `DocumentUnreadable`. Other settings than those of now censor it."""
    document = _document(text)
    try:
        policies = [str(grounds.shadow.policy), str(grounds.own.policy)]
        same = document["settings_hash"] == grounds.settings_hash and document["policies"] == policies
        censored = Censored(document["censored"])
        key = PositionKey(str(document["symbol"]), Side(document["side"]))
        entry = Entry(
            account=grounds.account,
            key=key,
            epoch=str(document["epoch"]),
            quantity=Decimal(0),
            price=Decimal(0),
            instrument=grounds.instrument,
            settings=grounds.own,
            hedged=bool(document["hedged"]),
        )
        return Followed(
            key=key,
            epoch=entry.epoch,
            settings_hash=str(document["settings_hash"]),
            shadow=_book(document["shadow"], entry._replace(settings=grounds.shadow)),
            own=_book(document["own"], entry),
            at_ms=int(document["at_ms"]),
            price=_positive(document["price"]),
            quantity=_positive(document["quantity"]),
            entry_price=_positive(document["entry_price"]),
            ended_ms=int(document["ended_ms"]),
            by_candles=bool(document["by_candles"]),
            censored=censored if same or censored is not Censored.NO else Censored.SETTINGS,
            growths=int(document["growths"]),
            gap_ms=int(document["gap_ms"]),
            ambiguous=int(document["ambiguous"]),
            minutes=int(document["minutes"]),
        )
    except (KeyError, ValueError, TypeError, AttributeError, InvalidOperation) as fault:
        raise DocumentUnreadable(f"a followed position is not readable: {type(fault).__name__}") from None


def _document(text: str) -> Mapping[str, Any]:
    try:
        document = parsed(text)
    except ValueError as fault:
        raise DocumentUnreadable(f"a followed position is not readable: {fault}") from None
    if not isinstance(document, Mapping) or document.get("schema") != FOLLOWED_SCHEMA:
        raise DocumentUnreadable("a followed position has another schema")
    return document


def _book(document: Mapping[str, Any], entry: Entry) -> SimulatedPosition:
    if max(len(document["rungs"]), len(document["fills"]), len(document["levels"])) > ITEMS_MAX:
        raise ValueError("too many items")
    return SimulatedPosition(
        entry=entry._replace(quantity=_positive(document["entered"]), price=_positive(document["average"])),
        quantity=_finite(document["quantity"]),
        at_ms=int(document["at_ms"]),
        since_ms=int(document["since_ms"]),
        pin=int(document["pin"]),
        backstop=_positive(document["backstop"]),
        stop=_positive(document["stop"]),
        stop_source=str(document["stop_source"]),
        anchored=bool(document["anchored"]),
        rungs=tuple(
            SimulatedRung(int(number), _positive(price), _positive(quantity), RungKind(kind))
            for number, price, quantity, kind in document["rungs"]
        ),
        rungs_done=frozenset(int(number) for number in document["rungs_done"]),
        fills=tuple(_fill(*row) for row in document["fills"]),
        profile=str(document["profile"]),
        regime=str(document["regime"]),
        asked_to_close=int(document["asked_to_close"]),
        levels=tuple(_positive(level) for level in document["levels"]),
    )


def _fill(*row: object) -> SimulatedFill:
    at_ms, price, quantity, held, role, reason, maker, mark = row
    return SimulatedFill(
        at_ms=int(str(at_ms)),
        price=_positive(price),
        quantity=_positive(quantity),
        held=_positive(held),
        role=FillRole(str(role)),
        reason=str(reason),
        maker=bool(maker),
        no_better_than=None if mark is None else _positive(mark),
    )


def _finite(text: object) -> Decimal:
    value = figure(text)
    if not value.is_finite():
        raise ValueError("no number")
    return value


def _positive(text: object) -> Decimal:
    value = _finite(text)
    if value <= 0:
        raise ValueError("not above zero")
    return value
