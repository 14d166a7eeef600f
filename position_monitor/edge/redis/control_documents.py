"""A request of an operator as the members of a JSON object, and back (DESIGN 5, `P:control`)."""

from __future__ import annotations

from position_monitor.core.decision.control_answers import request_from
from position_monitor.core.model.control import ControlRequest


def request_document(request: ControlRequest) -> dict[str, str | int | None]:
    """A request as JSON members, as they stand in the stream and in the published state."""
    return {
        "id": request.id,
        "type": request.type.value,
        "symbol": request.symbol,
        "side": None if request.side is None else request.side.value,
        "until_ms": request.until_ms,
        "reason": request.reason,
        "by": request.by,
        "at_ms": request.at_ms,
    }


def read_request(document: object) -> ControlRequest | None:
    """A published request back as a value; None where there is none. Raises `ValueError`."""
    return None if document is None else request_from(document)
