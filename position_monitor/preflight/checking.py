"""All questions in their order: what the file says, what the exchange says, what Redis says."""

from __future__ import annotations

from collections.abc import Callable

from position_monitor.config import Config
from position_monitor.preflight.account import account_findings
from position_monitor.preflight.findings import Finding, ok, warning
from position_monitor.preflight.first_plan import first_plan
from position_monitor.preflight.redis_server import redis_findings
from position_monitor.verification.signed_reads import ORIGINS, WALLET_ORIGINS, Key, SignedReads


def offline_findings(config: Config) -> list[Finding]:
    """What can be said without asking anybody. The configuration was loaded, so every key and rule of it holds."""
    plan = config.exit_plan()
    where = config.exchange.effective_rest_url or f"{config.exchange.id}, {config.exchange.environment}"
    findings = [
        ok("configuration", f"every key and every rule between keys holds (hash {config.config_hash})"),
        ok("exchange", where),
        ok("credentials", f"present ({config.credentials.origin})"),
        ok("protection", plan.described),
    ]
    if config.protection.mode == "observe":
        findings.append(warning("protection.mode", "observe: nothing will be placed", 'set "live" when you trust it'))
    if config.symbols.unmanaged:
        findings.append(warning("symbols.unmanaged", f"left alone: {', '.join(config.symbols.unmanaged)}"))
    findings += [warning("exit switches", sentence) for sentence in plan.conflicts]
    if plan.degraded_reason:
        findings.append(warning("exit switches", plan.degraded_reason))
    return findings


async def live_findings(config: Config, tell: Callable[[str], object]) -> list[Finding]:
    """What the exchange and Redis say now; never raises for what they answer. `tell` hears of a wait."""
    exchange, credentials = config.exchange, config.credentials
    key = Key(credentials.api_key.get_secret_value(), credentials.api_secret.get_secret_value())
    origin = exchange.effective_rest_url
    reads = SignedReads(origin or ORIGINS[exchange.environment], key, timeout_s=exchange.request_timeout_s, tell=tell)
    wallet = reads.beside(origin or WALLET_ORIGINS[exchange.environment])
    try:
        findings, readable = await account_findings(reads, wallet, acts=config.protection.mode == "live")
    finally:
        await reads.aclose()
        await wallet.aclose()
    findings.append(await first_plan(config, readable=readable))
    return findings + await redis_findings(config)
