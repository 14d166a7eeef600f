"""Records end to end: a position is opened, protected and closed, and Redis says what it was worth.

Every record is compared with the exchange's own books, read past the daemon: fills and income to the last digit.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from redis import Redis

from tests.e2e.stack import PREFIX, Paper, Running, Stack, eventually, fully_protected

EXITS = f"{PREFIX}:exits"
D = Decimal
SIGN = {"LONG": 1, "SHORT": -1}


def revisions(database: Redis, record_id: str | None = None) -> list[dict[str, Any]]:
    """Every entry of the stream, in the order in which they were written."""
    found = [json.loads(fields["data"]) for _, fields in database.xrange(EXITS)]
    return [entry for entry in found if record_id in (None, entry["record_id"])]


def final(database: Redis, n: int = 1) -> list[dict[str, Any]]:
    """The last revision of each record once `n` of them are final, oldest first."""

    def look() -> list[dict[str, Any]]:
        last = {entry["record_id"]: entry for entry in revisions(database)}
        done = [entry for entry in last.values() if entry["status"] == "final"]
        return done if len(done) >= n else []

    records = eventually(f"{n} final records", look)
    assert len(records) == n
    return sorted(records, key=lambda entry: (entry["closed_at_ms"], entry["record_id"]))


class Desk:
    """A daemon beside a flat paper account whose price stands where the test puts it."""

    def __init__(self, stack: Stack, settings: str = "") -> None:
        self.stack = stack
        self.database = stack.start_redis()
        self.paper: Paper = stack.start_paper("flat", "--price-interval-s", "0")
        self.price(40_000)
        self.wallet = D(self.paper.state()["wallet"])
        self.config = stack.config(settings)
        self.daemon: Running = stack.start_daemon(self.config)
        eventually("the first cycle is over", lambda: "0/0 protected" in self.daemon.text())

    def price(self, price: int) -> None:
        self.paper.post("price", symbol="BTCUSDT", price=str(price))

    def trade(self, action: str, side: str | None = None, quantity: str | None = None) -> None:
        self.paper.post("position", action=action, symbol="BTCUSDT", side=side, quantity=quantity)

    def open(self, side: str, quantity: str = "0.3") -> None:
        self.trade("open", side, quantity)
        eventually("it is protected", lambda: fully_protected(self.paper))

    def take_first_rung(self, side: str) -> None:
        """The price goes to the first target: one rung is filled, and the stop follows to the profit."""
        before = sum(self.paper.positions().values())
        self.price(40_000 + 700 * SIGN[side])
        eventually("the rung was filled", lambda: sum(self.paper.positions().values()) < before)
        eventually("a working stop rests", self.working_stop)
        key = f"{PREFIX}:position:BTCUSDT:{side}"
        eventually("the daemon has read it", lambda: "qpm1w" in (self.database.hget(key, "stop_client_ids") or ""))

    def working_stop(self) -> bool:
        stops = [row for row in self.paper.resting() if row["orderType"] == "STOP_MARKET"]
        return any(not row["closePosition"] for row in stops)

    def flat(self) -> None:
        eventually("it is flat", lambda: not self.paper.positions())

    def reconciled(self, *records: dict[str, Any]) -> None:
        """The wallet moved by what the records say, to the last digit."""
        assert D(self.paper.state()["wallet"]) - self.wallet == sum(D(record["net"]) for record in records)
        for record in records:
            assert (record["residual_realised"], record["residual_fees"]) == ("0", {})
            assert D(record["net"]) == D(record["gross"]) - D(record["fees"]) + D(record["funding"])
            assert sum(D(f["realised"]) for f in record["fills"]) == D(record["gross"])
            assert sum(D(f["fee"]) for f in record["fills"]) == D(record["fees"])


@pytest.mark.parametrize("side", ["LONG", "SHORT"])
def test_rung_then_trail_is_one_final_record(stack: Stack, side: str) -> None:
    desk = Desk(stack)
    desk.open(side)
    desk.paper.post("funding", rate="0.0001")
    desk.take_first_rung(side)
    desk.price(40_000)
    desk.flat()
    [record] = final(desk.database)
    desk.reconciled(record)
    assert (record["side"], record["quantity_peak"], record["reason"]) == (side, "0.3", "TRAIL")
    assert [fill["reason"] for fill in record["fills"]] == ["", "TP1", "TRAIL"]
    assert D(record["funding"]) * SIGN[side] < 0
    assert D(record["risk"]) == D("0.3") * abs(D(record["entry_average"]) - D(record["first_stop"]))
    assert record["marks_from"] == "watched" and D(record["mfe_r"]) > 1
    assert record["time_to_protect_ms"] == record["naked_ms"] < 60_000
    assert (record["worst_cover_pct"], record["policy"], record["level_source"]) == ("100", "hybrid", "hybrid")
    assert record["rungs"] == [1, 2, 3] and record["notes"] == []
    assert all(fill["client_id"].startswith("qpm1") and fill["trigger"] for fill in record["fills"][1:])
    events = eventually("it is told", lambda: [e for e in told(desk.database) if e["type"] == "RecordFinal"])
    assert [(e["record_id"], e["result_net"]) for e in events] == [(record["record_id"], record["net"])]
    totals = eventually("the totals follow", lambda: desk.database.hgetall(f"{PREFIX}:performance"))
    assert json.loads(totals["money"])["USDT"]["net"] == record["net"]
    assert desk.database.hget(f"{PREFIX}:performance:DEFAULT", "count") == "1"


def told(database: Redis) -> list[dict[str, Any]]:
    return [json.loads(fields["data"]) for _, fields in database.xrange(f"{PREFIX}:events")]


@pytest.mark.parametrize("side", ["LONG", "SHORT"])
def test_the_backstop_is_sl_and_its_slippage_is_against_us(stack: Stack, side: str) -> None:
    desk = Desk(stack)
    desk.open(side)
    desk.price(40_000 - 700 * SIGN[side])
    desk.flat()
    [record] = final(desk.database)
    desk.reconciled(record)
    assert (record["reason"], len(record["fills"])) == ("SL", 2)
    assert D(record["fills"][-1]["slippage_bps"]) > 0 and D(record["gross_r"]) < -1


def test_a_user_own_close_is_external(stack: Stack) -> None:
    desk = Desk(stack)
    desk.open("SHORT")
    desk.trade("close")
    [record] = final(desk.database)
    desk.reconciled(record)
    assert (record["reason"], record["fills"][-1]["trigger"], record["level_source"]) == ("EXTERNAL", None, None)


def test_a_turned_position_is_two_records(stack: Stack) -> None:
    """One order that is larger than the position: its fee is divided, and nothing is counted twice."""
    desk = Desk(stack)
    desk.open("LONG")
    desk.paper.post("order", symbol="BTCUSDT", side="SELL", type="MARKET", quantity="0.5")
    eventually("the other side is protected", lambda: fully_protected(desk.paper))
    desk.trade("close")
    first, second = final(desk.database, 2)
    desk.reconciled(first, second)
    assert [(one["side"], one["quantity_peak"]) for one in (first, second)] == [("LONG", "0.3"), ("SHORT", "0.2")]
    assert first["closed_at_ms"] == second["opened_at_ms"]
    assert D(first["fills"][-1]["fee"]) / D(second["fills"][0]["fee"]) == D(3) / 2


def test_an_add_moves_the_average_and_the_risk_is_by_lot(stack: Stack) -> None:
    desk = Desk(stack)
    desk.open("LONG")
    desk.price(39_900)
    desk.trade("add", "LONG", "0.1")
    eventually("it is protected", lambda: fully_protected(desk.paper))
    desk.price(39_000)
    desk.flat()
    [record] = final(desk.database)
    desk.reconciled(record)
    lots = [(D(fill["quantity"]), D(fill["price"])) for fill in record["fills"] if fill["opens"]]
    assert D(record["risk"]) == sum(q * abs(p - D(record["first_stop"])) for q, p in lots)
    assert (record["quantity_peak"], record["quantity_entered"]) == ("0.4", "0.4")


def test_a_liquidation_is_named_as_such(stack: Stack) -> None:
    """Nobody could place a stop, and the venue closed it: the record says so, and that it was naked."""
    desk = Desk(stack)
    desk.paper.post("leverage", symbol="BTCUSDT", leverage=100)
    desk.paper.post("margin-type", symbol="BTCUSDT", isolated=True)
    desk.paper.post("fault", name="error", path="/fapi/v1/algoOrder", method="POST", code=-4045)
    desk.trade("open", "LONG", "0.3")
    desk.price(39_500)
    desk.flat()
    [record] = final(desk.database)
    desk.reconciled(record)
    assert (record["reason"], record["fills"][-1]["role"]) == ("LIQUIDATION", "forced")
    assert (record["time_to_protect_ms"], record["risk"]) == (None, None)
    assert record["naked_ms"] == record["closed_at_ms"] - record["opened_at_ms"]
    assert "never_covered" in record["notes"]


def test_a_stop_that_fills_in_two_parts(stack: Stack) -> None:
    """A thin book: the stop's order gets half, the rest of the position is closed by hand."""
    desk = Desk(stack)
    desk.open("LONG")
    desk.paper.post("fault", name="child_partial", symbol="BTCUSDT", fraction="0.5", count=1)
    desk.price(39_300)
    eventually("half of it is gone", lambda: sum(desk.paper.positions().values()) <= D("0.15"))
    desk.paper.clear_faults()
    if desk.paper.positions():
        desk.trade("close")
    desk.flat()
    [record] = final(desk.database)
    desk.reconciled(record)
    assert [f["reason"] for f in record["fills"]][1] == "SL"
    assert sum(D(f["quantity"]) for f in record["fills"] if not f["opens"]) == D("0.3")


