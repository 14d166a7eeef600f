"""The configuration: what an operator wrote, checked as a whole, and the plain settings the core receives.

`load_config` is the only way in for programs: file, then environment, then credentials, then the rules between
keys. Every problem is reported at once as `ConfigError` (exit 78); nothing starts on a doubtful configuration.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr, ValidationError

from position_monitor.config.exit_settings import exit_settings
from position_monitor.config.exit_switches import ExitPlan, exit_plan
from position_monitor.config.installation import Environment, process_environment
from position_monitor.config.leaves import leaves
from position_monitor.config.monitoring import AlertsSection, MetricsSection
from position_monitor.config.problems import InvalidConfig, sentences, shown, unknown_keys, without
from position_monitor.config.profiles import challenge_without_effect, overlay_challenge
from position_monitor.config.protection import BoundsSection, ExitSection, ProtectionSection
from position_monitor.config.regimes import overlay_regimes, variables_without_effect
from position_monitor.config.rules import broken_rules
from position_monitor.config.sections import (
    AiEngineSection,
    BackendSection,
    EventsSection,
    EvidenceSection,
    ExchangeSection,
    LimitsSection,
    LoopSection,
    RedisSection,
)
from position_monitor.config.sources import (
    Credentials,
    config_path,
    dotted_keys,
    overlay_environment,
    read_credentials,
    read_file,
)
from position_monitor.config.symbols import SymbolsSection
from position_monitor.config.values import Section, allowed_is
from position_monitor.core.exits.live_policy import live_policy, shadow_policy
from position_monitor.core.model.profiles import RungKind
from position_monitor.core.model.settings import EvidenceSettings, ExitSettings, Limits, ProtectionSettings, Rung
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.errors import ConfigError

__all__ = ["Config", "ConfigError", "Credentials", "ExitPlan", "InvalidConfig", "load_config"]

LEASE_TTL_MIN_S = 20.0
AGAIN_LEAST_S, AGAIN_MOST_S = 5.0, 15.0
"""Bounds of the time after which an order that was refused is sent again; within them it is the check interval."""


class Config(Section):
    """Everything that can be set, immutable. Built by `load_config`; tests may use `Config.from_data`."""

    account: str = Field(
        "main",
        pattern=r"^[A-Za-z0-9_-]{1,32}$",
        description="Name of the account, part of every Redis key and of every order id. One daemon per account.",
        json_schema_extra=allowed_is("1 to 32 letters, digits, _ or -"),
    )
    exchange: ExchangeSection = ExchangeSection()
    loop: LoopSection = LoopSection()
    protection: ProtectionSection = ProtectionSection()
    bounds: BoundsSection = BoundsSection()
    exit: ExitSection = ExitSection()
    symbols: SymbolsSection = SymbolsSection()
    evidence_section: EvidenceSection = Field(EvidenceSection(), alias="evidence")
    limits_section: LimitsSection = Field(LimitsSection(), alias="limits")
    redis: RedisSection = RedisSection()
    events: EventsSection = EventsSection()
    ai_engine: AiEngineSection = AiEngineSection()
    backend: BackendSection = BackendSection()
    alerts: AlertsSection = AlertsSection()
    metrics: MetricsSection = MetricsSection()

    _credentials: Credentials | None = PrivateAttr(None)
    _missing_credentials: tuple[str, ...] = PrivateAttr(("this configuration was built without credentials",))
    _origins: dict[str, str] = PrivateAttr(default_factory=dict)
    _notices: tuple[str, ...] = PrivateAttr(())
    _environment: Environment = PrivateAttr(default_factory=lambda: Environment({}))
    _exit_settings: tuple[ExitSection, AiEngineSection, ExitSettings] | None = PrivateAttr(None)
    # made when they are first asked for, with the sections they were made of
    _hash: str = PrivateAttr("")  # made when it is first asked for; empty before

    @classmethod
    def from_data(
        cls,
        data: Mapping[str, Any],
        environ: Mapping[str, str] | None = None,
        path: Path | None = None,
        *,
        need_credentials: bool = True,
    ) -> Config:
        """Check `data` (as read from TOML) with the environment laid over it; `InvalidConfig` lists every problem."""
        environ = environ if isinstance(environ, Environment) else Environment(environ or {})
        merged, from_environment = overlay_environment(dict(data), environ)
        merged, of_regimes, mistakes = overlay_regimes(merged, environ)
        merged, of_challenge = overlay_challenge(merged, environ)
        origins = dotted_keys(data, "file") | environ.named({**from_environment, **of_regimes, **of_challenge})
        config, problems = _validated(merged, origins)
        problems += mistakes
        exchange = merged.get("exchange")
        environment = exchange.get("environment", "paper") if isinstance(exchange, Mapping) else "paper"
        credentials, missing = read_credentials(str(environment), environ)
        if config is not None:
            problems += broken_rules(config)
        if missing:
            missing += (*environ.unreadable, *environ.keys_unreadable)
        problems += missing if need_credentials else []
        if config is None or problems:
            raise InvalidConfig(problems, path)
        config._credentials = credentials
        config._missing_credentials = tuple(missing)
        config._origins = origins
        config._environment = environ
        config._notices = (*variables_without_effect(environ), *challenge_without_effect(environ))
        return config

    @property
    def credentials(self) -> Credentials:
        """The exchange key; `ConfigError` when the configuration was read without needing one and there is none."""
        if self._credentials is None:
            raise InvalidConfig(self._missing_credentials)
        return self._credentials

    def with_credentials_of(self, running: Config) -> Config:
        """This configuration with the exchange's keys of another one."""
        kept = self.model_copy()
        kept._credentials = running._credentials
        return kept

    @property
    def lease_ttl_s(self) -> float:
        """Seconds the lease lives: as written, or derived from the cycle."""
        derived = max(LEASE_TTL_MIN_S, self.loop.check_interval_s + 2 * self.exchange.request_timeout_s)
        return self.redis.lease_ttl_s or derived

    @property
    def reading_within_s(self) -> float:
        """Seconds after its last read of the positions within which a daemon counts as one that reads them."""
        return 2 * self.loop.check_interval_s + self.loop.cycle_deadline_s

    @property
    def notices(self) -> tuple[str, ...]:
        """What was set and changes nothing, with the reason: one sentence each."""
        return self._notices

    @property
    def environment(self) -> Environment:
        """The variables this configuration was read with, and which files of an installed daemon were read for them."""
        return self._environment

    @property
    def reads_candles(self) -> bool:
        """Whether candles are read for volatility and regime."""
        return self.exit_plan().needs_candles if self.exit.candles == "auto" else self.exit.candles

    @property
    def config_hash(self) -> str:
        """12 hex digits that change when an effective setting changes, and never with a secret."""
        if not self._hash:
            text = "\n".join(f"{key}={value}" for key, value, _ in self.effective())
            self._hash = hashlib.sha256(text.encode()).hexdigest()[:12]
        return self._hash

    def with_sections(self, sections: Mapping[str, Any]) -> Config:
        """This configuration with other values of some keys of its first level."""
        changed = self.model_copy(update=sections)
        changed._hash = ""
        return changed

    def protection_settings(self, symbol: str | None = None) -> ProtectionSettings:
        """The core's settings for one symbol with its overrides, or the account's."""
        base, override = self.protection, self.symbols.overrides.get(symbol or "")
        chosen: dict[str, Any] = {
            name: getattr(base, name)
            for name in (
                "stop_loss_pct", "take_profit_pct", "trailing_pct", "ladder", "working_type", "rebase_on_add",
                "on_breach", "foreign_orders", "max_loss_pct", "foreign_stop_max_pct", "take_profits", "trailing",
                "foreign_stop_grace_s", "yield_to_foreign_stop",
            )
        }  # fmt: skip
        chosen["profile"] = self.exit.profile
        if override is not None:
            chosen |= {name: value for name, value in override if value is not None}
        ladder = tuple(Rung(rung.target_pct, rung.share_pct, RungKind(rung.kind)) for rung in chosen.pop("ladder"))
        return ProtectionSettings(
            policy=live_policy(self.exit_plan().switches, symbol or ""),
            ladder=ladder,
            respect_foreign_orders=chosen.pop("foreign_orders") == "respect",
            foreign_stop_grace_ms=round(chosen.pop("foreign_stop_grace_s") * 1000),
            stop_min_move_pct=base.stop_min_move_pct,
            liquidation_fraction_pct=base.liquidation_fraction_pct,
            stop_loss_min_pct=self.bounds.stop_loss_min_pct,
            stop_loss_max_pct=self.bounds.stop_loss_max_pct,
            target_min_pct=self.bounds.target_min_pct,
            target_max_pct=self.bounds.target_max_pct,
            reward_risk_min=self.bounds.reward_risk_min,
            reward_risk_max=self.bounds.reward_risk_max,
            exits=self.exit_settings(),
            **chosen,
        )

    def shadow_settings(self, symbol: str) -> ProtectionSettings | None:
        """The settings of the policy that only computes beside the live one for a symbol; None where nothing does."""
        policy = shadow_policy(self.exit_plan().switches, symbol)
        return None if policy is None else replace(self.protection_settings(symbol), policy=policy)

    def exit_settings(self) -> ExitSettings:
        """What the exit policies share, as the core takes it; the same object for the same sections."""
        made = self._exit_settings
        if made is None or made[0] is not self.exit or made[1] is not self.ai_engine:
            shared = exit_settings(self.exit, advised=bool(self.ai_engine.url))
            made = self._exit_settings = (self.exit, self.ai_engine, shared)
        return made[2]

    def protection_for(self, symbol: str, side: Side) -> ProtectionSettings:
        """What the policy needs to know about one position. Both sides of a symbol share one table today."""
        del side
        return self.protection_settings(symbol)

    def is_unmanaged(self, key: PositionKey) -> bool:
        """Whether the operator listed this position as deliberately left alone."""
        return key.symbol in self.symbols.unmanaged or str(key) in self.symbols.unmanaged

    def evidence(self) -> EvidenceSettings:
        """The core's evidence settings."""
        section = self.evidence_section
        return EvidenceSettings(
            flat_reads=section.flat_reads,
            replacement_reads=section.replacement_reads,
            listing_grace_ms=round(section.listing_grace_s * 1000),
            triggering_grace_ms=round(section.triggering_grace_s * 1000),
            standby_patience_ms=round(self.loop.check_interval_s * 1900),
            lease_ttl_ms=round(self.lease_ttl_s * 1000),
        )

    def limits(self) -> Limits:
        """The core's bounds."""
        again_s = min(max(self.loop.check_interval_s, AGAIN_LEAST_S), AGAIN_MOST_S)
        return Limits(**dict(self.limits_section), again_ms=round(again_s * 900))

    def exit_plan(self) -> ExitPlan:
        """Which policy protects live, which shadows, and which switches contradict each other."""
        return exit_plan(self.exit)

    def effective(self) -> Iterator[tuple[str, str, str]]:
        """Every key with its value as shown to people (secrets hidden) and its origin, in the file's order."""
        origins = self._origins
        for key, value in leaves(self):
            yield key, shown(value), origins.get(key, "default")


