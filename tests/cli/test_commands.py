"""Commands in this process: exit codes, what goes to stdout and what to stderr, JSON that can be parsed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from position_monitor.cli import status
from position_monitor.cli.main import main
from position_monitor.cli.status import Overview
from position_monitor.core.model.verdicts import RiskStatus, Verdict
from position_monitor.core.publication.state import AccountState, PositionState
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.errors import AuthRefused, ExchangeFailure, Unreachable, Unreadable
from position_monitor.inspector import Inspection

Prepare = Callable[[Inspection | Exception], None]


def test_plan_shows_what_would_be_done_and_why(
    config_file: Path, inspection: Inspection, seen_by_inspector: Prepare, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line holds the verb, the order, its id and the reason; exit 2 means changes."""
    seen_by_inspector(inspection)
    assert main(["plan", "--config", str(config_file)]) == 2
    out = capsys.readouterr().out
    assert "BTCUSDT LONG  0.25 @ 42,000" in out and "NAKED: no stop counts as cover" in out
    assert "+ place  STOP_MARKET close-all @ 41,370" in out and "qpm1b0abc  no stop" in out
    assert "- cancel STOP_MARKET @ 41,000" in out and "qpm1b0old  replaced" in out
    assert "~ hold   place TAKE_PROFIT_MARKET 0.08 @ 42630" in out and "waits: stops before take-profits" in out
    assert "Plan: 1 to place, 1 to cancel now, 0 to close, 1 waiting." in out


