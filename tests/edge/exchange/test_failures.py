"""Every documented refusal and every transport failure, sent over a real connection through real ccxt."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from position_monitor.core.model.refusal import Refusal
from position_monitor.edge.venues.binance.codes import CODES, code_for
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.errors import (
    Ambiguous,
    AuthRefused,
    ClockSkewed,
    ExchangeFailure,
    RateLimited,
    Refused,
    RequestInvalid,
    Unreachable,
    Unreadable,
)
from tests.edge.exchange.conftest import HandClock
from tests.edge.exchange.loopback_venue import SERVER_MS, Answer, HalfBody, HangUp, LoopbackVenue, Silence
from tests.edge.exchange.sample_actions import backstop, cancel_algo, close_market

ALGO = "/fapi/v1/algoOrder"
POSITIONS = "/fapi/v3/positionRisk"
ORDER = "/fapi/v1/order"
Approve = Callable[[Any], Any]

FAILURES: dict[type[ExchangeFailure], set[int]] = {
    Ambiguous: {-1000, -1001, -1006, -1007, -1010},
    Unreachable: {-1008, -1016},
    RateLimited: {-1003, -1015},
    ClockSkewed: {-1021, -5028},
    AuthRefused: {-1002, -1005, -1011, -1022, -1099, -1109, -2014, -2015, -2017, -4056, -4057, -4109},
    RequestInvalid: {
        *(-1013, -1014, -1020, -1100, -1101, -1102, -1103, -1104, -1105, -1108, -1114, -1115, -1116, -1117, -1118),
        *(-1119, -1128, -1130, -1131, -1136, -2026, -4000, -4001, -4006, -4015, -4020, -4028, -4031, -4082, -4084),
        *(-4120, -4136, -4137, -4138, -4139, -5025, -5037, -5038, -5039, -5040, -5047),
    },
}
"""What a write comes to that is answered with one of these; any other listed number is a refusal."""
REFUSALS: dict[Refusal, set[int]] = {
    Refusal.CROSSED: {-2021, -4142},
    Refusal.DUPLICATE: {-4116},
    Refusal.SLOT_TAKEN: {-4130},
    Refusal.NOTHING_TO_REDUCE: {-2022, -4118},
    Refusal.NO_POSITION: {-2010, -2024, -4129, -4509},
    Refusal.CAPACITY: {-2025, -4045},
    Refusal.OFF_GRID: {-1111, -4014, -4023},
    Refusal.RULES_CHANGED: {-1121, -1122, -4002, -4004, -4005, -4007, -4013, -4144},
    Refusal.MODE_CHANGED: {-1106, -4060, -4061, -4062},
    Refusal.NO_SUCH_ORDER: {-2013},
    Refusal.NO_STREAM_KEY: {-1125},
}
"""What a refusal with one of these means; any other one is `OTHER`."""


def expected_of_write(number: int) -> type[ExchangeFailure]:
    return next((failure for failure, numbers in FAILURES.items() if number in numbers), Refused)


def expected_refusal(number: int) -> Refusal:
    return next((refusal for refusal, numbers in REFUSALS.items() if number in numbers), Refusal.OTHER)


async def test_every_listed_code(venue: BinanceUsdm, loopback: LoopbackVenue, clock: Any, approve: Approve) -> None:
    for code in CODES:
        loopback.script("POST", ALGO, Answer({"code": code, "msg": "said the venue."}, status=400))
        with pytest.raises(ExchangeFailure) as caught:
            await venue.place(approve(backstop()))
        failure = caught.value
        assert type(failure) is expected_of_write(code), code
        assert failure.said == str(code) and failure.http_status == 400
        if isinstance(failure, Refused):
            assert failure.refusal is expected_refusal(code), code
        clock.advance(100)


async def test_reads_never_come_out_ambiguous(venue: BinanceUsdm, loopback: LoopbackVenue, clock: Any) -> None:
    for code in CODES:
        loopback.script("GET", POSITIONS, Answer({"code": code, "msg": ""}, status=400))
        with pytest.raises(ExchangeFailure) as caught:
            await venue.read_positions()
        expected = expected_of_write(code)
        assert type(caught.value) is (Unreachable if expected is Ambiguous else expected), code
        clock.advance(100)


UNKNOWN_ERROR = {"code": -1000, "msg": "Unknown error, please check your request or try again later."}
HTML = Answer("<html>503 https://fapi.binance.com/x?signature=ab</html>", status=503, content_type="text/html")
WRITES: dict[str, tuple[Answer, type[ExchangeFailure]]] = {
    "503 A": (Answer(UNKNOWN_ERROR, status=503), Ambiguous),
    "503 B": (Answer({"code": -1000, "msg": "Service Unavailable."}, status=503), Unreachable),
    "503 B without a code": (Answer({"msg": "Service Unavailable."}, status=503), Unreachable),
    "503 B as text": (Answer("Service Unavailable.", status=503, content_type="text/plain"), Unreachable),
    "503 internal error": (Answer({"code": -1001, "msg": "Internal error; unable to process."}, status=503), Ambiguous),
    "503 throttled": (Answer({"code": -1008, "msg": "Request throttled"}, status=503), Unreachable),
    "503 page": (HTML, Ambiguous),
    "502": (Answer("", status=502), Ambiguous),
    "504": (Answer("gateway", status=504), Ambiguous),
    "408": (Answer({"code": -1007, "msg": "Timeout"}, status=408), Ambiguous),
    "500": (Answer({}, status=500), Ambiguous),
    "404": (Answer("not here", status=404), Ambiguous),
    "401": (Answer("", status=401), AuthRefused),
    "403": (Answer("<html>blocked</html>", status=403, content_type="text/html"), RateLimited),
    "unlisted -1xxx": (Answer({"code": -1999, "msg": "new"}, status=400), Ambiguous),
    "unlisted -2xxx": (Answer({"code": -2999, "msg": "new"}, status=400), Refused),
    "unlisted -4xxx": (Answer({"code": -4999, "msg": "new"}, status=400), Refused),
    "code as text": (Answer({"code": "-2021", "msg": "x"}, status=400), Refused),
    "code in a 200": (Answer({"code": -2021, "msg": "x"}), Refused),
    "200 page": (Answer("<html>", content_type="text/html"), Ambiguous),
    "200 nothing": (Answer(""), Ambiguous),
    "200 null": (Answer("null"), Ambiguous),
    "200 list": (Answer("[]"), Ambiguous),
    "200 object": (Answer("{}"), Ambiguous),
    "200 code 0": (Answer({"code": 0}), Ambiguous),
    "200 cut off": (Answer('{"algoId":1,"clientAlgoId"'), Ambiguous),
}


@pytest.mark.parametrize(("answer", "expected"), WRITES.values(), ids=WRITES.keys())
async def test_answers_to_a_write(
    venue: BinanceUsdm, loopback: LoopbackVenue, approve: Approve, answer: Answer, expected: type[ExchangeFailure]
) -> None:
    loopback.script("POST", ALGO, answer)
    with pytest.raises(ExchangeFailure) as caught:
        await venue.place(approve(backstop()))
    assert type(caught.value) is expected
    assert len(loopback.sent("POST", ALGO)) == 1, "a write is never sent again by the edge"


@pytest.mark.parametrize("action", ["cancel", "close"])
@pytest.mark.parametrize("answer", [Answer("{}"), Answer(""), Answer("[]"), Answer({"code": "201", "algoId": 5})])
async def test_unusable_answers_to_the_other_writes(
    venue: BinanceUsdm, loopback: LoopbackVenue, approve: Approve, action: str, answer: Answer
) -> None:
    loopback.script("DELETE", ALGO, answer)
    loopback.script("POST", ORDER, answer)
    with pytest.raises(Ambiguous):
        await (venue.cancel(approve(cancel_algo())) if action == "cancel" else venue.close(approve(close_market())))


LOST: list[tuple[Any, type[ExchangeFailure], type[ExchangeFailure]]] = [
    (HangUp(), Ambiguous, Unreachable),
    (HalfBody(), Ambiguous, Unreadable),
    (Silence(), Ambiguous, Unreachable),
    (Answer("", status=302, headers={"Location": "http://127.0.0.1:1/portal"}), Ambiguous, Unreachable),
]


@pytest.mark.parametrize(("behaviour", "of_write", "of_read"), LOST, ids=["hang-up", "half", "silence", "redirect"])
async def test_lost_answers(
    open_venue: Callable[..., BinanceUsdm],
    loopback: LoopbackVenue,
    approve: Approve,
    behaviour: Any,
    of_write: type[ExchangeFailure],
    of_read: type[ExchangeFailure],
) -> None:
    short = isinstance(behaviour, Silence)
    venue = open_venue(loopback.origin, timeout_s=1.5 if short else 30.0)
    loopback.script("POST", ALGO, behaviour)
    loopback.script("GET", POSITIONS, behaviour)
    with pytest.raises(of_write) as written:
        await venue.place(approve(backstop()))
    assert written.value.said == ""
    assert len(loopback.sent("POST", ALGO)) == 1, "a lost answer is never answered by sending again"
    with pytest.raises(of_read):
        await venue.read_positions()


async def test_a_redirect_never_takes_the_key_along(
    venue: BinanceUsdm, loopback: LoopbackVenue, approve: Approve
) -> None:
    loopback.script("POST", ALGO, Answer("", status=307, headers={"Location": f"{loopback.origin}/portal"}))
    with pytest.raises(Ambiguous):
        await venue.place(approve(backstop()))
    assert not loopback.sent("POST", "/portal") and not loopback.sent("GET", "/portal")


async def test_refused_connection_and_unknown_name(open_venue: Callable[..., BinanceUsdm], approve: Approve) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free_port = probe.getsockname()[1]
    for origin in (f"http://127.0.0.1:{free_port}", "http://no-such-host.invalid"):
        venue = open_venue(origin)
        with pytest.raises(Unreachable):
            await venue.place(approve(backstop()))
        with pytest.raises(Unreachable):
            await venue.read_positions()


async def test_a_time_out_before_anything_was_sent_is_certain(
    open_venue: Callable[..., BinanceUsdm], approve: Approve
) -> None:
    """A connection that opens and then never finishes its TLS handshake: the order cannot have arrived."""
    hold = asyncio.Event()

    async def accept_and_wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hold.wait()
        writer.close()

    server = await asyncio.start_server(accept_and_wait, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    venue = open_venue(f"https://{host}:{port}", timeout_s=0.3)
    with pytest.raises(Unreachable):
        await venue.place(approve(backstop()))
    hold.set()
    server.close()


TO_NEXT_MINUTE_MS = 60_000 - SERVER_MS % 60_000 + 50
"""Weight is counted by the minute of the venue's clock."""


