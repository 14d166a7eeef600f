"""What the API key may do, as the venue documents the answer, and the operator's switch."""

from __future__ import annotations

from position_monitor.paper.control import Control
from position_monitor.paper.gateway import Gateway
from position_monitor.paper.signing import Gatekeeper, Request
from tests.paper.paper_support import KEY, SECRET, START_MS, long_btc

PATH = "/sapi/v1/account/apiRestrictions"
DOCUMENTED = {
    "ipRestrict", "createTime", "enableReading", "enableWithdrawals", "enableInternalTransfer", "enableMargin",
    "enableFutures", "permitsUniversalTransfer", "enableVanillaOptions", "enableFixApiTrade", "enableFixReadOnly",
    "enableSpotAndMarginTrading", "enablePortfolioMarginTrading",
}  # fmt: skip
"""Binance, Wallet, Get API Key Permission."""


def test_the_answer_has_the_documented_fields_and_weighs_one() -> None:
    """A key made for a guardian: futures and reading, an address, no withdrawals."""
    gateway = Gateway(long_btc(), Gatekeeper(KEY, SECRET))
    reply = gateway.handle(Request("GET", PATH, {}, trusted=True))
    assert set(reply.body) == DOCUMENTED and reply.headers["X-MBX-USED-WEIGHT-1M"] == "1"
    assert reply.body["enableFutures"] and not reply.body["enableWithdrawals"] and reply.body["createTime"] == START_MS


def test_it_needs_the_key_and_a_signature() -> None:
    """Permissions are USER_DATA."""
    gateway = Gateway(long_btc(), Gatekeeper(KEY, SECRET))
    assert gateway.handle(Request("GET", PATH, {})).body["code"] == -2014


def test_the_operator_switches_permissions_by_their_names() -> None:
    """Withdrawals on and off; a name that is none, and a value that is none, are refused."""
    engine = long_btc()
    control = Control(engine)
    status, body = control.handle("POST", "key", {"enableWithdrawals": True})
    assert status == 200 and body["enableWithdrawals"] is True
    assert control.handle("POST", "key", {"enableWithdrawals": "false"})[1]["enableWithdrawals"] is False
    for wrong in ({"withdraw": True}, {"enableFutures": "maybe"}, {"createTime": 1}):
        assert control.handle("POST", "key", wrong)[0] == 400