def test_a_restart_in_the_middle_loses_only_what_it_says(stack: Stack) -> None:
    """Killed after the rung, restarted, stopped out: the money is whole, marks come from candles, marked as such."""
    side = "SHORT"
    desk = Desk(stack)
    desk.open(side)
    desk.take_first_rung(side)
    desk.daemon.kill()
    again = stack.start_daemon(desk.config)
    eventually("it looks again", lambda: "1/1 protected (100%)" in again.text())
    desk.price(40_000)
    desk.flat()
    [record] = final(desk.database)
    desk.reconciled(record)
    assert [fill["reason"] for fill in record["fills"]] == ["", "TP1", "TRAIL"]
    assert (record["marks_from"], record["notes"]) == ("candles", ["marks_from_candles"])
    assert D(record["risk"]) == D("0.3") * abs(D(record["entry_average"]) - D(record["first_stop"]))
    assert record["naked_ms"] == record["time_to_protect_ms"] < 60_000, "by the venue's own times"


def test_a_position_closed_while_nobody_ran_is_recorded_by_the_next_process(stack: Stack) -> None:
    """12.7: the window is made again from the venue; who set the levels is not known any more, and null."""
    desk = Desk(stack)
    desk.open("LONG")
    desk.daemon.kill()
    desk.price(39_000)
    desk.flat()
    stack.start_daemon(desk.config)
    [record] = final(desk.database)
    desk.reconciled(record)
    assert record["reason"] == "SL" and record["first_stop"] is not None
    assert (record["policy"], record["settings_hash"], record["level_source"]) == (None, None, None)
    assert set(record["notes"]) == {"marks_from_candles", "not_watched"}


