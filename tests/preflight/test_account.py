"""What the exchange says before first use, answer by answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from position_monitor.preflight.account import account_findings
from position_monitor.preflight.findings import Finding
from position_monitor.verification.signed_reads import VenueUnread
from tests.verification.test_venue_rows import ALGO_ROW

PERMISSIONS = "/sapi/v1/account/apiRestrictions"
DOCUMENTED: Mapping[str, Any] = {
    "ipRestrict": True, "createTime": 1698645219000, "enableReading": True, "enableWithdrawals": False,
    "enableInternalTransfer": False, "enableMargin": False, "enableFutures": True, "permitsUniversalTransfer": False,
    "enableVanillaOptions": False, "enableFixApiTrade": False, "enableFixReadOnly": True,
    "enableSpotAndMarginTrading": False, "enablePortfolioMarginTrading": True,
}  # fmt: skip
"""Binance, Wallet, Get API Key Permission."""
ANSWERS: Mapping[str, Any] = {
    PERMISSIONS: DOCUMENTED,
    "/fapi/v1/accountConfig": {
        "feeTier": 0, "canTrade": True, "canDeposit": True, "canWithdraw": True, "dualSidePosition": True,
        "updateTime": 0, "multiAssetsMargin": False, "tradeGroupId": -1,
    },
    "/fapi/v3/balance": [{"accountAlias": "SgsR", "asset": "USDT", "balance": "122607.35137903"}],
    "/fapi/v1/openAlgoOrders": [],
}  # fmt: skip
"""As Binance documents them; `canWithdraw` there is about the account, not about the key."""


class Answering:
    """Stands in for `SignedReads`: each path gives its answer, or fails with it."""

    place, weight_used_1m = "venue:443", 12

    def __init__(self, offset_ms: int = 3, **changes: Any) -> None:
        self.offset_ms = offset_ms
        self.answers = {**ANSWERS, **changes}

    async def measure_clock(self) -> int:
        if self.offset_ms < 0:
            raise VenueUnread("the exchange at venue:443 cannot be reached")
        return self.offset_ms

    async def make_room(self, weight: int) -> None: ...

    def keeping_time_of(self, other: Answering) -> Answering:
        return self

    async def ask(self, path: str) -> Any:
        answer = self.answers[path]
        if isinstance(answer, Exception):
            raise answer
        return answer


async def found(reads: Answering, *, acts: bool = True) -> dict[str, Finding]:
    findings, _ = await account_findings(reads, reads, acts=acts)  # type: ignore[arg-type]
    return {finding.subject: finding for finding in findings}


async def test_the_documented_answers_are_fine() -> None:
    """Words to compare with the account that was meant; `canWithdraw` of the account is nobody's fault."""
    findings = await found(Answering())
    assert {finding.outcome.value for finding in findings.values()} == {"ok"}
    assert findings["position mode"].words == "hedge (LONG and SHORT apart)"
    assert "SgsR" in findings["identity"].words and "2388 left" in findings["request weight"].words


@pytest.mark.parametrize(
    ("change", "subject", "outcome", "acts"),
    [
        ({"enableWithdrawals": True}, "key: withdrawals", "error", True),
        ({"enableWithdrawals": True}, "key: withdrawals", "error", False),
        ({"enableFutures": False}, "key: futures", "error", True),
        ({"enableFutures": False}, "key: futures", "warning", False),
        ({"enableReading": False}, "key: reading", "error", True),
        ({"ipRestrict": False}, "key: addresses", "warning", True),
        ({"permitsUniversalTransfer": True}, "key: transfers", "warning", True),
        ({"enableWithdrawals": "no"}, "key", "warning", True),
    ],
)
async def test_what_the_key_may_do(change: dict[str, Any], subject: str, outcome: str, acts: bool) -> None:
    """Trade permission is an error in mode live and a warning in mode observe; withdrawing is always an error."""
    finding = (await found(Answering(**{PERMISSIONS: {**DOCUMENTED, **change}}), acts=acts))[subject]
    assert finding.outcome.value == outcome and finding.advice


@pytest.mark.parametrize(
    ("failure", "outcome", "words"),
    [
        (VenueUnread("x", http_status=404), "warning", "not known: the exchange at venue:443 does not say"),
        (VenueUnread("x", http_status=404, code=-5000), "warning", "not known"),
        (VenueUnread("the wallet cannot be reached"), "warning", "not known: the wallet cannot be reached"),
        (VenueUnread("refused", http_status=401, code=-2015), "error", "refused"),
    ],
)
async def test_permissions_that_are_not_told(failure: VenueUnread, outcome: str, words: str) -> None:
    """Silence says nothing of the key; a refused key is an error."""
    finding = (await found(Answering(**{PERMISSIONS: failure})))["key"]
    assert finding.outcome.value == outcome and words in finding.words and finding.advice


@pytest.mark.parametrize("body", [{"code": 0}, [1], "x", None])
async def test_a_list_that_is_none_is_an_error(body: object) -> None:
    """Without it no stop can be read back."""
    finding = (await found(Answering(**{"/fapi/v1/openAlgoOrders": body})))["conditional orders"]
    assert finding.outcome.value == "error"


async def test_stops_of_others_are_named() -> None:
    """With symbol, side, price and id, so that they can be found on the venue's own screen; ours are not theirs."""
    rows = [
        {**ALGO_ROW, "orderType": "STOP_MARKET", "clientAlgoId": "web_1"},
        {**ALGO_ROW, "orderType": "STOP_MARKET", "clientAlgoId": "qpm1b0" + "0" * 26},
    ]
    finding = (await found(Answering(**{"/fapi/v1/openAlgoOrders": rows})))["foreign stops"]
    assert finding.outcome.value == "warning"
    assert "1 of others rest: BNBUSDT LONG STOP_MARKET @ 750.000 (web_1)" in finding.words


async def test_a_clock_that_is_off_and_an_exchange_that_is_away() -> None:
    """The first is a warning, the second an error after which nothing else is asked."""
    assert (await found(Answering(offset_ms=2_000)))["clock"].outcome.value == "warning"
    away = await found(Answering(offset_ms=-1))
    assert list(away) == ["exchange (live)"] and away["exchange (live)"].outcome.value == "error"


async def test_an_account_that_may_not_trade() -> None:
    """As the venue says of the account itself."""
    config = {**ANSWERS["/fapi/v1/accountConfig"], "canTrade": False, "multiAssetsMargin": None}
    findings = await found(Answering(**{"/fapi/v1/accountConfig": config}))
    assert findings["account"].outcome.value == "error" and findings["margin"].outcome.value == "not known"