def load_config(
    path: Path | None = None, environ: Mapping[str, str] | None = None, *, need_credentials: bool = True
) -> Config:
    """Read and check the configuration of this process; `ConfigError` lists every problem. For the file of an installed
    daemon its env file and its credentials count too, where this user may read them (`installation.py`).

    Reading Redis needs no exchange key: whoever only asks for the state passes `need_credentials=False`.
    """
    environ = os.environ if environ is None else environ
    path = config_path(path, environ)
    environ = process_environment(path, environ)
    return Config.from_data(read_file(path), environ, path, need_credentials=need_credentials)


def _validated(data: dict[str, Any], origins: dict[str, str]) -> tuple[Config | None, list[str]]:
    """The checked settings, or the problems. Unknown keys alone do not hide broken rules: they are set aside."""
    try:
        return Config.model_validate(data), []
    except ValidationError as error:
        problems = sentences(Config, error, origins)
        unknown, others = unknown_keys(error)
        if others:
            return None, problems
    # "overrides" stands in the model, not in the file.
    paths = {tuple(part for part in path if part != "overrides") for path in unknown}
    try:
        return Config.model_validate(without(data, paths)), problems
    except ValidationError as error:  # what was hidden by the unknown keys is a problem like any other
        return None, [*problems, *sentences(Config, error, origins)]
