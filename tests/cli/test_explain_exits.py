"""The section "Exits" of `explain` as a reader at a terminal of 80 columns gets it, and the same as JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from position_monitor.cli.explain_exits import exit_lines
from position_monitor.cli.main import main
from position_monitor.cli.output import jsonable
from position_monitor.core.book.desired_book import desired_book
from position_monitor.core.book.exit_view import exit_view
from position_monitor.core.book.stop_origin import stop_origin
from position_monitor.core.book.wanted import BookInputs
from position_monitor.core.exits.explanation import explained
from position_monitor.core.model.market import Regime
from position_monitor.core.model.pins import pin_of_profile, pin_of_regime
from position_monitor.inspector import InspectedExits, Inspection
from tests.cli.test_commands import Prepare
from tests.core.build import (
    BRAIN,
    DYNAMIC,
    HYBRID,
    LONG,
    NOW_MS,
    SHORT,
    STATIC,
    advise,
    book_inputs,
    instrument,
    market_of,
    pinned,
    position,
    settings,
    working,
)

FINE = instrument(tick="0.01", min_price="0.01")
HOUR_MS = 3_600_000


def exits_of(inputs: BookInputs, *, no_market: str = "", no_advice: str = "") -> InspectedExits:
    found = explained(exit_view(inputs))
    return InspectedExits(found, stop_origin(inputs, found), no_market, no_advice)


def lines_of(inputs: BookInputs, **missing: str) -> list[str]:
    lines = list(exit_lines(exits_of(inputs, **missing), inputs.position, desired_book(inputs)))
    assert all(len(line) <= 78 for line in lines), lines
    return lines


def trending() -> BookInputs:
    """TREND on its first step of the curve: the price has passed every target, and the trail wants the stop higher."""
    held = position(LONG, entry="100", mark="104.40")
    rests = (
        pinned(held, "98.50", pin_of_profile("TREND"), created_at_ms=NOW_MS - HOUR_MS),
        working(held, "100.94"),
    )
    market = market_of("0.9", Regime.TRENDING, adx="31.2", trend=LONG)
    return book_inputs(held, rests, settings(BRAIN), venue=FINE, market=market)


def test_the_whole_section_of_a_position_that_trails() -> None:
    """Literal, so that whoever changes a word reads the page once as a whole."""
    assert lines_of(trending(), no_advice="the AI engine is DOWN: could not be reached") == [
        "  policy       Exit Brain, profile TREND, chosen when the position was opened",
        "  regime       TRENDING by the candles, with the position",
        "  ATR          0.9 (0.9 % of the price), its candle closed 1.0s ago; ADX 31.2,",
        "               +DI 30, -DI 15",
        "  R            1.5 from the entry to the first stop that rests; the price",
        "               shows +2.93 R",
        "  first stop   98.5  a distance of 1.5 from the entry",
        "  lock 1       100.1  after take-profit 1 to breakeven; counts",
        "  lock 2       100.75  after take-profit 2 to the level of take-profit 1;",
        "               waits",
        "  lock 3       101.5  after take-profit 3 to the level of take-profit 2; waits",
        "> trail 1      102.32  2 % behind the price, from 1.5 R (price 102.25); acts",
        "  trail 2      102.84  1.5 % behind the price, from 3 R (price 104.5); waits",
        "  trail 3      103.36  1 % behind the price, from 5 R (price 107.5); waits",
        "  time stop    none",
        "  runner       35 % of the position has no take-profit and runs with the stop;",
        "               it is all that is left",
        "  advice       none: the AI engine is DOWN: could not be reached",
        "  stop         102.32, trail 1",
        "  resting stop 100.94, moved there earlier by a lock, the trail or advice",
    ]


def test_a_stop_that_rests_tighter_than_the_policy_says_is_in_force() -> None:
    """Vector 4.4, falling back: the level would be 101.92, and 106.43 stays."""
    held = position(LONG, entry="100", mark="107.00")
    rests = (pinned(held, "98.50", pin_of_profile("TREND")), working(held, "106.43"))
    lines = lines_of(book_inputs(held, rests, settings(BRAIN), venue=FINE))
    assert not any(line.startswith(">") for line in lines)
    text = re.sub(r"\s+", " ", " ".join(lines))
    assert "stop 106.43, as it rests: a stop never moves back. The policy alone says 105.4" in text
    assert "resting stop 106.43, moved there earlier" in text


def test_a_position_without_an_atr_says_why() -> None:
    held = position(SHORT, entry="100", mark="99.9")
    lines = lines_of(book_inputs(held, (), settings(DYNAMIC), venue=FINE), no_market="no candle was read yet")
    text = re.sub(r"\s+", " ", " ".join(lines))
    assert "no ATR at entry, so the first stop and the target are the floor's" in text
    assert "ATR no ATR: no candle was read yet" in text and "2 ATR behind the price" in text
    assert "no level: there is no ATR" in text and "resting stop none covers the position" in text


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (STATIC, ("policy static", "locks none", "trail none", "time stop none", "runner none")),
        (HYBRID, ("policy hybrid", "lock 1 100.1 after take-profit 1 to breakeven; waits", "once that reaches")),
        (DYNAMIC, ("policy dynamic", "lock 1 100.1 from 0.5 R (price 100.75) to breakeven; waits", "older than 1d")),
    ],
)
def test_each_policy_shows_its_parts(policy: object, words: tuple[str, ...]) -> None:
    held = position(LONG, entry="100", mark="100.2")
    rests = (pinned(held, "98.50", pin_of_regime(Regime.NORMAL_VOL)),) if policy == DYNAMIC else ()
    inputs = book_inputs(held, rests, settings(policy), venue=FINE, market=market_of("1"))  # type: ignore[arg-type]
    text = re.sub(r"\s+", " ", " ".join(lines_of(inputs)))
    assert [word for word in words if word not in text] == [], text


def test_advice_is_shown_with_what_became_of_it() -> None:
    held = position(LONG, entry="100", mark="100.2")
    advice = advise("0.9", stop="0.015", take="0.025", action="SELL", regime="lunar")
    text = " ".join(lines_of(book_inputs(held, (), settings(), venue=FINE, advice=advice)))
    assert re.sub(r"\s+", " ", text).count(
        "advice SELL, confidence 0.9, stop 0.015 %, take-profit 0.025 %, regime lunar. The stop: ignored as a whole: "
        "it looks like another unit (advice ignored: its stop was 0.015 %, expected 0.25 to 10 %"
    )


def test_json_carries_the_same() -> None:
    document = jsonable(exits_of(trending(), no_advice="down"))
    assert json.loads(json.dumps(document)) == document
    found = document["explanation"]
    assert found["policy"] == "brain" and found["profile"] == "TREND" and found["r"] == "1.50"
    assert found["stop"]["price"] == "102.32" and found["stop_from"] == {"kind": "trail", "number": 1}
    assert found["market"]["atr"] == "0.9" and found["atr_age_ms"] == 1_000
    assert [row["level"]["price"] for row in found["parts"]["trail"]] == ["102.32", "102.84", "103.36"]
    assert [row["level"]["price"] for row in found["parts"]["locks"]] == ["100.10", "100.75", "101.50"]
    assert document["resting"]["order"]["trigger_price"] == "100.94" and document["advice_missing"] == "down"


def test_the_command_prints_the_section(
    config_file: Path,
    inspection: Inspection,
    seen_by_inspector: Prepare,
    capsys: pytest.CaptureFixture[str],
) -> None:
    inputs = trending()
    shown = replace(
        inspection.positions[0], position=inputs.position, book=desired_book(inputs), exits=exits_of(inputs)
    )
    seen_by_inspector(replace(inspection, positions=(replace(shown, position=inspection.positions[0].position),)))
    assert main(["explain", "BTCUSDT", "--config", str(config_file)]) == 0
    out = capsys.readouterr().out
    assert "\n Exits\n    policy       Exit Brain, profile TREND" in out
    assert "\n  > trail 1      102.32  2 % behind the price" in out
    assert "ProtectionSettings" not in out and "ExitSettings" not in out and "Decimal(" not in out
    main(["explain", "BTCUSDT", "--json", "--config", str(config_file)])
    document = json.loads(capsys.readouterr().out)
    assert Decimal(document["positions"][0]["exits"]["explanation"]["stop"]["price"]) == Decimal("102.32")
