"""The table of REST endpoints: who may call, what it weighs, what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from position_monitor.paper.parameters import Params

Handler = Callable[[Params], Any]


class Access(Enum):
    """What a request must prove."""

    PUBLIC = "public"
    KEY = "key"
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint.  `weight` without and with a symbol; `orders` = how many order
    slots a call uses (None: one per element of `batchOrders`)."""

    handler: Handler
    access: Access = Access.SIGNED
    weight: int = 1
    weight_all: int | None = None
    orders: int | None = 0
    weigh: Callable[[Params], int] | None = None

    def cost(self, params: Params) -> int:
        """Request weight of a call with these parameters."""
        if self.weigh is not None:
            return self.weigh(params)
        if self.weight_all is not None and not params.get("symbol"):
            return self.weight_all
        return self.weight


Table = dict[tuple[str, str], Route]
