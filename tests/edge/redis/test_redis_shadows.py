"""Shadow books in Redis: written where they changed, gone with their position, back after a flush."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from jsonschema import Draft202012Validator

from position_monitor import schemas
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.shadow.shadow_book import RestsLive, ShadowBook, ShadowTarget

P = "quantum:position_monitor:main"
BTC, ETH = PositionKey("BTCUSDT", Side.LONG), PositionKey("ETHUSDT", Side.SHORT)
D = Decimal


def shadow(key: PositionKey = BTC, **changes: object) -> ShadowBook:
    """A book of the brain beside the hybrid policy."""
    book = ShadowBook(
        key=key,
        epoch="abcdefgh",
        at_ms=1_780_000_000_000,
        since_ms=1_779_999_000_000,
        policy="brain",
        profile="TREND",
        regime="TRENDING",
        quantity=D("0.25"),
        entry_price=D(42000),
        mark_price=D("42034.38"),
        pin=2,
        initial_stop=D(41370),
        stop_price=D("41370.0"),
        stop_source="brain:TREND",
        targets=(ShadowTarget(D(42315), D("0.15")), ShadowTarget(D(42630), D("0.2"))),
        rungs_done=frozenset(),
        stop_reached=False,
        reason="",
        live=RestsLive("hybrid", D(41370), D("0.25"), ((D(42630), D("0.075")),)),
    )
    return book._replace(**changes)  # type: ignore[arg-type]


@pytest.fixture
def write(make_state, make_account):
    """Publishes shadow books of the account, and tells how many of them were sent."""
    state = make_state()

    async def writes(*books: ShadowBook) -> None:
        state.publish(make_account(), (), (), {book.key: book for book in books})
        assert await state.write_once()

    return writes


async def test_a_book_is_published_with_what_rested_live(redis, write):
    await write(shadow())
    fields = await redis.hgetall(f"{P}:shadow:BTCUSDT:LONG")
    document = json.loads(fields["doc"])
    Draft202012Validator(schemas.load("shadow")).validate(document)
    assert (fields["policy"], fields["type"], fields["stop_price"]) == ("brain", "HOLD", "41370.0")
    assert document["decision"]["targets"][1] == {"price": "42630", "fraction": "0.2"}
    assert document["live"] == {
        "policy": "hybrid",
        "stop_price": "41370",
        "stop_quantity": "0.25",
        "take_profits": [{"price": "42630", "quantity": "0.075"}],
    }
    assert 29_000 < await redis.pttl(f"{P}:shadow:BTCUSDT:LONG") <= 30_000
    assert await redis.smembers(f"{P}:shadows") == {"BTCUSDT:LONG"}


async def test_a_book_that_did_not_change_is_not_written_again_and_lives_on(redis, write):
    book = shadow()
    await write(book)
    await redis.hset(f"{P}:shadow:BTCUSDT:LONG", "stop_price", "untouched")
    await redis.pexpire(f"{P}:shadow:BTCUSDT:LONG", 1_000)
    await write(book)
    assert await redis.hget(f"{P}:shadow:BTCUSDT:LONG", "stop_price") == "untouched"
    assert await redis.pttl(f"{P}:shadow:BTCUSDT:LONG") > 29_000
    await write(shadow(stop_price=D(42000)))
    assert await redis.hget(f"{P}:shadow:BTCUSDT:LONG", "stop_price") == "42000"


async def test_a_book_goes_with_its_position(redis, write):
    btc, eth = shadow(), shadow(ETH)
    await write(btc, eth)
    await write(eth)
    assert {*await redis.keys(f"{P}:shadow*")} == {f"{P}:shadow:ETHUSDT:SHORT", f"{P}:shadows"}
    await write()
    assert await redis.keys(f"{P}:shadow*") == []


async def test_what_redis_lost_is_written_again(redis, write):
    book = shadow()
    await write(book)
    await redis.flushall()
    await write(book)
    await write(book)
    assert await redis.hget(f"{P}:shadow:BTCUSDT:LONG", "policy") == "brain"


@pytest.mark.parametrize("key", ["shadows", "shadow:BTCUSDT:LONG"])
async def test_any_value_in_a_key_of_ours_is_replaced(redis, write, key):
    await redis.rpush(f"{P}:{key}", "x", "y")
    await write(shadow())
    assert await redis.hget(f"{P}:shadow:BTCUSDT:LONG", "policy") == "brain"
    assert await redis.smembers(f"{P}:shadows") == {"BTCUSDT:LONG"}
