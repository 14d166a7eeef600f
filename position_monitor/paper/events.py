"""User-stream events as values: what the venue would push, in the order it would push it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from position_monitor.paper.account import Account, Position
from position_monitor.paper.amounts import ZERO, money, plain
from position_monitor.paper.instruments import Instrument
from position_monitor.paper.orders import AlgoOrder, PlainOrder

Body = dict[str, Any]


class UserEvent(NamedTuple):
    """One private event: its name (`e`), when it happened, whose symbol, and the JSON body."""

    name: str
    at_ms: int
    symbol: str
    body: Body


class Execution(NamedTuple):
    """One execution of a plain order."""

    trade_id: int
    quantity: Decimal
    price: Decimal
    fee: Decimal
    realized: Decimal
    maker: bool


def algo_update(order: AlgoOrder, instrument: Instrument, at_ms: int) -> UserEvent:
    """ALGO_UPDATE in its live shape: `ap aq act` once in the engine, `rm` when refused there."""
    inner: Body = {
        "caid": order.client_id, "aid": order.algo_id, "at": "CONDITIONAL", "o": order.type,
        "s": order.symbol, "S": order.side, "ps": order.position_side,
        "f": order.time_in_force, "q": plain(order.quantity), "X": order.status,
        "ai": str(order.actual_order_id) if order.actual_order_id else "",
    }  # fmt: skip
    if order.actual_order_id or order.status == "REJECTED":
        inner["ap"] = plain(order.actual_price)
        inner["aq"] = plain(order.actual_quantity)
        inner["act"] = order.actual_type or "0"
    inner |= {
        "tp": plain(order.trigger), "p": plain(order.price), "V": order.self_trade,
        "wt": order.working_type, "pm": order.price_match, "cp": order.close_position,
        "pP": order.price_protect, "R": order.reduce_only, "tt": order.triggered_ms,
        "gtd": order.good_till_ms,
    }  # fmt: skip
    if order.reason:
        inner["rm"] = order.reason
    if order.type == "TRAILING_STOP_MARKET":
        inner["AP"] = plain(order.activate_price or ZERO)
        inner["cr"] = plain(order.callback_rate or ZERO)
    inner["ia"] = order.activated
    return UserEvent(
        "ALGO_UPDATE", at_ms, order.symbol,
        {"e": "ALGO_UPDATE", "T": at_ms, "E": at_ms, "o": inner},
    )  # fmt: skip


def order_update(order: PlainOrder, kind: str, at_ms: int, done: Execution | None) -> UserEvent:
    """ORDER_TRADE_UPDATE; `kind` is NEW, TRADE, CANCELED, EXPIRED, AMENDMENT or CALCULATED."""
    inner: Body = {
        "s": order.symbol, "c": order.client_id, "S": order.side, "o": order.type,
        "f": order.time_in_force, "q": plain(order.quantity), "p": plain(order.price),
        "ap": plain(order.average), "sp": "0", "x": kind, "X": order.status,
        "i": order.order_id, "l": plain(done.quantity) if done else "0",
        "z": plain(order.executed), "L": plain(done.price) if done else "0",
        "n": plain(done.fee) if done else "0", "N": "USDT", "T": at_ms,
        "t": done.trade_id if done else 0, "b": "0", "a": "0",
        "m": done.maker if done else False, "R": order.reduce_only, "wt": order.working_type,
        "ot": order.original_type or order.type, "ps": order.position_side,
        "cp": order.close_position, "rp": plain(done.realized) if done else "0", "pP": False,
        "si": 0, "ss": 0, "V": order.self_trade, "pm": order.price_match,
        "gtd": order.good_till_ms, "er": "0",
    }  # fmt: skip
    return UserEvent(
        "ORDER_TRADE_UPDATE", at_ms, order.symbol,
        {"e": "ORDER_TRADE_UPDATE", "T": at_ms, "E": at_ms, "o": inner},
    )  # fmt: skip


def trade_lite(order: PlainOrder, done: Execution, at_ms: int) -> UserEvent:
    """TRADE_LITE: the short fill notice that precedes ORDER_TRADE_UPDATE."""
    return UserEvent(
        "TRADE_LITE", at_ms, order.symbol,
        {
            "e": "TRADE_LITE", "E": at_ms, "T": at_ms, "s": order.symbol,
            "q": plain(order.quantity), "p": plain(order.price), "m": done.maker,
            "c": order.client_id, "S": order.side, "L": plain(done.price),
            "l": plain(done.quantity), "t": done.trade_id, "i": order.order_id,
        },
    )  # fmt: skip


def account_update(account: Account, legs: Iterable[Position], mark: Decimal, reason: str, at_ms: int) -> UserEvent:
    """ACCOUNT_UPDATE with the wallet and the given positions of one symbol."""
    rows = [_position_row(account, leg, mark) for leg in legs]
    symbol = rows[0]["s"] if rows else ""
    wallet = {
        "a": "USDT", "wb": money(account.wallet), "cw": money(account.cross_wallet), "bc": "0",
    }  # fmt: skip
    return UserEvent(
        "ACCOUNT_UPDATE", at_ms, symbol,
        {"e": "ACCOUNT_UPDATE", "T": at_ms, "E": at_ms,
         "a": {"B": [wallet], "P": rows, "m": reason}},
    )  # fmt: skip


def _position_row(account: Account, leg: Position, mark: Decimal) -> Body:
    isolated = account.config_of(leg.symbol).isolated
    return {
        "s": leg.symbol, "pa": plain(leg.amount), "ep": plain(leg.entry),
        "cr": plain(leg.realized), "up": money(leg.unrealized(mark)),
        "mt": "isolated" if isolated else "cross", "iw": plain(leg.isolated_wallet),
        "ps": leg.side, "ma": "USDT", "bep": plain(leg.break_even),
    }  # fmt: skip


def leverage_update(symbol: str, leverage: int, at_ms: int) -> UserEvent:
    """ACCOUNT_CONFIG_UPDATE after a change of leverage."""
    return UserEvent(
        "ACCOUNT_CONFIG_UPDATE", at_ms, symbol,
        {"e": "ACCOUNT_CONFIG_UPDATE", "E": at_ms, "T": at_ms,
         "ac": {"s": symbol, "l": leverage}},
    )  # fmt: skip


def multi_assets_update(multi_assets: bool, at_ms: int) -> UserEvent:
    """ACCOUNT_CONFIG_UPDATE after a change of the margin mode of the account."""
    return UserEvent(
        "ACCOUNT_CONFIG_UPDATE", at_ms, "",
        {"e": "ACCOUNT_CONFIG_UPDATE", "E": at_ms, "T": at_ms, "ai": {"j": multi_assets}},
    )  # fmt: skip


def margin_call(account: Account, legs: list[tuple[Position, Decimal]], at_ms: int) -> UserEvent:
    """MARGIN_CALL listing positions close to liquidation, each with its mark price."""
    rows = [
        {
            "s": leg.symbol, "ps": leg.side, "pa": plain(leg.amount),
            "mt": "ISOLATED" if account.config_of(leg.symbol).isolated else "CROSSED",
            "iw": plain(leg.isolated_wallet), "mp": plain(mark),
            "up": money(leg.unrealized(mark)),
            "mm": money(account.exposure(leg.symbol, leg.side).maintenance),
        }
        for leg, mark in legs
    ]  # fmt: skip
    body = {"e": "MARGIN_CALL", "E": at_ms, "cw": money(account.cross_wallet), "p": rows}
    return UserEvent("MARGIN_CALL", at_ms, legs[0][0].symbol, body)


def listen_key_expired(key: str, at_ms: int) -> UserEvent:
    """listenKeyExpired, the last event of a listen key."""
    return UserEvent(
        "listenKeyExpired", at_ms, "",
        {"e": "listenKeyExpired", "E": str(at_ms), "listenKey": key},
    )  # fmt: skip
