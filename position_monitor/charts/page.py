"""A whole page. A report stands alone: its styles are in it, nothing is fetched, and a policy of its own says so."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

from position_monitor.charts.markup import Markup, element, joined, raw
from position_monitor.charts.styles import STYLE


def report_page(title: str, children: Iterable[Markup | str | None]) -> str:
    """One self-contained document: no script, no outside reference, enforced by a policy of its own."""
    style_hash = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{style_hash}'; base-uri 'none'; form-action 'none'"
    head = (
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        raw(f"<style>{STYLE}</style>"),
    )
    body = element("body", element("main", element("h1", title), *children))
    return joined(
        (raw("<!doctype html>\n"), element("html", element("head", joined(head)), body, lang="en"), raw("\n"))
    )
