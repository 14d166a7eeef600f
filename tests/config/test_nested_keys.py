"""Tables inside tables and lists: every mistake in them is a sentence with key, value and what is allowed (row 5.8)."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from position_monitor.cli.main import main
from position_monitor.config import Config, InvalidConfig
from position_monitor.config.problems import fields_by_key
from position_monitor.config.symbols import SymbolOverride

RUNG = "{ target_pct = 2, share_pct = 100 }"


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(InvalidConfig) as caught:
        Config.from_data(tomllib.loads(text, parse_float=Decimal))
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[protection]\nladder = [{ target_pct = 2, share_pct = 100, shares = 3 }]", "protection.ladder[0].shares"),
        ("[symbols.BTCUSDT]\nladder = [{ target_pct = 2, share_pct = 100, shares = 3 }]", "symbols.BTCUSDT.ladder[0]"),
        (
            "[[protection.ladder]]\ntarget_pct = 2\nshare_pct = 100\nshares = 3",
            "protection.ladder[0].shares is not a known key (was 3)",
        ),
        ("[[protection.ladder]]\ntarget_pct = 2\nshare_pct = 100\n[protection.ladder.q]\nz = 1", "ladder[0].q is not"),
        ("[symbols.BTCUSDT.ladders]\nz = 1", "symbols.BTCUSDT.ladders is not"),
    ],
)
def test_an_unknown_key_below_a_list_is_named_with_what_is_allowed(text: str, words: str) -> None:
    (problem,) = problems(text)
    assert words in problem and ("known here" in problem or "did you mean" in problem)


def test_an_unknown_key_below_a_list_hides_no_other_problem() -> None:
    text = "[protection]\nladder = [{ target_pct = 2, share_pct = 60, x = 1 }]\n[loop]\nfull_sweep_s = 1"
    found = "\n".join(problems(text))
    assert "ladder[0].x" in found and "must sum to 100" in found and "full_sweep_s >=" in found


def test_a_secret_in_the_wrong_place_is_not_repeated() -> None:
    for key in ("api_secret", "apiKey", "password"):
        (problem,) = problems(f'[exchange]\n{key} = "abc123"')
        assert "abc123" not in problem and f"exchange.{key}" in problem


@pytest.mark.parametrize("command", ["check", "status", "plan"])
def test_the_exit_code_is_78(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.toml"
    path.write_text(f"[protection]\nladder = [{RUNG[:-2]}, shares = 30 }}]\n")
    assert main([command, "--config", str(path)]) == 78
    told = capsys.readouterr().err
    assert (
        "protection.ladder[0].shares is not a known key (was 30)" in told
        and "share_pct" in told
        and "pydantic" not in told.lower()
    )


junk: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
SECTIONS = sorted(fields_by_key(Config))
RUNG_KEYS = st.sampled_from(["target_pct", "share_pct", "x", ""])
ladders = st.lists(st.dictionaries(RUNG_KEYS, junk, max_size=4) | junk, max_size=5) | junk
overrides = st.dictionaries(st.sampled_from([*fields_by_key(SymbolOverride), "x"]), ladders | junk, max_size=3)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from(SECTIONS) | st.text(max_size=5), junk, max_size=3),
    ladders,
    st.dictionaries(st.sampled_from(["BTCUSDT", "btc", "unmanaged", "overrides", ""]), overrides | junk, max_size=2),
)
def test_whatever_stands_in_the_file_pydantic_never_speaks(data: dict[str, Any], ladder: Any, symbols: Any) -> None:
    """Any shape at any place: a usable configuration, or sentences of ours."""
    try:
        Config.from_data({"protection": {"ladder": ladder}, "symbols": symbols, **data})
    except InvalidConfig as refused:
        told = "\n".join(refused.problems)
        for words in ("Input should", "pydantic", "validation error", "Extra inputs", "Field required", "type="):
            assert words not in told, told
