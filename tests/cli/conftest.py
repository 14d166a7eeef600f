"""States of an account as the daemon would publish them, and a fake look at the exchange."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from position_monitor.core.decision.plan_inputs import Held
from position_monitor.core.model.actions import Cancel, Place
from position_monitor.core.model.book_cases import StopCase, TargetCase
from position_monitor.core.model.desired import DesiredBook, DesiredOrder, Level
from position_monitor.core.model.orders import LiveOrder, OrderStatus, Purpose, Role, WorkingType
from position_monitor.core.model.positions import Position
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.model.verdicts import RiskStatus, Verdict
from position_monitor.core.publication.state import AccountState, PositionState, TakeProfitState
from position_monitor.inspector import InspectedOrder, InspectedPosition, Inspection

BTC = PositionKey("BTCUSDT", Side.LONG)
NOW_MS = 1_766_358_000_000


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of whoever runs the tests reaches the configuration."""
    for name in ("POSITION_MONITOR_CONFIG", "REDIS_URL", "EXIT_MODE", "CREDENTIALS_DIRECTORY", "EXCHANGE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    # Opening the journal is for a process of its own: it redirects every logger and the exception hook.
    monkeypatch.setattr("position_monitor.edge.log.configure", lambda **_: None)
    monkeypatch.setattr("position_monitor.edge.log.register_secret", lambda _: None)


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """A valid file whose Redis and exchange are on a port where nobody listens."""
    path = tmp_path / "position-monitor.toml"
    path.write_text('[exchange]\nrest_url = "http://127.0.0.1:9"\n[redis]\nurl = "redis://127.0.0.1:9/0"\n')
    return path


@pytest.fixture
def position_state() -> PositionState:
    """A protected long."""
    rungs = tuple(
        TakeProfitState(rung, Decimal(price), Decimal("0.08"), f"qpm1t{rung}", "hybrid", resting=rung < 2)
        for rung, price in enumerate(("42630", "43050", "43680"))
    )
    return PositionState(
        key=BTC,
        verdict=Verdict.PROTECTED,
        reason="",
        since_ms=NOW_MS - 3 * 3_600_000,
        quantity=Decimal("0.250"),
        entry_price=Decimal("42000"),
        mark_price=Decimal("42034.38274332"),
        liquidation_price=Decimal("9253.3"),
        leverage=10,
        unrealized_pnl=Decimal("8.6"),
        stop_price=Decimal("41370"),
        stop_quantity=Decimal("0.250"),
        cover_pct=Decimal(100),
        stop_client_ids=("qpm1b0x",),
        backstop_price=Decimal("41370"),
        take_profits=rungs,
        trailing="off",
        profile="DEFAULT",
        regime="",
        level_source="hybrid",
        worst_case_loss=Decimal("157.5"),
        naked_ms=1200,
        observed_at_ms=NOW_MS - 1800,
        conditions={"StopCovered": "True"},
    )


@pytest.fixture
def account_state() -> AccountState:
    """An account on a good day."""
    return AccountState(
        risk_status=RiskStatus.PROTECTED,
        mode="live",
        positions=1,
        protected=1,
        coverage_pct=Decimal(100),
        exposed_notional=Decimal(0),
        unknown_notional=Decimal(0),
        unread=(),
        environment="paper",
        status_line="🛡️ 1/1 protected (100%)",
        reason="",
        exit_mode="LEGACY (live: LEGACY)",
        conflicts=(),
        ai_engine="OFF",
        circuit_breaker="OFF",
        observed_at_ms=NOW_MS - 1800,
        published_at_ms=NOW_MS - 1700,
        cycle_ms=40,
        api_weight_1m=5,
        version="0.1.0",
        config_hash="3f9a00112233",
        owner="host:1:x",
        epoch=7,
        sequence=3,
    )


def stop_order() -> DesiredOrder:
    """The backstop that is missing."""
    return DesiredOrder(
        "BTCUSDT", Side.LONG, Role.BACKSTOP, 0, Purpose.STOP, Decimal("41370"), None, False,
        WorkingType.MARK_PRICE, "qpm1b0abc", "hybrid",
    )  # fmt: skip


def live_order(client_id: str = "somebody-else") -> LiveOrder:
    """A resting order."""
    return LiveOrder(
        key=PositionKey("BTCUSDT", Side.LONG),
        order_id="1",
        client_id=client_id,
        tag=None,
        purpose=Purpose.STOP,
        quantity=Decimal("0.1"),
        trigger_price=Decimal("41000"),
        limit_price=None,
        working_type=WorkingType.MARK_PRICE,
        status=OrderStatus.NEW,
        executed_quantity=Decimal(0),
        reduces=True,
        hedged=False,
        conditional=True,
        caveat="",
        created_at_ms=NOW_MS,
        updated_at_ms=NOW_MS,
    )


@pytest.fixture
def inspection(account_state: AccountState, position_state: PositionState) -> Inspection:
    """One naked long: a stop to place, a surplus order to cancel, a take-profit that waits."""
    position = Position(
        "BTCUSDT", Side.LONG, Decimal("0.250"), Decimal("42000"), Decimal("42034.38"), Decimal("9253.3"),
        Decimal("8.6"), 10, False, NOW_MS,
    )  # fmt: skip
    book = DesiredBook(
        key=BTC,
        epoch="epoch",
        stop=Level(Decimal("41370"), "hybrid", {"stop_loss_pct": Decimal("1.5")}),
        orders=(stop_order(),),
        stop_case=StopCase.NEW_BACKSTOP,
        target_case=TargetCase.NEW_LADDER,
        profile="DEFAULT",
    )
    state = replace(position_state, verdict=Verdict.NAKED, reason="no stop counts as cover", stop_price=None)
    actions = (Place(stop_order(), "no stop"), Cancel(live_order("qpm1b0old"), BTC, "replaced", ("qpm1b0abc",)))
    held = (Held(BTC, "place TAKE_PROFIT_MARKET 0.08 @ 42630", "stops before take-profits"),)
    orders = (InspectedOrder(live_order(), "foreign", "it covers only 0.1 of 0.250"),)
    found = InspectedPosition(position, book, orders, actions, held, state)
    risk = replace(account_state, risk_status=RiskStatus.CRITICAL, protected=0)
    return Inspection(risk, (found,), ())


@pytest.fixture
def seen_by_inspector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Inspection | Exception], None]]:
    """Make every look at the exchange give this inspection, or fail."""

    def prepare(outcome: Inspection | Exception) -> None:
        class FakeInspector:
            def __init__(self, config: object, **_: object) -> None:
                del config

            async def aclose(self) -> None: ...

            async def look(self) -> Inspection:
                if isinstance(outcome, Exception):
                    raise outcome
                return outcome

        monkeypatch.setattr("position_monitor.inspector.Inspector", FakeInspector)

    yield prepare
