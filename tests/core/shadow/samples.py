"""Many pairs, with a seed: a sample as an account makes it over days."""

from __future__ import annotations

import random
from dataclasses import replace

from position_monitor.core.performance.record import Record
from position_monitor.core.shadow.costs import NO_COSTS
from position_monitor.core.shadow.pair import Censored, Pair, live_of, scored
from tests.core.build import OPENED_MS, D
from tests.core.shadow.books import entered, marked
from tests.core.shadow.closed import closed

DAY_MS = 86_400_000


def template() -> tuple[Record, Pair]:
    """One closed position and its pair, by the code of the daemon."""
    record = closed((0, "entry", "100", "10"), (60, "backstop", "98.5", "10"))
    book = marked(entered(), "-1.6")
    one = scored(record, book, NO_COSTS)
    return record, Pair(
        record_id=record.record_id,
        revision=1,
        account="main",
        symbol=record.key.symbol,
        side=record.key.side,
        epoch=record.epoch,
        opened_at_ms=record.opened_at_ms,
        closed_at_ms=record.closed_at_ms,
        final=True,
        settings_hash="abc",
        notional=D(1000),
        risk=D(15),
        live=live_of(record),
        shadow=one._replace(policy="brain", profile="TREND", regime="TRENDING"),
        own=one,
        costs="default: 0.05 % and 5 bps",
        marks_from="watched",
        gap_ms=0,
        ambiguous=0,
    )


def sample(count, *, shift=0.0, days=20, seed=1, noise=0.3, own_shift=0.0):
    """Records and pairs: what the shadow has more is `shift` R on the average."""
    rng, records, pairs = random.Random(seed), [], []
    record, pair = template()
    for number in range(count):
        day = number * days // count
        closed_ms = OPENED_MS + day * DAY_MS + number * 1_000
        live_r = rng.choice((-1.0, -1.0, 0.5, 1.2))
        shadow_r = live_r + shift + rng.uniform(-noise, noise)
        own_r = live_r + own_shift + rng.uniform(-0.01, 0.01)
        records.append(
            replace(record, epoch=f"e{number:07d}", opened_at_ms=closed_ms - 3_600_000, closed_at_ms=closed_ms)
        )
        money = [D(str(round(r * 15, 6))) for r in (live_r, shadow_r, own_r)]
        pairs.append(
            pair._replace(
                record_id=records[-1].record_id,
                closed_at_ms=closed_ms,
                opened_at_ms=closed_ms - 3_600_000,
                live=pair.live._replace(gross=money[0], fees=D(0)),
                shadow=pair.shadow._replace(
                    gross=money[1],
                    fees=D(0),
                    net_p90=money[1] - D("0.15"),
                    profile=rng.choice(("TREND", "RANGE")),
                    regime=rng.choice(("TRENDING", "RANGING", "NORMAL_VOL")),
                ),
                own=pair.own._replace(gross=money[2], fees=D(0)),
            )
        )
    return records, pairs


def censored(pairs, reason=Censored.BY_HAND):
    """The same pairs, censored."""
    return [
        pair._replace(shadow=pair.shadow._replace(censored=reason), own=pair.own._replace(censored=reason))
        for pair in pairs
    ]
