"""What is planted: one change of the claims or of the exchange each, and the kind of difference it must be seen as."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from position_monitor.rehearsal.stage import KEY, SYMBOL, Stage, client_id
from position_monitor.verification.differences import Kind

OTHER: Final = "SOLUSDT"
"""A long with a backstop alone."""
OTHER_NUMBER: Final = 99
"""Of the orders that are rested in place of its backstop."""


@dataclass(frozen=True, slots=True)
class Planted:
    """One lie, or one change that nobody claimed."""

    kind: Kind
    words: str
    plant: Callable[[Stage], object]


def _status(name: str, value: str) -> Callable[[Stage], object]:
    def plant(stage: Stage) -> None:
        assert stage.status is not None
        stage.status[name] = value

    return plant


def _claim(name: str, value: str) -> Callable[[Stage], object]:
    return lambda stage: stage.positions[KEY].update({name: value})


def _no_status(stage: Stage) -> None:
    stage.status = None


def _lease(owner: str | None) -> Callable[[Stage], object]:
    def plant(stage: Stage) -> None:
        stage.lease = owner

    return plant


def _other_side(stage: Stage) -> None:
    stage.positions[f"{SYMBOL}:SHORT"] = stage.positions.pop(KEY)


def _another_document(stage: Stage) -> None:
    document = {**stage.positions[KEY], "verdict": "NAKED", "stop_client_ids": [], "conditions": {}}
    stage.documents[KEY] = json.dumps(document)


def _first_stop(stage: Stage, key: str = KEY) -> str:
    stop: str = json.loads(stage.positions[key]["stop_client_ids"])[0]
    return stop


def _all_stops_cancelled(stage: Stage) -> None:
    for stop in json.loads(stage.positions[KEY]["stop_client_ids"]):
        stage.remove(stop)


def _instead(**order: str) -> Callable[[Stage], object]:
    """In place of the other symbol's backstop rests an order that does not cover it."""

    def plant(stage: Stage) -> None:
        stage.remove(_first_stop(stage, f"{OTHER}:LONG"))
        stage.rest(OTHER, OTHER_NUMBER, **order)

    return plant


def _bought(stage: Stage) -> None:
    stage.remove(_first_stop(stage, f"{OTHER}:LONG"))
    stage.rest(OTHER, OTHER_NUMBER, side="BUY", triggerPrice=stage.price(OTHER, "1.02"), quantity="51")


