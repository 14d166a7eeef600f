"""What Binance USDⓈ-M means by its error codes, and what that asks of us.

Sources: the venue's error-code page and change log, and codes seen by several public programs that the page lacks
(-4129, -4130, -4136, -4509). ccxt's exception classes are no guide: they depend on the URL, and they put certain and
uncertain failures into one class. Unlisted codes: -1xxx on a write may have executed; others are plain refusals.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Action(StrEnum):
    """What a code asks of the one who receives it."""

    UNKNOWN = "UNKNOWN"
    """A write may have executed: query by client id, then decide."""
    FAIL_RETRY = "FAIL_RETRY"
    """Not executed: back off and try again."""
    BACKOFF = "BACKOFF"
    """A rate limit: wait for the time given."""
    RESYNC = "RESYNC"
    """Not executed because of the timestamp: measure the clock, send once more."""
    RELOAD = "RELOAD"
    """Trading rules changed: reload the instruments and round again."""
    REREAD = "REREAD"
    """The position is not what was believed: read positions and orders, plan again."""
    REREAD_MODE = "REREAD_MODE"
    """One-way and hedge mode do not match: read the position mode, build the order again."""
    REQUERY = "REQUERY"
    """The order is not where it was looked for: read the lists again; proof of nothing."""
    CROSSED = "CROSSED"
    """The price is already beyond the trigger: never send the same trigger again."""
    EXISTS = "EXISTS"
    """A close-all order of this kind and direction rests already."""
    DUP = "DUP"
    """The client id is live: an earlier send did work."""
    CAPACITY = "CAPACITY"
    """Too many open conditional orders: make room, stops first."""
    ADJUST = "ADJUST"
    """A price or quantity is outside the limits: change the number."""
    ALT_CLOSE = "ALT_CLOSE"
    """The market cannot take this closing order: use another form."""
    REDUCE_ONLY = "REDUCE_ONLY"
    """Only reducing orders are accepted: protection still works."""
    WAIT = "WAIT"
    """The order is in motion: read it again later."""
    NEWKEY = "NEWKEY"
    """The listen key is gone: make a new one."""
    IGNORE = "IGNORE"
    """Nothing to do: the wish is already reality, or is none of ours."""
    BUG = "BUG"
    """The request was wrong in itself: a defect of ours."""
    STOP = "STOP"
    """Key, account or permission: a human must act."""
    ALERT = "ALERT"
    """Unusual and not ours to solve: tell a human, keep what rests."""


@dataclass(frozen=True, slots=True)
class CodeMeaning:
    """One code in our own words."""

    action: Action
    meaning: str


def action_for(code: int | None) -> Action | None:
    """What `code` asks for; None when there is no code or it is not listed."""
    meaning = None if code is None else CODES.get(code)
    return meaning.action if meaning else None


def meaning_of(code: int) -> str:
    """The code in words, or empty when it is not listed."""
    found = CODES.get(code)
    return found.meaning if found else ""


def _table(rows: dict[Action, dict[int, str]]) -> dict[int, CodeMeaning]:
    table = {code: CodeMeaning(action, text) for action, codes in rows.items() for code, text in codes.items()}
    assert len(table) == sum(len(codes) for codes in rows.values()), "a code is listed under two actions"
    return table


CODES: Final[dict[int, CodeMeaning]] = _table(
    {
        Action.UNKNOWN: {
            -1000: "unknown error, execution not known",
            -1001: "internal disconnect; said to have failed, verified all the same",
            -1006: "unexpected answer from inside the venue, execution not known",
            -1007: "the venue's back end did not answer in time, execution not known",
            -1010: "an internal error message, execution not known",
        },
        Action.FAIL_RETRY: {
            -1008: "overload protection turned the request away, certainly not executed",
            -1016: "the service is shutting down",
            -2012: "cancelling in bulk failed",
            -2016: "no trading window for this symbol now",
            -2020: "could not be filled",
            -4083: "placing in bulk failed",
        },
        Action.BACKOFF: {-1003: "too much request weight", -1015: "too many orders in the window"},
        Action.RESYNC: {
            -1021: "our timestamp was outside the receive window",
            -5028: "our timestamp was outside the matching engine's receive window",
        },
        Action.RELOAD: {
            -1111: "more digits than the symbol allows",
            -1121: "no such symbol",
            -1122: "the symbol's status does not allow this",
            -4014: "the price is not a multiple of the tick",
            -4023: "the quantity is not a multiple of the step",
            -4144: "no such pair",
        },
        Action.REREAD: {
            -2010: "new order rejected",
            -2022: "a reduce-only order found nothing to reduce",
            -2024: "the position is too small",
            -4003: "quantity not above zero",
            -4118: "reduce-only check failed against the position and its open orders",
            -4129: "a close-all order needs an open position",
            -4141: "the symbol is closed",
            -4509: "a close-all order needs an open position",
        },
        Action.REREAD_MODE: {
            -1106: "a parameter that this position mode does not take",
            -4060: "no such position side",
            -4061: "the position side does not match the account's mode",
            -4062: "reduce-only does not fit here",
        },
        Action.REQUERY: {
            -2011: "cancel rejected: unknown, already triggered, or in the other list",
            -2013: "no such order (or not visible yet)",
        },
        Action.CROSSED: {
            -2021: "the order would trigger at once",
            -4142: "take-profit or stop would trigger at once",
        },
        Action.EXISTS: {-4130: "a close-all order of this kind and direction exists already"},
        Action.DUP: {-4116: "this client id is in use by an open order"},
        Action.CAPACITY: {-2025: "too many open orders", -4045: "too many conditional orders"},
        Action.ADJUST: {
            -4002: "price above the maximum",
            -4004: "quantity below the minimum",
            -4005: "quantity above the maximum",
            -4007: "trigger above the maximum price",
            -4013: "price below the minimum",
            -4016: "price above the band around the mark",
            -4024: "price below the band around the mark",
            -4135: "activation price out of range",
            -4164: "notional below the minimum (only asked of orders that are not reduce-only)",
            -4183: "price above the band around the trigger",
            -4184: "price below the band around the trigger",
            -4210: "trigger above the allowed band",
            -4211: "trigger below the allowed band",
            -5022: "a post-only order would take",
            -5026: "amended too often",
            -5029: "notional below the minimum after the amendment",
        },
        Action.ALT_CLOSE: {
            -1112: "nothing on the book",
            -4131: "the best price is outside the price band, market order refused",
            -5021: "could not be filled at once in full",
            -5041: "no depth to match against",
        },
        Action.REDUCE_ONLY: {
            -4087: "only reduce-only orders are allowed",
            -4192: "cooling-off period: no opening orders",
            -4400: "trading rules: only reduce-only orders for now",
            -4401: "large position rules: only reduce-only orders",
        },
        Action.WAIT: {-4117: "the stop is triggering right now", -5043: "an amendment is still under way"},
        Action.NEWKEY: {-1125: "the listen key does not exist"},
        Action.IGNORE: {
            -4046: "margin type is so already",
            -4047: "margin type cannot change with open orders",
            -4048: "margin type cannot change with a position",
            -4059: "position mode is so already",
            -4067: "position mode cannot change with open orders",
            -4068: "position mode cannot change with a position",
            -4161: "leverage cannot be lowered with an isolated position",
            -5027: "nothing to amend",
        },
        Action.STOP: {
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
            -4088: "the account may not place orders now",
            -4109: "the account is inactive",
            -4402: "not available in this region",
        },
        Action.ALERT: {
            -2018: "balance too low",
            -2019: "margin too low",
            -2023: "the account is being liquidated",
            -2027: "position limit at this leverage",
            -2028: "leverage too low for the margin",
            -4086: "price spread threshold",
            -4140: "the symbol's status allows no opening",
            -4531: "position mode must be the same in both futures accounts",
        },
        Action.BUG: {
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
    }
)
