"""A configuration becomes the core's rules, an exchange, and a daemon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

from position_monitor.config import Config
from position_monitor.core.decision.rules import Rules
from position_monitor.core.exits.live_policy import SwitchesSince, live_since_ms, policy_beside
from position_monitor.core.model.orders import WorkingType
from position_monitor.core.model.settings import ProtectionSettings, shared
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.traits import VenueTraits
from position_monitor.daemon import Daemon
from position_monitor.daemon.desk import Desk
from position_monitor.daemon.fast_path import FastPath
from position_monitor.daemon.surroundings import Settings, Surroundings
from position_monitor.daemon.upkeep import Upkeep
from position_monitor.edge.candles import CandleSettings
from position_monitor.edge.clock import Clock
from position_monitor.edge.exchange import Exchange
from position_monitor.edge.http.rate_budget import BudgetLimits
from position_monitor.edge.reading.observer import Observer
from position_monitor.edge.venues.binance.connect import connect
from position_monitor.edge.venues.binance.venue import BinanceUsdm


def rules_from(config: Config, traits: VenueTraits, history: Sequence[SwitchesSince] = ()) -> Rules:
    """The configuration as the core sees it, at a venue with these traits.

    `history`: which exit switches were in force since this process began, oldest first.
    """

    @lru_cache(maxsize=4_096)
    def protection_for(key: PositionKey) -> ProtectionSettings:
        return shared(config.protection_for(key.symbol, key.side))

    is_unmanaged = lru_cache(maxsize=4_096)(config.is_unmanaged)
    types = {config.protection.working_type, *(one.working_type for one in config.symbols.overrides.values())}
    by_last = None
    if WorkingType.CONTRACT_PRICE in types:

        def by_last(key: PositionKey) -> bool:
            return protection_for(key).working_type is WorkingType.CONTRACT_PRICE

    switches, shadow_for, beside_for = config.exit_plan().switches, None, None
    if switches.brain_computes:

        @lru_cache(maxsize=4_096)
        def shadow_for(key: PositionKey) -> ProtectionSettings | None:
            settings = config.shadow_settings(key.symbol)
            return None if settings is None else shared(settings)

        @lru_cache(maxsize=4_096)
        def beside_for(key: PositionKey) -> ProtectionSettings:
            policy = policy_beside(switches, key.symbol) or switches.legacy
            return shared(replace(protection_for(key), policy=policy))

    return Rules(
        account=config.account,
        protection_for=protection_for,
        is_unmanaged=is_unmanaged,
        evidence=config.evidence(),
        limits=config.limits(),
        traits=traits,
        armed_by_last=by_last,
        shadow_for=shadow_for,
        beside_for=beside_for,
        live_since_ms=_live_since(history),
    )


def _live_since(history: Sequence[SwitchesSince]) -> Callable[[PositionKey], int | None]:
    return lambda key: live_since_ms(history, key.symbol)


def open_exchange(config: Config, clock: Clock, limits: BudgetLimits | None = None) -> BinanceUsdm:
    """The venue of the configuration, not yet prepared, within `limits` (else a daemon's). Raises `ConfigError`."""
    return connect(
        environment=config.exchange.environment,
        rest_url=config.exchange.effective_rest_url,
        api_key=config.credentials.api_key.get_secret_value(),
        api_secret=config.credentials.api_secret.get_secret_value(),
        timeout_s=config.exchange.request_timeout_s,
        timeout_max_s=config.loop.cycle_deadline_s,
        clock=clock,
        limits=limits,
    )


def settings_from(config: Config, traits: VenueTraits, history: Sequence[SwitchesSince] = ()) -> Settings:
    """The configuration as the daemon sees it; arguments as for `rules_from`."""
    loop = config.loop
    return Settings(rules_from(config, traits, history), loop.check_interval_s, loop.cycle_deadline_s)


def with_history(settings: Settings, history: Sequence[SwitchesSince]) -> Settings:
    """The same settings after this history of exit switches: what was made of them for single positions stays."""
    return replace(settings, rules=replace(settings.rules, live_since_ms=_live_since(history)))


def candle_settings_from(config: Config) -> CandleSettings:
    """What the configuration says of candles."""
    usual = config.protection.working_type
    own = {
        symbol: override.working_type
        for symbol, override in config.symbols.overrides.items()
        if override.working_type is not None
    }
    return CandleSettings(
        wanted=config.reads_candles,
        thresholds=config.exit.regimes.thresholds(),
        working_type=lambda symbol: own.get(symbol, usual),
    )


def open_daemon(exchange: Exchange, clock: Clock, surroundings: Surroundings) -> Daemon:
    """A daemon in these surroundings, with nothing remembered."""
    desk = Desk(exchange, clock, surroundings)
    return Daemon(
        exchange=exchange,
        clock=clock,
        surroundings=surroundings,
        desk=desk,
        observer=Observer(exchange, clock, surroundings),
        fast_path=FastPath(desk),
        upkeep=Upkeep(exchange),
    )
