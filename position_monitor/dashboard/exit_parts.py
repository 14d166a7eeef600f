"""What came of closed positions beside the totals: MFE, MAE, the newest ones, and shadow against live in a word."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from position_monitor.charts.markup import Markup, element
from position_monitor.charts.plots import Point, scatter
from position_monitor.charts.tables import facts, table
from position_monitor.dashboard.words import moment
from position_monitor.edge.redis.outcome_reader import ClosedPosition, Outcomes, ShadowAgainstLive

ROWS_MAX: Final = 20
_KINDS: Final = {"BETTER": "good", "WORSE": "bad", "WORSE TAIL": "bad", "BIASED RULER": "bad", "NOT ENOUGH": "warn"}


def outcomes(came: Outcomes) -> Iterable[Markup]:
    """Pictures, the newest closed positions, and the comparison."""
    if came.shadow is not None:
        yield _shadow(came.shadow)
    if came.closed:
        best = scatter(_points(came.closed, best=True), title="MFE against R", x_words="best mark, R", y_words="net R")
        worst = scatter(
            _points(came.closed, best=False), title="MAE against R", x_words="worst mark, R", y_words="net R"
        )
        yield element("div", best, worst, class_="charts")
        columns = ("Position", "Why", "Net", "Best mark", "Worst mark", "Closed")
        yield table("The newest closed positions, in R", columns, map(_row, reversed(came.closed[-ROWS_MAX:])), words=2)
    if came.unreadable:
        words = f"{came.unreadable} records are not readable and are left out."
        yield element("p", words, class_="warn")


def _row(one: ClosedPosition) -> tuple[Markup | str, ...]:
    worst = None if one.mae_r is None else -one.mae_r
    figures = (_r(one.net_r), _r(one.mfe_r), _r(worst))
    return f"{one.key.symbol} {one.key.side}", _reason(one), *figures, moment(one.closed_at_ms)


def _points(closed: Iterable[ClosedPosition], *, best: bool) -> list[Point]:
    pairs = [(one.mfe_r if best else one.mae_r, one.net_r) for one in closed]
    return [Point(mark, net, is_loss=net < 0) for mark, net in pairs if mark is not None and net is not None]


def _shadow(one: ShadowAgainstLive) -> Markup:
    bounds = "no interval yet" if one.low_r is None or one.high_r is None else f"{one.low_r:+.3f} to {one.high_r:+.3f}"
    return facts(
        (
            (
                f"Shadow {one.shadow_policy} against live {one.live_policy}",
                element("strong", one.word, class_=_kind(one)),
            ),
            ("What it has more, R per position", f"{one.mean_r:+.3f} ({bounds})"),
            ("From", f"{one.n} positions on {one.days} days"),
            ("The newest of them closed", moment(one.last_closed_at_ms)),
        )
    )


def _kind(one: ShadowAgainstLive) -> str | None:
    return _KINDS.get(one.word)


def _reason(one: ClosedPosition) -> str:
    return one.reason if one.is_final else f"{one.reason} (provisional)"


def _r(value: Decimal | None) -> str:
    return "-" if value is None else f"{value:+.2f}"
