"""JSON shapes of public market data."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from position_monitor.paper.amounts import fixed, money, plain
from position_monitor.paper.candles import Candle
from position_monitor.paper.instruments import Instrument
from position_monitor.paper.market import INTERVALS_MS
from position_monitor.paper.world import World

Body = dict[str, Any]
FUNDING_MS = 8 * 3_600_000
FUNDING_RATE = "0.00010000"
ORDER_TYPES = [
    "LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
]  # fmt: skip
RATE_LIMITS = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
    {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
]
DAY_MS = 86_400_000


class Print(NamedTuple):
    """One execution of the public."""

    at_ms: int
    price: Decimal


def exchange_info(instruments: Iterable[Instrument], server_time_ms: int) -> Body:
    """GET exchangeInfo; without the retired MAX_NUM_ALGO_ORDERS filter."""
    assets = [
        {"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"},
        {"asset": "BTC", "marginAvailable": True, "autoAssetExchange": "-0.10000000"},
    ]
    return {
        "timezone": "UTC", "serverTime": server_time_ms, "futuresType": "U_MARGINED",
        "rateLimits": RATE_LIMITS, "exchangeFilters": [], "assets": assets,
        "symbols": [_symbol(instrument) for instrument in instruments],
    }  # fmt: skip


def _symbol(instrument: Instrument) -> Body:
    tradifi = instrument.contract_type == "TRADIFI_PERPETUAL"
    return {
        "symbol": instrument.symbol, "pair": instrument.symbol,
        "contractType": instrument.contract_type, "deliveryDate": 4_133_404_800_000,
        "onboardDate": 1_569_398_400_000, "status": instrument.status,
        "maintMarginPercent": "2.5000", "requiredMarginPercent": "5.0000",
        "baseAsset": instrument.base, "quoteAsset": instrument.quote,
        "marginAsset": instrument.quote, "pricePrecision": instrument.price_precision,
        "quantityPrecision": instrument.qty_decimals, "baseAssetPrecision": 8,
        "quotePrecision": 8, "settlePlan": 0, "underlyingType": "COMMODITY" if tradifi else "COIN",
        "underlyingSubType": ["TradFi"] if tradifi else ["PoW"],
        "triggerProtect": fixed(instrument.trigger_protect, 4),
        "liquidationFee": fixed(instrument.liquidation_fee, 6),
        "marketTakeBound": plain(instrument.market_take_bound), "maxMoveOrderLimit": 10_000,
        "filters": _filters(instrument), "orderTypes": ORDER_TYPES,
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "permissionSets": ["GRID", "COPY"],
    }  # fmt: skip


def _filters(instrument: Instrument) -> list[Body]:
    step, low = plain(instrument.step), plain(instrument.min_qty)
    return [
        {"filterType": "PRICE_FILTER", "minPrice": plain(instrument.min_price),
         "maxPrice": plain(instrument.max_price), "tickSize": format(instrument.tick, "f")},
        {"filterType": "LOT_SIZE", "stepSize": step, "maxQty": plain(instrument.max_qty),
         "minQty": low},
        {"filterType": "MARKET_LOT_SIZE", "stepSize": step,
         "maxQty": plain(instrument.market_max_qty), "minQty": low},
        {"filterType": "MAX_NUM_ORDERS", "limit": instrument.max_orders},
        {"filterType": "MIN_NOTIONAL", "notional": plain(instrument.min_notional)},
        {"filterType": "PERCENT_PRICE", "multiplierUp": fixed(instrument.multiplier_up, 4),
         "multiplierDown": fixed(instrument.multiplier_down, 4), "multiplierDecimal": "4"},
    ]  # fmt: skip


def leverage_brackets(instrument: Instrument) -> Body:
    """One symbol of GET leverageBracket (numbers, not texts, as documented)."""
    rows = [
        {
            "bracket": b.number, "initialLeverage": b.max_leverage, "notionalCap": int(b.cap),
            "notionalFloor": int(b.floor), "maintMarginRatio": float(b.maintenance),
            "cum": float(b.cum),
        }
        for b in instrument.brackets
    ]  # fmt: skip
    return {"symbol": instrument.symbol, "notionalCoef": 1.0, "brackets": rows}


def premium_index(world: World, symbol: str, mark: Decimal | None = None) -> Body:
    """One symbol of GET premiumIndex, with the live mark or this one."""
    mark = world.market.mark(symbol) if mark is None else mark
    return {
        "symbol": symbol, "markPrice": money(mark), "indexPrice": money(mark),
        "estimatedSettlePrice": money(mark), "lastFundingRate": FUNDING_RATE,
        "interestRate": "0.00010000", "nextFundingTime": next_funding(world.now_ms),
        "time": world.now_ms,
    }  # fmt: skip


def next_funding(now_ms: int) -> int:
    """The next eight-hour funding time."""
    return now_ms - now_ms % FUNDING_MS + FUNDING_MS


def price_ticker(world: World, symbol: str) -> Body:
    """One symbol of GET ticker/price."""
    last = world.instruments[symbol].price_text(world.market.last(symbol))
    return {"symbol": symbol, "price": last, "time": world.market.quotes[symbol].updated_ms}


def book_ticker(world: World, symbol: str) -> Body:
    """One symbol of GET ticker/bookTicker."""
    instrument, market = world.instruments[symbol], world.market
    quantity = instrument.qty_text(instrument.step * 5000)
    return {
        "symbol": symbol, "bidPrice": instrument.price_text(market.bid(symbol)),
        "bidQty": quantity, "askPrice": instrument.price_text(market.ask(symbol)),
        "askQty": quantity, "time": market.quotes[symbol].updated_ms,
        "lastUpdateId": market.quotes[symbol].updated_ms,
    }  # fmt: skip


def day_ticker(world: World, symbol: str) -> Body:
    """One symbol of GET ticker/24hr, from the last two half days."""
    instrument, now = world.instruments[symbol], world.now_ms
    halves = world.market.candles(symbol, DAY_MS // 2, now, 2)
    opened, last = halves[0].open, world.market.last(symbol)
    text = instrument.price_text
    volume = instrument.step * 1_000_000
    return {
        "symbol": symbol, "priceChange": text(last - opened),
        "priceChangePercent": fixed((last - opened) / opened * 100, 3),
        "weightedAvgPrice": text((last + opened) / 2), "lastPrice": text(last),
        "lastQty": instrument.qty_text(instrument.step), "openPrice": text(opened),
        "highPrice": text(max(c.high for c in halves)),
        "lowPrice": text(min(c.low for c in halves)), "volume": instrument.qty_text(volume),
        "quoteVolume": fixed(volume * last, 2), "openTime": now - DAY_MS, "closeTime": now,
        "firstId": 1, "lastId": 100_000, "count": 100_000,
    }  # fmt: skip


def depth(world: World, symbol: str, limit: int) -> Body:
    """GET depth: a ladder of ticks around the last price."""
    instrument, market = world.instruments[symbol], world.market
    quantity = instrument.qty_text(instrument.step * 5000)
    bid, ask, tick = market.bid(symbol), market.ask(symbol), instrument.tick
    bids = [bid - tick * k for k in range(limit)]
    return {
        "lastUpdateId": market.quotes[symbol].book_id + 1, "E": world.now_ms, "T": world.now_ms,
        "bids": [[instrument.price_text(p), quantity] for p in bids if p > 0],
        "asks": [[instrument.price_text(ask + tick * k), quantity] for k in range(limit)],
    }  # fmt: skip


def kline_rows(
    world: World, symbol: str, interval: str, start: int | None, end: int | None, limit: int
) -> list[list[Any]]:
    """GET klines and markPriceKlines, oldest first."""
    instrument, span = world.instruments[symbol], INTERVALS_MS[interval]
    until = min(world.now_ms, end if end is not None else world.now_ms)
    if start is not None:
        first = -(-start // span) * span  # a candle is named by its open time, and start is the lowest that is wanted
        wanted = (until - until % span - first) // span + 1
        if wanted > limit:
            until = first + span * (limit - 1)
        limit = max(0, min(limit, wanted))
    if limit <= 0:
        return []
    form = (instrument.tick, instrument.step, span)
    candles = world.market.candles(symbol, span, until, limit)
    for candle in candles:
        if candle.row_form != form:
            candle.row, candle.row_form = _written(instrument, candle, span), form
    return [list(candle.row) for candle in candles]


def _written(instrument: Instrument, candle: Candle, span: int) -> tuple[Any, ...]:
    text = instrument.price_text
    volume = instrument.step * 10_000
    half = instrument.qty_text(volume / 2)
    return (
        candle.open_ms, text(candle.open), text(candle.high), text(candle.low),
        text(candle.close), instrument.qty_text(volume), candle.open_ms + span - 1,
        fixed(volume * candle.close, 5), 1000, half, fixed(volume * candle.close / 2, 5), "0",
    )  # fmt: skip


def prints(world: World, symbol: str, since_ms: int | None, until_ms: int, limit: int) -> list[Print]:
    """Past prints, oldest first: the close of each minute, its id the millisecond it happened."""
    minute = INTERVALS_MS["1m"]
    until_ms, count = min(until_ms, world.now_ms), limit
    if since_ms is not None:
        first_ms = since_ms - since_ms % minute
        count = min(limit, (until_ms - first_ms) // minute + 1)
        until_ms = min(until_ms, first_ms + minute * (count - 1))
    if count <= 0:
        return []
    rows = world.market.candles(symbol, minute, until_ms, count)
    made = [Print(min(row.open_ms + minute - 1, world.now_ms), row.close) for row in rows]
    return [one for one in made if since_ms is None or one.at_ms >= since_ms]


def trade_row(instrument: Instrument, one: Print) -> Body:
    """Row of trades and historicalTrades."""
    return {
        "id": one.at_ms, "price": instrument.price_text(one.price), "qty": instrument.qty_text(instrument.step),
        "quoteQty": plain(instrument.step * one.price), "time": one.at_ms, "isBuyerMaker": False, "isRPITrade": False,
    }  # fmt: skip


def aggregate_row(instrument: Instrument, one: Print) -> Body:
    """Row of aggTrades: each stands for one print."""
    quantity = instrument.qty_text(instrument.step)
    return {
        "a": one.at_ms, "p": instrument.price_text(one.price), "q": quantity, "nq": quantity, "f": one.at_ms,
        "l": one.at_ms, "T": one.at_ms, "m": False,
    }  # fmt: skip


def funding_rows(world: World, symbol: str, limit: int) -> list[Body]:
    """GET fundingRate: a constant rate at every past funding time."""
    newest = next_funding(world.now_ms) - FUNDING_MS
    mark = money(world.market.mark(symbol))
    return [
        {"symbol": symbol, "fundingRate": FUNDING_RATE, "fundingTime": newest - FUNDING_MS * k,
         "markPrice": mark}
        for k in reversed(range(limit))
    ]  # fmt: skip
