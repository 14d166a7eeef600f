"""The page in a real headless browser: what is drawn, what ticks, what is said aloud, and that nothing foreign runs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from position_monitor.core.model.verdicts import RiskStatus
from position_monitor.edge.redis.embedded import EmbeddedRedis
from tests.dashboard.browser import launched, why_not
from tests.dashboard.conftest import Page, Publisher, naked, page_of, several
from tests.dashboard.scene import publish
from tests.dashboard.test_page import HOSTILE

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is a browser"),
]
WAIT_MS = 60_000
"""How long a state is waited for: the machine may have no time for it now."""
OWN = "/position?account=main&symbol=BTCUSDT&side=LONG"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Any]:
    """One for all of these tests."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        one = await launched(playwright)
        yield one
        await one.close()


@pytest_asyncio.fixture(loop_scope="module")
async def publisher(valkey: EmbeddedRedis) -> AsyncIterator[Publisher]:
    client = Redis.from_url(valkey.url, decode_responses=True)
    await client.flushall()
    yield Publisher(client)
    await client.aclose()


@pytest_asyncio.fixture(loop_scope="module")
async def served(valkey: EmbeddedRedis, publisher: Publisher) -> AsyncIterator[Page]:
    async with page_of(valkey.url) as page:
        yield page


@dataclass
class Tab:
    """A page in the browser, with all that must not happen in it."""

    page: Any
    faults: list[str] = field(default_factory=list)

    async def text(self, selector: str) -> str:
        return str(await self.page.locator(selector).first.inner_text())

    async def waits_for(self, selector: str, text: str) -> None:
        """Until an element of that kind shows the text."""
        await self.page.locator(selector).filter(has_text=text).first.wait_for(timeout=WAIT_MS)


@pytest_asyncio.fixture(loop_scope="module")
async def opened(browser: Any) -> AsyncIterator[Any]:
    """Opens tabs; at the end no script failed, no policy was violated and no dialog came up in any."""
    contexts, tabs = [], []

    async def open_(url: str, **options: Any) -> Tab:
        context = await browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | options)
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        tab = Tab(await context.new_page())
        tabs.append(tab)
        tab.page.on("console", lambda told: tab.faults.append(told.text) if told.type in ("error", "warning") else None)
        tab.page.on("pageerror", lambda fault: tab.faults.append(str(fault)))
        tab.page.on("requestfailed", lambda asked: tab.faults.append(asked.url))

        async def dismissed(dialog: Any) -> None:
            tab.faults.append(f"dialog {dialog.message}")
            await dialog.dismiss()

        tab.page.on("dialog", dismissed)
        await tab.page.goto(url, wait_until="domcontentloaded")
        return tab

    yield open_
    faults = [fault for tab in tabs for fault in tab.faults if "/stream" not in fault]
    for context in contexts:
        await context.close()
    assert faults == []


@pytest.mark.parametrize("count", [0, 7, 40, 200])
async def test_positions_stand_in_table_and_cards(served: Page, opened: Any, publisher: Publisher, count: int) -> None:
    await publisher.positions(several(count))
    await publisher.status(positions=count, protected=count)
    await served.board.look()
    tab = await opened(served.url)
    assert await tab.page.locator("#a0-rows > tr").count() == count
    assert await tab.page.locator("#a0-cards > article").count() == count
    assert "PROTECTED" in await tab.text(".verdict")
    if count == 200:
        height = await tab.page.evaluate("document.documentElement.scrollHeight")
        await tab.page.mouse.wheel(0, height)
        await tab.page.locator("#a0-events").scroll_into_view_if_needed()
        last = tab.page.locator("#a0-cards > article").last
        await last.scroll_into_view_if_needed()
        assert await last.locator("svg.ladder").is_visible()


