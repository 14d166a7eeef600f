"""Every case of a desired book is visited: its name, and what is wanted in it (DESIGN 3: the states are named)."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from position_monitor.core.book.stop_book import stop_orders
from position_monitor.core.book.stop_level import LEVELS_AT_ONCE_MAX
from position_monitor.core.book.target_book import take_profits
from position_monitor.core.evidence.evidence import Fired
from position_monitor.core.model.book_cases import StopCase, TargetCase
from position_monitor.core.model.orders import OrderStatus, Purpose, Role

from .build import (
    BRAIN,
    LIMIT_LADDER,
    NOW_MS,
    OLD_EPOCH,
    SIDES,
    D,
    at,
    backstop,
    book_for,
    instrument,
    known,
    ladder,
    limit_ladder,
    live,
    position,
    settings,
    target,
    working,
)

NONE: Mapping[str, Any] = MappingProxyType({})


class Visit(NamedTuple):
    """A world in which a case holds, and what must be wanted there. Prices are percent in favour of the position."""

    wanted: Sequence[tuple[object, str, object]]
    orders: Callable[[Any], Sequence[Any]] = lambda held: ()
    held: Mapping[str, Any] = NONE
    evidence: Mapping[str, Any] = NONE
    settings: Mapping[str, Any] = NONE
    more: Mapping[str, Any] = NONE


BACKSTOP, WORKING = "backstop", "working_stop"
LIQUIDATED = {"mark": "-8", "liquidation": "-8.005"}
"""Between the mark and the liquidation price there is no tick for a stop."""

A_RUNG = target(position(), 0, 101, 1).client_id


def working_at(held, *levels, quantity="1"):
    return [working(held, at(held.side, level), quantity) for level in levels]


STOPS: list[tuple[StopCase, Visit]] = [
    (
        StopCase.FIRING,
        Visit(
            wanted=[(BACKSTOP, "-3", None)],
            orders=lambda held: [backstop(held, at(held.side, "-3"))],
            evidence={"firing_since_ms": NOW_MS},
        ),
    ),
    (
        StopCase.NO_PROTECTING_PRICE,
        Visit(
            wanted=[(BACKSTOP, "-9", None)],
            orders=lambda held: [backstop(held, at(held.side, "-9"))],
            held=LIQUIDATED,
        ),
    ),
    (
        StopCase.GAVE_WAY,
        Visit(
            wanted=[],
            orders=lambda held: [backstop(held, at(held.side, "-1.5")), live(held, at(held.side, "-1.5"), "1")],
            evidence={"foreign_reads": {"o-web_abcdef": 2}},
            settings={"yield_to_foreign_stop": True},
        ),
    ),
    (
        StopCase.OUTDATED_BACKSTOP,
        Visit(
            wanted=[(WORKING, "-1.5", D(1))],
            orders=lambda held: [backstop(held, at(held.side, "-3"), epoch=OLD_EPOCH)],
            settings={"rebase_on_add": True},
        ),
    ),
    (
        StopCase.BACKSTOP_ALONE,
        Visit(wanted=[(BACKSTOP, "-1.5", None)], orders=lambda held: [backstop(held, at(held.side, "-1.5"))]),
    ),
    (
        StopCase.BACKSTOP_LOOSER,
        Visit(
            wanted=[(BACKSTOP, "-3", None), (WORKING, "-1.5", D(1))],
            orders=lambda held: [backstop(held, at(held.side, "-3"))],
        ),
    ),
    (
        StopCase.BACKSTOP_NO_COVER,
        Visit(
            wanted=[(BACKSTOP, "-3", None), (WORKING, "-1.5", D(1))],
            orders=lambda held: [backstop(held, at(held.side, "-3"))],
            held={"liquidation": "-2"},
        ),
    ),
    (
        StopCase.FOREIGN_ENOUGH,
        Visit(
            wanted=[(WORKING, "-2", D(1))],
            orders=lambda held: [live(held, at(held.side, "-1")), *working_at(held, "-2")],
        ),
    ),
    (StopCase.FOREIGN_ENOUGH, Visit(wanted=[], orders=lambda held: [live(held, at(held.side, "-1"))])),
    (  # what an earlier life of the position left behind does not stay beside the user's own stop
        StopCase.FOREIGN_ENOUGH,
        Visit(
            wanted=[],
            orders=lambda held: [live(held, at(held.side, "-1")), working(held, at(held.side, "-2"), epoch=OLD_EPOCH)],
        ),
    ),
    (
        StopCase.FOREIGN_ENOUGH_OURS_TOO_MANY,
        Visit(
            wanted=[(WORKING, "-1.5", D(1))],
            orders=lambda held: [
                live(held, at(held.side, "-1")),
                *working_at(held, *range(-LEVELS_AT_ONCE_MAX - 2, -1), quantity="0.1"),
            ],
        ),
    ),
    (
        StopCase.FOREIGN_ENOUGH_OURS_TOO_MANY,
        Visit(
            wanted=[(WORKING, "-1.5", D(1))],
            orders=lambda held: [live(held, at(held.side, "-1")), *working_at(held, "-2", quantity="3")],
        ),
    ),
    (
        StopCase.AWAITS_FOREIGN,
        Visit(
            wanted=[],
            held={"updated_at_ms": NOW_MS - 2_000},
            evidence={"appeared_at_ms": NOW_MS - 1_000},
            settings={"foreign_stop_grace_ms": 10_000},
        ),
    ),
    (
        StopCase.SLOT_FOREIGN,
        Visit(wanted=[(WORKING, "-1.5", D(1))], orders=lambda held: [live(held, at(held.side, "-7"))]),
    ),
    (StopCase.SLOT_HIDDEN, Visit(wanted=[(WORKING, "-1.5", D(1))], evidence={"close_all_blocked": True})),
    (
        StopCase.SLOT_HIDDEN,
        Visit(
            wanted=[(WORKING, "-1.5", D(1))],
            orders=lambda held: [backstop(held, at(held.side, "-1.5"), status=OrderStatus.TRIGGERING)],
        ),
    ),
    (StopCase.SLOT_LEFT, Visit(wanted=[(WORKING, "-1.5", D(1))], evidence={"slot_is_foreign": True})),
    (StopCase.NEW_BACKSTOP, Visit(wanted=[(BACKSTOP, "-1.5", None)])),
    (
        StopCase.NEW_BACKSTOP_LOOSER,
        Visit(
            wanted=[(BACKSTOP, "-1.5", None), (WORKING, "0.1", D(1))],
            evidence={"done_rungs": frozenset({0})},
            held={"mark": "1"},
        ),
    ),
]


def merged(held):
    """The default ladder, its two nearest rungs merged into one for want of room."""
    return [target(held, 4, at(held.side, "2.5"), "0.6"), target(held, 2, at(held.side, "4"), "0.4")]


def foreign_target(held):
    return [live(held, at(held.side, "5"), "1", purpose=Purpose.TAKE_PROFIT)]


def half_filled(held, at_ms):
    """The default ladder as limit orders, of the first only 0.1 left since `at_ms`."""
    first, *others = limit_ladder(held)
    part = {"quantity": D("0.1"), "executed_quantity": D("0.2"), "status": OrderStatus.PARTIALLY_FILLED}
    return [first._replace(updated_at_ms=at_ms, **part), *others]


LIMITS = {"ladder": LIMIT_LADDER}
THREE = [(0, "1.5", D("0.3")), (1, "2.5", D("0.3")), (2, "4", D("0.4"))]
TWO = [(4, "2.5", D("0.6")), (2, "4", D("0.4"))]

TARGETS: list[tuple[TargetCase, Visit]] = [
    (TargetCase.SWITCHED_OFF, Visit(wanted=[], orders=ladder, settings={"take_profits": False})),
    (TargetCase.NO_LEVEL, Visit(wanted=THREE, orders=ladder, held={"entry": 0})),
    (TargetCase.NO_LEVEL, Visit(wanted=[], more={"venue": instrument(min_price="100", max_price="100")})),
    (TargetCase.FIRING, Visit(wanted=TWO, orders=merged, evidence={"firing_since_ms": NOW_MS})),
    (
        TargetCase.FILLING,
        Visit(
            wanted=TWO[1:],
            orders=lambda held: merged(held)[1:],
            evidence={"fired": {A_RUNG: Fired(Role.TAKE_PROFIT, NOW_MS)}},
        ),
    ),
    (
        TargetCase.FILLING,
        Visit(
            wanted=[(0, "1.5", D("0.1")), *THREE[1:]], orders=lambda held: half_filled(held, NOW_MS), settings=LIMITS
        ),
    ),
    (  # a row that has the fill, and a position that grew since: the rest of that rung, and a ladder beyond it
        TargetCase.NEW_LADDER,
        Visit(
            wanted=[(0, "1.5", D("0.1")), (1, "2.5", D("0.385")), (2, "4", D("0.515"))],
            orders=lambda held: half_filled(held, held.updated_at_ms),
            settings=LIMITS,
        ),
    ),
    (
        TargetCase.RUNNER,
        Visit(
            wanted=[],
            held={"mark": "6"},
            settings={"policy": BRAIN, "profile": "TREND"},
            evidence={"done_rungs": frozenset({0, 1, 2})},
        ),
    ),
    (TargetCase.FOREIGN, Visit(wanted=[], orders=foreign_target)),
    (TargetCase.STANDS, Visit(wanted=THREE, orders=ladder)),
    (TargetCase.STANDS, Visit(wanted=TWO, orders=merged, more={"rungs_max": 2})),
    (TargetCase.STANDS, Visit(wanted=THREE, orders=limit_ladder, settings=LIMITS)),
    (TargetCase.STANDS, Visit(wanted=THREE, orders=limit_ladder, settings=LIMITS, more={"rungs_max": 0})),
    (TargetCase.STANDS, Visit(wanted=THREE, orders=limit_ladder, more={"rungs_max": 0})),
    (TargetCase.CHANGES_KIND, Visit(wanted=THREE, orders=limit_ladder)),
    (TargetCase.CHANGES_KIND, Visit(wanted=THREE, orders=ladder, settings=LIMITS)),
    (
        TargetCase.STANDS_MERGED,
        Visit(wanted=TWO, orders=merged, held={"hedged": True}, more={"venue": instrument(min_notional=35)}),
    ),
    (TargetCase.GROWS, Visit(wanted=THREE, orders=merged)),
    (TargetCase.NO_ROOM, Visit(wanted=[], orders=ladder, more={"rungs_max": 0})),
    (TargetCase.TOO_SMALL, Visit(wanted=[], held={"quantity": "0.0004"})),
    (
        TargetCase.NOT_PERMITTED,
        Visit(wanted=[], held={"mark": "5"}, more={"venue": instrument(min_price="95.9", max_price="104.1")}),
    ),
    (TargetCase.NO_OPEN_RUNG, Visit(wanted=[(2, "4", D(1))], evidence={"done_rungs": frozenset({0, 1, 2})})),
    (TargetCase.SHRINKS, Visit(wanted=TWO, orders=ladder, more={"rungs_max": 2})),
    (TargetCase.NEW_LADDER, Visit(wanted=THREE)),
    (TargetCase.NEW_LADDER, Visit(wanted=THREE, settings=LIMITS, more={"rungs_max": 0})),
    (TargetCase.NEW_LADDER, Visit(wanted=[(1, "2.5", D("0.6")), (2, "4", D("0.4"))], held={"mark": "2"})),
]


def book_of(visit: Visit, side):
    """The book in the world of a visit."""
    words = dict(visit.held)
    words |= {name: at(side, words[name]) for name in ("mark", "liquidation") if name in words}
    held = position(side, **words)
    evidence = known(**{"quantities": (held.quantity,), **visit.evidence})
    return book_for(held, visit.orders(held), settings(**visit.settings), known_as=evidence, **visit.more)


def named(visits):
    return pytest.mark.parametrize(("case", "visit"), visits, ids=[case.name for case, _ in visits])


@pytest.mark.parametrize("side", SIDES)
@named(STOPS)
def test_each_case_of_the_stops_wants_what_it_says(side, case, visit):
    book = book_of(visit, side)
    assert book.stop_case is case
    wanted = [(role, at(side, pct), quantity) for role, pct, quantity in visit.wanted]
    assert [(one.role.value, one.trigger_price, one.quantity) for one in book.stops] == wanted


@pytest.mark.parametrize("side", SIDES)
@named(TARGETS)
def test_each_case_of_the_take_profits_wants_what_it_says(side, case, visit):
    book = book_of(visit, side)
    assert book.target_case is case
    wanted = [(rung, at(side, pct), quantity) for rung, pct, quantity in visit.wanted]
    assert [(one.rung, one.trigger_price, one.quantity) for one in book.take_profits] == wanted


@pytest.mark.parametrize(("cases", "visits"), [(StopCase, STOPS), (TargetCase, TARGETS)])
def test_every_case_is_visited(cases, visits):
    assert {case for case, _ in visits} == set(cases)


@pytest.mark.parametrize(("cases", "deciding"), [(StopCase, stop_orders), (TargetCase, take_profits)])
def test_the_function_that_decides_lists_its_cases_under_their_numbers(cases, deciding):
    listed = [tuple(line.split()[:2]) for line in inspect.getdoc(deciding).splitlines() if line.strip()[:1].isdigit()]
    assert listed == [(str(case.number), case.name) for case in cases]


def test_a_case_is_described_by_its_words_and_its_number():
    assert StopCase.FOREIGN_ENOUGH.described == "the user's own stop is enough: ours stay as they rest (case 8)"
