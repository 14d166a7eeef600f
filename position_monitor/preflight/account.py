"""The exchange before first use: clock, key, account, weight, order lists. All by GET."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from position_monitor.preflight.findings import Finding, error, ok, unanswered, warning
from position_monitor.verification.signed_reads import SignedReads, VenueUnread
from position_monitor.verification.venue_look import ALGO_ORDERS
from position_monitor.verification.venue_rows import RowUnread, VenueOrder, algo_order_of

PERMISSIONS: Final = "/sapi/v1/account/apiRestrictions"
"""Binance, Wallet, Get API Key Permission: weight 1."""
ACCOUNT: Final = "/fapi/v1/accountConfig"
BALANCES: Final = "/fapi/v3/balance"
OFFSET_WARNING_MS: Final = 500
WEIGHT_1M: Final = 2_400
CONDITIONAL_ORDERS_MAX: Final = 200
_ALL_READS_WEIGHT: Final = 52
_NAMED_MAX: Final = 10
_NOTHING_THERE: Final = 404


async def account_findings(reads: SignedReads, wallet: SignedReads, *, acts: bool) -> tuple[list[Finding], bool]:
    """The findings, and whether the account can be read. `acts`: the daemon of this configuration places orders."""
    try:
        offset_ms = await reads.measure_clock()
        await reads.make_room(_ALL_READS_WEIGHT)
    except VenueUnread as unread:
        return [error("exchange (live)", str(unread), "correct exchange.environment or exchange.rest_url")], False
    findings = [ok("exchange (live)", f"answers at {reads.place}"), _clock(offset_ms)]
    findings += await _key(wallet.keeping_time_of(reads), acts=acts)
    try:
        account = await reads.ask(ACCOUNT)
        findings += _account(account, acts=acts)
    except VenueUnread as unread:
        return [*findings, error("account", str(unread), "create a key that may read futures")], False
    findings.append(await _identity(reads))
    findings += await _orders(reads)
    findings.append(_weight(reads.weight_used_1m))
    return findings, True


def _clock(offset_ms: int) -> Finding:
    words = f"this host's clock and the exchange's differ by {abs(offset_ms)} ms"
    if abs(offset_ms) > OFFSET_WARNING_MS:
        return warning("clock", words, "synchronise this host (NTP): timedatectl set-ntp true")
    return ok("clock", words)


async def _key(wallet: SignedReads, *, acts: bool) -> list[Finding]:
    """What the key may do, by the venue's own word."""
    advice = "look at the key's permissions on the exchange's own page: withdrawals must be off"
    try:
        body = await wallet.ask(PERMISSIONS)
    except VenueUnread as unread:
        if unread.key_refused:
            return [error("key", str(unread), "create a key that may read and trade futures, and nothing else")]
        words = f"the exchange at {wallet.place} does not say what this key may do"
        return [warning("key", f"not known: {words if unread.http_status == _NOTHING_THERE else unread}", advice)]
    if not isinstance(body, Mapping) or not isinstance(body.get("enableWithdrawals"), bool):
        return [warning("key", "not known: the answer about its permissions was not the documented one", advice)]
    return list(_permissions(body, acts=acts))


def _permissions(body: Mapping[str, Any], *, acts: bool) -> list[Finding]:
    findings = []
    if body["enableWithdrawals"]:
        advice = "create a key without that permission and delete this one: whoever steals it empties the account"
        findings.append(error("key: withdrawals", "this key can withdraw", advice))
    else:
        findings.append(ok("key: withdrawals", "this key cannot withdraw"))
    if body.get("enableFutures") is True:
        findings.append(ok("key: futures", "this key may trade futures"))
    else:
        findings.append(_no_trading("key: futures", "this key may not trade futures", acts=acts))
    if body.get("enableReading") is False:
        findings.append(error("key: reading", "this key may not read", "switch reading on"))
    moving = [name for name in ("enableInternalTransfer", "permitsUniversalTransfer") if body.get(name) is True]
    if moving:
        findings.append(warning("key: transfers", f"this key can move money ({', '.join(moving)})", "switch it off"))
    if body.get("ipRestrict") is True:
        findings.append(ok("key: addresses", "restricted to addresses"))
    else:
        findings.append(
            warning("key: addresses", "not restricted to any address", "restrict it to this host's address")
        )
    return findings


