"""Everything that `shadow-report` says, from pairs and records alone (exits.md 7).

The sample is that of the newest settings: pairs of other settings, and of symbols where the other policy is live (a
rollout in part), are counted and left out. Censored pairs are counted
apart, by their reason. Coverage compares the pairs with the records of the same time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from position_monitor.core.performance.inference import ALPHA
from position_monitor.core.performance.record import Record
from position_monitor.core.shadow.comparison import Difference, Verdict, Word, compared, is_calibrated
from position_monitor.core.shadow.pair import Pair, Scored

DAY_MS = 86_400_000


class GroupRow(NamedTuple):
    """One profile, regime or symbol, for orientation only."""

    kind: str
    name: str
    verdict: Verdict


class Coverage(NamedTuple):
    """How much of what was live has a shadow, from the first pair of the sample on."""

    closed: int
    """Records of closed positions."""
    paired: int
    """Of these, those with a pair that counts."""
    live_ms: int
    paired_ms: int
    """How long those were open."""
    unwatched: int
    """Pairs of which some minutes were walked by candles."""
    gap_ms: int
    """For how long, all in all, nothing told a price."""
    ambiguous: int
    """Candles whose order of extremes decided, in how many pairs."""


class ShadowReport(NamedTuple):
    """The report over one sample."""

    live_policy: str
    shadow_policy: str
    settings_hash: str
    pairs: int
    """Of this sample, censored ones included."""
    other_settings: int
    """Pairs of other settings, which are left out."""
    without_risk: int
    """Pairs that cannot be told in R, or whose live result is not known."""
    censored: Mapping[str, int]
    first_ms: int
    last_ms: int
    calibration: Verdict
    """The live policy followed beside itself, against what really happened (A/A)."""
    verdict: Verdict
    """Shadow against live, in live R."""
    in_pct: Verdict
    """The same in percent of the entry notional; its word is not shown."""
    at_p90: Verdict
    """The same in R with the slippage that nine fills in ten stay below."""
    groups: tuple[GroupRow, ...]
    coverage: Coverage
    costs: str
    """Of the newest pair."""

    @property
    def calibrated(self) -> bool:
        """Whether the ruler is not biased, as far as the sample says."""
        return is_calibrated(self.calibration)

    @property
    def word(self) -> Word:
        """What the sample allows to say of the shadow: nothing while the ruler is biased, or may be."""
        if self.calibrated:
            return self.verdict.word
        return Word.NOT_ENOUGH if self.calibration.word is Word.NOT_ENOUGH else Word.BIASED


def report_of(pairs: Sequence[Pair], records: Iterable[Record]) -> ShadowReport | None:
    """The report over the newest sample; None where there is no pair at all."""
    if not pairs:
        return None
    newest = max(pairs, key=lambda pair: (pair.closed_at_ms, pair.record_id))
    sample = sorted((pair for pair in pairs if _ruled(pair) == _ruled(newest)), key=lambda pair: pair.closed_at_ms)
    shown = [pair for pair in sample if pair.in_r(pair.live.net) is not None]
    counted = [pair for pair in shown if not pair.shadow.censored]
    own = [pair for pair in shown if not pair.own.censored]
    return ShadowReport(
        live_policy=newest.own.policy,
        shadow_policy=newest.shadow.policy,
        settings_hash=newest.settings_hash,
        pairs=len(sample),
        other_settings=len(pairs) - len(sample),
        without_risk=len(sample) - len(shown),
        censored=Counter(str(pair.shadow.censored) for pair in sample if pair.shadow.censored),
        first_ms=sample[0].closed_at_ms,
        last_ms=sample[-1].closed_at_ms,
        calibration=_verdict(own, lambda pair: pair.own.net, Pair.in_r),
        verdict=_verdict(counted, lambda pair: pair.shadow.net, Pair.in_r),
        in_pct=_verdict(counted, lambda pair: pair.shadow.net, Pair.in_pct),
        at_p90=_verdict(counted, lambda pair: pair.shadow.net_p90, Pair.in_r),
        groups=_groups(counted),
        coverage=_coverage(sample, counted, records),
        costs=newest.costs,
    )


def _ruled(pair: Pair) -> tuple[str, str, str]:
    """What must be the same within a sample: the settings, and which policy was live and which beside it."""
    return pair.settings_hash, pair.own.policy, pair.shadow.policy


def _verdict(
    pairs: Iterable[Pair],
    net: Callable[[Pair], Decimal],
    measure: Callable[[Pair, Decimal | None], Decimal | None],
    alpha: float = ALPHA,
) -> Verdict:
    """One comparison against what really happened, by the day of the close."""
    results = [
        (pair.closed_at_ms // DAY_MS, Difference(float(live), float(beside)))
        for pair in pairs
        if (live := measure(pair, pair.live.net)) is not None and (beside := measure(pair, net(pair))) is not None
    ]
    return compared(results).verdict(alpha)


def _groups(pairs: Sequence[Pair]) -> tuple[GroupRow, ...]:
    """By profile, regime and symbol, the largest first; alpha is divided by the number of all groups."""
    groups: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs:
        shadow: Scored = pair.shadow
        for ref in (("profile", shadow.profile), ("regime", shadow.regime or "none"), ("symbol", pair.symbol)):
            groups.setdefault(ref, []).append(pair)
    ordered = sorted(groups.items(), key=lambda item: (item[0][0], -len(item[1]), item[0][1]))
    alpha = ALPHA / max(1, len(groups))
    return tuple(
        GroupRow(kind, name, _verdict(some, lambda pair: pair.shadow.net, Pair.in_r, alpha))
        for (kind, name), some in ordered
    )


def _coverage(sample: Sequence[Pair], counted: Sequence[Pair], records: Iterable[Record]) -> Coverage:
    since_ms = sample[0].closed_at_ms
    closed = [record for record in records if record.closed_at_ms >= since_ms]
    with_pair = {pair.record_id for pair in counted}
    paired = [record for record in closed if record.record_id in with_pair]
    return Coverage(
        closed=len(closed),
        paired=len(paired),
        live_ms=sum(record.duration_ms for record in closed),
        paired_ms=sum(record.duration_ms for record in paired),
        unwatched=sum(pair.marks_from == "candles" for pair in sample),
        gap_ms=sum(pair.gap_ms for pair in sample),
        ambiguous=sum(pair.ambiguous > 0 for pair in sample),
    )