def _beyond_liquidation(stage: Stage) -> None:
    stage.engine.world.account.wallet = Decimal(4_000)  # with more of it this long cannot be liquidated
    liquidation = stage.engine.world.account.liquidation_price(OTHER, "BOTH")
    tick = stage.engine.world.instrument(OTHER).tick
    stage.remove(_first_stop(stage, f"{OTHER}:LONG"))
    trigger = (liquidation * Decimal("0.99") // tick) * tick
    stage.rest(OTHER, OTHER_NUMBER, quantity="51", reduceOnly="true", triggerPrice=trigger)


def _stuck(stage: Stage) -> None:
    stage.engine.add_fault("stuck_triggering", symbol=OTHER)
    stage.engine.set_price(OTHER, Decimal(stage.price(OTHER, "0.97")))


def _vanished(stage: Stage) -> None:
    order = stage.engine.algos.find({"clientAlgoId": _first_stop(stage, f"{OTHER}:LONG")})
    assert order is not None
    stage.engine.triggers.vanish(order)


def _backstop_moved(stage: Stage) -> None:
    stop = _first_stop(stage)
    stage.remove(stop)
    stage.rest(SYMBOL, 0, clientAlgoId=stop, triggerPrice=stage.price(SYMBOL, "0.97"))


def _foreign_stop(stage: Stage) -> None:
    stage.rest(SYMBOL, OTHER_NUMBER, quantity="0.1", reduceOnly="true", clientAlgoId="by-hand")


def _one_more_stop_claimed(stage: Stage) -> None:
    stops = [*json.loads(stage.positions[KEY]["stop_client_ids"]), client_id("w", OTHER_NUMBER)]
    stage.positions[KEY]["stop_client_ids"] = json.dumps(stops)


def _target_cancelled(stage: Stage) -> None:
    stage.remove(json.loads(stage.positions[KEY]["take_profits"])[0]["client_id"])


def _limit_cancelled(stage: Stage) -> None:
    limit = json.loads(stage.positions[KEY]["take_profits"])[1]["client_id"]
    stage.engine.cancel_order({"symbol": SYMBOL, "origClientOrderId": limit}, origin="foreign")


def _targets_claimed(**changes: str) -> Callable[[Stage], object]:
    """The first take-profit is claimed otherwise than it rests; without changes it is not claimed at all."""

    def plant(stage: Stage) -> None:
        first, *others = json.loads(stage.positions[KEY]["take_profits"])
        targets = [first | changes, *others] if changes else others
        stage.positions[KEY]["take_profits"] = json.dumps(targets)

    return plant


PLANTED: Final = (
    Planted(Kind.STATUS_MISSING, "the status is gone", _no_status),
    Planted(Kind.STATUS_UNREADABLE, "the status holds no number", _status("positions", "many")),
    Planted(Kind.STOPPED, "the daemon was stopped", _status("mode", "stopped")),
    Planted(Kind.STALE, "what is claimed is a minute old", lambda stage: stage.age_ms.update({"account": 60_000})),
    Planted(Kind.ENVIRONMENT, "the claims are of another environment", _status("environment", "live")),
    Planted(Kind.LEASE, "no lease is held", _lease(None)),
    Planted(Kind.LEASE, "another daemon holds the lease", _lease("elsewhere:2:2")),
    Planted(Kind.RISK_STATUS, "PROTECTED is claimed of a naked account", _all_stops_cancelled),
    Planted(Kind.POSITIONS_TOTAL, "one position too few is counted", _status("positions", "2")),
    Planted(Kind.PROTECTED_TOTAL, "one protected position too few is counted", _status("protected", "2")),
    Planted(Kind.COVERAGE, "another coverage is claimed", _status("coverage_pct", "50")),
    Planted(Kind.EXPOSED, "an exposed amount is claimed", _status("exposed_notional", "1000")),
    Planted(Kind.POSITION_MISSING, "a position is not claimed", lambda stage: stage.positions.pop(KEY)),
    Planted(Kind.POSITION_EXPIRED, "the key of a listed position is gone", lambda stage: stage.expired.add(KEY)),
    Planted(Kind.POSITION_FLAT, "a position was closed", lambda stage: stage.engine.trade("close", SYMBOL, None, None)),
    Planted(Kind.POSITION_UNREADABLE, "a position holds no number", _claim("quantity", "1e999")),
    Planted(Kind.POSITION_STALE, "one position is a minute old", lambda stage: stage.age_ms.update({KEY: 60_000})),
    Planted(Kind.DOCUMENT, "hash and doc contradict each other", _another_document),
    Planted(Kind.SIDE, "the other side is claimed", _other_side),
    Planted(Kind.QUANTITY, "another quantity is claimed", _claim("quantity", "0.1")),
    Planted(Kind.ENTRY_PRICE, "another entry is claimed", _claim("entry_price", "41999")),
    Planted(Kind.UNMANAGED, "a position is claimed to be unmanaged", _claim("verdict", "UNMANAGED")),
    Planted(Kind.VERDICT_TOO_HIGH, "every stop was cancelled", _all_stops_cancelled),
    Planted(Kind.VERDICT_TOO_HIGH, "a stop vanished without a trace", _vanished),
    Planted(Kind.VERDICT_TOO_HIGH, "the stop covers half", _instead(quantity="25", reduceOnly="true")),
    Planted(Kind.VERDICT_TOO_HIGH, "the stop is not reduce-only", _instead(quantity="51")),
    Planted(Kind.VERDICT_TOO_HIGH, "the stop is on the wrong side", _bought),
    Planted(Kind.VERDICT_TOO_HIGH, "the stop lies beyond liquidation", _beyond_liquidation),
    Planted(Kind.VERDICT_TOO_HIGH, "the stop is stuck in TRIGGERING", _stuck),
    Planted(Kind.VERDICT_TOO_HIGH, "priceProtect may hold the stop back", _instead(priceProtect="true")),
    Planted(Kind.VERDICT_TOO_LOW, "NAKED is claimed of a covered position", _claim("verdict", "NAKED")),
    Planted(Kind.VERDICT_UNKNOWN, "UNKNOWN is claimed", _claim("verdict", "UNKNOWN")),
    Planted(Kind.COVER, "another cover is claimed", _claim("cover_pct", "80")),
    Planted(Kind.STOP_QUANTITY, "another covered quantity is claimed", _claim("stop_quantity", "0.1")),
    Planted(Kind.STOP_PRICE, "another stop price is claimed", _claim("stop_price", "41000")),
    Planted(Kind.BACKSTOP_PRICE, "the backstop was moved", _backstop_moved),
    Planted(Kind.STOP_NOT_RESTING, "a stop is claimed that does not rest", _one_more_stop_claimed),
    Planted(Kind.STOP_NOT_CLAIMED, "a stop rests that is not claimed", _foreign_stop),
    Planted(Kind.TAKE_PROFIT_NOT_RESTING, "a conditional take-profit was cancelled", _target_cancelled),
    Planted(Kind.TAKE_PROFIT_NOT_RESTING, "a limit take-profit was cancelled", _limit_cancelled),
    Planted(Kind.TAKE_PROFIT_DIFFERS, "a take-profit is claimed elsewhere", _targets_claimed(trigger_price="44000")),
    Planted(Kind.TAKE_PROFIT_DIFFERS, "a take-profit is claimed larger", _targets_claimed(quantity="0.2")),
    Planted(Kind.TAKE_PROFIT_NOT_CLAIMED, "a take-profit is not claimed", _targets_claimed()),
)
"""Every kind at least once; `tests/verification` holds that."""
