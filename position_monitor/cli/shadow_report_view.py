"""The report of `shadow-report` on a screen of 80 columns: calibration first, then the difference, then the rest."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from position_monitor.cli.record_figures import duration
from position_monitor.core.shadow.comparison import (
    CALIBRATED_R,
    DAYS_MIN,
    LOSERS_MIN,
    POSITIONS_MIN,
    WORTH_R,
    Verdict,
    Word,
)
from position_monitor.core.shadow.pair import FUNDING_RULE
from position_monitor.core.shadow.report import Coverage, ShadowReport
from position_monitor.edge.redis.pairs import FollowedNow

ROWS_PER_KIND = 8
PROMOTION = (
    '[exit] mode = "EXIT_BRAIN_V3", executor_mode = "LIVE", live_rollout = "ENABLED", then: '
    "systemctl reload quantum-position-monitor"
)
"""What a human does to promote the Exit Brain; `live_rollout_pct` promotes it for some symbols only."""
_STYLES = {
    **{Word.BETTER: "green", Word.WORSE: "red", Word.WORSE_TAIL: "red"},
    **{Word.NOT_ENOUGH: "yellow", Word.BIASED: "red"},
}


def report(made: ShadowReport) -> list[RenderableType]:
    """Everything the command shows."""
    return [
        _headline(made),
        *_calibration(made),
        *_difference(made),
        *_groups(made),
        *_coverage(made),
        Text(f"Costs of simulated exits: {made.costs}"),
        Text(f"Funding: {FUNDING_RULE}"),
        *_promotion(made),
    ]


def following(now: FollowedNow, now_ms: int) -> str:
    """What is on the way to a result, in a line."""
    ago = duration(Decimal(max(0, now_ms - now.written_at_ms)))
    outliving = f", and {now.outliving} that are closed while books of theirs go on" if now.outliving else ""
    return f"{now.open} open positions were followed {ago} ago{outliving}; a result comes when all books are over"


def _headline(made: ShadowReport) -> Text:
    days = f"{_day(made.first_ms)} to {_day(made.last_ms)}"
    text = f"Shadow {made.shadow_policy}, live {made.live_policy}, {days}, settings {made.settings_hash}"
    return Text(text, style="bold")


def _calibration(made: ShadowReport) -> Iterable[Text]:
    verdict = made.calibration
    if verdict.word is Word.NOT_ENOUGH and not made.calibrated:
        said, style = "not enough to calibrate", "yellow"
    elif made.calibrated:
        said, style = "calibrated so far" if verdict.word is Word.NOT_ENOUGH else "calibrated", "green"
    else:
        said, style = str(Word.BIASED), "red"
    yield Text(f"A/A live beside itself {_mean(verdict, 'R')}  n {verdict.n}  {said}", style=style)
    if not made.calibrated and verdict.word is not Word.NOT_ENOUGH:
        yield Text(f"    must be within {CALIBRATED_R} R and its interval hold 0: nothing below is to be read")


def _difference(made: ShadowReport) -> Iterable[Text]:
    verdict = made.verdict
    word = Text(str(made.word), style=_STYLES.get(made.word, ""))
    yield Text.assemble(f"A/B shadow - live      {_mean(verdict, 'R')}  n {verdict.n}  ", word)
    yield Text(f"    of entry notional  {_mean(made.in_pct, '%')}")
    yield Text(f"    with p90 slippage  {_mean(made.at_p90, 'R')}")
    tails = f"live {_signed(verdict.live_tail)}, shadow {_signed(verdict.shadow_tail)}"
    yield Text(f"    worst 5 %          {tails} R")
    yield Text(f"    {verdict.days} days; losers: live {verdict.live_losers}, shadow {verdict.shadow_losers}")
    if verdict.word is Word.NOT_ENOUGH:
        least = f"{POSITIONS_MIN} positions, {DAYS_MIN} days, {LOSERS_MIN} losers on each side"
        yield Text(f"    a word needs at least {least}")
    if verdict.missing:
        spread = f" at the present sd of {verdict.deviation:.2f} R" if math.isfinite(verdict.deviation) else ""
        yield Text(f"    about {verdict.missing} more positions to see {WORTH_R} R{spread}")
    if made.censored:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(made.censored.items()))
        yield Text(f"    not in it, censored: {reasons}")
    if made.without_risk:
        yield Text(f"    not in it, R not known: {made.without_risk}")
    if made.other_settings:
        yield Text(f"    not in it, of other settings: {made.other_settings}")


def _groups(made: ShadowReport) -> Iterable[RenderableType]:
    """By profile, regime and symbol."""
    if not made.groups:
        return
    table = Table(title="For orientation", title_justify="left", title_style="bold")
    table.add_column("Group", no_wrap=True, max_width=22)
    for name in ("n", "Mean R", "Anytime interval"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Word", no_wrap=True)
    left = 0
    for kind in dict.fromkeys(row.kind for row in made.groups):
        rows = [row for row in made.groups if row.kind == kind]
        for row in rows[:ROWS_PER_KIND]:
            verdict = row.verdict
            cells = (str(verdict.n), _signed(verdict.mean), _interval(verdict), str(verdict.word))
            table.add_row(f"{kind} {row.name}", *cells)
        left += len(rows[ROWS_PER_KIND:])
    yield table
    if left:
        yield Text(f"and {left} more groups (--json has them)")


def _coverage(made: ShadowReport) -> Iterable[Text]:
    coverage: Coverage = made.coverage
    if coverage.closed:
        epochs, time = 100 * coverage.paired / coverage.closed, 100 * coverage.paired_ms / max(coverage.live_ms, 1)
        share = f"{coverage.paired} of {coverage.closed} closed positions ({epochs:.0f} %), {time:.0f} % of their time"
        yield Text(f"Coverage: {share}", style="" if epochs >= 90 else "yellow")
    else:
        yield Text("Coverage: not known, Redis has no records of the same time", style="yellow")
    gaps = f"no price for {coverage.gap_ms / 60_000:.1f} min in all; candles walked in {coverage.unwatched}"
    yield Text(f"Gaps: {gaps}, ambiguous in {coverage.ambiguous}")


def _promotion(made: ShadowReport) -> Iterable[Text]:
    yield Text("Nothing is promoted by itself. By hand:", style="bold")
    if made.shadow_policy != "brain":
        yield Text('  [exit] mode = "LEGACY", then: systemctl reload quantum-position-monitor')
        return
    settings, command = PROMOTION.split(", then: ")
    for setting in settings.split(", "):
        yield Text(f"  {setting}")
    yield Text(f"  {command}")


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d")


def _signed(value: float) -> str:
    return f"{value:+.3f}"


def _mean(verdict: Verdict, unit: str) -> str:
    return f"{_signed(verdict.mean)} {unit} ({_interval(verdict)})"


def _interval(verdict: Verdict) -> str:
    return f"{_signed(verdict.low)} to {_signed(verdict.high)}" if math.isfinite(verdict.low) else "no interval yet"
