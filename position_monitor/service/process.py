"""One process: everything of a configuration opened, served until the end, and closed again."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from position_monitor.config import Config
from position_monitor.config.sources import stack_variables
from position_monitor.core.exits.advice import why_ignored
from position_monitor.core.model.events import Event
from position_monitor.edge.ai_engine import AdvicePoller, AiEngine
from position_monitor.edge.backend import Backend, BreakerPoller
from position_monitor.edge.clock import Clock, SystemClock
from position_monitor.edge.redis.control_stream import ControlStream
from position_monitor.edge.redis.lease import new_owner
from position_monitor.edge.redis.pairs import RedisPairs
from position_monitor.edge.redis.records import RedisRecords
from position_monitor.edge.redis.state import RedisState
from position_monitor.edge.streams.mark_stream import MarkStream
from position_monitor.edge.streams.user_stream import ListenKeys, UserStream
from position_monitor.edge.systemd import Systemd, note_variables
from position_monitor.edge.venues.binance.events import stream_origin
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.service.outlets import Outlets
from position_monitor.service.records.keeping import RecordKeeper
from position_monitor.service.records.pairing import PairKeeper
from position_monitor.service.records.shelf import RecordShelf
from position_monitor.service.records.watching import PositionWatch
from position_monitor.service.reloading import ConfigInForce
from position_monitor.service.serving import Service
from position_monitor.service.streams import Hearer, Streams
from position_monitor.service.wiring import open_exchange


def _epoch_file() -> Path | None:
    """Where the unit lets us remember the highest lease epoch, so that Redis losing data is noticed after a restart."""
    folder = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(folder) / "lease-epoch" if folder else None


def _open_store(config: Config, clock: Clock, owner: str) -> RedisState:
    """The published state and the lease of this configuration. Raises `ConfigError` for a bad URL."""
    return RedisState(
        config.redis.url.get_secret_value(),
        prefix=config.redis.prefix,
        account=config.account,
        owner=owner,
        clock=clock,
        check_interval_s=config.loop.check_interval_s,
        lease_ttl_s=config.lease_ttl_s,
        contend=config.protection.mode == "live",
        reading_within_s=config.reading_within_s,
        epoch_file=_epoch_file(),
        mirror_prefix=config.events.mirror_prefix if config.events.mirror else "",
    )


def _streams_of(config: Config, keys: ListenKeys, clock: Clock) -> Callable[[Hearer], Streams]:
    """Both streams of this configuration. Raises `ConfigError` where it has no origin for them."""
    origin = stream_origin(config.exchange.environment, config.exchange.effective_stream_url)

    def open_streams(hearer: Hearer) -> Streams:
        return Streams(
            user=UserStream(keys, hearer.on_event, origin=origin, clock=clock),
            marks=MarkStream(hearer.on_marks, origin=origin, clock=clock),
        )

    return open_streams


def _open_records(config: Config, clock: Clock, owner: str, store: RedisState) -> RedisRecords:
    """The records of this configuration; who may publish them is who may publish the state."""
    return RedisRecords(
        config.redis.url.get_secret_value(),
        prefix=config.redis.prefix,
        account=config.account,
        owner=owner,
        clock=clock,
        lease=store.lease_state,
    )


def _open_pairs(config: Config, owner: str, store: RedisState) -> RedisPairs:
    """Where the keeper of the policies beside the live one keeps its pairs; published as the records are."""
    return RedisPairs(
        config.redis.url.get_secret_value(),
        prefix=config.redis.prefix,
        account=config.account,
        owner=owner,
        lease=store.lease_state,
    )


def _keeper_of(
    in_force: ConfigInForce, exchange: BinanceUsdm, shelf: RecordShelf, clock: Clock
) -> Callable[[Callable[[Event], None]], RecordKeeper]:
    """Makes the keeper of the records of closed positions."""

    def open_keeper(tell: Callable[[Event], None]) -> RecordKeeper:
        return RecordKeeper(
            watch=PositionWatch(),
            exchange=exchange,
            history=exchange.history,
            shelf=shelf,
            clock=clock,
            config=lambda: in_force.config,
            tell=tell,
        )

    return open_keeper


def _pairs_of(exchange: BinanceUsdm, pairs: RedisPairs, clock: Clock) -> Callable[[Service], PairKeeper]:
    """Makes the keeper of what the policies beside the live one would have earned."""

    def open_keeper(service: Service) -> PairKeeper:
        records = service.records
        return PairKeeper(
            following=service.following,
            exchange=exchange,
            history=exchange.history,
            records=lambda: () if records is None else records.shelf.records,
            store=pairs,
            clock=clock,
            market=service.candles.market,
        )

    return open_keeper


def _advisor_of(engine: AiEngine | None, in_force: ConfigInForce, clock: Clock) -> AdvicePoller:
    """Asks the AI engine, if there is one, in the background."""
    return AdvicePoller(
        engine,
        clock,
        interval_s=in_force.config.ai_engine.poll_s,
        why_ignored=lambda advice: why_ignored(advice, in_force.config.protection_settings(advice.symbol)),
    )


async def run(config: Config, config_path: Path | None) -> int:
    """Run the daemon of this configuration in this process until it is told to stop; returns the exit code."""
    clock = SystemClock()
    owner = new_owner()
    note_variables(stack_variables(os.environ))
    engine = (
        AiEngine(config.ai_engine.url, clock, timeout_s=config.ai_engine.timeout_s) if config.ai_engine.url else None
    )
    backend = Backend(config.backend.url, clock, timeout_s=config.backend.timeout_s) if config.backend.url else None
    async with AsyncExitStack() as stack:
        exchange = open_exchange(config, clock)
        stack.push_async_callback(exchange.aclose)
        store = _open_store(config, clock, owner)
        stack.push_async_callback(store.close)
        for client in (engine, backend):
            if client is not None:
                stack.push_async_callback(client.close)
        records = _open_records(config, clock, owner, store)
        stack.push_async_callback(records.aclose)
        pairs = _open_pairs(config, owner, store)
        stack.push_async_callback(pairs.aclose)
        control = ControlStream(config.redis.url.get_secret_value(), prefix=config.redis.prefix, account=config.account)
        stack.push_async_callback(control.aclose)
        in_force = ConfigInForce(config, config_path, exchange.traits)
        shelf = RecordShelf(records, clock)
        service = Service(
            in_force=in_force,
            clock=clock,
            exchange=exchange,
            store=store,
            advisor=_advisor_of(engine, in_force, clock),
            breaker=BreakerPoller(backend, clock, interval_s=config.backend.poll_s),
            systemd=Systemd(),
            owner=owner,
            open_streams=_streams_of(config, exchange, clock),
            open_records=_keeper_of(in_force, exchange, shelf, clock),
            outlets=Outlets(clock, lambda: in_force.config, owner, exchange=exchange, shelf=shelf),
            open_pairs=_pairs_of(exchange, pairs, clock),
            control_stream=control,
        )
        service.catch_signals()
        return await service.serve()
