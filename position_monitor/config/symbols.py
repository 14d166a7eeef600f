"""The section of the configuration that says what is different for single symbols.

`config.example.toml` is generated from these descriptions.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field, StrictBool, model_validator

from position_monitor.config.problems import shown
from position_monitor.config.protection import Rung
from position_monitor.config.values import (
    Percent,
    Profile,
    Seconds,
    Section,
    UnmanagedEntry,
    allowed_is,
    symbol_problem,
)
from position_monitor.core.model.orders import WorkingType
from position_monitor.core.model.settings import OnBreach


class SymbolOverride(Section):
    """Keys of [protection] and [exit] that one symbol may set for itself; absent keys follow the account."""

    stop_loss_pct: Percent | None = Field(None, gt=0, le=50, description="See [protection].")
    take_profit_pct: Percent | None = Field(None, gt=0, le=50, description="See [protection].")
    trailing_pct: Percent | None = Field(None, ge=Decimal("0.1"), le=10, description="See [protection].")
    ladder: tuple[Rung, ...] | None = Field(
        None,
        min_length=1,
        max_length=4,
        description="See [protection].",
        json_schema_extra=allowed_is('1 to 4 tables {target_pct, share_pct, kind = "market" or "limit"}'),
    )
    working_type: WorkingType | None = Field(None, description="See [protection].")
    rebase_on_add: StrictBool | None = Field(None, description="See [protection].")
    on_breach: OnBreach | None = Field(None, description="See [protection].")
    foreign_orders: Literal["respect", "ignore"] | None = Field(None, description="See [protection].")
    max_loss_pct: Percent | None = Field(None, gt=0, le=50, description="See [protection].")
    foreign_stop_max_pct: Percent | None = Field(None, gt=0, le=50, description="See [protection].")
    take_profits: StrictBool | None = Field(None, description="See [protection].")
    trailing: StrictBool | None = Field(None, description="See [protection].")
    foreign_stop_grace_s: Seconds | None = Field(None, ge=0, le=120, description="See [protection].")
    yield_to_foreign_stop: StrictBool | None = Field(None, description="See [protection].")
    profile: Profile | None = Field(None, description="See [exit].")


class SymbolsSection(Section):
    """What is different for single symbols. Everything not named here is protected with the account's settings."""

    unmanaged: tuple[UnmanagedEntry, ...] = Field(
        (),
        max_length=200,
        description="Positions that are deliberately left alone, e.g. the hedge leg of a basis trade: "
        '"XYZUSDT" or "BTCUSDT:SHORT". They are shown in every status.',
        json_schema_extra=allowed_is('a list of exchange ids, each with :LONG or :SHORT if only one side: "BTCUSDT"'),
    )
    overrides: dict[str, SymbolOverride] = Field(
        default_factory=dict, description="One table [symbols.<SYMBOL>] per symbol."
    )

    @model_validator(mode="before")
    @classmethod
    def _tables_are_symbols(cls, data: object) -> object:
        """In the file a symbol's table stands directly under [symbols]."""
        if not isinstance(data, dict):
            return data
        tables = {key: value for key, value in data.items() if key != "unmanaged"}
        problems = [
            f"symbols.{key}{problem}" for key, value in tables.items() if (problem := _table_problem(key, value))
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return {"unmanaged": data.get("unmanaged", ()), "overrides": tables}


def _table_problem(key: str, value: object) -> str:
    """What is wrong with a key below [symbols], to be read after its name; empty when nothing is."""
    if not isinstance(value, dict):
        return f": only `unmanaged` and tables [symbols.<SYMBOL>] stand here, this was {shown(value)}"
    problem = symbol_problem(key)
    return f": {problem}" if problem else ""
