"""The command `backtest`: what it prints, its JSON and CSV, its ledger, its exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from position_monitor.cli.main import main
from position_monitor.edge.sample_market import write_sample


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six days of candles, and the positions of four of them."""
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, seed=2, days=6)
    return folder


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine has a part in it."""
    monkeypatch.setenv("POSITION_MONITOR_CONFIG", str(tmp_path / "none.toml"))


def arguments(folder: Path, *more: str) -> list[str]:
    files = ["--candles", str(folder / "candles.csv"), "--entries", str(folder / "entries.csv")]
    return ["backtest", *files, "--tries", str(folder / "tries.jsonl"), *more]


def printed(capsys: pytest.CaptureFixture[str], folder: Path, *more: str) -> dict[str, Any]:
    assert main(arguments(folder, "--json", *more)) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_json_carries_the_interval_the_others_and_every_position(
    sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The names of exits.md 12.12, and what an operator compares."""
    shown = printed(capsys, sample, "--policy", "brain:TREND")
    assert {"headline", "bound", "ambiguous", "tries", "positions", "rate_candles_s"} <= set(shown)
    assert (shown["policy"], list(shown["beside"])) == ("brain:TREND", ["static", "hybrid"])
    assert shown["entries"] == len(shown["positions"]) == 16
    closed = [one for one in shown["positions"] if one["ended"] == "closed"]
    assert shown["headline"]["n"] == len(closed) == 16 - sum(shown["censored"].values())
    mean = sum(float(one["net_r"]) for one in closed) / len(closed)
    assert shown["headline"]["mean_r"] == pytest.approx(mean, abs=1e-4)
    assert shown["headline"]["mean_r"] <= shown["headline"]["mean_gross_r"], "cost is never a gain"
    assert [one["other"] for one in shown["paired"]] == ["static", "hybrid"]
    assert shown["rate_candles_s"] > 0


def test_the_policy_beside_itself_differs_by_nothing(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A/A: the same settings give the same fills, so the pair is 0 and its interval has no width."""
    shown = printed(capsys, sample, "--policy", "static")
    assert list(shown["beside"]) == ["hybrid"]
    again = printed(capsys, sample, "--policy", "hybrid")
    assert again["beside"]["static"]["headline"] == shown["headline"]
    assert again["paired"][0]["mean_r"] == -shown["paired"][0]["mean_r"]


def test_every_run_is_a_try(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Other settings, other policies and other cost are tries; the same once more is a run of the same settings."""
    ledger = ("--tries", str(tmp_path / "ledger.jsonl"))
    runs = (("--policy", "static"), ("--policy", "hybrid"), ("--policy", "hybrid"), ("--fee-pct", "0.1"))
    counted = [printed(capsys, sample, *ledger, *run)["tries"] for run in runs]
    assert [(one["number"], one["settings"]) for one in counted] == [(1, 1), (2, 2), (3, 2), (4, 3)]
    assert {one["where"] for one in counted} == {ledger[1]}
    assert counted[0]["best_by_luck_r"] == 0 < counted[1]["best_by_luck_r"] < counted[3]["best_by_luck_r"]


def test_the_hash_of_the_settings_is_the_same_in_every_process(sample: Path) -> None:
    """Else the same settings would count as two."""
    hashes = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "position_monitor", *arguments(sample, "--json", "--policy", "brain")]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        hashes.add(json.loads(done.stdout)["settings_hash"])
    assert len(hashes) == 1


