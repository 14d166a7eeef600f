"""What counts as a difference, and what is no difference although it looks like one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from position_monitor.rehearsal.planted import PLANTED
from position_monitor.verification.differences import Kind
from position_monitor.verification.position_claims import ClaimUnread
from position_monitor.verification.stop_cover import why_none
from position_monitor.verification.venue_rows import Leg
from tests.verification.sides import (
    KEY,
    NOW_MS,
    POSITION,
    STOP,
    STOP_ID,
    TARGET,
    claimed_fields,
    claims,
    differences,
    expected,
    kinds,
    look,
    position_claim,
    status_claim,
)

NAKED = ["protected_total", "risk_status", "coverage_pct", "exposed_notional", "verdict_too_high", "cover_pct"]


def test_an_honest_claim_agrees() -> None:
    """Nothing is reported about a protected position that is claimed as it is."""
    assert differences() == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"status": "TRIGGERING"}, "status is TRIGGERING"),
        ({"reduces": False}, "not bound to reduce"),
        ({"type": "STOP"}, "may not fill"),
        ({"type": "TRAILING_STOP_MARKET"}, "may not fill"),
        ({"trigger_price": Decimal(37_999)}, "beyond the liquidation price"),
        ({"trigger_price": Decimal(42_101)}, "has passed its trigger"),
        ({"trigger_price": Decimal(0)}, "no trigger price"),
        ({"working_type": "INDEX_PRICE"}, "working type is INDEX_PRICE"),
        ({"price_protect": True}, "priceProtect"),
        ({"good_till_ms": NOW_MS + 1}, "expires"),
        ({"hedged": True}, "another position mode"),
        ({"client_id": "by-hand", "trigger_price": Decimal(39_000)}, "further than 5 % from the entry"),
    ],
)
def test_a_stop_that_does_not_cover_makes_the_verdict_a_lie(change: dict[str, Any], why: str) -> None:
    """Judged here from the venue's documents; the line says what the stop lacks."""
    found = differences(at=look(orders=[replace(STOP, **change)]))
    assert [one.kind.value for one in found][: len(NAKED)] == NAKED
    verdict = next(one for one in found if one.kind is Kind.VERDICT_TOO_HIGH)
    assert why in verdict.actual and "place a stop by hand" in verdict.sentence


def test_half_a_stop_is_undercovered() -> None:
    """The share that is covered is named, and the amount that is not."""
    found = differences(at=look(orders=[replace(STOP, close_all=False, quantity=Decimal("0.25"))]))
    texts = {one.kind: one.actual for one in found}
    assert texts[Kind.VERDICT_TOO_HIGH] == "stops that rest cover 50 %" and texts[Kind.STOP_QUANTITY] == "0.25"
    assert texts[Kind.EXPOSED] == "10525.00 without a stop"


def test_a_stop_armed_by_the_last_price_is_not_judged_by_the_mark() -> None:
    """The mark may be beyond it while the last price is not: the venue says that it rests."""
    by_last = replace(STOP, working_type="CONTRACT_PRICE")
    assert kinds(at=look([replace(POSITION, mark_price=Decimal(41_000))], [by_last])) == []


def test_a_liquidation_price_where_the_leg_wins_bounds_nothing() -> None:
    """In hedge mode with cross margin the venue states one price for both legs."""
    leg = replace(POSITION, hedged=True, liquidation_price=Decimal(60_000))
    assert kinds(at=look([leg], [replace(STOP, hedged=True)])) == []


@pytest.mark.parametrize(("mode", "agrees"), [("respect", True), ("ignore", False)])
def test_a_foreign_stop_counts_as_the_configuration_says(mode: str, agrees: bool) -> None:
    """Inside the allowed distance it covers; ignored, it does not."""
    foreign = replace(STOP, client_id="by-hand", trigger_price=Decimal(41_000))
    said = claims(position_claim(stop_price="41000", stop_client_ids=["by-hand"], backstop_price=None))
    assert (kinds(said, look(orders=[foreign]), protection={"foreign_orders": mode}) == []) is agrees


def test_a_symbol_may_say_otherwise_of_foreign_stops() -> None:
    """`[symbols.BTCUSDT]` goes before `[protection]`."""
    symbol = expected(symbols={"BTCUSDT": {"foreign_stop_max_pct": 2, "foreign_orders": "respect"}})
    foreign = replace(STOP, client_id="by-hand", trigger_price=Decimal(41_000))
    assert "further than 2 %" in why_none(foreign, POSITION, symbol.foreign_stops("BTCUSDT"))
    assert why_none(foreign, POSITION, symbol.foreign_stops("ETHUSDT")) == ""


def test_an_unmanaged_position_is_counted_nowhere() -> None:
    """The operator listed it: it is claimed UNMANAGED, has no stop, and is in no total."""
    other = replace(POSITION, symbol="XRPUSDT", side=Leg.SHORT)
    said = claims(position_claim(), position_claim("XRPUSDT:SHORT", verdict="UNMANAGED", cover_pct="0"))
    assert kinds(said, look([POSITION, other]), symbols={"unmanaged": ["XRPUSDT:SHORT"]}) == []
    assert "unmanaged" in kinds(said, look([POSITION, other]))


def test_a_position_that_is_being_closed_makes_no_claim_of_cover() -> None:
    """CLOSING is no protected position for the daemon, and amounts follow another rule then."""
    said = claims(position_claim(verdict="CLOSING"), status=status_claim(protected="0", risk_status="DEGRADED"))
    assert kinds(said) == []


