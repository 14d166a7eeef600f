"""[exit.regimes] and the variables of the old stack that override it (exits.md 1, rows 3 to 5; 3.1; 12.13)."""

from __future__ import annotations

import tomllib
from decimal import Decimal

import pytest

from position_monitor.cli.main import main
from position_monitor.config import Config, InvalidConfig
from position_monitor.core.model.market import Regime
from position_monitor.core.model.regime_settings import DEFAULT_REGIMES, RegimeThresholds

D = Decimal


def parse(text: str = "", environ: dict[str, str] | None = None) -> Config:
    return Config.from_data(tomllib.loads(text, parse_float=Decimal), environ)


def problems(text: str = "", environ: dict[str, str] | None = None) -> tuple[str, ...]:
    with pytest.raises(InvalidConfig) as caught:
        parse(text, environ)
    return caught.value.problems


def test_the_defaults_are_the_table_of_the_page() -> None:
    section = parse().exit.regimes
    assert section.table() == DEFAULT_REGIMES
    assert section.thresholds() == RegimeThresholds()


def test_a_table_sets_what_it_names_and_leaves_the_rest() -> None:
    section = parse("[exit.regimes]\ntrending_from_adx = 30\n[exit.regimes.HIGH_VOL]\nk1 = 2.2").exit.regimes
    high = section.table()[Regime.HIGH_VOL]
    assert (high.k1, high.k2, high.breakeven_r, high.trail_atr, high.max_hours) == (
        D("2.2"), D(4), D("0.8"), D("2.5"), D(24),
    )  # fmt: skip
    assert section.table()[Regime.CHOP] == high
    assert section.table()[Regime.LOW_VOL] == DEFAULT_REGIMES[Regime.LOW_VOL]
    assert section.thresholds() == RegimeThresholds(trending_from_adx=D(30))


VARIABLES = {
    "K1_SL": ("k1", "1.9"),
    "K2_TP": ("k2", "6"),
    "BREAKEVEN_R": ("breakeven_r", "1.25"),
    "TRAILING_MULT": ("trail_atr", "3.5"),
    "MAX_DURATION_HOURS": ("max_hours", "100"),
}
NAMES = {
    "LOW_VOL": "LOW_VOL", "NORMAL_VOL": "NORMAL_VOL", "NORMAL": "NORMAL_VOL", "HIGH_VOL": "HIGH_VOL",
    "EXTREME_VOL": "EXTREME_VOL", "EXTREME": "EXTREME_VOL", "TRENDING": "TRENDING", "RANGING": "RANGING",
}  # fmt: skip


@pytest.mark.parametrize(("written", "regime"), NAMES.items())
@pytest.mark.parametrize(("variable", "setting"), VARIABLES.items())
def test_every_variable_of_the_old_stack(written: str, regime: str, variable: str, setting: tuple[str, str]) -> None:
    key, value = setting
    name = f"EXIT_REGIME_{written}_{variable}"
    config = parse(f"[exit.regimes.{regime}]\n{key} = 2", {name: f" {value} "})
    assert getattr(config.exit.regimes.table()[Regime(regime)], key) == D(value)
    assert (f"exit.regimes.{regime}.{key}", value, f"environment {name}") in list(config.effective())
    others = set(DEFAULT_REGIMES) - {Regime(regime), Regime.CHOP}
    assert all(config.exit.regimes.table()[other] == DEFAULT_REGIMES[other] for other in others)


def test_the_thresholds_of_the_old_stack_are_fractions() -> None:
    environ = {
        "REGIME_ATR_RATIO_LOW": "0.006", "REGIME_ATR_RATIO_NORMAL": "0.02", "REGIME_ATR_RATIO_HIGH": "0.045",
        "REGIME_ADX_TRENDING": "27.5", "REGIME_ADX_CHOP_THRESHOLD": "18",
    }  # fmt: skip
    assert parse("", environ).exit.regimes.thresholds() == RegimeThresholds(
        low_below_pct=D("0.6"),
        high_from_pct=D(2),
        extreme_from_pct=D("4.5"),
        trending_from_adx=D("27.5"),
        ranging_below_adx=D(18),
    )


