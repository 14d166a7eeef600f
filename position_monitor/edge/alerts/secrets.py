"""Addresses of alerts are secrets: they are taken out of every text before it goes anywhere (invariant 15)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from position_monitor.config.monitoring import AlertsSection, SecretUrl
from position_monitor.edge import log

PART_LENGTH_MIN: Final = 3
"""Parts shorter than this are not taken out of a text about an address: they would blank it."""
TEXT_MAX: Final = 200


def hide(section: AlertsSection) -> None:
    """From now on no line of the journal holds one of these addresses, or a part of one that looks like a token."""
    for url in section.addresses:
        for token in url.tokens:
            log.register_secret(token)


def without_addresses(text: str, urls: Iterable[SecretUrl]) -> str:
    """What a service or a library said, on one line, without any part of these addresses."""
    pieces = sorted({piece for url in urls for piece in url.parts}, key=len, reverse=True)
    for piece in pieces:
        if len(piece) >= PART_LENGTH_MIN:
            text = text.replace(piece, log.REDACTED)
    return " ".join(log.redact(text).split())[:TEXT_MAX]