@pytest.mark.parametrize(
    ("answer", "wait_ms"),
    [
        (Answer({"code": -1003, "msg": "Too many requests"}, status=429, headers={"Retry-After": "7"}), 7_000),
        (Answer({"code": -1003, "msg": f"Way too many; banned until {SERVER_MS + 90_000}."}, status=418), 90_000),
        (Answer("", status=418, headers={"Retry-After": "120"}), 120_000),
        (Answer("", status=429), TO_NEXT_MINUTE_MS),
        (Answer({"code": -1003, "msg": "Too much request weight"}, status=400), TO_NEXT_MINUTE_MS),
        (Answer("", status=418, headers={"Retry-After": "99999999999999999999"}), 30_000),
        (Answer("", status=429, headers={"Retry-After": "soon"}), TO_NEXT_MINUTE_MS),
        (Answer("", status=403), 5_000),
        (Answer({"code": -1015, "msg": "Too many new orders"}, status=400), 10_000),
    ],
)
async def test_rate_limits_say_when_to_speak_again(
    venue: BinanceUsdm, loopback: LoopbackVenue, clock: Any, answer: Answer, wait_ms: int
) -> None:
    loopback.script("GET", POSITIONS, answer)
    with pytest.raises(RateLimited) as caught:
        await venue.read_positions()
    assert caught.value.retry_at_ms == clock.now_ms() + wait_ms


