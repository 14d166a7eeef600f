"""An order is put in words in one place, the same for one that rests and for one that should."""

import pytest

from position_monitor.cli.status_table import number
from position_monitor.core.model.actions import Place
from position_monitor.core.model.order_words import described
from position_monitor.core.model.orders import Purpose, Role
from position_monitor.core.publication import sentence
from tests.core.build import D, backstop, desired, live, position, target, working

HELD = position(entry=64_000, mark=64_000)
STOP, PART, RUNG = backstop(HELD, "63480.50"), working(HELD, 63_000, "0.250"), target(HELD, 1, 65_000, "1.0")
WORDS = [
    (STOP, "STOP_MARKET close-all @ 63480.5"),
    (PART, "STOP_MARKET 0.25 @ 63000"),
    (RUNG, "TAKE_PROFIT_MARKET 1 @ 65000"),
]


@pytest.mark.parametrize(("order", "words"), WORDS)
def test_what_rests_and_what_should_rest_are_described_alike(order, words):
    wanted = desired(order, HELD)
    assert described(order) == described(wanted) == words
    assert f" {words} id " in sentence.intent(Place(wanted, "why"))


def test_tables_write_figures_their_own_way():
    assert described(STOP, number) == "STOP_MARKET close-all @ 63,480.5"


def test_an_order_without_a_trigger_waits_for_its_limit_price():
    limit = live(HELD, None, "0.5", purpose=Purpose.LIMIT, limit_price=D(65_000))
    assert described(limit) == "LIMIT 0.5 @ 65000"
    assert described(limit._replace(limit_price=None)) == "LIMIT 0.5 @ no trigger"


def test_the_two_layers_of_a_stop_are_stops_and_nothing_else_is():
    assert [role for role in Role if role.is_stop] == [Role.BACKSTOP, Role.WORKING_STOP]
    assert STOP.is_stop and PART.is_stop and not RUNG.is_stop and not live(HELD, 63_000).is_stop
