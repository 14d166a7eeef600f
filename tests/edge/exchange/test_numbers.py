"""Numbers in and out are exact (D1, D2)."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from position_monitor.edge.venues.binance.exact_numbers import exact_decimal
from position_monitor.edge.venues.binance.writes import plain_number
from position_monitor.edge.venues.transport import NOT_JSON, parse_json
from position_monitor.errors import RequestInvalid

POSITIVE = st.decimals(min_value=Decimal("1e-20"), max_value=Decimal("1e20"), allow_nan=False, allow_infinity=False)


@given(POSITIVE)
def test_plain_numbers_are_the_same_number_without_an_exponent(value: Decimal) -> None:
    text = plain_number(value)
    assert Decimal(text) == value
    assert re.fullmatch(r"\d+(\.\d*[1-9])?", text)


@given(st.integers(min_value=1, max_value=10**12), st.integers(min_value=-12, max_value=12))
def test_any_spelling_of_a_number_is_written_the_same(digits: int, exponent: int) -> None:
    value = Decimal(digits).scaleb(exponent)
    assert plain_number(value) == plain_number(value.normalize()) == plain_number(Decimal(f"{value:f}"))


@given(st.decimals(max_value=Decimal(0), allow_nan=False))
def test_nothing_at_or_below_zero_is_written(value: Decimal) -> None:
    with pytest.raises(RequestInvalid):
        plain_number(value)


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_nothing_infinite_is_written(value: str) -> None:
    with pytest.raises(RequestInvalid):
        plain_number(Decimal(value))


@given(st.decimals(min_value=Decimal("-1e12"), max_value=Decimal("1e12"), places=12))
def test_a_number_survives_json_both_as_text_and_as_a_number(value: Decimal) -> None:
    assert exact_decimal(parse_json(f"{value:f}")) == value
    assert exact_decimal(f"{value:f}") == value


@given(st.one_of(st.floats(), st.none(), st.booleans(), st.text(max_size=8), st.lists(st.integers(), max_size=2)))
def test_what_is_not_an_exact_number_is_refused_or_exactly_read(value: object) -> None:
    try:
        number = exact_decimal(value)
    except ValueError:
        return
    assert isinstance(value, str) and number.is_finite() and Decimal(value) == number


@given(st.text(max_size=60))
def test_parsing_never_fails(text: str) -> None:
    parsed = parse_json(text)
    if parsed is not NOT_JSON:
        json.loads(text)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "-Infinity", "[" * 200_000, "1" * 10_000, "", "<html>"])
def test_what_is_not_json(text: str) -> None:
    assert parse_json(text) is NOT_JSON
