"""The budget follows the venue's headers; what protects never waits for what does not (X3)."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from position_monitor.edge.clock import VenueClock
from position_monitor.edge.http.rate_budget import COMMAND_LINE_WEIGHT_1M, BudgetLimits, Lane, RateBudget
from position_monitor.edge.venues.binance.failures import failure_of_reply
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.edge.venues.transport import Endpoint, Reply
from position_monitor.errors import RateLimited
from position_monitor.service.account_news import FOREIGN_WEIGHT_1M
from tests.edge.exchange.loopback_venue import SERVER_MS, Answer, LoopbackVenue

MINUTE_START_MS = SERVER_MS // 60_000 * 60_000 + 1_000


@pytest.fixture
def budget(clock: Any) -> RateBudget:
    clock.wall_ms = MINUTE_START_MS
    return RateBudget(VenueClock(clock))


async def fill(budget: RateBudget, lane: Lane, *, weight: int = 0, orders: int = 0) -> int:
    """How many requests of a kind go through at once before one would have to wait."""
    count = 0
    while budget._wait_s(lane, weight, orders) <= 0:
        await budget.acquire(lane, weight=weight, orders=orders)
        count += 1
    return count


async def test_reads_leave_weight_for_writes_and_stops(budget: RateBudget) -> None:
    assert await fill(budget, Lane.READ, weight=40) == 2100 // 40
    assert await fill(budget, Lane.OTHER_WRITE, weight=1) == 2250 - 2080
    assert await fill(budget, Lane.STOP, weight=1) == 150


async def test_take_profits_leave_orders_for_stops(budget: RateBudget) -> None:
    assert await fill(budget, Lane.OTHER_WRITE, orders=1) == 240
    assert await fill(budget, Lane.STOP, orders=1) == 60


async def test_orders_never_wait_for_weight(budget: RateBudget) -> None:
    await fill(budget, Lane.STOP, weight=40)
    await fill(budget, Lane.STOP, weight=1)
    assert budget.api_weight_1m == 2400
    await budget.acquire(Lane.STOP, weight=0, orders=1)


async def test_a_full_window_is_waited_out_within_bounds(budget: RateBudget, clock: Any) -> None:
    await fill(budget, Lane.STOP, orders=1)
    began_ms = clock.now_ms()
    await budget.acquire(Lane.STOP, weight=0, orders=1)
    assert clock.now_ms() >= MINUTE_START_MS // 10_000 * 10_000 + 10_050
    assert clock.now_ms() - began_ms <= 10_500


async def test_a_longer_wait_is_refused_with_the_time(budget: RateBudget, clock: Any) -> None:
    await fill(budget, Lane.READ, weight=5)
    with pytest.raises(RateLimited) as caught:
        await budget.acquire(Lane.READ, weight=5)
    assert caught.value.retry_at_ms == MINUTE_START_MS - 1_000 + 60_050 and clock.slept == []


async def test_the_minute_of_orders_binds_too(budget: RateBudget, clock: Any) -> None:
    clock.wall_ms = MINUTE_START_MS
    sent = 0
    for _ in range(5):
        sent += await fill(budget, Lane.STOP, orders=1)
        clock.advance(10)
    assert sent == 1200


async def test_headers_lead(budget: RateBudget) -> None:
    ticket = await budget.acquire(Lane.READ, weight=5)
    headers = {"x-mbx-used-weight-1m": "2099", "x-mbx-order-count-10s": "290", "x-mbx-order-count-1m": "290"}
    budget.observe(ticket, headers)
    assert budget.api_weight_1m == 2099 and budget.foreign_weight_1m == 2094
    assert await fill(budget, Lane.READ, weight=5) == 0
    assert await fill(budget, Lane.OTHER_WRITE, orders=1) == 0
    assert await fill(budget, Lane.STOP, orders=1) == 10


async def test_a_new_minute_forgets(budget: RateBudget, clock: Any) -> None:
    late = await budget.acquire(Lane.READ, weight=5)
    budget.observe(late, {"x-mbx-used-weight-1m": "2000"})
    clock.advance(60)
    assert budget.api_weight_1m == 0
    budget.observe(late, {"x-mbx-used-weight-1m": "2001"})
    assert budget.api_weight_1m == 0, "a reply from the last minute says nothing about this one"


async def test_a_minute_of_the_venue_that_begins_after_ours_is_noticed(budget: RateBudget) -> None:
    for count in ("2000", "2005", "7", "12"):
        ticket = await budget.acquire(Lane.READ, weight=5)
        budget.observe(ticket, {"x-mbx-used-weight-1m": count})
    assert budget.api_weight_1m == 20, "what was said of the last minute is over, what we sent ourselves is not"
    budget.observe(ticket, {"x-mbx-used-weight-1m": "11"})
    assert budget.foreign_weight_1m == 0 and budget.api_weight_1m == 20, "answers may overtake one another"


@given(st.dictionaries(st.sampled_from(["x-mbx-used-weight-1m", "x-mbx-order-count-10s"]), st.text(max_size=12)))
def test_nonsense_in_headers_is_ignored(headers: dict[str, str]) -> None:
    budget = RateBudget(VenueClock(Still()))
    ticket = asyncio.run(budget.acquire(Lane.READ, weight=1))
    budget.observe(ticket, headers)
    assert 1 <= budget.api_weight_1m <= 1_000_000


async def test_a_stepped_wall_clock_does_not_shorten_a_ban(budget: RateBudget, clock: Any) -> None:
    budget.block(RateLimited("ban", retry_at_ms=clock.now_ms() + 120_000))
    clock.wall_ms += 3_600_000
    with pytest.raises(RateLimited):
        await budget.acquire(Lane.STOP, weight=0, orders=1)
    clock.wall_ms -= 7_200_000
    clock.advance(120)
    await budget.acquire(Lane.STOP, weight=0, orders=1)


async def test_a_short_block_is_waited_out(budget: RateBudget, clock: Any) -> None:
    budget.block(RateLimited("soon", retry_at_ms=clock.now_ms() + 1_500))
    await budget.acquire(Lane.READ, weight=1)
    assert clock.slept == [1.5]


async def test_many_waiters_share_the_next_window(budget: RateBudget) -> None:
    await fill(budget, Lane.STOP, orders=1)
    await asyncio.gather(*(budget.acquire(Lane.STOP, weight=0, orders=1) for _ in range(50)))
    assert await fill(budget, Lane.STOP, orders=1) == 250


@pytest.mark.parametrize(
    "limits",
    [
        {"weight_reserves": dict.fromkeys(Lane, 0) | {Lane.STOP: 1}},
        {"weight_reserves": dict.fromkeys(Lane, 2_400)},
        {"orders_reserve_stop_10s": 300},
    ],
)
def test_reserves_that_do_not_fit_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="reserve"):
        BudgetLimits(**limits)


def test_weights_depend_on_the_symbol() -> None:
    assert Endpoint.OPEN_ORDERS.weight({}) == 40 and Endpoint.OPEN_ORDERS.weight({"symbol": "X"}) == 1
    assert Endpoint.PLACE_ALGO_ORDER.weight({}) == 0 and Endpoint.POSITIONS.weight({}) == 5


async def test_headers_reach_the_budget_through_ccxt(venue: BinanceUsdm, loopback: LoopbackVenue) -> None:
    headers = {"X-MBX-USED-WEIGHT-1M": "777"}
    loopback.script("GET", "/fapi/v3/positionRisk", Answer([], headers=headers))
    await venue.read_positions()
    assert venue.api_weight_1m == 777 and venue.foreign_weight_1m == 777 - 5


async def test_a_wait_for_the_budget_is_no_part_of_the_clock_sample(venue: BinanceUsdm, clock: Any) -> None:
    """Row 6.6: after a ban the venue's clock seemed to be wrong by half of what was waited before the sample."""
    venue._wire.budget.block(RateLimited("busy", retry_at_ms=clock.now_ms() + 9_000, http_status=429))
    await venue._wire.measure_clock(samples=1)
    assert clock.slept == [9.0]
    assert venue.clock_offset_ms == SERVER_MS - clock.now_ms()


