"""The seam below a venue: one HTTP call as a value. Knows nothing of ccxt, so a simulator can stand in.

A `Transport` sends exactly one request per `call` and never retries. It returns whatever was answered, with any HTTP
status and any body; it raises `TransportFailure` (and nothing else but cancellation) when no complete answer came.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple, NoReturn, Protocol


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """One documented call and what it costs."""

    title: str
    """Words for messages: failures name the call by this, never by a URL (invariant 15)."""
    method: str
    path: str
    weight: int
    """Request weight with a `symbol`, from the venue's own SDK (ccxt's cost table is wrong)."""
    weight_all: int | None = None
    """Request weight without a `symbol`, where it differs."""
    weight_by_limit: tuple[tuple[int, int], ...] = ()
    """Request weight by the number of rows asked for, where it depends on that: (fewer than this many, weight), rising.
    Above all of them it is `weight`."""
    orders: int = 0
    """What it adds to the order counts (10 s and 1 min)."""
    signed: bool = True
    background: bool = False
    """No decision waits for it. That it fails or hangs says nothing about the calls that protect and changes nothing
    for them; only what the venue says of this whole address (429, 418) does."""


_CANDLES: Final = ((100, 1), (500, 2), (1_001, 5))


class Endpoint(Enum):
    """Every call this program makes to Binance USDⓈ-M."""

    TIME = EndpointSpec("server time", "GET", "/fapi/v1/time", 1, signed=False)
    EXCHANGE_INFO = EndpointSpec("exchange info", "GET", "/fapi/v1/exchangeInfo", 1, signed=False)
    ACCOUNT_CONFIG = EndpointSpec("account config", "GET", "/fapi/v1/accountConfig", 5)
    SYMBOL_CONFIG = EndpointSpec("symbol config", "GET", "/fapi/v1/symbolConfig", 5)
    POSITION_MODE = EndpointSpec("position mode", "GET", "/fapi/v1/positionSide/dual", 30)
    POSITIONS = EndpointSpec("positions", "GET", "/fapi/v3/positionRisk", 5)
    POSITION_ROWS = EndpointSpec("position rows", "GET", "/fapi/v2/positionRisk", 5)
    LAST_PRICE = EndpointSpec("last price", "GET", "/fapi/v1/ticker/price", 1, weight_all=2, signed=False)
    MARK_PRICE = EndpointSpec("mark price", "GET", "/fapi/v1/premiumIndex", 1, weight_all=10, signed=False)
    MARK_CANDLES = EndpointSpec(
        "mark price candles", "GET", "/fapi/v1/markPriceKlines", 10,
        weight_by_limit=_CANDLES, signed=False, background=True,
    )  # fmt: skip
    TRADE_CANDLES = EndpointSpec(
        "candles", "GET", "/fapi/v1/klines", 10, weight_by_limit=_CANDLES, signed=False, background=True
    )
    TURNOVER = EndpointSpec(
        "turnover of a day", "GET", "/fapi/v1/ticker/24hr", 1, weight_all=40, signed=False, background=True
    )
    FILLS = EndpointSpec("fills", "GET", "/fapi/v1/userTrades", 5, background=True)
    INCOME = EndpointSpec("income", "GET", "/fapi/v1/income", 30, background=True)
    PAST_ORDERS = EndpointSpec("past orders", "GET", "/fapi/v1/allOrders", 5, background=True)
    PAST_ALGO_ORDERS = EndpointSpec("past algo orders", "GET", "/fapi/v1/allAlgoOrders", 5, background=True)
    OPEN_ORDERS = EndpointSpec("open orders", "GET", "/fapi/v1/openOrders", 1, weight_all=40)
    OPEN_ALGO_ORDERS = EndpointSpec("open algo orders", "GET", "/fapi/v1/openAlgoOrders", 1, weight_all=40)
    QUERY_ALGO_ORDER = EndpointSpec("query algo order", "GET", "/fapi/v1/algoOrder", 1)
    PLACE_ALGO_ORDER = EndpointSpec("place algo order", "POST", "/fapi/v1/algoOrder", 0, orders=1)
    CANCEL_ALGO_ORDER = EndpointSpec("cancel algo order", "DELETE", "/fapi/v1/algoOrder", 1)
    PLACE_ORDER = EndpointSpec("place order", "POST", "/fapi/v1/order", 0, orders=1)
    QUERY_ORDER = EndpointSpec("query order", "GET", "/fapi/v1/order", 1)
    CANCEL_ORDER = EndpointSpec("cancel order", "DELETE", "/fapi/v1/order", 1)
    OPEN_USER_STREAM = EndpointSpec("open user stream", "POST", "/fapi/v1/listenKey", 1, signed=False)
    KEEP_USER_STREAM = EndpointSpec("keep user stream", "PUT", "/fapi/v1/listenKey", 1, signed=False)

    def __init__(self, spec: EndpointSpec) -> None:
        # Plain attributes: each request asks for several of them, and `value` of an enumeration is slow to look up.
        self.spec = spec
        """How the call is made and what it costs."""
        self.is_background = spec.background
        """Whether no decision waits for the call."""
        self.is_write = spec.signed and spec.method != "GET"
        """Whether the call may change orders, so that a lost answer leaves doubt. A stream key does not."""
        self.needs_key = spec.signed or spec.method != "GET"
        """Whether the call carries the API key."""

    def weight(self, params: Mapping[str, str]) -> int:
        """Request weight of this call with these parameters; where rows are counted, `limit` is one of them."""
        costs = self.spec
        if costs.weight_by_limit:
            rows = int(params["limit"])
            return next((weight for below, weight in costs.weight_by_limit if rows < below), costs.weight)
        if costs.weight_all is not None and "symbol" not in params:
            return costs.weight_all
        return costs.weight


class NotJson:
    """The body of a reply that was not JSON (HTML, nothing, or cut off)."""

    def __repr__(self) -> str:
        return "NOT_JSON"


NOT_JSON: Final = NotJson()


class Reply(NamedTuple):
    """A complete HTTP answer."""

    status: int
    body: object
    """Parsed JSON with `Decimal` for fractions, or `NOT_JSON`. Not to be changed: an answer that repeats the one before
    may be the same object."""
    headers: Mapping[str, str] = MappingProxyType({})
    """Only the limit headers (`x-mbx-*`, `retry-after`), with lower-case names."""
    text: str = ""
    """The start of a body that was not JSON: told apart by phrase, never quoted in a failure."""


class TransportCause(Enum):
    """Why no complete answer came, by what it says about the request."""

    NOT_SENT = "no connection could be made: the request never left"
    TIMEOUT = "no answer in time"
    DISCONNECTED = "the connection was lost before the answer"
    PARTIAL_BODY = "the answer was cut off or damaged"
    TOO_LARGE = "the answer was larger than any that is expected"
    OTHER = "the client failed while the request may have been under way"


class TransportFailure(Exception):
    """No complete answer. Holds the cause only: the client library's text carries the signed URL."""

    def __init__(self, cause: TransportCause) -> None:
        super().__init__(cause.value)
        self.cause = cause


class Transport(Protocol):
    """Sends one request and returns the answer."""

    async def call(self, endpoint: Endpoint, params: Mapping[str, str]) -> Reply:
        """Send `params` (complete, including `timestamp` for signed calls); raises `TransportFailure`."""
        ...

    async def aclose(self) -> None:
        """Release connections."""
        ...


def parse_json(text: str) -> object:
    """Parse a body so that no number passes through binary floating point; `NOT_JSON` when it is not JSON (D1, D2)."""
    document = text.strip(_JSON_SPACE)
    parsed: object
    try:
        parsed, end = _DECODER.raw_decode(document)  # `decode` looks for white space by two patterns
    except (ValueError, ArithmeticError, RecursionError):
        return NOT_JSON
    return parsed if end == len(document) else NOT_JSON


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_JSON_SPACE: Final = " \t\n\r"
_DECODER: Final = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)


LIMIT_HEADERS: Final = frozenset(
    {"x-mbx-used-weight-1m", "x-mbx-order-count-10s", "x-mbx-order-count-1m", "retry-after"}
)
"""The reply headers a transport keeps."""
