"""The judge of closing orders can fail, and knows every stop that was tried."""

from __future__ import annotations

from decimal import Decimal

from position_monitor.edge.venues.transport import Endpoint
from position_monitor.paper.journal import Entry
from tests.sim.conduct import Answer
from tests.sim.planted import KEY, SYMBOL
from tests.sim.witnesses import Witnesses

CLOSE = Answer(
    0, Endpoint.PLACE_ORDER, {"symbol": SYMBOL, "side": "SELL", "newClientOrderId": "qpm1c0x"}, 200, {}, {}, 9
)


def witnesses() -> Witnesses:
    return Witnesses(lambda symbol, at_ms: [Decimal(99)])


def stop(trigger: str) -> Entry:
    detail = {
        "client_id": "qpm1b0x", "type": "STOP_MARKET", "side": "SELL", "position_side": "BOTH", "trigger": trigger
    }  # fmt: skip
    return Entry(1, 1_000, "order_accepted", "api", SYMBOL, detail)


def test_a_close_needs_a_price_that_passed_a_stop() -> None:
    assert witnesses().answer(CLOSE, 2_000), "no stop was tried"
    passed = witnesses()
    passed.entry(stop("98"))
    assert passed.answer(CLOSE, 2_000) and not passed.passed(KEY, 2_000)


def test_a_stop_counts_although_its_daemon_died_before_the_answer() -> None:
    passed = witnesses()
    passed.entry(stop("99.5"))
    assert passed.passed(KEY, 2_000) and not passed.answer(CLOSE, 2_000)