def test_a_restart_writes_nothing_again_and_goes_on(stack: Stack) -> None:
    desk = Desk(stack)
    desk.open("LONG")
    desk.price(39_000)
    desk.flat()
    [record] = final(desk.database)
    before = revisions(desk.database)
    assert desk.daemon.terminate() == 0
    desk.price(40_000)
    stack.start_daemon(desk.config)
    desk.open("SHORT")
    desk.trade("close")
    first, second = final(desk.database, 2)
    assert first == record and revisions(desk.database)[: len(before)] == before
    assert len(revisions(desk.database, record["record_id"])) == len(before), "the final record was not made again"
    eventually("the totals have both", lambda: desk.database.hget(f"{PREFIX}:performance", "count") == "2")
    desk.reconciled(first, second)


def test_a_flush_is_made_good_by_the_living_daemon(stack: Stack) -> None:
    """It has the record with all that it watched, and writes it again."""
    desk = Desk(stack)
    desk.open("SHORT")
    desk.trade("close")
    [record] = final(desk.database)
    desk.database.flushall()
    [again] = final(desk.database)
    assert again == record
    eventually("the totals as well", lambda: desk.database.hget(f"{PREFIX}:performance", "count") == "1")


def test_an_empty_redis_and_a_new_process_make_it_from_the_venue(stack: Stack) -> None:
    desk = Desk(stack)
    desk.open("SHORT")
    desk.trade("close")
    [record] = final(desk.database)
    desk.daemon.kill()
    desk.database.flushall()
    stack.start_daemon(desk.config)
    [again] = final(desk.database)
    same = ("record_id", "gross", "fees", "net", "risk", "fees_by_asset", "opened_at_ms", "closed_at_ms", "naked_ms")
    assert {name: again[name] for name in same} == {name: record[name] for name in same}
    assert "not_watched" in again["notes"]


