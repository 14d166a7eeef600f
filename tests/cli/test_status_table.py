"""Rows and figures: the worst first, as many whole columns as there is room for, nothing shown that is not known."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from rich.cells import cell_len

from position_monitor.cli.status_remarks import remarks
from position_monitor.cli.status_table import HEADINGS, SHAPES, WORST_FIRST, age, number, rounded, rows_of, table_lines
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.model.verdicts import RiskStatus, Verdict
from position_monitor.core.publication.state import AccountState, PositionState
from tests.cli.conftest import NOW_MS


def of(state: PositionState, symbol: str, verdict: Verdict, reason: str = "", **changes: object) -> PositionState:
    """The same position under another name and verdict."""
    values: dict[str, object] = {"key": PositionKey(symbol, Side.LONG), "verdict": verdict, "reason": reason} | changes
    return replace(state, **values)  # type: ignore[arg-type]


def printed(*states: PositionState, width: int = 200) -> list[str]:
    """Heading and rows as text."""
    return [line.plain for line in table_lines(rows_of(states), width, NOW_MS)]


def test_a_row_has_every_figure(position_state: PositionState) -> None:
    heading, row = printed(position_state)
    assert heading.split() == [
        "State", "Symbol", "Side", "Size", "Entry", "Mark", "Stop", "Dist", "Backstop", "TP", "Cover", "For",
    ]  # fmt: skip
    assert row.split("  ") == [
        "✔ PROTECTED", "BTCUSDT", "long", "0.25", "42,000", "42,034.38", "41,370", "-1.58 %", "", "41,370", "2/3",
        "100 %", " 3h",
    ]  # fmt: skip


def test_the_worst_stand_first_and_among_them_the_largest(position_state: PositionState) -> None:
    """Somebody who is woken reads from the top."""
    states = [of(position_state, f"{verdict}", verdict) for verdict in sorted(Verdict)]
    states.append(of(position_state, "LARGE", Verdict.NAKED, quantity=Decimal(9)))
    states.append(of(position_state, "A", Verdict.PROTECTED, quantity=Decimal(9)))
    rows = rows_of(states, {"GONEUSDT:SHORT": "its state has expired"})
    assert [row.symbol for row in rows] == [
        "LARGE", "NAKED", "UNDERCOVERED", "UNKNOWN", "GONEUSDT", "CLOSING", "STOP_ONLY", "A", "PROTECTED", "UNMANAGED",
    ]  # fmt: skip
    assert set(WORST_FIRST) == set(Verdict) and {str(verdict) for verdict in [*Verdict, *RiskStatus]} <= set(SHAPES)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
@pytest.mark.parametrize("symbol", ["BTCUSDT", "1000000MOGUSDT", "币安人生USDT"])
def test_no_line_is_wider_than_the_terminal_and_no_cell_is_cut(
    width: int, symbol: str, position_state: PositionState
) -> None:
    """Columns go whole; who it is, how bad and since when always stays."""
    lines = printed(of(position_state, symbol, Verdict.UNDERCOVERED), width=width)
    assert max(cell_len(line) for line in lines) <= max(width, 48)
    assert lines[1].startswith("! UNDERCOVERED") and symbol in lines[1] and lines[1].endswith("3h")
    hidden = set(HEADINGS) - set(lines[0].split())
    order = ("Backstop", "Entry", "TP", "Mark", "Size", "Dist", "Stop", "Cover")
    assert hidden == set(order[: len(hidden)])
    assert len(hidden) <= {40: 8, 60: 6, 80: 4, 100: 1, 120: 0, 200: 0}[width]


def test_missing_figures_are_dashes(position_state: PositionState) -> None:
    """Unknown is shown as unknown, never as 0."""
    nan = Decimal("NaN")
    blind = replace(
        position_state, verdict=Verdict.UNKNOWN, mark_price=nan, entry_price=nan, stop_price=None, backstop_price=None,
        cover_pct=nan, take_profits=(), since_ms=0,
    )  # fmt: skip
    assert printed(blind)[1].split() == ["?", "UNKNOWN", "BTCUSDT", "long", "0.25", *"--------"]
    expired = table_lines(rows_of([], {"ETHUSDT:SHORT": "expired"}), 200, NOW_MS)[1].plain
    assert expired.split() == ["?", "UNKNOWN", "ETHUSDT", "short", *"---------"]


def test_unusual_things_are_remarks_and_positions_come_first(
    account_state: AccountState, position_state: PositionState
) -> None:
    """Nothing is said twice, and nothing at all on a good day."""
    account = replace(
        account_state,
        mode="observe",
        risk_status=RiskStatus.CRITICAL,
        reason="BTCUSDT:LONG: NAKED (no stop; none); SOLUSDT:LONG: the stop is behind; "
        "ADAUSDT:LONG: the stop is behind; Exit Brain V3 may not act",
        conflicts=("EXIT_MODE=LEGACY but EXIT_BRAIN_V3_ENABLED=true: ...",),
        circuit_breaker="ACTIVE (read 4 s ago)",
        streams={"user": "LIVE", "marks": "silent for 12 s"},
        unread=("DOGEUSDT",),
    )
    naked = replace(position_state, verdict=Verdict.NAKED, reason="no stop; none")
    left = replace(position_state, key=PositionKey("XYZUSDT", Side.SHORT), verdict=Verdict.UNMANAGED)
    assert [text for text, _ in remarks(account, rows_of([naked, left]), NOW_MS)] == [
        "✖ BTCUSDT:LONG NAKED: no stop; none",
        "! SOLUSDT:LONG, ADAUSDT:LONG: the stop is behind",
        "! Exit Brain V3 may not act",
        "! mode observe: nothing is placed",
        "! EXIT_MODE=LEGACY but EXIT_BRAIN_V3_ENABLED=true: ...",
        "! circuit breaker ACTIVE (read 4 s ago): entries are blocked elsewhere, protection is not",
        "! marks stream silent for 12 s: positions are looked at in turn",
        "! could not be read and may be open: DOGEUSDT",
        "! unmanaged by configuration: XYZUSDT:SHORT",
    ]
    assert remarks(account_state, rows_of([position_state]), NOW_MS) == []


def test_a_name_that_is_part_of_another_takes_nothing_from_it(
    account_state: AccountState, position_state: PositionState
) -> None:
    """And what the account says of a position beside its verdict is not lost."""
    states = [of(position_state, "BTCUSDT", Verdict.STOP_ONLY), of(position_state, "1000BTCUSDT", Verdict.PROTECTED)]
    reason = "1000BTCUSDT:LONG: STOP_ONLY; BTCUSDT:LONG: STOP_ONLY; BTCUSDT:LONG: the stop is behind"
    lines = [text for text, _ in remarks(replace(account_state, reason=reason), rows_of(states), NOW_MS)]
    assert lines == [
        "~ BTCUSDT:LONG STOP_ONLY",
        "! 1000BTCUSDT:LONG: STOP_ONLY",
        "! BTCUSDT:LONG: the stop is behind",
    ]


def test_the_same_reason_of_many_is_one_line(account_state: AccountState, position_state: PositionState) -> None:
    """Figures in a reason do not make it another one; a reason that was shortened on the way is not shown in part."""
    states = [of(position_state, f"S{n}USDT", Verdict.UNDERCOVERED, f"stops cover {n} %") for n in range(9)]
    states += [of(position_state, f"U{n}USDT", Verdict.UNKNOWN, "HTTP 503") for n in range(2)]
    reason = "; ".join(f"{state.key}: {state.verdict} ({state.reason})" for state in states)[:180] + "…"
    lines = [text for text, _ in remarks(replace(account_state, reason=reason), rows_of(states), NOW_MS)]
    assert lines == [
        "! S0USDT:LONG, S1USDT:LONG, S2USDT:LONG, S3USDT:LONG, S4USDT:LONG and 4 more UNDERCOVERED: such as: "
        "stops cover 0 %",
        "? U0USDT:LONG, U1USDT:LONG UNKNOWN: HTTP 503 (figures read 1.8s ago)",
    ]


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
