"""The venue's documented bodies as events, and what hypothesis makes of them."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from position_monitor.core.model import ids
from position_monitor.core.model.orders import OrderStatus, Purpose, Role, Tag
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.observation.stream_events import (
    AlgoEvent,
    ConfigEvent,
    MarginCallEvent,
    MarkPrice,
    OrderEvent,
    PositionEvent,
    SymbolTouched,
    symbols_of,
)
from position_monitor.edge.venues.binance.events import parse_user_message, stream_origin
from position_monitor.edge.venues.binance.marks import parse_mark_message
from position_monitor.errors import ConfigError
from tests.edge.stream.stage import algo_update, mark_row, position_update

ACCOUNT_UPDATE: dict[str, Any] = {
    "e": "ACCOUNT_UPDATE",
    "E": 1564745798939,
    "T": 1564745798938,
    "a": {
        "m": "ORDER",
        "S": "a key the venue added later",
        "B": [{"a": "USDT", "wb": "122624.12345678", "cw": "100.12345678", "bc": "50.12345678"}],
        "P": [
            {
                "s": "BTCUSDT",
                "pa": "0",
                "ep": "0.00000",
                "bep": "0",
                "cr": "200",
                "up": "0",
                "mt": "isolated",
                "ps": "BOTH",
            },
            {"s": "BTCUSDT", "pa": "20", "ep": "6563.66500", "bep": "0", "cr": "0", "up": "2850.21200", "ps": "LONG"},
            {"s": "BTCUSDT", "pa": "-10", "ep": "6563.86000", "bep": "6563.6", "cr": "-45.04000000", "ps": "SHORT"},
        ],
    },
}
ALGO_UPDATE: dict[str, Any] = {
    **{"e": "ALGO_UPDATE", "T": 1750515742297, "E": 1750515742303},
    "o": {
        **{"caid": "Q5xaq5EGKgXXa0fD7fs0Ip", "aid": 2148719, "at": "CONDITIONAL", "o": "TAKE_PROFIT", "s": "BNBUSDT"},
        **{"S": "SELL", "ps": "BOTH", "f": "GTC", "q": "0.01", "X": "CANCELED", "ai": "", "ap": "0.00000"},
        **{"aq": "0.00000", "act": "0", "tp": "750", "p": "750", "V": "EXPIRE_MAKER", "wt": "CONTRACT_PRICE"},
        **{"pm": "NONE", "cp": False, "pP": False, "R": False, "tt": 0, "gtd": 0, "rm": "Reduce Only reject"},
    },
}
ORDER_UPDATE: dict[str, Any] = {
    **{"e": "ORDER_TRADE_UPDATE", "E": 1568879465651, "T": 1568879465650},
    "o": {
        **{"s": "BTCUSDT", "c": "TEST", "S": "SELL", "o": "TRAILING_STOP_MARKET", "f": "GTC", "q": "0.001", "p": "0"},
        **{
            "ap": "0",
            "sp": "7103.04",
            "x": "TRADE",
            "X": "PARTIALLY_FILLED",
            "i": 8886774,
            "l": "0.0005",
            "z": "0.0005",
        },
        **{"L": "7103.01", "N": "USDT", "n": "0", "T": 1568879465650, "t": 7, "b": "0", "a": "9.91", "m": False},
        **{"R": False, "wt": "CONTRACT_PRICE", "ot": "TRAILING_STOP_MARKET", "ps": "LONG", "cp": False, "rp": "0"},
    },
}
MARGIN_CALL = {
    **{"e": "MARGIN_CALL", "E": 1587727187525, "cw": "3.16812045"},
    "p": [{"s": "ETHUSDT", "ps": "LONG", "pa": "1.327", "mt": "CROSSED", "iw": "0", "mp": "187.17127"}],
}
LEVERAGE = {"e": "ACCOUNT_CONFIG_UPDATE", "E": 1611646737479, "T": 1611646737476, "ac": {"s": "BTCUSDT", "l": 25}}
MULTI_ASSETS = {"e": "ACCOUNT_CONFIG_UPDATE", "E": 1611646737479, "T": 1611646737476, "ai": {"j": True}}
REJECT = {
    **{"e": "CONDITIONAL_ORDER_TRIGGER_REJECT", "E": 1685517224945, "T": 1685517224955},
    "or": {"s": "ETHUSDT", "i": 155618472834, "r": "Due to the order could not be filled immediately"},
}
EXPIRED = {"e": "listenKeyExpired", "E": "1736996475556", "listenKey": "WsCMN0a4KHUPTQuX6IUnqEZfB1inxmv1qR4kbf1LuEj"}
DOCUMENTED = [ACCOUNT_UPDATE, ALGO_UPDATE, ORDER_UPDATE, MARGIN_CALL, LEVERAGE, MULTI_ASSETS, REJECT, EXPIRED]


def test_an_account_update_is_its_positions() -> None:
    message = parse_user_message(json.dumps(ACCOUNT_UPDATE))
    assert message.documented and not message.ignored and not message.key_expired
    assert message.events == (
        PositionEvent("BTCUSDT", None, Decimal(0), Decimal(0), 1564745798938, "ORDER"),
        PositionEvent("BTCUSDT", Side.LONG, Decimal(20), Decimal("6563.66500"), 1564745798938, "ORDER"),
        PositionEvent("BTCUSDT", Side.SHORT, Decimal(-10), Decimal("6563.86000"), 1564745798938, "ORDER"),
    )


@pytest.mark.parametrize("account", [{"m": "FUNDING_FEE", "B": []}, {"m": "FUNDING_FEE", "B": [], "P": []}])
def test_funding_of_a_crossed_position_names_no_position(account: dict[str, Any]) -> None:
    message = parse_user_message(json.dumps(ACCOUNT_UPDATE | {"a": account}))
    assert message.documented and message.events == () and message.ignored == 0


def test_a_conditional_order() -> None:
    assert parse_user_message(json.dumps(ALGO_UPDATE)).events == (
        AlgoEvent(
            key=PositionKey("BNBUSDT", Side.LONG),
            client_id="Q5xaq5EGKgXXa0fD7fs0Ip",
            tag=None,
            order_id="2148719",
            status=OrderStatus.CANCELED,
            purpose=Purpose.TAKE_PROFIT_LIMIT,
            hedged=False,
            trigger=Decimal(750),
            quantity=Decimal("0.01"),
            executed_quantity=Decimal(0),
            reason="Reduce Only reject",
            at_ms=1750515742297,
        ),
    )


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("NEW", OrderStatus.NEW),
        ("PARTIALLY_FILLED", OrderStatus.PARTIALLY_FILLED),
        ("FILLED", OrderStatus.FINISHED),
        ("CANCELED", OrderStatus.CANCELED),
        ("EXPIRED", OrderStatus.EXPIRED),
        ("EXPIRED_IN_MATCH", OrderStatus.EXPIRED),
        ("DREAMING", OrderStatus.OTHER),
    ],
)
def test_a_limit_rung_of_ours_is_told_like_a_conditional_one(word: str, status: OrderStatus) -> None:
    """The order event stays what it is; what became of the rung is told beside it."""
    client_id = ids.client_id(
        account="main", symbol="BTCUSDT", side=Side.LONG, role=Role.TAKE_PROFIT, rung=1, trigger=Decimal(7000),
        quantity=Decimal("0.001"), epoch=ids.epoch_of(1), limit=True,
    )  # fmt: skip
    part = {"c": client_id, "X": word, "o": "LIMIT", "i": 8886774, "p": "7000", "q": "0.001", "z": "0.0005"}
    body = ORDER_UPDATE | {"o": ORDER_UPDATE["o"] | part}
    plain, rung = parse_user_message(json.dumps(body)).events
    assert isinstance(plain, OrderEvent) and plain.status == word
    assert rung == AlgoEvent(
        key=plain.key,
        client_id=client_id,
        tag=Tag(Role.TAKE_PROFIT, 1, ids.epoch_of(1)),
        order_id="8886774",
        status=status,
        purpose=Purpose.LIMIT,
        hedged=True,
        trigger=Decimal(7000),
        quantity=Decimal("0.001"),
        executed_quantity=Decimal("0.0005"),
        reason="",
        at_ms=plain.at_ms,
    )


def test_a_live_close_all_stop_and_words_nobody_knows() -> None:
    """The live body has no `aq`, `ap`, `act`; a status of tomorrow is OTHER and so protects nothing."""
    body = algo_update("qpm1", status="DREAMING")
    body["o"] |= {"o": "STOP_LOSS_DELUXE", "rm": "x" * 5000}
    (event,) = parse_user_message(json.dumps(body)).events
    assert isinstance(event, AlgoEvent) and event.quantity is None and event.executed_quantity == 0
    assert (event.status, event.purpose, len(event.reason)) == (OrderStatus.OTHER, Purpose.OTHER, 200)


def test_a_fill() -> None:
    assert parse_user_message(json.dumps(ORDER_UPDATE)).events == (
        OrderEvent(
            key=PositionKey("BTCUSDT", Side.LONG),
            client_id="TEST",
            status="PARTIALLY_FILLED",
            execution_type="TRADE",
            reduces=True,
            last_price=Decimal("7103.01"),
            filled=Decimal("0.0005"),
            at_ms=1568879465650,
        ),
    )


def test_the_rest_of_what_is_documented() -> None:
    def events(body: dict[str, Any]) -> Any:
        return parse_user_message(json.dumps(body)).events

    assert events(MARGIN_CALL) == (MarginCallEvent(("ETHUSDT",), 1587727187525),)
    assert events(LEVERAGE) == (ConfigEvent("BTCUSDT", 25, None, 1611646737476),)
    assert events(MULTI_ASSETS) == (ConfigEvent("", None, True, 1611646737476),)
    assert events(REJECT) == (SymbolTouched("ETHUSDT", "a triggered order was refused"),)
    expired = parse_user_message(json.dumps(EXPIRED))
    assert expired.key_expired and expired.events == () and EXPIRED["listenKey"] not in repr(expired)


@pytest.mark.parametrize("name", ["TRADE_LITE", "STRATEGY_UPDATE", "GRID_UPDATE"])
def test_documented_and_of_no_use_is_not_counted(name: str) -> None:
    message = parse_user_message(json.dumps({"e": name, "E": 1, "T": 1, "s": "BTCUSDT"}))
    assert message.documented and message.events == () and message.ignored == 0


@pytest.mark.parametrize(
    ("body", "path", "value"),
    [
        *((ACCOUNT_UPDATE, ("a", "P", 1, "pa"), value) for value in (1.5, "NaN", "", None, "1e99", True, [])),
        (ACCOUNT_UPDATE, ("a", "P", 1, "ps"), "SIDEWAYS"),
        (ACCOUNT_UPDATE, ("a", "P", 1, "ep"), "-1"),
        (ALGO_UPDATE, ("o", "S"), "HOLD"),
        (ALGO_UPDATE, ("o", "cp"), "maybe"),
        (ALGO_UPDATE, ("o", "aid"), "1.5"),
        (ALGO_UPDATE, ("T",), "yesterday"),
        (ORDER_UPDATE, ("o", "R"), None),
        (LEVERAGE, ("ac", "l"), "many"),
    ],
)
def test_a_malformed_field_costs_the_event_and_wakes_its_symbol(
    body: dict[str, Any], path: tuple[Any, ...], value: object
) -> None:
    broken = copy.deepcopy(body)
    part: Any = broken
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    message = parse_user_message(json.dumps(broken))
    if value == 1.5 and path[-1] == "pa":
        assert message.ignored == 0, "a JSON number is kept exact"
        return
    touched = [event for event in message.events if isinstance(event, SymbolTouched)]
    assert message.ignored == 1 and len(touched) == 1 and touched[0].symbol in ("BTCUSDT", "BNBUSDT")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(["BTCUSDT", "1"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """A documented body with parts replaced by anything, perhaps cut off."""
    body = copy.deepcopy(draw(st.sampled_from([*DOCUMENTED, mark_row("BTCUSDT", "1"), position_update("X", "1")])))
    part: Any = body
    for _ in range(draw(st.integers(0, 3))):
        keys = list(part) if isinstance(part, dict) else list(range(len(part))) if isinstance(part, list) else []
        if not keys:
            break
        key = draw(st.sampled_from(keys))
        if draw(st.booleans()):
            part[key] = draw(anything)
            break
        part = part[key]
    text = json.dumps(body)
    return text[: draw(st.integers(0, len(text)))] if draw(st.booleans()) else text


@given(mangled() | st.text() | anything.map(json.dumps))
def test_nothing_raises_and_everything_is_accounted_for(text: str) -> None:
    message = parse_user_message(text)
    assert message.documented or message.ignored
    for event in message.events:
        assert all(0 < len(symbol) <= 40 and not symbol.isspace() for symbol in symbols_of(event))
        if isinstance(event, PositionEvent):
            assert event.amount.is_finite() and event.entry_price >= 0
    marks = parse_mark_message(text, frozenset({"BTCUSDT"}))
    assert all(mark.symbol == "BTCUSDT" and mark.price > 0 for mark in marks.marks)


def test_marks() -> None:
    wanted = frozenset({"BTCUSDT", "ETHUSDT"})
    one = parse_mark_message(json.dumps(mark_row("BTCUSDT", "11794.15000000", 7)), wanted)
    assert one.marks == (MarkPrice("BTCUSDT", Decimal("11794.15000000"), 7),) and not one.of_all
    rows = [mark_row("BTCUSDT", "1"), mark_row("OTHERUSDT", "broken"), mark_row("ETHUSDT", "broken")]
    several = parse_mark_message(json.dumps(rows), wanted)
    assert [mark.symbol for mark in several.marks] == ["BTCUSDT"] and several.ignored == 1
    assert several.of_all and several.mentioned == wanted
    assert parse_mark_message(json.dumps([mark_row("BTCUSDT", "1")] * 2001), wanted).ignored == 1


@pytest.mark.parametrize(
    ("environment", "override", "origin"),
    [
        ("live", "", "wss://fstream.binance.com"),
        ("demo", "", "wss://fstream.binancefuture.com"),
        ("paper", "ws://127.0.0.1:8799/", "ws://127.0.0.1:8799"),
        ("live", "wss://proxy.example", "wss://proxy.example"),
    ],
)
def test_where_the_streams_are(environment: str, override: str, origin: str) -> None:
    assert stream_origin(environment, override) == origin


def test_paper_needs_an_address() -> None:
    with pytest.raises(ConfigError, match="stream_url"):
        stream_origin("paper", "")