async def test_each_lane_leaves_a_reserve_to_those_before_it(budget: RateBudget) -> None:
    """A neighbour that took nearly all leaves the first lanes what it left, and the others nothing."""
    ticket = await budget.acquire(Lane.STOP, weight=1)
    budget.observe(ticket, {"x-mbx-used-weight-1m": "2200"})
    assert await fill(budget, Lane.READ, weight=1) == 0
    assert await fill(budget, Lane.OTHER_WRITE, weight=1) == 50
    assert 70 <= await fill(budget, Lane.HELD, weight=1) <= 80
    assert await fill(budget, Lane.POSITIONS, weight=5) >= 12, "one in five seconds"
    assert await fill(budget, Lane.STOP, weight=1) >= 10


async def test_lists_may_have_more_toward_the_end_of_the_minute(budget: RateBudget, clock: Any) -> None:
    ticket = await budget.acquire(Lane.STOP, weight=1)
    budget.observe(ticket, {"x-mbx-used-weight-1m": "2330"})
    assert await fill(budget, Lane.HELD, weight=2) == 0
    clock.advance(50)
    assert await fill(budget, Lane.HELD, weight=2) > 10


async def test_the_command_line_ends_where_its_share_does(clock: Any) -> None:
    """Row 6.5: whoever used the weight, it asks nothing more from a quarter of it on, and says why."""
    clock.wall_ms = MINUTE_START_MS
    budget = RateBudget(VenueClock(clock), BudgetLimits.of_command_line())
    ticket = await budget.acquire(Lane.READ, weight=1)
    budget.observe(ticket, {"x-mbx-used-weight-1m": "590"})
    assert await fill(budget, Lane.STOP, weight=5) == 2
    with pytest.raises(RateLimited, match="belongs to the daemon"):
        await budget.acquire(Lane.POSITIONS, weight=5)
    assert clock.slept == [] and FOREIGN_WEIGHT_1M >= COMMAND_LINE_WEIGHT_1M


