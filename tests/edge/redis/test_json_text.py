"""What is published is spelt the same by every way of writing it, and no value of somebody else stops the writing."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from position_monitor.edge.redis import json_text as module
from position_monitor.edge.redis.documents import DECIMAL_DIGITS_MAX, TEXT_LENGTH_MAX, bounded_text, decimal_text
from position_monitor.edge.redis.json_text import json_text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_it_reads_back_as_what_it_was(value: object) -> None:
    assert json.loads(json_text(value)) == value


@given(VALUES)
def test_without_orjson_the_same_is_read(value: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_quick", None)
        assert json.loads(json_text(value)) == value


@pytest.mark.parametrize("quick", [True, False])
def test_it_is_as_short_as_json_may_be(quick: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not quick:
        monkeypatch.setattr(module, "_quick", None)
    assert json_text({"reason": "covered ✅", "rungs": [1, None, True, 10**30]}) == (
        f'{{"reason":"covered ✅","rungs":[1,null,true,{10**30}]}}'
    )


def spelt_slowly(value: Decimal) -> str:
    if not value.is_finite() or abs(value.adjusted()) > DECIMAL_DIGITS_MAX:
        return ""
    return "0" if value == 0 else format(value, "f")


@given(st.decimals() | st.decimals(places=8, min_value=-(10**6), max_value=10**6) | st.sampled_from(["0.00", "-0"]))
def test_a_number_is_spelt_plainly_however_it_came(value: Decimal | str) -> None:
    number = Decimal(value)
    assert decimal_text(number) == spelt_slowly(number)


@pytest.mark.parametrize("text", ["1E-8", "1E+3", "NaN", "sNaN12", "-Infinity", "1" * 41, "0." + "1" * 45, "1E-50"])
def test_an_unusual_number_is_spelt_plainly_or_not_at_all(text: str) -> None:
    assert decimal_text(Decimal(text)) == spelt_slowly(Decimal(text))


@given(st.text())
def test_a_text_is_bounded_and_can_be_sent(text: str) -> None:
    bounded = bounded_text(text)
    assert len(bounded) <= TEXT_LENGTH_MAX
    assert len(text) > TEXT_LENGTH_MAX or bounded == text.encode("utf-8", "replace").decode()


def test_a_long_text_ends_with_a_sign_that_it_was_longer() -> None:
    assert bounded_text("x" * 501) == "x" * 499 + "…"
    assert bounded_text("x" * 500) == "x" * 500