OUTSIDE = [
    # variable, value, key, what is allowed
    ("EXIT_REGIME_NORMAL_VOL_K1_SL", "0.49", "exit.regimes.NORMAL_VOL.k1", "from 0.5 to 5"),
    ("EXIT_REGIME_HIGH_VOL_K1_SL", "5.01", "exit.regimes.HIGH_VOL.k1", "from 0.5 to 5"),
    ("EXIT_REGIME_NORMAL_K2_TP", "10.1", "exit.regimes.NORMAL_VOL.k2", "from 1 to 10"),
    ("EXIT_REGIME_RANGING_K2_TP", "0.9", "exit.regimes.RANGING.k2", "from 1 to 10"),
    ("EXIT_REGIME_LOW_VOL_BREAKEVEN_R", "-0.1", "exit.regimes.LOW_VOL.breakeven_r", "from 0 to 2"),
    ("EXIT_REGIME_LOW_VOL_BREAKEVEN_R", "2.1", "exit.regimes.LOW_VOL.breakeven_r", "from 0 to 2"),
    ("EXIT_REGIME_TRENDING_TRAILING_MULT", "0.4", "exit.regimes.TRENDING.trail_atr", "from 0.5 to 5"),
    ("EXIT_REGIME_TRENDING_TRAILING_MULT", "5.1", "exit.regimes.TRENDING.trail_atr", "from 0.5 to 5"),
    ("EXIT_REGIME_EXTREME_MAX_DURATION_HOURS", "169", "exit.regimes.EXTREME_VOL.max_hours", "from 1 to 168"),
    ("EXIT_REGIME_EXTREME_MAX_DURATION_HOURS", "0", "exit.regimes.EXTREME_VOL.max_hours", "from 1 to 168"),
    ("EXIT_REGIME_LOW_VOL_K1_SL", "tight", "exit.regimes.LOW_VOL.k1", "from 0.5 to 5"),
    ("EXIT_REGIME_LOW_VOL_K1_SL", "nan", "exit.regimes.LOW_VOL.k1", "from 0.5 to 5"),
    ("EXIT_REGIME_LOW_VOL_K1_SL", "1e999999", "exit.regimes.LOW_VOL.k1", "from 0.5 to 5"),
    ("REGIME_ATR_RATIO_LOW", "0.5", "exit.regimes.low_below_pct", "above 0 up to 20"),
    ("REGIME_ATR_RATIO_LOW", "1e999999", "exit.regimes.low_below_pct", "above 0 up to 20"),
    ("REGIME_ATR_RATIO_HIGH", "-0.03", "exit.regimes.extreme_from_pct", "above 0 up to 20"),
    ("REGIME_ADX_TRENDING", "101", "exit.regimes.trending_from_adx", "from 1 to 100"),
]


@pytest.mark.parametrize(("variable", "value", "key", "allowed"), OUTSIDE)
def test_outside_the_bounds_is_refused_with_key_value_and_what_is_allowed(
    variable: str, value: str, key: str, allowed: str
) -> None:
    (problem,) = problems("", {variable: value})
    assert problem.startswith(f"{key} was ") and f"(from environment {variable}" in problem and allowed in problem


def test_an_empty_variable_is_not_set() -> None:
    environ = {"REGIME_ADX_CHOP_THRESHOLD": "", "EXIT_REGIME_LOW_VOL_K1_SL": "  "}
    assert parse("", environ).config_hash == parse().config_hash


def test_a_percentage_in_place_of_a_fraction_is_shown_as_one() -> None:
    (problem,) = problems("", {"REGIME_ATR_RATIO_NORMAL": "1.5"})
    assert "was 150 (from environment REGIME_ATR_RATIO_NORMAL=1.5, a fraction)" in problem


