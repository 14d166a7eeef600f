"""Small builders for the core's values. Prices are given as a distance from 100 in favour of the position.

`at(Side.SHORT, "-1.5")` is 101.5: one and a half percent against a short that was entered at 100. Tables written with
it hold for both sides without being written twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from position_monitor.core.book.desired_book import BookInputs, RungsAllowed, desired_book
from position_monitor.core.book.diff import BookDiff, diff
from position_monitor.core.decision.decide import Decision, decide
from position_monitor.core.decision.gate import GateInputs
from position_monitor.core.decision.rules import Rules
from position_monitor.core.evidence.evidence import Belief, Evidence
from position_monitor.core.evidence.learning import after_read
from position_monitor.core.model import ids
from position_monitor.core.model.actions import Mode
from position_monitor.core.model.desired import DesiredBook, DesiredOrder
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.market import MarketState, Regime
from position_monitor.core.model.orders import LiveOrder, OrderStatus, Purpose, Role, WorkingType
from position_monitor.core.model.outside import Advice
from position_monitor.core.model.positions import Position
from position_monitor.core.model.profiles import RungKind
from position_monitor.core.model.settings import EvidenceSettings, Limits, OnBreach, Policy, ProtectionSettings, Rung
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.model.traits import ReadCosts, VenueTraits
from position_monitor.core.observation.cover import cover_of
from position_monitor.core.observation.live_book import NOTHING_RESTS, SymbolOrders
from position_monitor.core.observation.reads import SymbolObservation

D = Decimal
LONG, SHORT = Side.LONG, Side.SHORT
SIDES = (LONG, SHORT)
ACCOUNT = "main"
SYMBOL = "BTCUSDT"
OPENED_MS = 1_750_000_000_000
NOW_MS = 1_750_000_100_000
EPOCH = ids.epoch_of(OPENED_MS)
OLD_EPOCH = ids.epoch_of(OPENED_MS - 86_400_000)

STATIC = Policy.STATIC
HYBRID = Policy.HYBRID
DYNAMIC = Policy.DYNAMIC
BRAIN = Policy.BRAIN


def at(side: Side, pct: str | int | Decimal) -> Decimal:
    """100 moved `pct` percent in favour of the side (negative: against it)."""
    return D(100) + D(pct) if side is LONG else D(100) - D(pct)


def instrument(**changes: object) -> Instrument:
    """A symbol with tick 0.01 and step 0.001."""
    base = Instrument(
        symbol=SYMBOL,
        tick=D("0.01"),
        step=D("0.001"),
        min_quantity=D("0.001"),
        max_quantity=D(1000),
        market_min_quantity=D("0.001"),
        market_max_quantity=D(120),
        min_price=D("0.01"),
        max_price=D(1_000_000),
        min_notional=D(5),
        percent_up=D("1.05"),
        percent_down=D("0.95"),
    )
    return replace(
        base, **{name: D(v) if isinstance(v, int | str) and name != "symbol" else v for name, v in changes.items()}
    )  # type: ignore[arg-type]


INSTRUMENT = instrument()


def position(
    side: Side = LONG,
    quantity: str | Decimal = "1",
    *,
    entry: str | int | Decimal = 100,
    mark: str | int | Decimal = 100,
    liquidation: str | int | Decimal | None = None,
    hedged: bool = False,
    symbol: str = SYMBOL,
    updated_at_ms: int = OPENED_MS,
) -> Position:
    """An open position, entered at 100 with the mark still there."""
    entry_price, mark_price, size = D(entry), D(mark), D(quantity)
    gain = (mark_price - entry_price) * size
    return Position(
        symbol=symbol,
        side=side,
        quantity=size,
        entry_price=entry_price,
        mark_price=mark_price,
        liquidation_price=None if liquidation is None else D(liquidation),
        unrealized_pnl=gain if side is LONG else -gain,
        leverage=5,
        hedged=hedged,
        updated_at_ms=updated_at_ms,
    )


def live(
    held: Position,
    trigger: str | int | Decimal | None,
    quantity: str | int | Decimal | None = None,
    *,
    purpose: Purpose = Purpose.STOP,
    client_id: str = "web_abcdef",
    order_id: str = "",
    **changes: object,
) -> LiveOrder:
    """A resting order that reduces `held`; foreign unless the client id says otherwise. No quantity: close-all."""
    base = LiveOrder(
        key=held.key,
        order_id=order_id or f"o-{client_id}",
        client_id=client_id,
        tag=ids.tag_of(client_id),
        purpose=purpose,
        quantity=None if quantity is None else D(quantity),
        trigger_price=None if trigger is None else D(trigger),
        limit_price=None,
        working_type=WorkingType.MARK_PRICE,
        status=OrderStatus.NEW,
        executed_quantity=D(0),
        reduces=True,
        hedged=held.hedged,
        conditional=True,
        caveat="",
        created_at_ms=OPENED_MS,
        updated_at_ms=OPENED_MS,
    )
    return base._replace(**changes)  # type: ignore[arg-type]


_PURPOSE_OF = {
    Role.BACKSTOP: Purpose.STOP,
    Role.WORKING_STOP: Purpose.STOP,
    Role.TAKE_PROFIT: Purpose.TAKE_PROFIT,
}


def owned_id(
    held: Position,
    role: Role,
    trigger: str | int | Decimal,
    quantity: str | int | Decimal | None = None,
    *,
    rung: int = 0,
    epoch: str = EPOCH,
    limit: bool = False,
) -> str:
    """The client id the intent determines."""
    return ids.client_id(
        account=ACCOUNT,
        symbol=held.symbol,
        side=held.side,
        role=role,
        rung=rung,
        trigger=D(trigger),
        quantity=None if quantity is None else D(quantity),
        epoch=epoch,
        limit=limit,
    )


def ours(
    held: Position,
    role: Role,
    trigger: str | int | Decimal,
    quantity: str | int | Decimal | None = None,
    *,
    rung: int = 0,
    epoch: str = EPOCH,
    **changes: object,
) -> LiveOrder:
    """A resting order of ours."""
    client_id = owned_id(held, role, trigger, quantity, rung=rung, epoch=epoch)
    return live(held, trigger, quantity, purpose=_PURPOSE_OF[role], client_id=client_id, **changes)  # type: ignore[arg-type]


def backstop(held: Position, trigger: str | int | Decimal, **changes: object) -> LiveOrder:
    """Our resting close-all stop."""
    return ours(held, Role.BACKSTOP, trigger, None, **changes)  # type: ignore[arg-type]


def working(
    held: Position, trigger: str | int | Decimal, quantity: str | Decimal = "1", **changes: object
) -> LiveOrder:
    """Our resting quantity stop."""
    return ours(held, Role.WORKING_STOP, trigger, quantity, **changes)  # type: ignore[arg-type]


def target(
    held: Position, rung: int, trigger: str | int | Decimal, quantity: str | Decimal, **changes: object
) -> LiveOrder:
    """Our resting rung."""
    return ours(held, Role.TAKE_PROFIT, trigger, quantity, rung=rung, **changes)  # type: ignore[arg-type]


def limit_target(
    held: Position, rung: int, price: str | int | Decimal, quantity: str | Decimal, **changes: object
) -> LiveOrder:
    """Our rung that rests as a limit order."""
    client_id = owned_id(held, Role.TAKE_PROFIT, price, quantity, rung=rung, limit=True)
    base = live(held, None, quantity, purpose=Purpose.LIMIT, client_id=client_id)
    return base._replace(limit_price=D(price), conditional=False)._replace(**changes)  # type: ignore[arg-type]


def limit_ladder(held: Position) -> tuple[LiveOrder, ...]:
    """The default ladder of a position of size 1 entered at 100, as limit orders."""
    rungs = ((0, "1.5", "0.3"), (1, "2.5", "0.3"), (2, "4", "0.4"))
    return tuple(limit_target(held, rung, at(held.side, pct), share) for rung, pct, share in rungs)


def ladder(held: Position, epoch: str = EPOCH) -> tuple[LiveOrder, ...]:
    """The default hybrid ladder of a position of size 1 entered at 100."""
    rungs = ((0, "1.5", "0.3"), (1, "2.5", "0.3"), (2, "4", "0.4"))
    return tuple(target(held, rung, at(held.side, pct), share, epoch=epoch) for rung, pct, share in rungs)


def desired(order: LiveOrder, held: Position, **changes: object) -> DesiredOrder:
    """The wish whose fulfilment `order` is."""
    assert order.tag is not None and order.price is not None
    base = DesiredOrder(
        symbol=order.symbol,
        side=held.side,
        role=order.tag.role,
        rung=order.tag.rung,
        purpose=order.purpose,
        trigger_price=order.price,
        quantity=order.quantity,
        hedged=order.hedged,
        working_type=order.working_type,
        client_id=order.client_id,
        source="static",
    )
    return base._replace(**changes)  # type: ignore[arg-type]


def rested(wanted: DesiredOrder) -> LiveOrder:
    """The order as it rests after it was placed."""
    return LiveOrder(
        key=wanted.key,
        order_id=f"o-{wanted.client_id}",
        client_id=wanted.client_id,
        tag=ids.tag_of(wanted.client_id),
        purpose=wanted.purpose,
        quantity=wanted.quantity,
        trigger_price=None if wanted.is_limit else wanted.trigger_price,
        limit_price=wanted.trigger_price if wanted.is_limit else None,
        working_type=wanted.working_type,
        status=OrderStatus.NEW,
        executed_quantity=D(0),
        reduces=True,
        hedged=wanted.hedged,
        conditional=not wanted.is_limit,
        caveat="",
        created_at_ms=NOW_MS,
        updated_at_ms=NOW_MS,
    )


DEFAULT_LADDER = (Rung(D("1.5"), D(30)), Rung(D("2.5"), D(30)), Rung(D(4), D(40)))
LIMIT_LADDER = tuple(replace(rung, kind=RungKind.LIMIT) for rung in DEFAULT_LADDER)


def settings(policy: Policy = HYBRID, **changes: object) -> ProtectionSettings:
    """The defaults of DESIGN 4 and 9."""
    base = ProtectionSettings(
        policy=policy,
        stop_loss_pct=D("1.5"),
        take_profit_pct=D("2.5"),
        trailing_pct=D("1.5"),
        ladder=DEFAULT_LADDER,
        working_type=WorkingType.MARK_PRICE,
        rebase_on_add=False,
        on_breach=OnBreach.REANCHOR,
        respect_foreign_orders=True,
        max_loss_pct=D(10),
        foreign_stop_max_pct=D(5),
        stop_min_move_pct=D("0.1"),
        liquidation_fraction_pct=D(80),
        stop_loss_min_pct=D("0.5"),
        stop_loss_max_pct=D(5),
        target_min_pct=D("0.3"),
        target_max_pct=D(15),
        profile="DEFAULT",
    )
    return replace(base, **{k: D(v) if k.endswith("_pct") else v for k, v in changes.items()})  # type: ignore[arg-type]


EVIDENCE_SETTINGS = EvidenceSettings(
    flat_reads=3, replacement_reads=2, listing_grace_ms=5_000, triggering_grace_ms=10_000
)

LIMITS = Limits(
    conditional_orders_max=0,
    owned_orders_per_position_max=10,
    actions_per_symbol_max=12,
    closes_per_minute_max=6,
    refusals_before_close=3,
)

TRAITS = VenueTraits(
    conditional_orders_max=200,
    read_costs=ReadCosts(positions=5, symbol_orders=2, all_orders=80, weight_1m=2_400),
)


def rules(
    protection: ProtectionSettings | None = None,
    *,
    unmanaged: Iterable[PositionKey] = (),
    limits: Limits = LIMITS,
    evidence: EvidenceSettings = EVIDENCE_SETTINGS,
    traits: VenueTraits = TRAITS,
) -> Rules:
    """The same settings for every position."""
    chosen, left = protection or settings(), frozenset(unmanaged)
    return Rules(ACCOUNT, lambda _: chosen, lambda key: key in left, evidence, limits, traits)


def seen_at(
    positions: Iterable[Position] = (),
    orders: Iterable[LiveOrder] = (),
    *,
    at_ms: int = NOW_MS,
    zero: Collection[PositionKey] = (),
    symbol: str = SYMBOL,
    unreadable: str = "",
    venue: Instrument | str | None = "default",
    confirmed: Iterable[str] = (),
) -> SymbolObservation:
    """One observation of one symbol."""
    listed = instrument(symbol=symbol) if isinstance(venue, str) else venue
    return SymbolObservation(
        symbol=symbol,
        instrument=listed,
        positions=tuple(positions),
        zero_keys=frozenset(zero),
        orders=orders if isinstance(orders, SymbolOrders) else tuple(orders),
        positions_read_at_ms=at_ms,
        orders_read_at_ms=at_ms,
        unreadable=unreadable,
        confirmed_orders=frozenset(confirmed),
        zero_at_ms=dict.fromkeys(zero, at_ms),
    )


def known(**changes: object) -> Belief:
    """A position seen a few times."""
    base = Belief(epoch=EPOCH, present_reads=3, quantities=(D(1),))
    return base._replace(**changes)  # type: ignore[arg-type]


def learned(*observations: SymbolObservation, before: Evidence | None = None) -> Evidence:
    """Evidence after a series of reads."""
    evidence = before or Evidence()
    for seen in observations:
        evidence = after_read(evidence, seen)
    return evidence


def settled(
    held: Position, orders: Iterable[LiveOrder] = (), *, reads: int = 3, **changes: object
) -> tuple[SymbolObservation, Evidence]:
    """An observation and the evidence after it was read several times."""
    rows = tuple(orders)
    series = [seen_at((held,), rows, at_ms=NOW_MS - 2_000 * (reads - 1 - n), symbol=held.symbol) for n in range(reads)]
    evidence = learned(*series)
    if changes:
        evidence = Evidence({**evidence.keys, held.key: evidence.keys[held.key]._replace(**changes)}, evidence.awaited)  # type: ignore[arg-type]
    return series[-1], evidence


def book_inputs(
    held: Position,
    orders: Iterable[LiveOrder] = (),
    protection: ProtectionSettings | None = None,
    *,
    known_as: Belief | None = None,
    venue: Instrument | None = None,
    advice: Advice | None = None,
    rungs_max: int = 4,
    again: int | None = None,
    now_ms: int = NOW_MS,
    market: MarketState | None = None,
    live_since_ms: int | None = None,
) -> BookInputs:
    """What the desired book of one position is made from."""
    rows = orders if isinstance(orders, SymbolOrders) else SymbolOrders(orders)
    chosen, live = protection or settings(), rows.by_position.get(held.key, NOTHING_RESTS)
    return BookInputs(
        account=ACCOUNT,
        position=held,
        instrument=venue or INSTRUMENT,
        live=live,
        cover=cover_of(held, live.stops, chosen),
        belief=known_as or known(quantities=(held.quantity,)),
        settings=chosen,
        advice=advice,
        rungs=RungsAllowed(rungs_max, rungs_max if again is None else again),
        triggering_grace_ms=EVIDENCE_SETTINGS.triggering_grace_ms,
        now_ms=now_ms,
        market=market,
        live_since_ms=live_since_ms,
    )


def market_of(
    atr: str,
    regime: Regime = Regime.NORMAL_VOL,
    *,
    adx: str = "22",
    trend: Side | None = None,
    close: str = "100",
    expires_at_ms: int = NOW_MS + 3_600_000,
) -> MarketState:
    """What the closed candles of a symbol say."""
    return MarketState(
        atr=D(atr),
        close=D(close),
        adx=D(adx),
        plus_di=D(30 if trend is LONG else 15),
        minus_di=D(30 if trend is SHORT else 15),
        regime=regime,
        closed_at_ms=NOW_MS - 1_000,
        expires_at_ms=expires_at_ms,
    )


def pinned(held: Position, trigger: str | int | Decimal, pin: int, **changes: object) -> LiveOrder:
    """Our resting backstop, with what was decided at entry in its id."""
    return ours(held, Role.BACKSTOP, trigger, None, rung=ids.stop_rung(pin, anchored=False), **changes)  # type: ignore[arg-type]


def book_for(held: Position, *rest: Any, **more: Any) -> DesiredBook:
    """The desired book of one position; arguments as `book_inputs`."""
    return desired_book(book_inputs(held, *rest, **more))


def compared(held: Position, book: DesiredBook, orders: Iterable[LiveOrder]) -> BookDiff:
    """The book of a position against what rests on its symbol and elsewhere."""
    return diff(book.orders, SymbolOrders(orders).by_position.get(held.key, NOTHING_RESTS))


def decided(
    seen: SymbolObservation | Mapping[str, SymbolObservation],
    evidence: Evidence,
    rulebook: Rules | None = None,
    *,
    mode: Mode = Mode.LIVE,
    advice: Mapping[str, Advice] | None = None,
    elsewhere: int = 0,
    now_ms: int = NOW_MS,
    markets: Mapping[str, MarketState] | None = None,
) -> Decision:
    """One decision for the account."""
    observed = {seen.symbol: seen} if isinstance(seen, SymbolObservation) else seen
    return decide(observed, evidence, rulebook or rules(), advice or {}, mode, elsewhere, now_ms, markets=markets or {})


def gate(
    seen: SymbolObservation,
    known_as: Belief | None = None,
    *,
    protection: ProtectionSettings | None = None,
    mode: Mode = Mode.LIVE,
    limits: Limits = LIMITS,
) -> GateInputs:
    """What the guard checks against."""
    return GateInputs(ACCOUNT, seen, known_as, protection or settings(), EVIDENCE_SETTINGS, limits, mode)


def advise(
    confidence: str,
    *,
    stop: str | None = None,
    take: str | None = None,
    expires_at_ms: int = NOW_MS + 60_000,
    symbol: str = SYMBOL,
    before: Advice | None = None,
    action: str = "HOLD",
    regime: str = "NORMAL",
) -> Advice:
    """An opinion of the AI engine."""
    return Advice(
        symbol=symbol,
        action=action,
        confidence=D(confidence),
        regime=regime,
        take_profit_pct=None if take is None else D(take),
        stop_loss_pct=None if stop is None else D(stop),
        trailing_pct=None,
        issued_at_ms=NOW_MS - 1_000,
        expires_at_ms=expires_at_ms,
        before=before,
    )
