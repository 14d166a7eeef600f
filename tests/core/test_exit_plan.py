"""What is published of what comes next for a stop: as the policy will do it, and only made anew where it can differ."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from position_monitor.core.book.exit_view import exit_view
from position_monitor.core.exits.policies import exits_for
from position_monitor.core.exits.view import AskedExits
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.publication import exit_plan as plans
from position_monitor.core.publication.position_state import PLANS_MAX, Published, position_state, published_positions

from .build import (
    BRAIN,
    DYNAMIC,
    HYBRID,
    LONG,
    SHORT,
    STATIC,
    D,
    backstop,
    book_inputs,
    instrument,
    known,
    market_of,
    position,
    settings,
)
from .test_history import HELD, KEY, WHOLE, Story


def published(story: Story, before: Published | None = None) -> Published:
    track = story.history.tracks[KEY]
    return Published(track.judgement, position_state(track, before))


@pytest.mark.parametrize("side", [LONG, SHORT])
@pytest.mark.parametrize("policy", [STATIC, HYBRID, DYNAMIC, BRAIN])
def test_the_plan_is_what_the_policy_does_later(side: Any, policy: Any) -> None:
    """The stop follows where it says so, and stands still one tick before."""
    held = position(side=side)
    sign = 1 if side is LONG else -1
    rest = [backstop(held, 100 - 2 * sign)]
    venue = instrument(tick="0.01", min_price="0.01")

    def inputs(mark: Any) -> Any:
        moved = position(side=side, mark=mark)
        return book_inputs(
            moved, rest, settings(policy), venue=venue, market=market_of("1"), known_as=known(quantities=(D(1),))
        )

    view = exit_view(inputs(100))
    answer = exits_for(view)
    planned = plans._planned(AskedExits(view, answer))
    assert planned.initial_stop == answer.initial_stop.price
    assert planned.r == 2
    if policy is STATIC:
        assert (planned.trail, planned.locks) == ((), ())
        return
    for lock in planned.locks:
        assert (lock.stop_price - 100) * sign >= 0
    steps = [step for step in planned.trail if step.from_price is not None and not planned.trail_after_rung]
    for step in steps[:1]:
        assert step.from_price is not None
        at, before = (exits_for(exit_view(inputs(step.from_price - tick * sign))) for tick in (D(0), D("0.01")))
        assert (at.stop.price - at.initial_stop.price) * sign > 0
        assert before.stop.price == before.initial_stop.price


def test_an_entry_that_moves_gives_another_plan() -> None:
    """Also while the same orders are wanted; `tests/test_same_object.py` holds what a mark that moves keeps."""
    story = Story()
    story.see(0, orders=WHOLE)
    first = published(story)
    assert first.state.plan is not None
    story.see(1000, position(entry=101, mark=101), orders=WHOLE)
    moved = published(story, first)
    assert moved.state.plan == published(story).state.plan
    assert moved.state.plan != first.state.plan
    kept = Published(moved.judgement._replace(position=first.judgement.position), moved.state)
    assert not plans.is_kept(kept.judgement, moved.judgement)
    assert plans.is_kept(moved.judgement, moved.judgement)


def test_a_large_account_has_its_plans_within_a_few_publications() -> None:
    story = Story()
    story.see(0, orders=WHOLE)
    track = story.history.tracks[KEY]
    keys = [PositionKey(f"C{number:03d}USDT", LONG) for number in range(2 * PLANS_MAX + 5)]
    history = replace(story.history, tracks=dict.fromkeys(keys, track))
    published_now: dict[PositionKey, Published] = {}
    counts = []
    for _ in range(4):
        published_now = published_positions(history, published_now)
        counts.append(sum(one.state.plan is not None for one in published_now.values()))
    assert counts == [PLANS_MAX, 2 * PLANS_MAX, len(keys), len(keys)]


def test_a_policy_that_cannot_explain_itself_keeps_nothing_else_back(monkeypatch: Any) -> None:
    def fails(asked: object) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(plans, "_planned", fails)
    story = Story()
    story.see(0, orders=WHOLE)
    state = published(story).state
    assert state.plan is None
    assert state.cover_pct == 100
    assert HELD.key == KEY
