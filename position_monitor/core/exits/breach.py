"""A loss beyond `max_loss_pct`: whatever stops rest, the position is to be closed (`on_breach = "close"`, DESIGN 9)."""

from __future__ import annotations

from position_monitor.core.exits.view import ExitView
from position_monitor.core.model.desired import CloseReason
from position_monitor.core.model.money import against, plain
from position_monitor.core.model.orders import WorkingType
from position_monitor.core.model.settings import OnBreach

_CLOSE = OnBreach.CLOSE


def close_on_breach(view: ExitView) -> CloseReason | None:
    """Why the position is to be closed at market for its loss; None where the setting or the loss does not say so."""
    position, settings = view.position, view.settings
    if settings.on_breach is not _CLOSE or position.entry_price <= 0 or position.loss_pct < settings.max_loss_pct:
        return None
    level = against(position.entry_price, position.side, settings.max_loss_pct)
    text = f"its loss of {position.loss_pct:.2f} % is beyond {plain(settings.max_loss_pct)} %"
    return CloseReason(text, level, WorkingType.MARK_PRICE)