def test_income_that_lags_keeps_it_provisional_until_it_is_there(stack: Stack) -> None:
    """The rows of income come late: a provisional record says what differs, and a later revision is final."""
    desk = Desk(stack)
    desk.open("LONG")
    desk.paper.post("fault", name="replica_lag", path="/fapi/v1/income", delay_ms=600_000)
    desk.trade("close")
    first = eventually("a provisional record", lambda: revisions(desk.database))[0]
    assert (first["status"], first["revision"]) == ("provisional", 1)
    assert "fills_and_income_differ" in first["notes"]
    assert D(first["residual_fees"]["USDT"]) == D(first["fills"][-1]["fee"]), "only the exit is not booked yet"
    assert D(first["residual_realised"]) == D(first["gross"])
    assert not [e for e in told(desk.database) if e["type"] == "RecordFinal"]
    desk.paper.clear_faults()
    [record] = final(desk.database)
    assert record["record_id"] == first["record_id"] and record["revision"] > 1
    assert len(revisions(desk.database)) == 2, "nothing is written again that says nothing new"
    desk.reconciled(record)


def test_without_history_everything_is_protected_all_the_same(stack: Stack) -> None:
    """Fills, orders, income and candles fail in every way: stops and ladders rest, and the records come later."""
    desk = Desk(stack)
    for path in ("userTrades", "income", "allOrders", "allAlgoOrders", "markPriceKlines"):
        desk.paper.post("fault", name="html", path=f"/fapi/v1/{path}")
    desk.open("LONG")
    desk.trade("close")
    desk.flat()
    desk.open("SHORT")
    assert revisions(desk.database) == []
    eventually("it is protected", lambda: desk.database.hget(f"{PREFIX}:status", "risk_status") == "PROTECTED")
    desk.paper.clear_faults()
    [record] = final(desk.database)
    assert record["side"] == "LONG"
    assert "Traceback" not in desk.daemon.text()


def test_redis_away_loses_no_record(stack: Stack) -> None:
    """Redis is stopped while a position is closed and comes back empty: the record is there soon after."""
    from position_monitor.edge.redis.embedded import EmbeddedRedis

    desk = Desk(stack)
    desk.open("LONG")
    assert stack.redis is not None
    port = stack.redis.port
    stack.redis.stop()
    desk.trade("close")
    desk.flat()
    eventually("the daemon has it", lambda: "BTCUSDT LONG closed by " in desk.daemon.text())
    with EmbeddedRedis(port) as late:
        database = Redis.from_url(late.url, decode_responses=True)
        [record] = final(database)
        desk.reconciled(record)


def test_hedge_legs_have_records_of_their_own(stack: Stack) -> None:
    """Both legs open over a funding: what the account paid is divided by their sizes."""
    stack.start_redis()
    paper = stack.start_paper("hedge", "--price-interval-s", "0")
    database = Redis.from_url(stack.redis.url, decode_responses=True) if stack.redis else None
    assert database is not None
    for symbol, side in list(paper.positions()):
        paper.post("price", symbol=symbol, price=str(D(paper.state()["prices"][symbol]["last"]) * D("1.01")))
        paper.post("position", action="close", symbol=symbol, side=side)
    daemon = stack.start_daemon(stack.config())
    eventually("the first cycle is over", lambda: "0/0 protected" in daemon.text())
    paper.post("price", symbol="BTCUSDT", price="40000")
    for side, quantity in (("LONG", "0.3"), ("SHORT", "0.1")):
        paper.post("position", action="open", symbol="BTCUSDT", side=side, quantity=quantity)
    eventually("both are protected", lambda: len(paper.positions()) == 2 and fully_protected(paper))
    paper.post("funding", rate="0.0001", symbol="BTCUSDT")
    for side in ("LONG", "SHORT"):
        paper.post("position", action="close", symbol="BTCUSDT", side=side)

    def both() -> list[dict[str, Any]]:
        last = {e["record_id"]: e for e in revisions(database) if e["fills"][0]["opens"] and e["status"] == "final"}
        return sorted(last.values(), key=lambda e: e["side"]) if len(last) == 2 else []

    long, short = eventually("two final records", both)
    assert (D(long["funding"]), D(short["funding"])) == (D("-1.2"), D("0.4"))