async def test_the_worst_is_first_and_no_word_is_by_colour_alone(
    served: Page, opened: Any, publisher: Publisher
) -> None:
    await publisher.positions([*several(3), naked()])
    await publisher.client.sadd(f"{publisher.p}:positions", "GONEUSDT:LONG")
    await publisher.status(risk_status=RiskStatus.CRITICAL, positions=5, protected=3, unread=("GONEUSDT",))
    await served.board.look()
    tab = await opened(served.url)
    words = await tab.page.locator("#a0-rows .badge").all_inner_texts()
    assert words == ["✖ NAKED", "? UNKNOWN", *["✔ PROTECTED"] * 3]
    assert "✖ CRITICAL" in await tab.text(".verdict")


async def test_redis_gone_is_a_banner_and_back_is_back(opened: Any) -> None:
    with EmbeddedRedis() as server:
        client = Redis.from_url(server.url, decode_responses=True)
        await Publisher(client).positions(several(2))
        await Publisher(client).status(positions=2, protected=2)
        await client.aclose()
        async with page_of(server.url) as page:
            tab = await opened(page.url)
            await tab.waits_for(".verdict", "PROTECTED")
            port = server.port
            server.stop()
            await tab.waits_for(".banner[role=alert]", "Redis does not answer")
            assert "UNKNOWN" in await tab.text(".verdict")
            assert await tab.page.locator("#a0-rows .badge").all_inner_texts() == ["? UNKNOWN"] * 2
            with EmbeddedRedis(port) as again:
                client = Redis.from_url(again.url, decode_responses=True)
                await Publisher(client).positions(several(2))
                await Publisher(client).status(positions=2, protected=2)
                await tab.waits_for(".verdict", "PROTECTED")
                await client.aclose()


async def test_the_dashboard_gone_is_a_banner(opened: Any, valkey: EmbeddedRedis, publisher: Publisher) -> None:
    """What stands on the page is old then, and says so by itself."""
    await publisher.status()
    async with page_of(valkey.url) as page:
        tab = await opened(page.url)
        await tab.waits_for(".verdict", "PROTECTED")
        assert not await tab.page.locator("#contact").is_visible()
    await tab.waits_for("#contact", "what stands below is old")
    assert await tab.page.locator("#contact").is_visible()
    tab.faults.clear()  # the browser tells of the connection that was refused


async def test_a_stopped_daemon_says_so(served: Page, opened: Any, publisher: Publisher) -> None:
    await publisher.status()
    await served.board.look()
    tab = await opened(served.url)
    await tab.waits_for(".verdict", "PROTECTED")
    await publisher.status(risk_status=RiskStatus.UNKNOWN, mode="stopped", reason="stopped by SIGTERM")
    await tab.waits_for(".banner", "The daemon was stopped: nobody watches these positions")


async def test_nothing_of_what_stands_in_redis_runs(served: Page, opened: Any, publisher: Publisher) -> None:
    """Markup and escapes in every field, when the page is opened and when it is brought up to date by the script."""
    client, p = publisher.client, publisher.p
    await publisher.status()
    await served.board.look()
    tab = await opened(served.url)
    hostile = [replace(one, reason=HOSTILE, trailing=HOSTILE, policy=HOSTILE, regime=HOSTILE) for one in several(2)]
    await publisher.positions(hostile)
    for name in ("status_line", "reason", "ai_engine", "circuit_breaker", "owner", "version", "environment"):
        await client.hset(f"{p}:status", name, HOSTILE)
    await client.hset(f"{p}:status", "conflicts", json.dumps([HOSTILE]))
    await client.sadd(f"{p}:positions", f"{HOSTILE.replace(chr(27), '').replace(chr(0x202E), '')}:LONG")
    await publisher.event(type=HOSTILE, symbol=HOSTILE, detail=HOSTILE)
    totals = {"count": HOSTILE, "by_reason": [{"reason": HOSTILE}], "histogram": [{"from_r": HOSTILE, "count": 2}]}
    await client.hset(f"{p}:performance", "doc", json.dumps(totals))
    await client.set(f"{p}:lease", HOSTILE)
    await tab.waits_for("#a0-cards > article", "alert(1)")
    await tab.waits_for("#a0-events li", "alert(1)")
    again = await opened(served.url)
    own = await opened(f"{served.url}/position?account=main&symbol=COIN0USDT&side=LONG")
    for shown in (tab, again, own):
        assert "alert(1)" in await shown.text("body")
        assert await shown.page.locator("img, iframe, textarea, body script").count() == 0


