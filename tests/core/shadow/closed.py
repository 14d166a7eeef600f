"""Records of closed positions, made by the same code as the daemon's, from fills that are given in a few words."""

from __future__ import annotations

from position_monitor.core.model.orders import Role
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.performance.facts import Forced
from position_monitor.core.performance.lives import Anchor, lives_of
from position_monitor.core.performance.making import Statement, Watched, record_of
from position_monitor.core.performance.record import Origin
from tests.core.build import ACCOUNT, OPENED_MS, SYMBOL, D
from tests.core.performance.past import BEGAN_MS, booked, fill, order

SHIFT_MS = OPENED_MS - BEGAN_MS
_ROLES = {"backstop": Role.BACKSTOP, "stop": Role.WORKING_STOP, "target": Role.TAKE_PROFIT, "close": Role.CLOSE}


def closed(*steps, side: Side = Side.LONG, first_stop="98.5"):
    """The record of steps `(seconds, what, price, quantity)`.

    What: entry, backstop, stop, target, close, hand, liquidated or adl. Fees are 0.05 %. The backstop rests from the
    entry on, so the risk is that to `first_stop`.
    """
    held, cost, fills, orders = D(0), D(0), [], []
    is_long = side is Side.LONG
    orders.append(_order("", Role.BACKSTOP, first_stop, side))
    for seconds, what, price, quantity in steps:
        buys = is_long if what == "entry" else not is_long
        realised, amount = D(0), D(quantity)
        if what == "entry":
            held, cost = held + amount, cost + amount * D(price)
        else:
            move = D(price) - cost / held
            realised = amount * (move if is_long else -move)
            held, cost = held - amount, cost - amount * cost / held
        at_ms = OPENED_MS + round(seconds * 1000)
        one = fill(0, buys, price, quantity, symbol=SYMBOL, realised=realised, at_ms=at_ms)
        fills.append(one)
        if what in _ROLES:
            orders.append(_order(one.order_id, _ROLES[what], price, side, at_ms - 1))
        elif what in ("liquidated", "adl"):
            forced = Forced.LIQUIDATION if what == "liquidated" else Forced.ADL
            orders.append(_order(one.order_id, None, price, side)._replace(forced=forced))
    [life] = lives_of(fills, Anchor(D(0), fills[-1].at_ms))
    statement = Statement(account=ACCOUNT, orders=tuple(orders), income=booked(*fills), now_ms=fills[-1].at_ms)
    origin = Origin(policy="hybrid", profile="DEFAULT", regime="NORMAL_VOL", settings_hash="abc", version="1")
    return record_of(life, statement, Watched(whole=True, origin=origin))


def _order(executing, role, trigger, side, created_at_ms=OPENED_MS):
    made = order(executing, role, trigger, key=PositionKey(SYMBOL, side))
    return made._replace(created_at_ms=created_at_ms)