def test_what_is_being_removed_need_not_be_claimed() -> None:
    """A claim that says itself that the book is not in sync names only what is wanted."""
    assert kinds(at=look(orders=[STOP, TARGET])) == ["take_profit_not_claimed"]
    out_of_sync = claims(position_claim(conditions={"BookInSync": "False"}))
    assert kinds(out_of_sync, look(orders=[STOP, TARGET])) == []


def test_take_profits_are_compared_by_id_price_and_size() -> None:
    """What rests in part counts with what is left of it."""
    rung = {"trigger_price": "43000", "quantity": "0.2", "client_id": TARGET.client_id, "resting": True}
    limit = replace(
        TARGET, type="LIMIT", status="PARTIALLY_FILLED", limit_price=Decimal(43_000), quantity=Decimal("0.1")
    )
    said = claims(position_claim(take_profits=[rung]))
    assert kinds(said, look(orders=[STOP, TARGET])) == []
    assert kinds(said, look(orders=[STOP, limit])) == ["take_profit_differs"]
    assert kinds(claims(position_claim(take_profits=[rung | {"quantity": "0.1"}])), look(orders=[STOP, limit])) == []
    assert kinds(claims(position_claim(take_profits=[rung | {"resting": False}]))) == []


def test_figures_that_move_with_the_mark_have_room() -> None:
    """The daemon's mark and ours are of different moments: a little is no difference, and zero stays zero."""
    half = replace(STOP, close_all=False, quantity=Decimal("0.25"))
    undercovered = position_claim(verdict="UNDERCOVERED", stop_quantity="0.25", cover_pct="50", backstop_price=None)

    def of(exposed: str, coverage: str) -> list[str]:
        status = status_claim(risk_status="CRITICAL", protected="0", exposed_notional=exposed, coverage_pct=coverage)
        return kinds(claims(undercovered, status=status), look(orders=[half]))

    assert of("10400", "50.5") == []
    assert of("10000", "50") == ["exposed_notional"] and of("10525", "52") == ["coverage_pct"]
    assert of("0", "50") == ["exposed_notional"]


def test_a_flip_is_one_difference() -> None:
    """Redis claims the long, the venue has the short: the line names both."""
    short = replace(POSITION, side=Leg.SHORT)
    found = differences(at=look([short], []))
    assert [one.kind for one in found if one.subject != "account"] == [Kind.SIDE]
    assert "Redis claims LONG; the venue says SHORT 0.5 @ 42000" in found[-1].sentence


def test_both_legs_are_two_positions() -> None:
    """In hedge mode a missing leg is missing, whatever is claimed of the other."""
    long, short = replace(POSITION, hedged=True), replace(POSITION, hedged=True, side=Leg.SHORT, liquidation_price=None)
    found = differences(at=look([long, short], [replace(STOP, hedged=True)]))
    assert [one.subject for one in found if one.kind is Kind.POSITION_MISSING] == ["BTCUSDT:SHORT"]


def test_old_claims_are_stale_before_anything_else() -> None:
    """Three check intervals and a second; the age is named."""
    old = NOW_MS - 31_001
    status = status_claim(observed_at_ms=str(old))
    assert kinds(claims(position_claim(observed_at_ms=old), status=status)) == ["stale", "position_stale"]
    assert kinds(claims(status=status_claim(observed_at_ms=str(NOW_MS - 30_900)))) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": "2"}, "up to 1 is understood"),
        ({"quantity": "1e999999"}, "quantity was '1e999999'"),
        ({"quantity": "NaN"}, "expected a plain number"),
        ({"observed_at_ms": "-1"}, "expected a whole number"),
        ({"stop_client_ids": "{}"}, "no JSON array"),
        ({"take_profits": "[1]"}, "no object"),
        ({"doc": "[" * 100_000}, "not readable JSON"),
        ({"verdict": ""}, "verdict is missing"),
    ],
)
def test_a_claim_that_cannot_be_read_says_where(change: dict[str, str], words: str) -> None:
    """Anybody may have written the key: nothing of it is believed, and nothing of it is printed unclean."""
    from position_monitor.verification.position_claims import PositionClaim

    with pytest.raises(ClaimUnread, match=words):
        PositionClaim.of(KEY, claimed_fields() | change)


def test_a_hash_that_contradicts_its_document_is_named() -> None:
    """A reader of the one would believe something else than a reader of the other."""
    from position_monitor.verification.position_claims import PositionClaim

    claim = PositionClaim.of(KEY, claimed_fields() | {"stop_price": "41371"})
    assert claim.document_differs == "stop_price"
    assert position_claim().document_differs == ""


def test_the_self_test_plants_every_kind() -> None:
    """A kind that nobody plants could be blind for years."""
    assert {planted.kind for planted in PLANTED} == set(Kind)


def test_every_difference_says_what_to_do() -> None:
    """One line: what Redis claims, what the venue says, what to do."""
    for one in differences(at=look(orders=[])):
        assert one.advice and one.sentence.count("\n") == 0
        assert set(one.document()) == {"kind", "subject", "order", "claimed", "venue", "advice"}
    assert STOP_ID in " ".join(one.detail for one in differences(at=look(orders=[])))


@pytest.mark.parametrize(("until_ms", "agrees"), [(NOW_MS + 1, True), (NOW_MS, False)])
def test_during_a_hold_a_looser_stop_of_the_operator_counts(until_ms: int, agrees: bool) -> None:
    """As long as the hold lasts, and no longer (DESIGN 5)."""
    far = replace(STOP, client_id="by-hand", trigger_price=Decimal(39_000))
    hold = {"id": "h1", "type": "hold", "until_ms": until_ms}
    said = claims(position_claim(stop_price="39000", stop_client_ids=["by-hand"], backstop_price=None, hold=hold))
    assert (kinds(said, look(orders=[far])) == []) is agrees
