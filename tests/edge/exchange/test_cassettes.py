"""The venue replayed from recordings, so that a change of ccxt shows without a server (P11).

Recorded from the paper exchange; `QPM_RECORD=1 pytest tests/edge/exchange/test_cassettes.py` records anew. Keys, stamps
and signatures are removed before anything is written, and a test here searches the files for what may have slipped by.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import vcr
from vcr.request import Request

from position_monitor.core.model.actions import Cancel, Close, Place
from position_monitor.core.model.desired import DesiredOrder
from position_monitor.core.model.orders import Purpose, Role, WorkingType
from position_monitor.core.model.sides import Side
from position_monitor.edge.venues.binance.connect import connect
from position_monitor.edge.venues.binance.venue import BinanceUsdm
from position_monitor.errors import Refused
from position_monitor.paper.server import PaperOptions, PaperServer
from tests.edge.exchange.loopback_venue import API_KEY, API_SECRET

CASSETTES = Path(__file__).parent / "cassettes"
RECORDING = bool(os.environ.get("QPM_RECORD"))
ORIGIN = "http://127.0.0.1:8799"
SECRET_PARAMETERS = ["timestamp", "signature", "recvWindow"]
Approve = Callable[[Any], Any]


def at_one_origin(request: Request) -> Request:
    """Recordings name one address, whatever port was free that day."""
    parts = urlsplit(request.uri)
    request.uri = urlunsplit((*urlsplit(ORIGIN)[:2], parts.path, parts.query, ""))
    request.headers.clear()
    return request


def only_telling_headers(response: dict[str, Any]) -> dict[str, Any]:
    kept = ("content-type", "x-mbx", "retry-after")
    headers = {name: value for name, value in response["headers"].items() if name.lower().startswith(kept)}
    return response | {"headers": headers}


RECORDER = vcr.VCR(
    cassette_library_dir=str(CASSETTES),
    record_mode="all" if RECORDING else "none",
    match_on=["method", "path", "query", "body"],
    filter_headers=["X-MBX-APIKEY"],
    filter_query_parameters=SECRET_PARAMETERS,
    filter_post_data_parameters=SECRET_PARAMETERS,
    before_record_request=at_one_origin,
    before_record_response=only_telling_headers,
)


async def live_through(venue: BinanceUsdm, approve: Approve) -> dict[str, Any]:
    """One of everything; what came back."""
    await venue.prepare()
    positions = await venue.read_positions()
    held = next(position for position in positions.positions if position.symbol == "BTCUSDT")
    placed = [
        await venue.place(approve(Place(order, "cassette")))
        for order in (
            desired(held.hedged, Role.BACKSTOP, "40000.0", None, "qpmCASSB"),
            desired(held.hedged, Role.WORKING_STOP, "40500.0", "0.050", "qpmCASSW"),
            desired(held.hedged, Role.TAKE_PROFIT, "44000.0", "0.050", "qpmCASST"),
        )
    ]
    with pytest.raises(Refused) as again:
        await venue.place(approve(Place(desired(held.hedged, Role.BACKSTOP, "39000.0", None, "qpmCASSX"), "cassette")))
    one = await venue.read_orders("BTCUSDT")
    everything = await venue.read_orders(None)
    target = await venue.query_order("BTCUSDT", "qpmCASST")
    assert target is not None
    await venue.cancel(approve(Cancel(target, held.key, "cassette")))
    with pytest.raises(Refused) as gone:
        await venue.cancel(approve(Cancel(target, held.key, "cassette")))
    await venue.close(
        approve(
            Close(
                held.key,
                held.hedged,
                held.quantity,
                "qpmCASSC",
                None,
                "cassette",
                held.mark_price,
                WorkingType.MARK_PRICE,
            )
        )
    )
    rows = await venue.read_position_rows("BTCUSDT")
    return {
        "positions": positions,
        "placed": placed,
        "again": again.value.said,
        "one": one,
        "everything": everything,
        "gone": gone.value.said,
        "rows": rows,
        "rules": venue.instrument("BTCUSDT"),
        "weight": venue.api_weight_1m,
        "held": held,
    }


def desired(hedged: bool, role: Role, trigger: str, quantity: str | None, client_id: str) -> DesiredOrder:
    return DesiredOrder(
        symbol="BTCUSDT",
        side=Side.LONG,
        role=role,
        rung=0,
        purpose=Purpose.TAKE_PROFIT if role is Role.TAKE_PROFIT else Purpose.STOP,
        trigger_price=Decimal(trigger),
        quantity=None if quantity is None else Decimal(quantity),
        hedged=hedged,
        working_type=WorkingType.MARK_PRICE,
        client_id=client_id,
        source="static",
    )


async def recorded(scenario: str, approve: Approve, clock: Any) -> dict[str, Any]:
    server: PaperServer | None = None
    origin = ORIGIN
    if RECORDING:
        (CASSETTES / f"{scenario}.yaml").unlink(missing_ok=True)
        options = PaperOptions(port=0, scenario=scenario, price_interval_s=0, api_key=API_KEY, api_secret=API_SECRET)
        server = PaperServer(options)
        await server.start()
        origin = server.url
    with RECORDER.use_cassette(f"{scenario}.yaml"):
        venue = connect(environment="paper", rest_url=origin, api_key=API_KEY, api_secret=API_SECRET, clock=clock)
        try:
            return await live_through(venue, approve)
        finally:
            await venue.aclose()
            if server is not None:
                await server.stop()


@pytest.mark.parametrize("scenario", ["seven-naked", "hedge"])
async def test_a_recorded_life(approve: Approve, clock: Any, scenario: str) -> None:
    seen = await recorded(scenario, approve, clock)
    held, hedged = seen["held"], scenario == "hedge"
    assert held.hedged is hedged and held.side is Side.LONG and held.leverage == 10
    assert len(seen["positions"].positions) == (6 if hedged else 7) and not seen["positions"].unreadable
    assert seen["again"] == "-4130" and seen["gone"] in ("-2011", "-2013")
    by_id = {order.client_id: order for order in seen["one"].orders}
    assert set(by_id) == {"qpmCASSB", "qpmCASSW", "qpmCASST"} and seen["everything"].orders == seen["one"].orders
    assert [by_id[name].order_id for name in ("qpmCASSB", "qpmCASSW", "qpmCASST")] == seen["placed"]
    assert by_id["qpmCASSB"].close_all and by_id["qpmCASSW"].quantity == Decimal("0.050")
    assert held.key in seen["rows"].zero_keys
    assert seen["rules"].tick == Decimal("0.1") and seen["weight"] > 0


def test_the_recordings_hold_no_secret() -> None:
    files = sorted(CASSETTES.glob("*.yaml"))
    assert files
    for file in files:
        text = file.read_text()
        found = re.findall(
            r"(?i)apikey|signature|recvWindow|timestamp=|KEYqpm|SECRETqpm|paper-secret|[0-9a-f]{64}", text
        )
        assert not found, f"{file.name}: {found[:3]}"
        assert set(re.findall(r"https?://[^/\s]+", text)) == {ORIGIN}


def test_no_request_is_recorded_with_its_headers() -> None:
    for file in sorted(CASSETTES.glob("*.yaml")):
        assert "User-Agent" not in file.read_text()