async def test_a_ban_silences_every_lane_to_the_millisecond(
    venue: BinanceUsdm, loopback: LoopbackVenue, clock: Any, approve: Approve
) -> None:
    loopback.script("GET", POSITIONS, Answer("", status=418, headers={"Retry-After": "120"}), Answer([]))
    with pytest.raises(RateLimited):
        await venue.read_positions()
    sent = len(loopback.requests)
    clock.advance(60)
    for call in (venue.read_positions(), venue.place(approve(backstop())), venue.cancel(approve(cancel_algo()))):
        with pytest.raises(RateLimited) as caught:
            await call
        assert caught.value.retry_at_ms == SERVER_MS + 120_000
        assert "HTTP 418" in str(caught.value), "an operator must see the ban, not a budget of ours"
    assert len(loopback.requests) == sent, "nothing was sent during the ban"
    clock.advance(60)
    assert (await venue.read_positions()).positions == ()


async def test_a_closed_front_door_is_tried_again_soon_then_ever_later(
    venue: BinanceUsdm, loopback: LoopbackVenue, clock: Any
) -> None:
    """403 without a code names no time. One page may be an accident; a wall stays a wall."""
    page = Answer("<html>blocked</html>", status=403, content_type="text/html")
    loopback.script("GET", POSITIONS, page)
    loopback.script("GET", "/fapi/v1/openOrders", page)
    loopback.script("GET", "/fapi/v1/openAlgoOrders", page)
    for pause_s in (5, 10, 20, 40, 60, 60):
        with pytest.raises(RateLimited):
            await venue.read_orders(None)  # two requests at once: one page each, one pause
        sent = len(loopback.requests)
        clock.advance(pause_s - 2.5)
        with pytest.raises(RateLimited):
            await venue.read_positions()
        assert len(loopback.requests) == sent
        clock.advance(2.5)
    loopback.script("GET", POSITIONS, Answer([]), page)
    await venue.read_positions()
    with pytest.raises(RateLimited):
        await venue.read_positions()
    clock.advance(5)
    loopback.script("GET", POSITIONS, Answer([]))
    assert (await venue.read_positions()).positions == ()


