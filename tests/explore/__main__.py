"""`python -m tests.explore`: every fault at every contact of every life, or one run with its trace. Exit code 1 on any
violation.

    python -m tests.explore                                    all single faults, and all pairs of the shorter lives
    python -m tests.explore --lives reduce,flip --no-pairs     the single faults of two lives
    python -m tests.explore --share 3/12 --no-pairs            one share of all, chosen by the names of the runs
    python -m tests.explore --run reduce:17:answer_lost:once   one run with its trace; + joins two faults
    python -m tests.explore --contacts reduce                  the contacts of a life, and what can be put at each
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import chain

from tests.explore.contacts import parsed
from tests.explore.exploring import Outcome, Run, explore, firsts, in_share, pairs_after, singles
from tests.explore.faults import possible
from tests.explore.lives import Life, all_lives
from tests.explore.report import Summary, failure
from tests.sim.__main__ import prepare

RUNS_AT_ONCE = 16
RUNS_PER_COLLECTION = 20
Tried = tuple[str, int, list[Outcome], float]
"""Name of the life, number of runs, those with violations, CPU seconds."""


def main() -> int:
    """Parse, run, report."""
    options = _options()
    if options.contacts:
        return _contacts(all_lives()[options.contacts])
    return _one(options.run) if options.run else _many(options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.explore", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", help="one run by its name, with its trace")
    parser.add_argument("--contacts", metavar="LIFE", help="list the contacts of a life")
    parser.add_argument("--lives", default="", help="only these, separated by commas")
    parser.add_argument("--faults", default="", help="only these, separated by commas")
    parser.add_argument("--share", default="0/1", help="k/n: the share k (from 0) of n of all runs")
    parser.add_argument("--pairs", action=argparse.BooleanOptionalAction, default=True, help="pairs of faults too")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    return parser.parse_args()


def _contacts(life: Life) -> int:
    for contact in explore(life).contacts:
        print(contact, "--", ", ".join(f"{fault.name}:{span.name}" for fault, span in possible(contact)))
    return 0


def _one(name: str) -> int:
    life, strikes = parsed(name)
    trace: list[str] = []
    outcome = explore(all_lives()[life], strikes, trace)
    for line in [*trace, *outcome.violations]:
        print(line)
    print(f"{name}: {len(outcome.violations)} violations, {outcome.simulated_s:.0f} simulated seconds")
    return 1 if outcome.violations else 0


def _many(options: argparse.Namespace) -> int:
    chosen = all_lives()
    lives = [chosen[name] for name in options.lives.split(",")] if options.lives else list(chosen.values())
    summary, began_s = Summary(lives), time.monotonic()
    with multiprocessing.Pool(options.jobs, initializer=prepare) as pool:
        for name, runs, broken, cpu_s in pool.imap_unordered(_tried, _tasks(lives, options), chunksize=1):
            summary.add(name, runs, broken, cpu_s)
            for outcome in broken:
                print(failure(outcome), flush=True)
    for line in summary.lines(time.monotonic() - began_s):
        print(line)
    return 1 if summary.failed else 0


def _tasks(lives: Iterable[Life], options: argparse.Namespace) -> Iterator[tuple[list[Run], bool]]:
    """Bundles of runs of one life; with True, of first faults whose pairs are to be tried."""
    share, shares = map(int, options.share.split("/"))
    faults = set(options.faults.split(",")) if options.faults else set()

    def wanted(one: Run) -> bool:
        return in_share(one, share, shares) and (not faults or one[1][0].fault in faults)

    for life in lives:
        yield [(life.name, ())], False
        if explore(life).violations:
            continue  # faults put into a life that is broken without them say nothing
        runs = [one for one in singles([life]) if wanted(one)]
        yield from ((runs[at : at + RUNS_AT_ONCE], False) for at in range(0, len(runs), RUNS_AT_ONCE))
        if life.paired and options.pairs:
            yield from (([first], True) for first in firsts(life) if wanted(first))


def _tried(task: tuple[list[Run], bool]) -> Tried:
    runs, pairs = task
    began_s, count, broken = time.process_time(), 0, []
    for name, strikes in chain.from_iterable(map(pairs_after, runs)) if pairs else runs:
        outcome = explore(all_lives()[name], strikes)
        outcome.contacts.clear()
        count += 1
        if outcome.violations:
            broken.append(outcome)
        if count % RUNS_PER_COLLECTION == 0:
            gc.collect()
    gc.collect()
    return runs[0][0], count, broken, time.process_time() - began_s


if __name__ == "__main__":
    sys.exit(main())
