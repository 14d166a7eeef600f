"""Whole pages of the server: the overview, and one position with its history. They work without the script."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from position_monitor.charts.markup import Markup, element, joined, raw
from position_monitor.charts.styles import STYLE
from position_monitor.core.model.sides import PositionKey
from position_monitor.dashboard import own_page
from position_monitor.dashboard.board import HOLE, Frame, section
from position_monitor.dashboard.levels import verdict_of
from position_monitor.dashboard.position_parts import why
from position_monitor.dashboard.watching import AccountView, Past
from position_monitor.dashboard.words import badge, clock_of, lasting, moment

REFRESH_S: Final = 5
"""How often a browser without script asks again."""
HISTORY_EVENTS: Final = 1_000
PAGE_STYLE: Final = (
    STYLE
    + """
.badge{border:2px solid currentColor;border-radius:5px;padding:.05em .45em;white-space:nowrap}
.verdict{font-size:1.5rem;margin:.3em 0}.age{font-size:.95rem;color:var(--quiet);white-space:nowrap}
.ways{display:flex;flex-wrap:wrap;gap:.3em 1.2em;margin:.6em 0}.small{font-size:.8rem}
.positions th[scope=row] a{display:inline-block;max-width:14em;overflow-wrap:break-word}
.why{min-width:14em}
.events{list-style:none;padding:0;margin:.5em 0}
.events li{display:grid;grid-template-columns:15em 12em 12em 1fr;gap:0 .8em;padding:.25em 0;
border-bottom:1px solid var(--line);overflow-wrap:anywhere}.events time{font-variant-numeric:tabular-nums}
.side{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr));gap:8px 24px;align-items:start}
@media (max-width:900px){.events li{display:flex;flex-wrap:wrap}.events li>:last-child{flex-basis:100%}}
@media (max-width:600px){.positions table{font-size:.8rem}.positions th,.positions td{padding:.35em .2em}
.positions .badge{font-size:.72rem;border-width:1.5px;padding:0 .25em}
.positions th[scope=row] a{max-width:6.5em;padding:.2em 0}}
.bad .sign-of,.badge.bad{font-weight:800}
.banner{border:3px solid var(--bad);color:var(--bad);padding:.5em .8em;font-weight:700;max-width:none}
.accounts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,560px),1fr));gap:24px}
.account{min-width:0}.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));gap:12px}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 12px;min-width:0;
content-visibility:auto;contain-intrinsic-size:auto 460px}
.bar-top{display:flex;flex-wrap:wrap;gap:.4em 1.2em;align-items:baseline;justify-content:space-between}
input{font:inherit;padding:.3em .5em;max-width:100%;color:inherit;background:var(--card);border:1px solid var(--quiet)}
#contact{display:none}#contact.lost{display:block}.lost-contact .badge,.lost-contact time{opacity:.35}
.skip{position:absolute;left:-999em}.skip:focus{position:static}[hidden]{display:none!important}
@media print{input,.skip{display:none}.card{content-visibility:visible}}
"""
)
_TIME: Final = re.compile(r'(<time datetime="[^"]{20}" data-at="(\d{1,14})">)([^<]*)(</time>)')

CONTACT: Final = element(
    "p", "No contact with the dashboard: what stands below is old.", id="contact", class_="banner", role="alert"
)


def overview(views: Sequence[AccountView], frame: Frame, *, now_ms: int) -> bytes:
    """Every account, with the ages as of now; UTF-8."""
    sections = [section(place, view, frame) for place, view in enumerate(views)]
    search = element("input", type="search", id="search", placeholder="Symbol", aria_label="Show only these positions")
    label = element("label", "Search ", search, id="searching", hidden=True)
    top = element("div", element("strong", "Position monitor"), label, class_="bar-top")
    body = (
        element("a", "To the accounts", href="#accounts", class_="skip"),
        element("header", top),
        CONTACT,
        element("main", *sections, id="accounts", class_="accounts"),
    )
    page = _document("Position monitor", body, now_ms=now_ms, frame=frame.number)
    return b"".join(_filled(page, frame, now_ms))


def _filled(page: str, frame: Frame, now_ms: int) -> Iterator[bytes]:
    """The page with the children of each list in its place, each with its ages."""
    for place, words in enumerate(page.split(HOLE)):
        if place % 2 == 0:
            yield words.encode("utf-8", "replace")
        else:
            for child in frame.orders.get(words, ()):
                yield _with_ages(frame.parts[child], now_ms).encode("utf-8", "replace")


def position_page(view: AccountView, key: PositionKey, past: Past, *, now_ms: int, is_listed: bool) -> str:
    """One position: ladder, plan, everything published of it, levels over time, the policy in shadow, events."""
    name, state = f"{key.symbol} {key.side}", view.positions.get(key)
    status = (
        badge(verdict_of(state)) if is_listed else element("strong", "No such position is published", class_="warn")
    )
    age = [element("span", "read ", moment(state.observed_at_ms), class_="age")] if state is not None else []
    reason = why(state, view.unreadable.get(key, ""))
    parts: list[Markup | None] = [
        element("p", element("a", "All positions", href="/")),
        element("h1", f"{name} of {view.account} "),
        element("p", status, " ", *age, class_="verdict"),
        element("p", view.trouble, class_="banner", role="alert") if view.trouble else None,
        element("p", reason, class_="warn") if is_listed and reason != "-" else None,
    ]
    if state is not None:
        parts += own_page.published(name, state)
    samples = view.tracks.of(key)
    parts += own_page.history(key, state, events=past.events, samples=samples, now_ms=now_ms)
    parts += own_page.shadow_part(past.shadow, state)
    return _document(name, (CONTACT, element("main", joined(parts), id="position")), now_ms=now_ms, frame=0)


def _document(title: str, body: Iterable[Markup], *, now_ms: int, frame: int) -> str:
    head = (
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("link", rel="stylesheet", href="/style.css"),
        element("link", rel="icon", href="data:,"),
        element("noscript", element("meta", http_equiv="refresh", content=REFRESH_S)),
        element("script", src="/dashboard.js", defer=True),
    )
    written = element(
        "footer", element("p", "Page written ", moment(now_ms), "; nothing can be changed from it.", class_="quiet")
    )
    inner = element("body", joined((*body, written)), data_frame=frame, data_now=now_ms)
    page = joined(
        (raw("<!doctype html>\n"), element("html", element("head", joined(head)), inner, lang="en"), raw("\n"))
    )
    return _with_ages(page, now_ms)


def _with_ages(words: str, now_ms: int) -> str:
    return _TIME.sub(lambda match: _aged(match, now_ms), words)


def _aged(match: re.Match[str], now_ms: int) -> str:
    """A time of day with its age as of now, for a browser without script."""
    opening, at_ms, _, closing = match.groups()
    age_ms, words = now_ms - int(at_ms), clock_of(int(at_ms), now_ms)
    said = f" ({lasting(age_ms)} ago)" if age_ms >= 0 else f" (in {lasting(-age_ms)})"
    return f"{opening}{words}{said}{closing}"
