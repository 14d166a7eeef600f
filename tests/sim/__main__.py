"""`python -m tests.sim`: many seeds in parallel, or one with its trace. Exit code 1 on any violation."""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import sys
import time
from functools import partial

from tests.sim.report import Summary, failure
from tests.sim.simulation import Result, simulate
from tests.sim.together import PAIRS, simulate_together

SEEDS_AT_ONCE = 8
SEEDS_PER_COLLECTION = 60
"""A run is short and its garbage goes with it; what lies in cycles is collected between runs."""


def main() -> int:
    """Parse, run, report."""
    options = _options()
    return _one(options) if options.seed is not None else _many(options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--seconds", type=float, default=0, help="stop after this many seconds (0: run all)")
    parser.add_argument("--seed", type=int, default=None, help="run this one seed")
    parser.add_argument("--digests", action="store_true", help="print the trace digest of every seed")
    parser.add_argument(
        "--together",
        action="store_true",
        help=f"worlds of two powers instead of seeds; {len(PAIRS)} are each pair once",
    )
    parser.add_argument("--trace", action="store_true", help="with --seed: print everything that happened")
    return parser.parse_args()


def prepare() -> None:
    """A process that runs seeds collects garbage when it is told to, and never among what was loaded before."""
    gc.collect()
    gc.freeze()
    gc.disable()


def timed(seed: int, *, together: bool = False) -> tuple[Result, float]:
    """One seed, or one world of two powers, and the CPU seconds it took."""
    began_s = time.process_time()
    result = simulate_together(seed) if together else simulate(seed)
    if seed % SEEDS_PER_COLLECTION == 0:
        gc.collect()
    return result, time.process_time() - began_s


def _one(options: argparse.Namespace) -> int:
    trace: list[str] = []
    run = simulate_together if options.together else simulate
    result = run(options.seed, trace=trace if options.trace else None)
    for line in trace:
        print(line)
    for violation in result.violations:
        print(violation)
    print(f"seed {options.seed}: {len(result.violations)} violations, trace digest {result.trace[:16]}")
    return 1 if result.violations else 0


def _many(options: argparse.Namespace) -> int:
    summary, began_s = Summary(), time.monotonic()
    numbers = range(options.first, options.first + options.seeds)
    with multiprocessing.Pool(options.jobs, initializer=prepare) as pool:
        run = partial(timed, together=options.together)
        for result, cpu_s in pool.imap(run, numbers, chunksize=SEEDS_AT_ONCE):
            summary.add(result, cpu_s)
            if options.digests:
                print(f"seed {result.seed} {result.trace}")
            if result.violations:
                print(failure(result), flush=True)
            if options.seconds and time.monotonic() - began_s >= options.seconds:
                print(f"stopped after {options.seconds:g} s, before seed {result.seed + 1}")
                pool.terminate()
                break
    for line in summary.lines(time.monotonic() - began_s):
        print(line)
    return 1 if summary.failed else 0


if __name__ == "__main__":
    sys.exit(main())
