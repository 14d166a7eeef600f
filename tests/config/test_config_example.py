"""The example file: generated from the model, in step with it, complete, and loadable."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path

from position_monitor.config import Config, load_config
from position_monitor.config.example import example
from position_monitor.config.problems import fields_by_key

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "config.example.toml"


def test_the_committed_example_is_the_generated_one() -> None:
    """Drift: run `position-monitor config generate > config.example.toml`."""
    assert EXAMPLE.read_text(encoding="utf-8") == example()


def test_the_example_loads_and_changes_nothing() -> None:
    """An operator who copies it gets the defaults."""
    config = load_config(EXAMPLE, {})
    assert config.config_hash == Config.from_data({}).config_hash
    assert {origin for _, _, origin in config.effective()} == {"file"}


def test_every_key_is_there_with_a_description() -> None:
    """Nothing can be set that the example does not explain."""
    written = tomllib.loads(example(), parse_float=Decimal)
    for section, field in fields_by_key(Config).items():
        if section == "account":
            assert field.description
            continue
        keys = fields_by_key(type(field.get_default(call_default_factory=True)))
        assert set(written[section]) == set(keys) - {"overrides", "profiles"}
        assert all(item.description for item in keys.values())


def test_the_fixed_keys_of_the_design_are_there() -> None:
    """DESIGN 4: these names and defaults were promised and stay."""
    written = tomllib.loads(example(), parse_float=Decimal)
    fixed = {
        "exchange": {"id": "binanceusdm", "environment": "paper", "rest_url": "", "stream_url": ""},
        "loop": {"check_interval_s": 10, "full_sweep_s": 60},
        "protection": {
            "mode": "live", "stop_loss_pct": Decimal("1.5"), "take_profit_pct": Decimal("2.5"),
            "trailing_pct": Decimal("1.5"), "working_type": "MARK_PRICE", "rebase_on_add": False,
            "on_breach": "reanchor", "foreign_orders": "respect",
        },
        "exit": {"mode": "LEGACY", "executor_mode": "LIVE", "live_rollout": "ENABLED", "profile": "DEFAULT"},
        "symbols": {"unmanaged": []},
        "redis": {"url": "redis://127.0.0.1:6379/0", "prefix": "quantum:position_monitor"},
        "ai_engine": {"url": ""},
        "backend": {"url": ""},
    }  # fmt: skip
    assert written["account"] == "main"
    for section, keys in fixed.items():
        assert {key: written[section][key] for key in keys} == keys


def test_the_symbol_example_in_the_comments_is_valid() -> None:
    """The commented table works when the comment marks are removed."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    start = lines.index("# [symbols.BTCUSDT]")
    table = "\n".join(line.removeprefix("# ") for line in lines[start : start + 3])
    config = Config.from_data(tomllib.loads(table, parse_float=Decimal))
    assert config.symbols.overrides["BTCUSDT"].profile == "TREND"


def test_the_profile_example_in_the_comments_is_valid() -> None:
    """The same for a profile."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    start = lines.index("# [exit.profiles.TREND]")
    table = "\n".join(line.removeprefix("# ") for line in lines[start : start + 4])
    profile = Config.from_data(tomllib.loads(table, parse_float=Decimal)).exit_settings().profiles["TREND"]
    assert (len(profile.rungs), profile.runner_pct, profile.trail[1].distance_pct) == (2, 40, 1)