def test_plan_with_nothing_to_do(
    config_file: Path, inspection: Inspection, seen_by_inspector: Prepare, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 0."""
    calm = replace(inspection, positions=(replace(inspection.positions[0], actions=(), held=()),))
    seen_by_inspector(calm)
    assert main(["--config", str(config_file), "plan"]) == 0
    assert "Plan: 0 to place" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["plan", "explain"])
@pytest.mark.parametrize("name", ["BTCUSDT", "btcusdt:long", "BTC/USDT:USDT", "btc/usdt", "BTC/USDT:USDT:Long"])
def test_plan_and_explain_take_a_position_by_every_name(
    command: str, name: str, config_file: Path, inspection: Inspection, seen_by_inspector: Prepare
) -> None:
    """That of the exchange, that of the published state, that of ccxt, in any case."""
    seen_by_inspector(inspection)
    assert main([command, name, "--config", str(config_file)]) == (2 if command == "plan" else 0)


@pytest.mark.parametrize("command", ["plan", "explain"])
@pytest.mark.parametrize("name", ["NOSUCH", "BTCUSDT:SHORT"])
def test_what_is_not_open_is_1_and_the_open_ones_are_named(
    command: str,
    name: str,
    config_file: Path,
    inspection: Inspection,
    seen_by_inspector: Prepare,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A typing error is not "nothing to do"."""
    seen_by_inspector(inspection)
    assert main([command, name, "--config", str(config_file)]) == 1
    captured = capsys.readouterr()
    assert f"{name} has no open position" in captured.err and "open are: BTCUSDT:LONG" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("name", ["", "a b", "BTC//USDT", "BTCUSDT:", "BTCUSDT:BOTH", "/USDT"])
def test_what_is_no_name_of_a_position_is_said_with_the_forms(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1, as every wrong command line."""
    with pytest.raises(SystemExit) as caught:
        main(["explain", name])
    assert caught.value.code == 1
    assert f"was {name!r}, expected BTCUSDT, BTCUSDT:LONG or BTC/USDT:USDT" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["plan"], ["explain", "BTCUSDT"]])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_of_plan_and_explain_is_wider_than_the_terminal(
    command: list[str],
    width: int,
    config_file: Path,
    inspection: Inspection,
    seen_by_inspector: Prepare,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is too long hangs below itself."""
    monkeypatch.setenv("COLUMNS", str(width))
    seen_by_inspector(inspection)
    main([*command, "--config", str(config_file)])
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width and "qpm1b0abc" in out


def test_plan_and_explain_cite_no_rules_by_number(
    config_file: Path, inspection: Inspection, seen_by_inspector: Prepare, capsys: pytest.CaptureFixture[str]
) -> None:
    """An invariant's number is for the authors: the words stand alone, and --json keeps what the core says."""
    why = "take-profits wait until the stop rests (invariant 3)"
    [position] = inspection.positions
    held = (position.held[0]._replace(why=why),)
    seen_by_inspector(replace(inspection, positions=(replace(position, held=held),)))
    for command in (["plan"], ["explain", "BTCUSDT"]):
        main([*command, "--config", str(config_file)])
        out = capsys.readouterr().out
        assert "waits: take-profits wait until the stop rests\n" in out and "invariant" not in out
    main(["plan", "--json", "--config", str(config_file)])
    assert why in capsys.readouterr().out


def test_plan_counts_what_only_waits(config_file: Path, inspection: Inspection, seen_by_inspector: Prepare) -> None:
    """In observe mode everything is held back; that is still not "nothing to do"."""
    waiting = replace(inspection, positions=(replace(inspection.positions[0], actions=()),))
    seen_by_inspector(waiting)
    assert main(["plan", "--config", str(config_file)]) == 2


def test_plan_as_json(
    config_file: Path, inspection: Inspection, seen_by_inspector: Prepare, capsys: pytest.CaptureFixture[str]
) -> None:
    """Decimals are strings, enums their values."""
    seen_by_inspector(inspection)
    assert main(["plan", "btcusdt", "--json", "--config", str(config_file)]) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["outstanding"] == 3
    assert document["positions"][0]["actions"][0]["order"]["trigger_price"] == "41370"
    assert document["positions"][0]["state"]["verdict"] == "NAKED"


def test_explain_tells_the_whole_story(
    config_file: Path, inspection: Inspection, seen_by_inspector: Prepare, capsys: pytest.CaptureFixture[str]
) -> None:
    """Inputs, settings with their origin, the wanted book, what rests and why it does not count."""
    config_file.write_text(config_file.read_text() + "[symbols.BTCUSDT]\nstop_loss_pct = 1.5\n")
    seen_by_inspector(inspection)
    assert main(["explain", "BTCUSDT", "--config", str(config_file)]) == 0
    out = capsys.readouterr().out
    for words in (
        "liquidation 9,253.3, leverage 10",
        "stop_loss_pct = 1.5 (this symbol)",
        "on_breach = ",
        "mark 42,034.38, 0.08 % in profit",
        'foreign_orders = "respect"',
        "foreign_stop_grace_s = 0",
        "stop 41,370: 1.5 % from the entry (hybrid)",
        "stops: no close-all stop rests: a backstop (case 14)",
        "take-profits: no ladder for this position rests: one for the rungs that are still to be reached (case 16)",
        "backstop: STOP_MARKET close-all @ 41,370, hybrid, triggered by the mark price, id qpm1b0abc",
        "not ours, no cover: it covers only 0.1 of 0.250",
        "waits: stops before take-profits",
    ):
        assert words in out, words
    for internal in ("held =", "respect_foreign_orders", "_ms", "epoch", "MARK_PRICE,", "ratchet"):
        assert internal not in out, internal


def test_explain_without_a_position(config_file: Path, inspection: Inspection, seen_by_inspector: Prepare) -> None:
    """There is nothing to explain: 1."""
    seen_by_inspector(inspection)
    assert main(["explain", "ETHUSDT", "--config", str(config_file)]) == 1
    assert main(["explain", "BTCUSDT", "--json", "--config", str(config_file)]) == 0


def test_status_direct_judges_what_the_exchange_says(
    config_file: Path, inspection: Inspection, seen_by_inspector: Prepare, capsys: pytest.CaptureFixture[str]
) -> None:
    """Works without Redis and without the daemon."""
    seen_by_inspector(inspection)
    assert main(["status", "--direct", "--config", str(config_file)]) == 2
    assert "NAKED" in capsys.readouterr().out


def test_an_exchange_that_refuses_is_an_error(
    config_file: Path, seen_by_inspector: Prepare, capsys: pytest.CaptureFixture[str]
) -> None:
    """1 with the reason on stderr; with --json also as data."""
    seen_by_inspector(AuthRefused("key, IP or permission was refused (-2015)"))
    for command in (["plan"], ["explain", "BTCUSDT"], ["status", "--direct"]):
        assert main([*command, "--config", str(config_file)]) == 1, command
        captured = capsys.readouterr()
        assert "-2015" in captured.err + captured.out
    assert main(["plan", "--json", "--config", str(config_file)]) == 1
    assert "-2015" in json.loads(capsys.readouterr().out)["problems"][0]


@pytest.mark.parametrize(
    ("failure", "advice"),
    [
        (Unreachable("positions: no answer in time [GET /fapi/v3/positionRisk]"), True),
        (Unreadable("positions: the answer was not JSON [GET /fapi/v3/positionRisk]", http_status=200), True),
        (Unreachable("positions: -1016, the service is shutting down", said="-1016", http_status=503), False),
        (AuthRefused("positions: -2015, wrong API key", said="-2015", http_status=401), False),
    ],
)
def test_what_may_be_a_wrong_address_says_which_and_what_to_do(
    failure: ExchangeFailure,
    advice: bool,
    config_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Host, port and path; where the exchange itself answered, its own words name the cause."""

    async def failing(_: BinanceUsdm) -> None:
        raise failure

    monkeypatch.setattr(BinanceUsdm, "prepare", failing)
    for command in (["plan"], ["explain", "BTCUSDT"], ["status", "--direct"]):
        assert main([*command, "--config", str(config_file)]) == 1
        said = capsys.readouterr().err
        assert said.startswith("position-monitor: binanceusdm at 127.0.0.1:9: positions: ") and "?" not in said
        assert said.endswith(
            "; check exchange.rest_url and exchange.environment, and whether this host reaches it\n"
        ) == (advice)
        failure.args = (failure.args[0].partition(": ")[2].partition("; check")[0],)


def test_check_live_fails_where_nobody_answers(config_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An exchange and a Redis that are not there are errors that name host and port; what follows is not known."""
    assert main(["check", "--live", "--config", str(config_file)]) == 1
    out = capsys.readouterr().out
    assert "error     exchange (live): the exchange at 127.0.0.1:9 cannot be reached" in out
    assert "not known first plan: the account cannot be read" in out
    assert (
        "error     redis (live): Redis at 127.0.0.1:9 did not answer: connection refused" in out
        and "Do: start it" in out
    )


@pytest.mark.parametrize(
    ("verdict", "risk", "code"),
    [
        (Verdict.PROTECTED, RiskStatus.PROTECTED, 0),
        (Verdict.UNMANAGED, RiskStatus.PROTECTED, 0),
        (Verdict.PROTECTED, RiskStatus.DEGRADED, 0),
        (Verdict.STOP_ONLY, RiskStatus.DEGRADED, 2),
        (Verdict.UNDERCOVERED, RiskStatus.CRITICAL, 2),
        (Verdict.NAKED, RiskStatus.CRITICAL, 2),
        (Verdict.CLOSING, RiskStatus.DEGRADED, 2),
        (Verdict.UNKNOWN, RiskStatus.UNKNOWN, 2),
        (Verdict.PROTECTED, RiskStatus.UNKNOWN, 2),
        (Verdict.PROTECTED, RiskStatus.CRITICAL, 2),
    ],
)
def test_exit_code_of_status(
    verdict: Verdict, risk: RiskStatus, code: int, account_state: AccountState, position_state: PositionState
) -> None:
    """0 only when every managed position is protected and the daemon itself agrees."""
    counted = 0 if verdict is Verdict.UNMANAGED else 1
    account = replace(account_state, risk_status=risk, positions=counted)
    seen = Overview(account, (replace(position_state, verdict=verdict),))
    assert status.exit_code(seen) == code


def test_nothing_heard_is_never_fine(account_state: AccountState, position_state: PositionState) -> None:
    """A missing key is UNKNOWN (DESIGN 5): 3 without the daemon, 2 with a position that expired or stands nowhere."""
    assert status.exit_code(Overview(None)) == 3
    assert status.exit_code(Overview(account_state, (position_state,), ("ETHUSDT:LONG",))) == 2
    broken = {"ETHUSDT:LONG": "the position document is not readable"}
    assert status.exit_code(Overview(account_state, (position_state,), unreadable=broken)) == 2
    assert status.exit_code(Overview(account_state, ())) == 2
    assert status.exit_code(Overview(replace(account_state, positions=0, protected=0), ())) == 0


def test_after_a_clean_stop_nobody_is_heard(account_state: AccountState, position_state: PositionState) -> None:
    """DESIGN 6: what stands there is the last word of a daemon that is gone."""
    stopped = replace(account_state, mode="stopped", risk_status=RiskStatus.UNKNOWN)
    assert status.exit_code(Overview(stopped, (position_state,))) == 3


@pytest.mark.parametrize("argv", [[], ["nosuch"], ["explain"], ["status", "--watch", "-1"], ["demo", "--for", "nan"]])
def test_a_wrong_command_line_is_1(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Not argparse's 2, which here means "not protected"."""
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 1
    assert "usage: position-monitor" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["flatten", "close-all", "cancel-all", "panic"])
def test_there_is_no_command_that_removes_protection(word: str) -> None:
    """DESIGN 6: a protection daemon that can do those is one typo from an incident."""
    with pytest.raises(SystemExit):
        main([word])


def test_config_show_tells_value_and_origin(
    config_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Effective values with their origin; conflicts on stderr; no password anywhere."""
    monkeypatch.setenv("EXIT_BRAIN_V3_ENABLED", "true")
    monkeypatch.setenv("REDIS_URL", "redis://:hunter22@127.0.0.1:9/0")
    assert main(["config", "show", "--config", str(config_file)]) == 0
    captured = capsys.readouterr()
    lines = {line.split()[0]: line.split() for line in captured.out.splitlines()[1:]}
    assert lines["redis.url"] == ["redis.url", '"redis://:***@127.0.0.1:9/0"', "environment", "REDIS_URL"]
    assert lines["exchange.rest_url"][2] == "file"
    assert lines["credentials"] == ["credentials", '"***"', "paper", "default"]
    assert "EXIT_MODE=LEGACY but EXIT_BRAIN_V3_ENABLED=true" in captured.err
    assert "hunter22" not in captured.out + captured.err
    assert main(["config", "show", "--json", "--config", str(config_file)]) == 0
    out = capsys.readouterr().out
    assert json.loads(out)["settings"]["redis.url"]["origin"] == "environment REDIS_URL"
    assert json.loads(out)["exit_plan"]["live"] == "LEGACY"
    assert "hunter22" not in out