async def test_without_script_it_is_a_plain_table(served: Page, opened: Any, publisher: Publisher) -> None:
    await publisher.positions(several(3))
    await publisher.status(positions=3, protected=3)
    await served.board.look()
    tab = await opened(served.url, java_script_enabled=False)
    assert await tab.page.locator("#a0-rows > tr").count() == 3
    assert "COIN0USDT LONG" in await tab.text("table")
    assert "PROTECTED" in await tab.text(".verdict")
    assert " ago)" in await tab.text("#a0-head")
    assert not await tab.page.locator("#search").is_visible()
    assert await tab.page.locator('noscript meta[http-equiv="refresh"], meta[http-equiv="refresh"]').count() == 1


async def test_the_keyboard_reaches_search_and_rows(served: Page, opened: Any, publisher: Publisher) -> None:
    """What was typed shows some positions, and goes on to while the page is brought up to date."""
    await publisher.positions(several(4))
    await publisher.status(positions=4, protected=4)
    await served.board.look()
    tab = await opened(served.url)
    reached = []
    for _ in range(12):
        await tab.page.keyboard.press("Tab")
        reached.append(await tab.page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert reached[1] == "search"
    assert {f"COIN{number}USDT" for number in range(4)} <= {words.split()[0] for words in reached if words}
    outline = await tab.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    await tab.page.locator("#search").fill("coin2")
    await publisher.event(type="StopPlaced", symbol="LATERUSDT")
    await tab.waits_for("#a0-events li", "LATERUSDT")
    assert await tab.page.locator("#a0-rows > tr:visible").count() == 1
    assert await tab.page.locator("#a0-cards > article:visible").count() == 1


async def test_everything_has_a_name_for_those_who_hear_it(served: Page, opened: Any, publisher: Publisher) -> None:
    await publish(publisher)
    await served.board.look()
    for path in ("/", OWN):
        tab = await opened(served.url + path)
        nameless = await tab.page.evaluate(
            """() => [...document.querySelectorAll('a, input, svg, table, [role=region], section')].filter((one) => {
                 const label = one.getAttribute('aria-label') || one.textContent.trim();
                 const titled = one.tagName !== 'svg' || (one.querySelector('title') && one.querySelector('desc'));
                 return !label || !titled;
               }).map((one) => one.outerHTML.slice(0, 80))"""
        )
        assert nameless == []
        assert await tab.page.locator("html").get_attribute("lang") == "en"
        assert await tab.page.locator("h1").count() == 1
        assert await tab.page.locator("main").count() == 1
    tab = await opened(served.url)
    await tab.page.get_by_role("searchbox", name="Show only these positions").wait_for()
    await tab.page.get_by_role("img", name="Price ladder of BTCUSDT LONG").first.wait_for()
    await tab.page.get_by_role("table", name="Positions, worst first").wait_for()


@pytest.mark.parametrize("width", [360, 1280])
async def test_nothing_scrolls_sideways(served: Page, opened: Any, publisher: Publisher, width: int) -> None:
    """The whole page, and on a phone the table of positions too."""
    await publish(publisher)
    await served.board.look()
    for path in ("/", OWN):
        tab = await opened(served.url + path, viewport={"width": width, "height": 760})
        wide = await tab.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, path
    tab = await opened(served.url, viewport={"width": width, "height": 760})
    inner = await tab.page.evaluate(
        "(() => { const one = document.querySelector('.positions'); return one.scrollWidth - one.clientWidth; })()"
    )
    assert inner <= 0
    cut = await tab.page.evaluate(
        """() => [...document.querySelectorAll('svg text')].filter((one) => {
             const inner = one.getBoundingClientRect(), outer = one.closest('svg').getBoundingClientRect();
             return outer.width && (inner.right > outer.right + 1 || inner.left < outer.left - 1);
           }).map((one) => one.textContent)"""
    )
    assert cut == []


async def test_the_age_ticks(served: Page, opened: Any, publisher: Publisher) -> None:
    """Also while nothing else changes."""
    await publisher.status()
    await served.board.look()
    tab = await opened(served.url)
    shown = await tab.text("#a0-head time")
    await tab.page.wait_for_function(
        "(before) => document.querySelector('#a0-head time').textContent !== before", arg=shown
    )
    assert " s ago)" in await tab.text("#a0-head time")


async def test_an_event_appears_by_itself(served: Page, opened: Any, publisher: Publisher) -> None:
    await publisher.positions(several(1))
    await publisher.status()
    await served.board.look()
    tab = await opened(served.url)
    await tab.waits_for(".verdict", "PROTECTED")
    await publisher.event(type="StopFired", symbol="COIN0USDT", price="0.14")
    await tab.waits_for("#a0-events li", "StopFired")
    await publisher.positions([naked()])
    await publisher.status(risk_status=RiskStatus.CRITICAL)
    await tab.waits_for("#a0-rows .badge", "NAKED")
    await tab.waits_for(".verdict", "CRITICAL")
    assert await tab.page.locator("#a0-rows > tr").count() == 1


async def test_a_position_s_own_page_keeps_up(served: Page, opened: Any, publisher: Publisher) -> None:
    """Its mark, its verdict and its events, while the link that has the focus keeps it."""
    [state] = several(1)
    await publisher.positions([state])
    await publisher.status()
    await served.board.look()
    tab = await opened(f"{served.url}/position?account=main&symbol=COIN0USDT&side=LONG")
    await tab.page.get_by_role("link", name="All positions").focus()
    await publisher.event(type="StopFired", symbol="COIN0USDT", price="0.14")
    await publisher.positions([replace(state, verdict=naked().verdict, reason="no stop rests")])
    await tab.waits_for(".verdict", "NAKED")
    await tab.waits_for(".events li", "StopFired")
    assert await tab.page.evaluate("document.activeElement.textContent") == "All positions"
    assert await tab.page.get_by_role("img", name="Levels over time against the mark").count() == 1


async def test_it_prints_dark_on_light(served: Page, opened: Any, publisher: Publisher) -> None:
    """Also where the screen is dark."""
    await publish(publisher)
    await served.board.look()
    tab = await opened(served.url, color_scheme="dark")
    colours = "getComputedStyle(document.body)[%r]"
    assert await tab.page.evaluate(colours % "backgroundColor") == "rgb(16, 19, 23)"
    await tab.page.emulate_media(media="print", color_scheme="dark")
    assert await tab.page.evaluate(colours % "backgroundColor") == "rgb(255, 255, 255)"
    assert await tab.page.evaluate(colours % "color") == "rgb(0, 0, 0)"
    assert not await tab.page.locator("#search").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_word_can_be_read(served: Page, opened: Any, publisher: Publisher, scheme: str) -> None:
    """The contrast of each text with what lies behind it is 4.5 at least (WCAG 2.2, 1.4.3)."""
    await publish(publisher)
    await served.board.look()
    for path in ("/", OWN):
        tab = await opened(served.url + path, color_scheme=scheme)
        assert await tab.page.evaluate(CONTRAST) == []


CONTRAST = """() => {
  const light = (colour) => {
    const part = colour.match(/[0-9.]+/g).slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  };
  const behind = (one) => {
    for (; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (!/, 0\\)$/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const faults = new Set();
  for (const one of document.querySelectorAll("body *")) {
    const said = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!said || !one.checkVisibility() || one.closest("title, desc")) continue;
    const style = getComputedStyle(one);
    const words = one.closest("svg") ? style.fill : style.color;
    const [dark, bright] = [light(words), light(behind(one))].sort((a, b) => a - b);
    if ((bright + 0.05) / (dark + 0.05) < 4.5) faults.add(`${one.className.baseVal ?? one.className} ${words}`);
  }
  return [...faults];
}"""
