"""JSON shapes of the market streams."""

from __future__ import annotations

from typing import Any

from position_monitor.paper.amounts import ZERO, money
from position_monitor.paper.instruments import Instrument
from position_monitor.paper.market import BookUpdate
from position_monitor.paper.market_bodies import (
    FUNDING_RATE,
    book_ticker,
    day_ticker,
    depth,
    kline_rows,
    next_funding,
)
from position_monitor.paper.orders import PlainOrder
from position_monitor.paper.world import World

Body = dict[str, Any]
DEPTH_CHANGES_MAX = 5_000
"""Levels in one message of the depth stream; a larger jump is cut there."""


def stream_mark(world: World, symbol: str) -> Body:
    """markPriceUpdate of one symbol."""
    mark = money(world.market.mark(symbol))
    return {
        "e": "markPriceUpdate", "E": world.now_ms, "s": symbol, "p": mark, "ap": mark,
        "i": mark, "P": mark, "r": FUNDING_RATE, "T": next_funding(world.now_ms),
    }  # fmt: skip


def stream_book(world: World, symbol: str) -> Body:
    """bookTicker of one symbol."""
    row = book_ticker(world, symbol)
    return {
        "e": "bookTicker", "u": row["lastUpdateId"], "E": world.now_ms, "T": world.now_ms,
        "s": symbol, "b": row["bidPrice"], "B": row["bidQty"], "a": row["askPrice"],
        "A": row["askQty"],
    }  # fmt: skip


def stream_trade(world: World, symbol: str, kind: str) -> Body:
    """aggTrade or trade: one print at the last price per price change."""
    instrument, market = world.instruments[symbol], world.market
    number = market.quotes[symbol].updated_ms
    body: Body = {
        "e": kind, "E": world.now_ms, "T": world.now_ms, "s": symbol,
        "p": instrument.price_text(market.last(symbol)),
        "q": instrument.qty_text(instrument.step), "m": False,
    }  # fmt: skip
    if kind == "aggTrade":
        return body | {"a": number, "f": number, "l": number, "nq": body["q"]}
    return body | {"t": number, "X": "MARKET"}


def stream_kline(world: World, symbol: str, interval: str) -> Body:
    """kline: the running candle."""
    row = kline_rows(world, symbol, interval, None, None, 1)[-1]
    return {
        "e": "kline", "E": world.now_ms, "s": symbol,
        "k": {
            "t": row[0], "T": row[6], "s": symbol, "i": interval, "f": 1, "L": 1000,
            "o": row[1], "c": row[4], "h": row[2], "l": row[3], "v": row[5], "n": row[8],
            "x": False, "q": row[7], "V": row[9], "Q": row[10], "B": "0",
        },
    }  # fmt: skip


def stream_depth(world: World, symbol: str, update: BookUpdate, levels: int | None) -> Body:
    """Partial book depth, or without `levels` the difference to the message before."""
    if levels is None:
        bids, asks = _book_difference(world.instruments[symbol], update)
    else:
        book = depth(world, symbol, levels)
        bids, asks = book["bids"], book["asks"]
    return {
        "e": "depthUpdate", "E": world.now_ms, "T": world.now_ms, "s": symbol, "U": update.first,
        "u": update.last, "pu": update.previous, "b": bids, "a": asks,
    }  # fmt: skip


def _book_difference(instrument: Instrument, update: BookUpdate) -> tuple[list[list[str]], list[list[str]]]:
    """Every tick up to the best bid offers the same quantity, every tick above it asks for it.  So a move turns the
    ticks between into bids (upward) or asks (downward); quantity 0 removes the other side."""
    tick, text = instrument.tick, instrument.price_text
    quantity, nothing = instrument.qty_text(instrument.step * 5000), instrument.qty_text(ZERO)
    low, high = sorted((update.bid_before, update.bid_after))
    count = min(DEPTH_CHANGES_MAX, int((high - low) / tick))
    crossed = [low + tick * k for k in range(1, count + 1)]
    rose = update.bid_after > update.bid_before
    bids = [[text(price), quantity if rose else nothing] for price in crossed]
    asks = [[text(price), nothing if rose else quantity] for price in crossed]
    if not crossed:  # nothing moved: the best two levels once more
        return [[text(update.bid_after), quantity]], [[text(update.bid_after + tick), quantity]]
    return bids, asks


def stream_mini(world: World, symbol: str) -> Body:
    """24hrMiniTicker of one symbol."""
    row = day_ticker(world, symbol)
    return {
        "e": "24hrMiniTicker", "E": world.now_ms, "s": symbol, "c": row["lastPrice"],
        "o": row["openPrice"], "h": row["highPrice"], "l": row["lowPrice"],
        "v": row["volume"], "q": row["quoteVolume"],
    }  # fmt: skip


def stream_continuous(world: World, symbol: str, interval: str) -> Body:
    """continuous_kline: the running candle of the perpetual contract of a pair."""
    body = stream_kline(world, symbol, interval)
    candle = {name: value for name, value in body["k"].items() if name != "s"}
    return {"e": "continuous_kline", "E": body["E"], "ps": symbol, "ct": "PERPETUAL", "k": candle}


def stream_forced(order: PlainOrder, instrument: Instrument) -> Body:
    """forceOrder: a liquidation, shown as LIMIT IOC."""
    price = instrument.price_text(order.price)
    quantity = instrument.qty_text(order.quantity)
    return {
        "e": "forceOrder", "E": order.updated_ms,
        "o": {"s": order.symbol, "S": order.side, "o": "LIMIT", "f": "IOC", "q": quantity, "p": price,
              "ap": instrument.price_text(order.average), "X": order.status,
              "l": instrument.qty_text(order.executed), "z": instrument.qty_text(order.executed),
              "T": order.updated_ms},
    }  # fmt: skip


def stream_day(world: World, symbol: str) -> Body:
    """24hrTicker of one symbol."""
    row = day_ticker(world, symbol)
    return {
        "e": "24hrTicker", "E": world.now_ms, "s": symbol, "p": row["priceChange"],
        "P": row["priceChangePercent"], "w": row["weightedAvgPrice"], "c": row["lastPrice"],
        "Q": row["lastQty"], "o": row["openPrice"], "h": row["highPrice"],
        "l": row["lowPrice"], "v": row["volume"], "q": row["quoteVolume"],
        "O": row["openTime"], "C": row["closeTime"], "F": row["firstId"], "L": row["lastId"],
        "n": row["count"],
    }  # fmt: skip
