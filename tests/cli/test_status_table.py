"""The table: figures a human can read, and notes only when something is unusual."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from rich.console import Console

from position_monitor.cli.status_table import age, notes, number, rounded, status_view
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.model.verdicts import RiskStatus, Verdict
from position_monitor.core.publication.state import AccountState, PositionState
from tests.cli.conftest import NOW_MS


def rendered(account: AccountState, *positions: PositionState) -> str:
    """The view as plain text."""
    console = Console(width=200, no_color=True)
    with console.capture() as capture:
        console.print(status_view("binanceusdm", "main", account, positions, NOW_MS))
    return capture.get()


def test_a_good_day_is_a_title_a_table_and_a_sentence(
    account_state: AccountState, position_state: PositionState
) -> None:
    """No note when nothing is unusual."""
    text = rendered(account_state, position_state)
    assert text.startswith("binanceusdm/main (live, lease epoch 7, config 3f9a00112233) PROTECTED read 1.8s ago")
    row = next(line for line in text.splitlines() if "BTCUSDT" in line)
    cells = [cell.strip() for cell in row.strip("│\n ").split("│")]
    assert cells == [
        "BTCUSDT", "long", "0.25", "42,000", "42,034.38", "41,370 (-1.58 %)", "41,370", "2/3", "100 %", "PROTECTED",
        "3h",
    ]  # fmt: skip
    assert text.rstrip().endswith("🛡️ 1/1 protected (100%)")


def test_unusual_things_are_notes(account_state: AccountState, position_state: PositionState) -> None:
    """Observe mode, conflicts, the breaker, unmanaged positions and every reason."""
    account = replace(
        account_state,
        mode="observe",
        risk_status=RiskStatus.CRITICAL,
        reason="BTCUSDT:LONG: NAKED (no stop); Exit Brain V3 may not act",
        conflicts=("EXIT_MODE=LEGACY but EXIT_BRAIN_V3_ENABLED=true: ...",),
        circuit_breaker="ACTIVE (read 4 s ago)",
    )
    naked = replace(position_state, verdict=Verdict.NAKED, reason="no stop counts as cover")
    left = replace(position_state, key=PositionKey("XYZUSDT", Side.SHORT), verdict=Verdict.UNMANAGED)
    assert notes(account, [naked, left]) == [
        "Exit Brain V3 may not act",
        "mode observe: nothing is placed",
        "EXIT_MODE=LEGACY but EXIT_BRAIN_V3_ENABLED=true: ...",
        "circuit breaker ACTIVE (read 4 s ago): entries are blocked elsewhere, protection is not",
        "unmanaged by configuration: XYZUSDT:SHORT",
        "BTCUSDT:LONG: no stop counts as cover",
    ]
    assert notes(account_state, [position_state]) == []


def test_missing_figures_are_dashes(account_state: AccountState, position_state: PositionState) -> None:
    """Unknown is shown as unknown, never as 0."""
    nan = Decimal("NaN")
    blind = replace(
        position_state, verdict=Verdict.UNKNOWN, mark_price=nan, entry_price=nan, stop_price=None, backstop_price=None,
        cover_pct=nan, take_profits=(), since_ms=0,
    )  # fmt: skip
    row = next(line for line in rendered(account_state, blind).splitlines() if "BTCUSDT" in line)
    cells = [cell.strip() for cell in row.strip("│\n ").split("│")]
    assert cells == ["BTCUSDT", "long", "0.25", "-", "-", "-", "-", "-", "- %", "UNKNOWN", "-"]


def test_text_from_outside_is_not_markup(account_state: AccountState, position_state: PositionState) -> None:
    """A reason or a symbol with brackets is shown as it is, and cannot break the table."""
    odd = replace(position_state, key=PositionKey("币安[red]USDT", Side.LONG), verdict=Verdict.NAKED, reason="[/] x")
    text = rendered(replace(account_state, status_line="[bold]x[/nope]"), odd)
    assert "币安[red]USDT" in text and "[/] x" in text and "[bold]x[/nope]" in text


@pytest.mark.parametrize(
    ("duration_ms", "words"),
    [(-5, "0.0s"), (1849, "1.8s"), (12_000, "12s"), (60_000, "1m"), (3_599_000, "59m"), (7_200_000, "2h"), (9e7, "1d")],
)
def test_age(duration_ms: int, words: str) -> None:
    """The unit a human would use; a clock that is behind gives 0."""
    assert age(duration_ms) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [("1234567.8900", "1,234,567.89"), ("0.00000123", "0.00000123"), ("-1234.5", "-1,234.5"), ("-0.5", "-0.5")],
)
def test_number(value: str, words: str) -> None:
    """Thousands separated, no exponent, no trailing zeros."""
    assert number(Decimal(value)) == words


@pytest.mark.parametrize(
    ("value", "words"), [("42034.38274332", "42034.38"), ("0.0809183127", "0.08091831"), ("123456789", "123456789")]
)
def test_rounded(value: str, words: str) -> None:
    """Seven digits are enough for a mark price."""
    assert str(rounded(Decimal(value))) == words
