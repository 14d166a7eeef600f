"""What Binance USDⓈ-M means by its error codes: the one place where its numbers become our words.

Each number stands for a class of the failure tree (`errors.py`) or for the meaning of a refusal
(`core/model/refusal.py`), and has a sentence for the operator. What is done about it is written at those two places.

Sources: the venue's error-code page and change log, and codes seen by several public programs that the page lacks
(-4129, -4130, -4136, -4509). ccxt's exception classes are no guide: they depend on the URL, and they put certain and
uncertain failures into one class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from position_monitor.core.model.refusal import Refusal
from position_monitor.errors import (
    Ambiguous,
    AuthRefused,
    ClockSkewed,
    ExchangeFailure,
    RateLimited,
    Refused,
    RequestInvalid,
    Unreachable,
)

ORDER_COUNT: Final = -1015
"""The one rate limit that counts orders: reading goes on."""
_MAY_HAVE_EXECUTED_ABOVE: Final = -2000
"""-1xxx also tell of trouble inside the venue, so a write with an unlisted one of them may have been executed."""


@dataclass(frozen=True, slots=True)
class Code:
    """One number in our own words."""

    failure: type[ExchangeFailure]
    """What a write came to. A read that is `Ambiguous` had no effect, so it is `Unreachable`."""
    refusal: Refusal = Refusal.OTHER
    """What the refusal means, where `failure` is `Refused`."""
    words: str = ""


def code_for(number: int) -> Code:
    """What `number` means, listed or not."""
    listed = CODES.get(number)
    return listed if listed is not None else Code(Ambiguous if number > _MAY_HAVE_EXECUTED_ABOVE else Refused)


def _table(rows: Mapping[type[ExchangeFailure] | Refusal, Mapping[int, str]]) -> dict[int, Code]:
    table: dict[int, Code] = {}
    for meaning, numbers in rows.items():
        for number, words in numbers.items():
            assert number not in table, f"{number} is listed twice"
            if isinstance(meaning, Refusal):
                table[number] = Code(Refused, meaning, words)
            else:
                table[number] = Code(meaning, words=words)
    return table


CODES: Final[Mapping[int, Code]] = _table(
    {
        Ambiguous: {
            -1000: "unknown error, execution not known",
            -1001: "internal disconnect; said to have failed, verified all the same",
            -1006: "unexpected answer from inside the venue, execution not known",
            -1007: "the venue's back end did not answer in time, execution not known",
            -1010: "an internal error message, execution not known",
        },
        Unreachable: {
            -1008: "overload protection turned the request away, certainly not executed",
            -1016: "the service is shutting down",
        },
        RateLimited: {
            -1003: "too much request weight",
            -1015: "too many orders in the window",
        },
        ClockSkewed: {
            -1021: "our timestamp was outside the receive window",
            -5028: "our timestamp was outside the matching engine's receive window",
        },
        AuthRefused: {
            -1002: "not authorised",
            -1005: "this IP address is not on the key's list",
            -1011: "this IP address may not use this route",
            -1022: "the signature is wrong: secret and key do not belong together",
            -1099: "not found or not authorised",
            -1109: "no such account",
            -2014: "the API key has a wrong form",
            -2015: "wrong API key, IP address not on the key's list, or no futures permission",
            -2017: "the account's API keys are locked",
            -4056: "wrong kind of API key",
            -4057: "the key's public part is invalid",
            -4109: "the account is inactive",
        },
        RequestInvalid: {
            -1013: "invalid message",
            -1014: "unsupported combination in the order",
            -1020: "unsupported operation",
            -1100: "characters that are not allowed",
            -1101: "too many parameters",
            -1102: "a mandatory parameter is missing or malformed",
            -1103: "unknown parameter",
            -1104: "not all parameters were read",
            -1105: "an empty parameter",
            -1108: "no such asset",
            -1114: "timeInForce where none belongs",
            -1115: "no such timeInForce",
            -1116: "no such order type",
            -1117: "no such side",
            -1118: "empty new client order id",
            -1119: "empty original client order id",
            -1128: "optional parameters that do not go together",
            -1130: "invalid data in a parameter",
            -1131: "the receive window is too wide",
            -1136: "no such response type",
            -2026: "order type cannot be reduce-only",
            -4000: "no such order status",
            -4001: "price below zero",
            -4006: "trigger below zero",
            -4015: "client order id is not valid",
            -4020: "order type does not fit the strategy",
            -4028: "no such leverage",
            -4031: "no such working type",
            -4082: "wrong number of orders in bulk",
            -4084: "method not offered yet",
            -4120: "conditional order sent to the plain order endpoint",
            -4136: "close-all is not possible for this order type",
            -4137: "quantity together with close-all",
            -4138: "reduceOnly=false together with close-all",
            -4139: "an order that cannot be cancelled cannot be a market order",
            -5025: "only limit orders here",
            -5037: "no such price match",
            -5038: "price match does not fit the order type",
            -5039: "no such self-trade prevention",
            -5040: "good-till date out of range",
            -5047: "the original order is not reduce-only",
        },
        Refusal.CROSSED: {
            -2021: "the order would trigger at once",
            -4142: "take-profit or stop would trigger at once",
        },
        Refusal.DUPLICATE: {
            -4116: "this client id is in use by an open order",
        },
        Refusal.SLOT_TAKEN: {
            -4130: "a close-all order of this kind and direction exists already",
        },
        Refusal.NOTHING_TO_REDUCE: {
            -2022: "a reduce-only order found nothing to reduce",
            -4118: "reduce-only check failed against the position and its open orders",
        },
        Refusal.NO_POSITION: {
            -2010: "new order rejected",  # it says no more than that; the next read may explain it
            -2024: "the position is too small",
            -4129: "a close-all order needs an open position",
            -4509: "a close-all order needs an open position",
        },
        Refusal.CAPACITY: {
            -2025: "too many open orders",
            -4045: "too many conditional orders",
        },
        Refusal.OFF_GRID: {
            -1111: "more digits than the symbol allows",
            -4014: "the price is not a multiple of the tick",
            -4023: "the quantity is not a multiple of the step",
        },
        Refusal.RULES_CHANGED: {
            -1121: "no such symbol",
            -1122: "the symbol's status does not allow this",
            -4002: "price above the maximum",
            -4004: "quantity below the minimum",
            -4005: "quantity above the maximum",
            -4007: "trigger above the maximum price",
            -4013: "price below the minimum",
            -4144: "no such pair",
        },
        Refusal.MODE_CHANGED: {
            -1106: "a parameter that this position mode does not take",
            -4060: "no such position side",
            -4061: "the position side does not match the account's mode",
            -4062: "reduce-only does not fit here",
        },
        Refusal.NO_SUCH_ORDER: {
            -2013: "no such order (or not visible yet)",
        },
        Refusal.NO_STREAM_KEY: {
            -1125: "the listen key does not exist",
        },
        Refusal.OTHER: {
            -1112: "nothing on the book",
            -2011: "cancel rejected: unknown, already triggered, or in the other list",
            -2012: "cancelling in bulk failed",
            -2016: "no trading window for this symbol now",
            -2018: "balance too low",
            -2019: "margin too low",
            -2020: "could not be filled",
            -2023: "the account is being liquidated",
            -2027: "position limit at this leverage",
            -2028: "leverage too low for the margin",
            -4003: "quantity not above zero",
            -4016: "price above the band around the mark",
            -4024: "price below the band around the mark",
            -4046: "margin type is so already",
            -4047: "margin type cannot change with open orders",
            -4048: "margin type cannot change with a position",
            -4059: "position mode is so already",
            -4067: "position mode cannot change with open orders",
            -4068: "position mode cannot change with a position",
            -4083: "placing in bulk failed",
            -4086: "price spread threshold",
            -4087: "only reduce-only orders are allowed",
            -4088: "the account may not place orders now",
            -4117: "the stop is triggering right now",
            -4131: "the best price is outside the price band, market order refused",
            -4135: "activation price out of range",
            -4140: "the symbol's status allows no opening",
            -4141: "the symbol is closed",
            -4161: "leverage cannot be lowered with an isolated position",
            -4164: "notional below the minimum (only asked of orders that are not reduce-only)",
            -4183: "price above the band around the trigger",
            -4184: "price below the band around the trigger",
            -4192: "cooling-off period: no opening orders",
            -4210: "trigger above the allowed band",
            -4211: "trigger below the allowed band",
            -4400: "trading rules: only reduce-only orders for now",
            -4401: "large position rules: only reduce-only orders",
            -4402: "not available in this region",
            -4531: "position mode must be the same in both futures accounts",
            -5021: "could not be filled at once in full",
            -5022: "a post-only order would take",
            -5026: "amended too often",
            -5027: "nothing to amend",
            -5029: "notional below the minimum after the amendment",
            -5041: "no depth to match against",
            -5043: "an amendment is still under way",
        },
    }
)