async def test_an_order_count_refusal_holds_back_orders_only(
    venue: BinanceUsdm, loopback: LoopbackVenue, approve: Approve
) -> None:
    loopback.script("POST", ORDER, Answer({"code": -1015, "msg": "Too many new orders"}, status=429))
    loopback.script("GET", POSITIONS, Answer([]))
    with pytest.raises(RateLimited):
        await venue.close(approve(close_market()))
    assert (await venue.read_positions()).positions == ()


@pytest.mark.parametrize("code", [-1021, -5028])
async def test_a_refused_timestamp_is_measured_and_sent_once_more(
    venue: BinanceUsdm, loopback: LoopbackVenue, approve: Approve, code: int
) -> None:
    skewed = Answer({"code": code, "msg": "Timestamp for this request is outside of the recvWindow."}, status=400)
    taken = Answer({"algoId": 5, "clientAlgoId": "qpmBTC1", "algoStatus": "NEW", "symbol": "BTCUSDT"})
    loopback.script("GET", "/fapi/v1/time", Answer({"serverTime": SERVER_MS + 7_000}))
    loopback.script("POST", ALGO, skewed, taken)
    assert await venue.place(approve(backstop())) == "5"
    first, second = loopback.sent("POST", ALGO)
    assert int(second.params["timestamp"]) - int(first.params["timestamp"]) >= 7_000
    assert first.params["clientAlgoId"] == second.params["clientAlgoId"]
    assert abs(venue.clock_offset_ms - 7_000) <= 1 and len(loopback.sent("GET", "/fapi/v1/time")) == 3


async def test_a_timestamp_refused_twice_is_reported(
    venue: BinanceUsdm, loopback: LoopbackVenue, approve: Approve
) -> None:
    loopback.script("POST", ALGO, Answer({"code": -1021, "msg": "Timestamp"}, status=400))
    with pytest.raises(ClockSkewed):
        await venue.place(approve(backstop()))
    assert len(loopback.sent("POST", ALGO)) == 2


@pytest.mark.parametrize(("is_stop", "times"), [(True, 2), (False, 1)], ids=["stop", "removal"])
async def test_what_was_decided_before_the_host_slept_is_not_stamped_anew(
    venue: BinanceUsdm, loopback: LoopbackVenue, approve: Approve, clock: HandClock, *, is_stop: bool, times: int
) -> None:
    """The time stamp is refused because the host was suspended on the way; a stop is sent all the same (9 and 3)."""
    method = "POST" if is_stop else "DELETE"
    loopback.script(method, ALGO, Answer({"code": -1021, "msg": "Timestamp"}, status=400))
    honest = venue._wire._transport.call

    async def asleep(endpoint, params):
        clock.wall_ms += 40_000
        return await honest(endpoint, params)

    venue._wire._transport.call = asleep
    with pytest.raises(ClockSkewed):
        await (venue.place(approve(backstop())) if is_stop else venue.cancel(approve(cancel_algo())))
    assert len(loopback.sent(method, ALGO)) == times


def test_the_table_lists_what_it_should() -> None:
    listed = set().union(*FAILURES.values(), *REFUSALS.values())
    assert listed <= set(CODES)
    assert all(code.words for code in CODES.values())


@pytest.mark.parametrize(("number", "failure"), [(-1999, Ambiguous), (-2000, Refused), (-31337, Refused)])
def test_a_number_that_is_not_listed(number: int, failure: type[ExchangeFailure]) -> None:
    """-1xxx may have executed; others are plain refusals, of which nothing more is known."""
    code = code_for(number)
    assert (code.failure, code.refusal, code.words) == (failure, Refusal.OTHER, "")
