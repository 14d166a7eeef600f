"""Reading request parameters the way the venue does: mandatory, optional, enumerated."""

from __future__ import annotations

import re
from decimal import Decimal

from position_monitor.paper.amounts import parse_amount, parse_integer
from position_monitor.paper.errors import missing, refusal

Params = dict[str, str]
CLIENT_ID = re.compile(r"[\.A-Z\:/a-z0-9_-]{1,36}")
PRICE_MATCHES = frozenset(
    {"NONE", "OPPONENT", "OPPONENT_5", "OPPONENT_10", "OPPONENT_20",
     "QUEUE", "QUEUE_5", "QUEUE_10", "QUEUE_20"}
)  # fmt: skip
SELF_TRADE = frozenset({"NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"})
WEEK_MS = 7 * 86_400_000
LATEST_GOOD_TILL_MS = 253_402_300_799_000


def need(params: Params, name: str) -> str:
    """A mandatory parameter, or -1102."""
    value = params.get(name, "")
    if value == "":
        raise missing(name)
    return value


def optional(params: Params, name: str) -> str | None:
    """An optional parameter; present but empty is -1105."""
    value = params.get(name)
    if value == "":
        raise refusal(-1105, f"Parameter '{name}' was empty.")
    return value


def amount(params: Params, name: str) -> Decimal | None:
    """An optional decimal."""
    text = optional(params, name)
    return None if text is None else parse_amount(name, text)


def integer(params: Params, name: str) -> int | None:
    """An optional integer."""
    text = optional(params, name)
    return None if text is None else parse_integer(name, text)


def limit_of(params: Params, default: int, most: int) -> int:
    """How many rows; more than the endpoint allows, or none, is -1130 (measured by others for 1501 candles)."""
    value = integer(params, "limit")
    if value is None:
        return default
    if not 1 <= value <= most:
        raise refusal(-1130, "Data sent for parameter 'limit' is not valid.")
    return value


def week_of(params: Params) -> tuple[int | None, int | None]:
    """startTime and endTime of a history that answers at most seven days at once: -4165 beyond, and a start without an
    end silently means the week from there (measured by others on 2026-08-07)."""
    start, end = integer(params, "startTime"), integer(params, "endTime")
    if start is not None and end is not None:
        if start > end:
            raise refusal(-1023)
        if end - start > WEEK_MS:
            raise refusal(-4165)
    if start is not None and end is None:
        end = start + WEEK_MS
    return start, end


def flag(params: Params, name: str) -> bool | None:
    """An optional true/false in any letter case."""
    text = optional(params, name)
    if text is None:
        return None
    lowered = text.lower()
    if lowered not in ("true", "false"):
        raise refusal(
            -1100,
            f"Illegal characters found in parameter '{name}'; legal range is 'true|false'.",
        )
    return lowered == "true"


def side_of(params: Params) -> str:
    """BUY or SELL, else -1117."""
    side = need(params, "side")
    if side not in ("BUY", "SELL"):
        raise refusal(-1117)
    return side


def position_side_of(params: Params, hedge: bool) -> str:
    """BOTH, LONG or SHORT, matching the account's mode (-4060, -4061)."""
    value = optional(params, "positionSide") or "BOTH"
    if value not in ("BOTH", "LONG", "SHORT"):
        raise refusal(-4060)
    if hedge == (value == "BOTH"):
        raise refusal(-4061)
    return value


def client_id_of(params: Params, name: str) -> str | None:
    """A client id of 1 to 36 allowed characters, else -4015."""
    text = optional(params, name)
    if text is None:
        return None
    if len(text) > 36:
        raise refusal(-4015, "Client order id length should be less than 36 chars")
    if not CLIENT_ID.fullmatch(text):
        raise refusal(-4015)
    return text


def price_match_of(params: Params, limit_type: bool, price: Decimal | None) -> str:
    """priceMatch, only for limit types and not together with a price."""
    value = optional(params, "priceMatch") or "NONE"
    if value not in PRICE_MATCHES:
        raise refusal(-5037)
    if value != "NONE" and not limit_type:
        raise refusal(-5038)
    if value != "NONE" and price is not None:
        raise refusal(-1128)
    return value


def self_trade_of(params: Params) -> str:
    """selfTradePreventionMode, default EXPIRE_MAKER as seen live."""
    value = optional(params, "selfTradePreventionMode") or "EXPIRE_MAKER"
    if value not in SELF_TRADE:
        raise refusal(-5039)
    return value


def good_till_of(params: Params, time_in_force: str, now_ms: int) -> int:
    """goodTillDate of GTD orders: more than 600 s ahead, second precision; 0 otherwise."""
    if time_in_force != "GTD":
        return 0
    text = need(params, "goodTillDate")
    value = parse_integer("goodTillDate", text)
    if not now_ms + 600_000 < value < LATEST_GOOD_TILL_MS:
        raise refusal(-5040)
    return value - value % 1000
