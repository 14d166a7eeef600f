"""Kept texts with gaps publish exactly what writing everything anew would publish."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from position_monitor.core.model.verdicts import Verdict
from position_monitor.core.publication.state import PositionState
from position_monitor.edge.redis import position_texts as redis_position_texts
from position_monitor.edge.redis.documents import position_document, position_fields
from position_monitor.edge.redis.position_texts import PositionTexts
from tests.edge.redis.conftest import position_state

PRICES = st.sampled_from([Decimal("64000.25"), Decimal("0.00000001"), Decimal("-3.5"), Decimal("NaN"), Decimal(0)])
TEXTS = st.sampled_from(
    [
        "",
        "covered",
        '100 % "quoted" \\ \n',
        "%(mark_price)s %s",
        "\ue000",
        "\ue003",
        "\ue002\ue005",
        '"\ue002"',
        "äöü 測試",
    ]
)


@st.composite
def states(draw: st.DrawFn) -> PositionState:
    symbol, text = draw(st.sampled_from(["BTCUSDT", "測試USDT", "ETHUSDT"])), draw(TEXTS)
    changes = {
        "mark_price": draw(PRICES),
        "unrealized_pnl": draw(PRICES),
        "liquidation_price": draw(st.none() | PRICES),
        "stop_price": draw(st.sampled_from([None, Decimal("63000.5")])),
        "observed_at_ms": draw(st.integers(1, 3)),
        "reason": text,
        "verdict": draw(st.sampled_from(list(Verdict))),
        "conditions": {"StopCovered": draw(TEXTS)},
    }
    return replace(position_state(symbol), **changes)


ROUNDS = st.lists(st.lists(states(), max_size=3, unique_by=lambda state: state.key), min_size=1, max_size=6)


@given(ROUNDS)
def test_what_is_published_does_not_depend_on_what_was_published_before(rounds: list[list[PositionState]]) -> None:
    texts = PositionTexts("main")
    for number, found in enumerate(rounds):
        published = json.loads(texts.array(found, published_at_ms=number))
        assert published == [
            [str(state.key), [text for pair in position_fields(anew(state, number)).items() for text in pair]]
            for state in found
        ]


def anew(state: PositionState, number: int) -> dict[str, object]:
    return position_document(state, "main", published_at_ms=number)


def test_a_position_that_only_moved_is_not_written_anew(monkeypatch) -> None:
    texts, state = PositionTexts("main"), position_state()
    texts.array([state], published_at_ms=1)
    monkeypatch.setattr(redis_position_texts, "position_document", None)
    moved = replace(state, mark_price=Decimal("61234.5"), unrealized_pnl=Decimal("-7"), observed_at_ms=9)
    ((member, fields),) = json.loads(texts.array([moved], published_at_ms=10))
    found = dict(zip(fields[::2], fields[1::2], strict=True))
    assert (member, found["mark_price"], found["observed_at_ms"]) == (str(state.key), "61234.5", "9")
    document = json.loads(found["doc"])
    assert (document["unrealized_pnl"], document["observed_at_ms"], document["published_at_ms"]) == ("-7", 9, 10)
