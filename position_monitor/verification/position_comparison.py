"""One claimed position against the same one at the venue: size, entry, verdict, stops, take-profits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from position_monitor.verification.differences import Difference, Kind
from position_monitor.verification.expectations import Expectations
from position_monitor.verification.position_claims import PositionClaim, TakeProfitClaim
from position_monitor.verification.stop_cover import StopCover
from position_monitor.verification.venue_rows import VenueOrder, VenuePosition

_COVERED: Final = ("PROTECTED", "STOP_ONLY")
_UNCOVERED: Final = ("NAKED", "UNDERCOVERED")
COVER_TOLERANCE_PCT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Both:
    """A position that Redis claims and the venue has."""

    claim: PositionClaim
    position: VenuePosition
    cover: StopCover
    orders: Sequence[VenueOrder]
    """The orders of its symbol on its side."""
    expected: Expectations
    now_ms: int


def position_differences(both: Both) -> Iterator[Difference]:
    """Every difference of a position that both sides know."""
    claim, cover, expected, key = both.claim, both.cover, both.expected, both.claim.key
    if claim.document_differs:
        words = f"two things: the field {claim.document_differs} and the same in doc"
        yield Difference(Kind.DOCUMENT, key, words, "at most one of them")
    age_ms = both.now_ms - claim.observed_at_ms
    if age_ms > expected.stale_after_ms:
        words = f"what was read {age_ms / 1000:.0f} s ago"
        allowed = f"it is older than the {expected.stale_after_ms / 1000:g} s that are allowed"
        yield Difference(Kind.POSITION_STALE, key, words, allowed, settled=False)
    yield from _of_size(claim, both.position)
    yield from _of_management(claim, cover, expected)
    if claim.verdict == "UNKNOWN":
        yield Difference(Kind.VERDICT_UNKNOWN, key, "UNKNOWN", cover.described, settled=False)
    elif claim.verdict != "UNMANAGED":
        yield from _of_verdict(claim, cover)
        yield from _of_stops(claim, cover)
        yield from _of_take_profits(claim, [order for order in both.orders if order.rests])


def _of_size(claim: PositionClaim, position: VenuePosition) -> Iterator[Difference]:
    figures = (
        (Kind.QUANTITY, claim.quantity, position.quantity),
        (Kind.ENTRY_PRICE, claim.entry_price or Decimal(0), position.entry_price),
    )
    for kind, claimed, actual in figures:
        if claimed != actual:
            yield Difference(kind, claim.key, _shown(claimed), _shown(actual))


def _of_management(claim: PositionClaim, cover: StopCover, expected: Expectations) -> Iterator[Difference]:
    listed = expected.is_unmanaged(claim.key)
    if listed and claim.verdict != "UNMANAGED":
        yield Difference(Kind.UNMANAGED, claim.key, claim.verdict, "nothing of it: symbols.unmanaged lists it here")
    elif not listed and claim.verdict == "UNMANAGED":
        words = f"{cover.described}, and symbols.unmanaged does not list it here"
        yield Difference(Kind.UNMANAGED, claim.key, "UNMANAGED", words, settled=False)


def _of_verdict(claim: PositionClaim, cover: StopCover) -> Iterator[Difference]:
    if claim.verdict in _COVERED and not cover.whole:
        yield Difference(Kind.VERDICT_TOO_HIGH, claim.key, claim.verdict, cover.described, settled=False)
    if claim.verdict in _UNCOVERED and cover.whole:
        yield Difference(Kind.VERDICT_TOO_LOW, claim.key, claim.verdict, cover.described, settled=False)
    if abs((claim.cover_pct or Decimal(0)) - cover.pct) > COVER_TOLERANCE_PCT:
        words = f"{_shown(claim.cover_pct)} % covered"
        yield Difference(Kind.COVER, claim.key, words, cover.described, settled=False)


def _of_stops(claim: PositionClaim, cover: StopCover) -> Iterator[Difference]:
    tightest = cover.stops[0].trigger_price if cover.stops else None
    backstop = next((stop.trigger_price for stop in cover.stops if stop.ours and stop.close_all), None)
    figures = (
        (Kind.STOP_QUANTITY, claim.stop_quantity or Decimal(0), cover.quantity),
        (Kind.STOP_PRICE, claim.stop_price, tightest),
        (Kind.BACKSTOP_PRICE, claim.backstop_price, backstop),
    )
    for kind, claimed, actual in figures:
        if claimed != actual:
            yield Difference(kind, claim.key, _shown(claimed), _shown(actual))
    resting = {stop.client_id: stop for stop in cover.stops}
    for client_id in claim.stop_client_ids:
        if client_id not in resting:
            why = next((words for words in cover.lacking if words.startswith(f"{client_id}: ")), "no such stop rests")
            yield Difference(
                Kind.STOP_NOT_RESTING, claim.key, f"the stop {client_id}", why, detail=client_id, settled=False
            )
    for client_id, stop in resting.items():
        if client_id not in claim.stop_client_ids:
            words = f"the stop {client_id} rests at {stop.trigger_price}"
            yield Difference(Kind.STOP_NOT_CLAIMED, claim.key, "nothing of this stop", words, detail=client_id)


def _of_take_profits(claim: PositionClaim, resting: Sequence[VenueOrder]) -> Iterator[Difference]:
    targets = {order.client_id: order for order in resting if order.takes_profit}
    claimed_ids = set()
    for rung in claim.take_profits:
        if not rung.resting:
            continue
        claimed_ids.add(rung.client_id)
        order, words = targets.get(rung.client_id), f"the take-profit {_target(rung)}"
        if order is None:
            yield Difference(
                Kind.TAKE_PROFIT_NOT_RESTING, claim.key, words, "no such take-profit rests", detail=rung.client_id
            )
        elif rung.price != order.price or not _same_size(rung, order):
            actual = f"{'all' if order.close_all else _shown(order.quantity)} @ {order.price}"
            yield Difference(Kind.TAKE_PROFIT_DIFFERS, claim.key, words, actual, detail=rung.client_id)
    if claim.out_of_sync or claim.verdict == "CLOSING":
        return  # it says itself that some of what rests is to go
    for client_id, order in targets.items():
        if order.ours and client_id not in claimed_ids:
            words = f"the take-profit {client_id} rests: {_shown(order.quantity)} @ {order.price}"
            yield Difference(
                Kind.TAKE_PROFIT_NOT_CLAIMED, claim.key, "nothing of this take-profit", words, detail=client_id
            )


def _same_size(rung: TakeProfitClaim, order: VenueOrder) -> bool:
    """A close-all take-profit states no size of its own."""
    return order.close_all or rung.quantity == order.quantity


def _target(rung: TakeProfitClaim) -> str:
    return f"{rung.client_id} ({_shown(rung.quantity)} @ {_shown(rung.price)})"


def _shown(number: Decimal | None) -> str:
    return "none" if number is None else f"{number:f}"
