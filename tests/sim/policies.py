"""Which policy is live for a symbol follows from the configuration and the symbol, in every process alike (S12)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class Policies:
    """Remembers which policy was published for a symbol under a configuration."""

    def __init__(self) -> None:
        self._live: dict[tuple[str, str], tuple[str, int]] = {}
        """Configuration and symbol -> the policy, and the daemon that said so first."""

    def told(self, daemon: int, published: Mapping[str, Any]) -> Iterator[str]:
        """Something is published."""
        config = published["status"]["config_hash"]
        for member, fields in published["positions"].items():
            policy, symbol = fields.get("policy", ""), member.partition(":")[0]
            if not policy or fields["verdict"] == "UNKNOWN":
                continue  # the figures of an earlier look, perhaps under another configuration
            before, by = self._live.setdefault((config, symbol), (policy, daemon))
            if policy != before:
                yield f"INV-11: {symbol} is under {policy} by daemon {daemon}, and was under {before} by daemon {by}"
