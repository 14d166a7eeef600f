"""Which policy is live for a symbol (S12), and since when (12.5). The buckets are vectors 4.8."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pytest

from position_monitor.core.exits.live_policy import (
    ExitSwitches,
    SwitchesSince,
    live_policy,
    live_since_ms,
    policy_beside,
    rollout_bucket,
    shadow_policy,
)
from position_monitor.core.model.settings import Policy

BUCKETS = {
    "BTCUSDT": 26,
    "ETHUSDT": 86,
    "SOLUSDT": 46,
    "BNBUSDT": 84,
    "XRPUSDT": 18,
    "DOGEUSDT": 0,
    "ADAUSDT": 59,
    "LINKUSDT": 44,
}
BRAIN = ExitSwitches(legacy=Policy.HYBRID, brain_owns=True, brain_may_act=True, brain_computes=True)
PRINT_BUCKETS = "import sys; from position_monitor.core.exits.live_policy import rollout_bucket; "
PRINT_BUCKETS += "print(*(rollout_bucket(symbol) for symbol in sys.argv[1:]))"


def live_at(pct: int) -> set[str]:
    """The symbols of the vectors on which the brain acts."""
    switches = BRAIN._replace(rollout_pct=pct)
    return {symbol for symbol in BUCKETS if live_policy(switches, symbol) is Policy.BRAIN}


@pytest.mark.parametrize(("symbol", "bucket"), BUCKETS.items())
def test_the_bucket_of_a_symbol_is_the_one_of_the_vector(symbol, bucket):
    assert rollout_bucket(symbol) == bucket


def test_the_rollout_of_the_vectors():
    assert live_at(20) == {"DOGEUSDT", "XRPUSDT"}
    assert live_at(50) == {"DOGEUSDT", "XRPUSDT", "BTCUSDT", "LINKUSDT", "SOLUSDT"}
    assert live_at(0) == set()
    assert live_at(100) == set(BUCKETS)


def test_a_larger_rollout_only_adds():
    shares = [live_at(pct) for pct in range(101)]
    assert all(smaller <= larger for smaller, larger in itertools.pairwise(shares))


@pytest.mark.parametrize("seed", ["0", "1", "4711"])
def test_every_process_has_the_same_buckets(seed):
    """Python salts `hash` per process; the old stack took it."""
    command = [sys.executable, "-c", PRINT_BUCKETS, *BUCKETS]
    environ = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert [int(number) for number in done.stdout.split()] == list(BUCKETS.values())


def test_some_policy_is_live_whatever_the_switches_say():
    for owns, acts, computes, pct in itertools.product((True, False), (True, False), (True, False), (0, 30, 100)):
        switches = ExitSwitches(Policy.STATIC, owns, acts, computes, pct)
        for symbol in BUCKETS:
            live, shadow = live_policy(switches, symbol), shadow_policy(switches, symbol)
            assert live is (Policy.BRAIN if owns and acts and BUCKETS[symbol] < pct else Policy.STATIC)
            assert shadow in (None, Policy.BRAIN), "only the brain computes beside"
            assert shadow is not live


def test_where_the_brain_is_not_live_it_computes_beside():
    switches = BRAIN._replace(rollout_pct=20)
    assert shadow_policy(switches, "BTCUSDT") is Policy.BRAIN
    assert shadow_policy(switches, "DOGEUSDT") is None
    assert shadow_policy(switches._replace(brain_computes=False), "BTCUSDT") is None


def test_since_when_a_policy_is_live_is_told_per_symbol():
    history = [
        SwitchesSince(1_000, BRAIN._replace(rollout_pct=0)),
        SwitchesSince(2_000, BRAIN._replace(rollout_pct=20)),
        SwitchesSince(3_000, BRAIN._replace(rollout_pct=50)),
        SwitchesSince(4_000, BRAIN._replace(rollout_pct=60)),
    ]
    assert live_since_ms(history, "DOGEUSDT") == 2_000
    assert live_since_ms(history, "BTCUSDT") == 3_000
    assert live_since_ms(history, "ETHUSDT") == 1_000, "LEGACY since the process began"
    assert live_since_ms((), "BTCUSDT") is None


def test_a_policy_that_was_killed_and_comes_back_is_live_since_then():
    killed = BRAIN._replace(brain_may_act=False)
    history = [SwitchesSince(1_000, BRAIN), SwitchesSince(2_000, killed), SwitchesSince(3_000, BRAIN)]
    assert live_since_ms(history, "BTCUSDT") == 3_000


def test_the_policy_that_is_not_live_is_scored_beside():
    """In a rollout in part that is the brain for some symbols and LEGACY for the others."""
    switches = BRAIN._replace(rollout_pct=20)
    assert policy_beside(switches, "BTCUSDT") is Policy.BRAIN
    assert policy_beside(switches, "DOGEUSDT") is switches.legacy
    assert policy_beside(switches._replace(brain_computes=False), "DOGEUSDT") is None
