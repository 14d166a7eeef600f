"""Rules between keys, each named as the inequality it is (invariant 10). A violation refuses the start."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from ipaddress import ip_address
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from position_monitor.config.problems import shown
from position_monitor.config.profiles import broken_profiles
from position_monitor.core.model.settings import ProtectionSettings

if TYPE_CHECKING:
    from position_monitor.config import Config

STOPS_PER_POSITION = 3
"""Backstop, working stop, and the working stop's replacement before the old one goes (invariant 2)."""


def broken_rules(config: Config) -> list[str]:
    """One sentence for every rule between keys that `config` breaks."""
    return [
        *_timing(config),
        *_limits(config),
        *_bounds(config),
        *_transport(config),
        *config.exit.regimes.broken_rules(),
        *broken_profiles(config.exit.profiles, config.exit.locks),
        *_all_levels(config),
    ]


def _all_levels(config: Config) -> list[str]:
    """The account's levels, then those of each symbol without repeating what it inherited."""
    account = list(_levels(config, "protection", config.protection_settings()))
    own = [
        problem
        for symbol in sorted(config.symbols.overrides)
        for problem in _levels(config, f"symbols.{symbol}", config.protection_settings(symbol))
        if problem.replace(f"symbols.{symbol}", "protection") not in account
    ]
    return account + own


def _timing(config: Config) -> Iterator[str]:
    interval, timeout = config.loop.check_interval_s, config.exchange.request_timeout_s
    if interval + 2 * timeout > config.lease_ttl_s:
        yield (
            "loop.check_interval_s + 2 * exchange.request_timeout_s <= redis.lease_ttl_s is required, but "
            f"{shown(interval)} + 2 * {shown(timeout)} > {shown(config.lease_ttl_s)}: the lease would lapse in a cycle"
        )
    if config.loop.full_sweep_s < interval:
        yield (
            "loop.full_sweep_s >= loop.check_interval_s is required, but "
            f"{shown(config.loop.full_sweep_s)} < {shown(interval)}"
        )
    if config.loop.cycle_deadline_s < 2 * timeout:
        yield (
            "loop.cycle_deadline_s >= 2 * exchange.request_timeout_s is required, but "
            f"{shown(config.loop.cycle_deadline_s)} < 2 * {shown(timeout)}: one slow request would end every cycle"
        )


def _limits(config: Config) -> Iterator[str]:
    held = config.limits_section.owned_orders_per_position_max
    rungs = max(len(config.protection_settings(symbol).ladder) for symbol in (None, *config.symbols.overrides))
    rungs = max(rungs, *(len(profile.rungs) for profile in config.exit_settings().profiles.values()))
    if held < rungs + STOPS_PER_POSITION:
        yield (
            "limits.owned_orders_per_position_max >= rungs of the ladder + 3 is required, but "
            f"{held} < {rungs} + 3 (backstop, working stop and its replacement)"
        )


def _bounds(config: Config) -> Iterator[str]:
    bounds = config.bounds
    for low, high in (
        ("stop_loss_min_pct", "stop_loss_max_pct"),
        ("target_min_pct", "target_max_pct"),
        ("reward_risk_min", "reward_risk_max"),
    ):
        if getattr(bounds, low) >= getattr(bounds, high):
            yield (
                f"bounds.{low} < bounds.{high} is required, but "
                f"{shown(getattr(bounds, low))} >= {shown(getattr(bounds, high))}"
            )


def _transport(config: Config) -> Iterator[str]:
    """Keys and signatures travel in requests: in the clear only to this host."""
    for key, secure in (("rest_url", "https"), ("stream_url", "wss")):
        parts = urlsplit(getattr(config.exchange, key))
        real = config.exchange.environment != "paper"
        if real and parts.netloc and parts.scheme != secure and not _is_loopback(parts.hostname or ""):
            yield (
                f'exchange.{key} must begin with {secure}:// when exchange.environment is "'
                f'{config.exchange.environment}" and the host is not this one, but was {shown(parts.geturl())}'
            )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _levels(config: Config, where: str, levels: ProtectionSettings) -> Iterator[str]:
    """The levels of the account or of one symbol, overrides applied, against the bounds and each other."""
    bounds = config.bounds
    stop = levels.stop_loss_pct
    yield from _between(
        key=f"{where}.stop_loss_pct",
        value=stop,
        bound="stop_loss",
        low=bounds.stop_loss_min_pct,
        high=bounds.stop_loss_max_pct,
    )
    targets = [(f"{where}.take_profit_pct", levels.take_profit_pct)]
    targets += [(f"{where}.ladder[{index}].target_pct", rung.target_pct) for index, rung in enumerate(levels.ladder)]
    for key, target in targets:
        yield from _between(
            key=key, value=target, bound="target", low=bounds.target_min_pct, high=bounds.target_max_pct
        )
    yield from _ladder(where, levels)
    if bounds.stop_loss_min_pct <= stop <= bounds.stop_loss_max_pct:
        for key, final in (targets[0], targets[-1]):
            yield from _reward_to_risk(config, key, final / stop)
    if levels.max_loss_pct <= stop:
        yield (
            f"{where}.max_loss_pct > {where}.stop_loss_pct is required, but "
            f"{shown(levels.max_loss_pct)} <= {shown(stop)}: a position would be closed before its stop"
        )
    if levels.foreign_stop_max_pct < stop:
        yield (
            f"{where}.foreign_stop_max_pct >= {where}.stop_loss_pct is required, but "
            f"{shown(levels.foreign_stop_max_pct)} < {shown(stop)}"
        )
    yield from _beside_others(where, levels)


def _beside_others(where: str, levels: ProtectionSettings) -> Iterator[str]:
    """What is said about stops of others has no meaning where they are ignored."""
    if levels.respect_foreign_orders:
        return
    if levels.foreign_stop_grace_ms:
        yield (
            f'{where}.foreign_stop_grace_s > 0 needs {where}.foreign_orders = "respect", but that was "ignore": '
            "a stop that does not count would be waited for"
        )
    if levels.yield_to_foreign_stop:
        yield (
            f'{where}.yield_to_foreign_stop = true needs {where}.foreign_orders = "respect", but that was "ignore": '
            "ours would be removed for a stop that does not count"
        )


def _ladder(where: str, levels: ProtectionSettings) -> Iterator[str]:
    shares = sum((rung.share_pct for rung in levels.ladder), Decimal(0))
    if shares != 100:
        yield f"the shares of {where}.ladder must sum to 100 %, but sum to {shown(shares)} %"
    targets = [rung.target_pct for rung in levels.ladder]
    if any(nearer >= farther for nearer, farther in pairwise(targets)):
        yield f"the targets of {where}.ladder must ascend, but are {', '.join(shown(target) for target in targets)}"


def _between(key: str, value: Decimal, bound: str, low: Decimal, high: Decimal) -> Iterator[str]:
    if low <= high and not low <= value <= high:
        yield (
            f"bounds.{bound}_min_pct <= {key} <= bounds.{bound}_max_pct is required, but {key} was {shown(value)}; "
            f"allowed is {shown(low)} to {shown(high)} (1.5 means 1.5 % of the price)"
        )


def _reward_to_risk(config: Config, key: str, ratio: Decimal) -> Iterator[str]:
    low, high = config.bounds.reward_risk_min, config.bounds.reward_risk_max
    if low <= high and not low <= ratio <= high:
        yield (
            f"bounds.reward_risk_min <= {key} / stop_loss_pct <= bounds.reward_risk_max is required, but the ratio was "
            f"{ratio:.2f}; allowed is {shown(low)} to {shown(high)}"
        )