BANNED = RateLimited("ban", retry_at_ms=0, http_status=418, end_stated=False)


async def test_a_ban_without_an_end_lets_one_request_through_now_and_then(budget: RateBudget, clock: Any) -> None:
    budget.block(BANNED)
    asked: list[float] = []
    for _ in range(3_600):
        clock.advance(1)
        if budget.probe_is_due:
            asked.append(clock.monotonic - 1_000)
            budget.probe()
            assert not budget.probe_is_due, "nobody asks beside it"
            budget.block(BANNED)
        with pytest.raises(RateLimited, match="banned"):
            await budget.acquire(Lane.STOP, weight=0, orders=1)
    gaps = [later - sooner for sooner, later in pairwise([0.0, *asked])]
    assert gaps == sorted(gaps) and gaps[0] == 30 and gaps[-1] == 300 and len(gaps) <= 17
    budget.probe()
    budget.ban_over()
    await budget.acquire(Lane.STOP, weight=0, orders=1)
    assert budget.banned_until_ms == 0


async def test_several_turned_away_at_once_are_one_ban(budget: RateBudget, clock: Any) -> None:
    for _ in range(5):
        budget.block(BANNED)
    assert budget.banned_until_ms - clock.now_ms() == 30_000


async def test_an_end_that_was_none_is_not_believed_again_and_again(budget: RateBudget, clock: Any) -> None:
    """418 with `Retry-After: 1`, each time: asking every second would be what the ban is for."""
    asked = 0
    for _ in range(600):
        if not budget.banned_until_ms or budget.probe_is_due:
            asked += 1
            budget.probe()
            budget.block(RateLimited("ban", retry_at_ms=clock.now_ms() + 1_000, http_status=418))
        clock.advance(1)
    assert asked <= 9


async def test_an_answer_on_its_way_when_the_ban_came_does_not_end_it(budget: RateBudget) -> None:
    budget.block(BANNED)
    budget.answered()
    assert budget.banned_until_ms


@given(st.text(max_size=30) | st.integers().map(str), st.sampled_from([403, 418, 429, 400]), st.booleans())
def test_no_end_that_is_said_silences_for_longer_than_it_can_last(said: str, status: int, in_message: bool) -> None:
    """Huge, negative, in the past, text, years ahead: a 429 a minute at most, a ban three days or a question soon."""
    clock = VenueClock(Still())
    body = {"code": -1003, "msg": f"IP banned until {said}."} if in_message else {"code": -1003, "msg": "Too many"}
    reply = Reply(status, body, {} if in_message else {"retry-after": said})
    failure = failure_of_reply(Endpoint.POSITIONS, reply, clock)
    assert isinstance(failure, RateLimited)
    wait_ms = failure.retry_at_ms - MINUTE_START_MS
    most_ms = {418: 3 * 86_400_000 if failure.end_stated else 30_000}.get(status, 60_050)
    assert 0 < wait_ms <= most_ms


class Still:
    """A clock that stands."""

    def now_ms(self) -> int:
        return MINUTE_START_MS

    def monotonic_s(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError
