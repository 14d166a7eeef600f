"""Scenarios: what the account holds when the paper exchange starts.

A scenario is a TOML file beside this module, or `generated-N`: N naked positions and
room for more.  `build` turns it, a seed and a start time into an engine; the three
determine everything.
"""

from __future__ import annotations

import random
import tomllib
from dataclasses import dataclass, field
from decimal import Decimal
from importlib import resources
from typing import Any

from position_monitor.paper.amounts import ZERO, floor_to, plain, round_to
from position_monitor.paper.engine import Engine
from position_monitor.paper.instruments import make_instrument, universe
from position_monitor.paper.world import World

GENERATED = "generated-"
GENERATED_POSITIONS_MAX = 2_000
LISTED_INSTRUMENTS = 650  # of a generated scenario at least: about as many as the venue lists
SPARE_INSTRUMENTS = 120  # of them at least: contracts nobody holds yet

_FOLDER = resources.files("position_monitor.paper") / "scenarios"


@dataclass(frozen=True, slots=True)
class Scenario:
    """The parsed file."""

    name: str
    description: str
    wallet: Decimal = Decimal(100_000)
    hedge: bool = False
    generated_instruments: int = 0
    generated_positions: int = 0
    instruments: tuple[dict[str, Any], ...] = ()
    positions: tuple[dict[str, Any], ...] = ()
    orders: tuple[dict[str, Any], ...] = ()
    faults: tuple[dict[str, Any], ...] = ()
    prices: dict[str, Any] = field(default_factory=dict)


def available() -> list[str]:
    """Names of the scenarios in the package."""
    return sorted(
        item.name.removesuffix(".toml") for item in _FOLDER.iterdir()
        if item.name.endswith(".toml")
    )  # fmt: skip


def load(name: str) -> Scenario:
    """Read a scenario; an unknown name is a ValueError that lists the known ones."""
    count = name.removeprefix(GENERATED)
    if name != count and count.isdecimal() and int(count) <= GENERATED_POSITIONS_MAX:
        return generated(int(count))
    if name not in available():
        raise ValueError(f"unknown scenario {name!r}; known: {', '.join(available())}, {GENERATED}N")
    data = tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    return parse(name, data)


def generated(count: int) -> Scenario:
    """So many naked positions of roughly 500 USDT, as many contracts and some spare ones."""
    return Scenario(
        f"{GENERATED}{count}", f"{count} generated positions without any order.",
        wallet=Decimal(100_000) + 5_000 * count,
        generated_instruments=max(LISTED_INSTRUMENTS, count + SPARE_INSTRUMENTS), generated_positions=count,
    )  # fmt: skip


def parse(name: str, data: dict[str, Any]) -> Scenario:
    """A scenario from parsed TOML; unknown keys are refused."""
    known = set(Scenario.__slots__) - {"name"}
    if unknown := set(data) - known:
        raise ValueError(f"scenario {name}: unknown keys {sorted(unknown)}")
    lists = {key: tuple(data.get(key, ())) for key in ("instruments", "positions", "orders", "faults")}
    settings: dict[str, Any] = {**data, **lists}
    settings["wallet"] = Decimal(str(data.get("wallet", "100000")))
    return Scenario(name=name, **settings)


def build(scenario: Scenario | str, seed: int, now_ms: int) -> Engine:
    """An engine in the scenario's starting state, with no events pending."""
    if isinstance(scenario, str):
        scenario = load(scenario)
    rng = random.Random(f"scenario:{scenario.name}:{seed}")  # noqa: S311 - simulation
    added = [make_instrument(**row) for row in scenario.instruments]
    instruments = universe(scenario.generated_instruments, rng, added)
    world = World(instruments, seed=seed, now_ms=now_ms, wallet=scenario.wallet)
    world.account.hedge = scenario.hedge
    engine = Engine(world)
    for symbol, price in scenario.prices.items():
        world.market.restart(symbol, Decimal(str(price)), now_ms)
    for row in scenario.positions:
        _hold(engine, row)
    _generate_positions(engine, scenario.generated_positions, rng)
    for row in scenario.orders:
        _rest(engine, row)
    for row in scenario.faults:
        engine.add_fault(**row)
    engine.drain_events()
    return engine


def _hold(engine: Engine, row: dict[str, Any]) -> None:
    """Put a position into the account, as if opened earlier at its entry price."""
    world, symbol = engine.world, row["symbol"]
    instrument = world.instrument(symbol)
    entry = Decimal(str(row.get("entry", instrument.reference_price)))
    mark = Decimal(str(row.get("mark", entry)))
    world.market.restart(symbol, round_to(mark, instrument.tick), world.now_ms)
    config = world.account.config_of(symbol)
    config.leverage = int(row.get("leverage", 10))
    config.isolated = bool(row.get("isolated", False))
    long = row["side"] == "LONG"
    side = row["side"] if world.account.hedge else "BOTH"
    quantity = Decimal(str(row["quantity"]))
    world.account.fill(symbol, side, quantity if long else -quantity, entry, ZERO, world.now_ms)
    world.note("position_given", "scenario", symbol, {}, side=row["side"], entry=plain(entry))


def _generate_positions(engine: Engine, count: int, rng: random.Random) -> None:
    """Naked positions of roughly 500 USDT on the generated contracts."""
    world = engine.world
    symbols = [s for s in world.instruments if s.startswith("G")][:count]
    if len(symbols) < count:
        raise ValueError(f"{count} positions need as many generated instruments")
    for symbol in symbols:
        instrument = world.instruments[symbol]
        price = instrument.reference_price
        quantity = max(instrument.min_qty, floor_to(Decimal(500) / price, instrument.step))
        side = "LONG" if rng.random() < 0.5 else "SHORT"
        _hold(engine, {"symbol": symbol, "side": side, "quantity": quantity, "leverage": 5})


def _rest(engine: Engine, row: dict[str, Any]) -> None:
    """A resting order of somebody else; `kind` is plain or algo, the rest are API parameters."""
    params = {key: str(value) for key, value in row.items() if key != "kind"}
    if row["kind"] == "algo":
        engine.place_algo({"algoType": "CONDITIONAL"} | params, origin="foreign")
    else:
        engine.place_order(params, origin="foreign")