RULES = [
    ("[exit.regimes.RANGING]\nk1 = 2", "exit.regimes.RANGING.k2 > exit.regimes.RANGING.k1 is required, but 2 <= 2"),
    ("[exit.regimes]\nlow_below_pct = 1.5", "exit.regimes.low_below_pct < exit.regimes.high_from_pct is required"),
    ("[exit.regimes]\nhigh_from_pct = 3", "exit.regimes.high_from_pct < exit.regimes.extreme_from_pct is required"),
    ("[exit.regimes]\nranging_below_adx = 26", "ranging_below_adx <= exit.regimes.trending_from_adx is required"),
    ("[exit.regimes.CRASH]\nk1 = 2", "exit.regimes.CRASH is not a known key"),
    ("[exit.regimes.CHOP]\nk1 = 2", "exit.regimes.CHOP is not a known key"),
    ("[exit.regimes.HIGH_VOL]\nk3 = 2", "exit.regimes.HIGH_VOL.k3 is not a known key"),
    ("[exit.regimes]\nHIGH_VOL = 3", "exit.regimes.HIGH_VOL was 3"),
    ("[exit]\nregimes = 3", "exit.regimes was 3"),
    ("[exit.regimes.HIGH_VOL]\nk1 = true", "exit.regimes.HIGH_VOL.k1 was true"),
    ('[exit]\ncandles = "on"', 'exit.candles was "on"; allowed is true, false or auto'),
]


@pytest.mark.parametrize(("text", "words"), RULES)
def test_what_cannot_be_is_refused(text: str, words: str) -> None:
    (problem,) = problems(text)
    assert words in problem


def test_a_variable_of_a_regime_that_does_not_exist_is_refused() -> None:
    (problem,) = problems("", {"EXIT_REGIME_CRASH_K1_SL": "2"})
    assert problem.startswith("EXIT_REGIME_CRASH_K1_SL names no regime; allowed are LOW_VOL, NORMAL_VOL")
    assert parse("", {"EXIT_REGIME_CRASH_COLOUR": "red"}).config_hash == parse().config_hash


def test_two_names_of_one_setting_must_agree() -> None:
    both = {"EXIT_REGIME_NORMAL_K1_SL": "1.6", "EXIT_REGIME_NORMAL_VOL_K1_SL": "1.60"}
    assert parse("", both).exit.regimes.NORMAL_VOL.k1 == D("1.6")
    (problem,) = problems("", both | {"EXIT_REGIME_NORMAL_VOL_K1_SL": "1.7"})
    assert problem == "EXIT_REGIME_NORMAL_K1_SL and EXIT_REGIME_NORMAL_VOL_K1_SL are the same setting, but differ"


def test_a_variable_over_something_that_is_no_table_does_not_hide_it() -> None:
    assert any("exit was 3" in problem for problem in problems("exit = 3", {"EXIT_REGIME_RANGING_K1_SL": "1"}))


def test_what_has_no_effect_is_said() -> None:
    config = parse("", {"REGIME_ADX_STRONG_TREND": "40", "REGIME_EMA_ALIGNMENT_PCT": ""})
    assert config.notices == (
        "REGIME_ADX_STRONG_TREND is set and has no effect: no decision asks whether a trend is strong",
    )
    assert parse().notices == ()


def test_candles_are_read_only_where_a_policy_needs_them() -> None:
    for policy in ("static", "hybrid"):
        text = f'[exit]\nlegacy_policy = "{policy}"\n'
        assert [parse(f"{text}candles = {value}").reads_candles for value in ('"auto"', "false", "true")] == [
            False, False, True,
        ]  # fmt: skip


def test_the_program_ends_with_78(tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "c.toml"
    path.write_text("[exit.regimes.LOW_VOL]\nk1 = 9\n")
    assert main(["config", "show", "--config", str(path)]) == 78
    assert "exit.regimes.LOW_VOL.k1 was 9; allowed is a number from 0.5 to 5" in capsys.readouterr().err