def _no_trading(subject: str, words: str, *, acts: bool) -> Finding:
    if acts:
        return error(subject, f"{words}: no stop could be placed", "switch futures trading on for this key")
    return warning(subject, f"{words}; protection.mode is observe", "switch it on before protection.mode = live")


def _account(body: object, *, acts: bool) -> list[Finding]:
    if not isinstance(body, Mapping):
        return [error("account", "the answer about the account was not the documented one", "check exchange.rest_url")]
    findings = []
    if body.get("canTrade") is True:
        findings.append(ok("account", "may trade"))
    elif body.get("canTrade") is False:
        findings.append(_no_trading("account", "this account may not trade", acts=acts))
    modes = {True: "hedge (LONG and SHORT apart)", False: "one-way"}
    findings.append(_worded("position mode", body.get("dualSidePosition"), modes))
    modes = {True: "multi-assets mode", False: "single-asset mode"}
    findings.append(_worded("margin", body.get("multiAssetsMargin"), modes))
    return findings


def _worded(subject: str, value: object, words: Mapping[bool, str]) -> Finding:
    return ok(subject, words[value]) if isinstance(value, bool) else unanswered(subject, "the exchange did not say")


async def _identity(reads: SignedReads) -> Finding:
    """Which account this key is of, by the alias that the venue gives it."""
    try:
        rows = await reads.ask(BALANCES)
    except VenueUnread as unread:
        return unanswered("identity", str(unread))
    aliases = {row.get("accountAlias") for row in rows if isinstance(row, Mapping)} if isinstance(rows, list) else set()
    named = sorted(alias for alias in aliases if isinstance(alias, str) and alias.isalnum())
    if not named:
        return unanswered("identity", "the exchange names no alias of this account")
    return ok("identity", f"account alias {', '.join(named)[:60]}: compare it with the account that you mean")


async def _orders(reads: SignedReads) -> list[Finding]:
    """Whether the list of conditional orders can be read, and which stops of others rest in it."""
    subject = "conditional orders"
    try:
        orders = [algo_order_of(row) for row in _objects(await reads.ask(ALGO_ORDERS), ALGO_ORDERS)]
    except (VenueUnread, RowUnread) as unread:
        advice = "without this list no stop can be read back: the key must be allowed to read futures orders"
        return [error(subject, str(unread), advice)]
    words = f"readable, {len(orders)} open of {CONDITIONAL_ORDERS_MAX} that may be"
    foreign = [order for order in orders if not order.ours and order.type.startswith(("STOP", "TRAILING"))]
    if len(orders) > CONDITIONAL_ORDERS_MAX // 2:
        return [warning(subject, words, "remove what is not needed: every stop needs one"), _foreign(foreign)]
    return [ok(subject, words), _foreign(foreign)]


def _objects(body: object, path: str) -> list[Mapping[str, object]]:
    if not isinstance(body, list) or not all(isinstance(row, Mapping) for row in body):
        raise RowUnread(f"the answer was no list of objects [GET {path}]")
    return body


def _foreign(orders: list[VenueOrder]) -> Finding:
    if not orders:
        return ok("foreign stops", "none rests")
    named = [f"{one.symbol} {one.side} {one.type} @ {one.trigger_price:f} ({one.client_id})" for one in orders]
    more = f" and {len(named) - _NAMED_MAX} more" if len(named) > _NAMED_MAX else ""
    words = f"{len(orders)} of others rest: {'; '.join(named[:_NAMED_MAX])}{more}"
    return warning("foreign stops", words, "they are never touched; protection.foreign_orders says whether they count")


def _weight(used: int | None) -> Finding:
    if used is None:
        return unanswered("request weight", "the exchange does not say how much of this minute is used")
    words = f"{used} of this minute's {WEIGHT_1M} used, {max(WEIGHT_1M - used, 0)} left"
    if used > WEIGHT_1M // 2:
        return warning("request weight", words, "another program uses this address: give the daemon one of its own")
    return ok("request weight", words)