def test_the_screen_says_what_it_is_made_of(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prices, cost, interval, ambiguous candles, the other policies, before and after."""
    assert main(arguments(sample, "--policy", "brain", "--split", "2026-01-05", "--prices", "trade")) == 0
    captured = capsys.readouterr()
    for words in ("trade candles of 1 min", "slippage in bps", "Headline", "Bound", "Ambiguous", "hybrid", "before"):
        assert words in captured.out
    assert "no configuration file" in captured.err
    assert "walking" not in captured.err, "a bar is for a terminal"


def test_csv_has_a_row_for_each_position_and_policy(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a heading, and empty cells where a position was not closed."""
    assert main(arguments(sample, "--csv", "--policy", "brain:CHOP")) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 3 * 16
    assert {row["policy"] for row in rows} == {"brain:CHOP", "static", "hybrid"}
    assert all((row["ended"] == "closed") is bool(row["net_r"]) for row in rows)


def test_cost_is_taken_by_role(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without any cost the net is the gross; slippage of stops alone touches no take-profit."""
    free = ("--fee-pct", "0", "--maker-fee-pct", "0", "--funding-bps", "0", "--slippage-bps")
    shown = printed(capsys, sample, *free, "0")
    assert shown["headline"]["mean_r"] == shown["headline"]["mean_gross_r"]
    rows = printed(capsys, sample, *free, "stop=7,target=0,entry=0")["headline"]["reasons"]
    assert {row["reason"]: float(row["slippage_bps"]) for row in rows if row["reason"] in ("SL", "TP1")} == {
        "SL": 7,
        "TP1": 0,
    }


def test_funding_from_a_file_is_paid_by_side(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Four times a day for six days: each position pays or gets what its side, its notional and its hours ask for."""
    path, hours = tmp_path / "rates.csv", range(0, 6 * 24, 6)
    rows = [f"{1_767_225_600_000 + hour * 3_600_000},0.0005,40000" for hour in hours]
    path.write_text("\n".join(("time,rate,mark", *rows)))
    shown = printed(capsys, sample, "--policy", "static", "--funding", str(path))
    by_side = {"LONG": -1, "SHORT": 1}
    closed = [one for one in shown["positions"] if one["ended"] == "closed"]
    for one in closed:
        assert one["opened_at_ms"] % 3_600_000, "no position of this sample is opened at a funding time"
        times = [hour for hour in hours if one["opened_at_ms"] < 1_767_225_600_000 + hour * 3_600_000]
        times = [hour for hour in times if 1_767_225_600_000 + hour * 3_600_000 < one["closed_at_ms"]]
        assert float(one["funding"]) == pytest.approx(by_side[one["side"]] * len(times) * 0.238 * 40_000 * 0.0005)
    assert {one["side"] for one in closed if float(one["funding"])} == set(by_side)
    assert shown["unfunded"] == 0
    assert shown["funding"] == [
        {
            **{"symbol": "BTCUSDT", "rates": 24, "first_ms": 1_767_225_600_000, "mean_bps": 5.0},
            "last_ms": 1_767_225_600_000 + 138 * 3_600_000,
        }
    ]
    path.write_text("\n".join(("time,rate,mark", *rows[:9])))
    assert main(arguments(sample, "--policy", "static", "--funding", str(path))) == 0
    assert "lived longer than 8 h where the file has no rate of funding" in capsys.readouterr().out


def test_funding_of_months_is_joined_and_a_time_counts_once(
    sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In any order; a rate that two files have is refused, and so is a contract without rates."""
    paths = [tmp_path / "b.csv", tmp_path / "a.csv"]
    for path, hour in zip(paths, (8, 0), strict=True):
        path.write_text(f"time,rate\n{1_767_225_600_000 + hour * 3_600_000},0.0001\n")
    first, second = (("--funding", str(path)) for path in paths)
    assert printed(capsys, sample, *first, *second)["funding"][0]["rates"] == 2
    for more, expected in (
        ((*first, *first), "holds a time of BTCUSDT that an earlier file has as well"),
        (("--funding", f"ETHUSDT={paths[0]}"), "there are rates of ETHUSDT, and none of BTCUSDT"),
        ((*first, "--funding-bps", "1"), "rates from a file or one constant, not both"),
    ):
        assert main(arguments(sample, *more)) == 1
        assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (("--policy", "magic"), "the policy was 'magic'; expected one of static, hybrid, dynamic, brain, or"),
        (("--policy", "brain:MAGIC"), "the profile was 'MAGIC'; expected one of DEFAULT, NORMAL, TREND"),
        (("--policy", "static:TREND"), "only brain has profiles"),
        (("--split", "soon"), "--split was 'soon'; expected a date"),
        (("--slippage-bps", "stop=x"), "--slippage-bps was 'stop=x'; expected basis points"),
        (("--slippage-bps", "nothing=1"), "--slippage-bps was 'nothing=1'"),
        (("--step", "0.1"), "is no multiple of 0.1"),
        (("--candles", "none.csv"), "say which this is, SYMBOL="),
        (("--candles", "ETHUSDT=none.csv"), "say which this is, SYMBOL="),
        (("--funding", "none.csv"), "none.csv: cannot be read: No such file"),
    ],
)
def test_what_cannot_be_used_is_said_and_the_exit_is_1(
    sample: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], expected: str
) -> None:
    """On stderr, in words, with nothing on stdout."""
    assert main(arguments(sample, *more)) == 1
    captured = capsys.readouterr()
    assert expected in captured.err
    assert not captured.out


def test_files_that_are_missing_are_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """None at all, and one that is not there."""
    assert main(["backtest"]) == 1
    assert "--sample DIR writes a pair" in capsys.readouterr().err
    assert main(arguments(tmp_path)) == 1
    assert "entries.csv: cannot be read: No such file" in capsys.readouterr().err


def test_a_bad_configuration_is_78(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file that is named is used, and must be right."""
    config = tmp_path / "config.toml"
    config.write_text("[protection]\nstop_loss_pct = 900\n")
    assert main(arguments(sample, "--config", str(config))) == 78
    config.write_text("[protection]\nstop_loss_pct = 1.0\n")
    wider = printed(capsys, sample, "--policy", "static")
    nearer = printed(capsys, sample, "--policy", "static", "--config", str(config))
    assert wider["settings_hash"] != nearer["settings_hash"]
    assert wider["headline"]["mean_r"] != nearer["headline"]["mean_r"]


def test_more_than_the_venue_takes_orders_for_is_said(
    sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Forty at one minute need 240 orders where the venue takes 200; those of the sample, some at once, do not."""
    assert 1 < printed(capsys, sample)["open_at_once"] <= 16
    heading, first, *_ = (sample / "entries.csv").read_text().splitlines()
    path = tmp_path / "entries.csv"
    path.write_text("\n".join((heading, *[first] * 40)))
    assert main(["backtest", "--candles", str(sample / "candles.csv"), "--entries", str(path)]) == 0
    assert "up to 40 were open at once: an account has 200 conditional orders" in capsys.readouterr().out
    path.write_text("\n".join((heading, *[first] * 33)))
    assert main(["backtest", "--candles", str(sample / "candles.csv"), "--entries", str(path)]) == 0
    assert "open at once" not in capsys.readouterr().out


def test_two_symbols_have_a_file_each(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Named by their symbol."""
    rows = (sample / "entries.csv").read_text().splitlines()
    other = [row.replace("BTCUSDT", "ETHUSDT") if number % 2 else row for number, row in enumerate(rows)]
    path = tmp_path / "entries.csv"
    path.write_text("\n".join(other))
    files = [f"--candles={symbol}={sample / 'candles.csv'}" for symbol in ("BTCUSDT", "ETHUSDT")]
    assert main(["backtest", *files, "--entries", str(path), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {one["symbol"] for one in shown["positions"]} == {"BTCUSDT", "ETHUSDT"}
    assert [one["symbol"] for one in shown["candles"]] == ["BTCUSDT", "ETHUSDT"]
    assert path.with_name("entries.csv.tries.jsonl").exists()
    assert main(["backtest", files[0], *files, "--entries", str(path)]) == 1
    assert "a second file of BTCUSDT; join them into one" in capsys.readouterr().err


def test_the_sample_is_written_and_the_next_step_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On a fresh machine."""
    assert main(["backtest", "--sample", str(tmp_path / "new")]) == 0
    captured = capsys.readouterr()
    assert "position-monitor backtest --candles" in captured.err
    assert (tmp_path / "new" / "entries.csv").exists()


def test_the_report_is_one_page_beside_the_table(
    sample: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Every policy with its interval, the pairs, every chart, and the same headline as the JSON has."""
    target = tmp_path / "page.html"
    assert main(arguments(sample, "--report", str(target), "--json")) == 0
    answer = json.loads(capsys.readouterr().out)
    page = target.read_text("utf-8")
    assert f"{answer['headline']['mean_r']:+.3f}" in page
    for words in ("MFE against R", "MAE against R", "Equity in R", "static", "hybrid", "95 % of headline", "Slippage"):
        assert words in page, words
    assert page.count("<svg") == 7
    assert "script" not in page.lower()
