"""The seam to the exchange: what the daemon asks of any venue. Implementations live in `edge/venues/`.

Every method raises one of the `ExchangeFailure` classes and nothing else. Reads return only schema-valid data.
Writes are sent exactly once and take an `Approved` action, which only `core/decision/guard.py` can build.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from position_monitor.core.decision.guard import Approved
from position_monitor.core.market.candles import Candle
from position_monitor.core.model.actions import Cancel, Close, Place
from position_monitor.core.model.instruments import Instrument
from position_monitor.core.model.orders import LiveOrder, WorkingType
from position_monitor.core.model.sides import PositionKey
from position_monitor.core.model.traits import VenueTraits
from position_monitor.core.observation.reads import OrdersRead, PositionsRead


class Exchange(Protocol):
    """A venue that holds positions and conditional orders."""

    @property
    def traits(self) -> VenueTraits:
        """What it grants an account and what its reads cost."""
        ...

    @property
    def api_weight_1m(self) -> int:
        """Request weight used in the running minute, as the venue last reported it."""
        ...

    @property
    def foreign_weight_1m(self) -> int:
        """Part of `api_weight_1m` that another program on this address used, at least."""
        ...

    @property
    def own_weight_1m(self) -> int:
        """Part of `api_weight_1m` that this program used."""
        ...

    @property
    def has_spare_weight(self) -> bool:
        """Whether the minute has weight left for what may wait, such as a removal and the read just before it."""
        ...

    @property
    def banned_until_ms(self) -> int:
        """When the venue is next asked whether its ban of our address is over, ms UTC of our clock; 0: not banned."""
        ...

    @property
    def key_refused(self) -> str:
        """Why the venue refused our key when it was last asked something signed; empty where it took it."""
        ...

    def venue_now_ms(self) -> int:
        """The venue's clock as last measured, ms UTC: what the times in its answers and events are compared with."""
        ...

    def settings_changed(self) -> None:
        """The venue told of a change of leverage or of the account's settings: the next `refresh` reads them."""
        ...

    async def prepare(self) -> None:
        """Measure the clock offset, load instruments and the position mode. May be called again at any time."""
        ...

    async def refresh(self) -> None:
        """Cheap upkeep, called once a cycle: re-measures the clock and reloads what the venue said has changed."""
        ...

    def instrument(self, symbol: str) -> Instrument | None:
        """Trading rules of `symbol` as last loaded, or None when the venue does not list it."""
        ...

    async def read_positions(self) -> PositionsRead:
        """Every open position of the account (absence proves nothing)."""
        ...

    async def read_position_rows(self, symbol: str) -> PositionsRead:
        """The rows of one symbol including zero rows: positive evidence of flat."""
        ...

    def arm_by_last(self, armed_by_last: Callable[[PositionKey], bool] | None) -> None:
        """Which positions have orders that the last trade arms: they are read together with its price."""
        ...

    async def read_price(self, symbol: str, working_type: WorkingType) -> Decimal:
        """The price that arms orders of this type, read apart from the account: a second witness."""
        ...

    def trading_symbols(self) -> Collection[str]:
        """Every contract that trades now."""
        ...

    async def read_candles(
        self, symbol: str, working_type: WorkingType, *, first_ms: int, count: int
    ) -> Sequence[Candle]:
        """Up to `count` candles of an hour, oldest first, from the one that began at `first_ms` on.

        They are of the price that arms orders of this type. Read in the background: no decision waits for it.
        """
        ...

    async def read_turnovers(self) -> Mapping[str, Decimal]:
        """Turnover of the last day by symbol, in quote units. Read in the background."""
        ...

    async def read_orders(self, symbol: str | None) -> OrdersRead:
        """Both open-order lists, of one symbol or (None) of the whole account."""
        ...

    def orders_so_far(self, symbol: str) -> OrdersRead | None:
        """What a read of one symbol's lists that is under way has of them: enough for a stop. Told once."""
        ...

    async def query_order(self, symbol: str, client_id: str) -> LiveOrder | None:
        """One of our orders by client id in whatever status it is; None when the venue knows none."""
        ...

    async def place(self, approved: Approved[Place]) -> str:
        """Send an order that is to rest; returns the venue's order id. An acknowledgement proves nothing yet."""
        ...

    async def cancel(self, approved: Approved[Cancel]) -> None:
        """Cancel an order of ours by id, in the list it lives in."""
        ...

    async def close(self, approved: Approved[Close]) -> None:
        """Send a reduce-only market or IOC limit order."""
        ...

    async def aclose(self) -> None:
        """Release connections."""
        ...
