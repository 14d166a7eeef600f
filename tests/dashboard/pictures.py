"""`python -m tests.dashboard.pictures DIRECTORY`: the page as pictures, to be looked at after a change of its looks.

Narrow, wide and very wide, in both colour schemes: the overview and a position's own page.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from playwright.async_api import async_playwright
from redis.asyncio import Redis

from position_monitor.edge.redis.embedded import EmbeddedRedis
from tests.dashboard.browser import launched
from tests.dashboard.conftest import Publisher, page_of
from tests.dashboard.scene import publish

OWN = "/position?account=main&symbol=BTCUSDT&side=LONG"
SIZES = ((360, "light"), (360, "dark"), (1280, "light"), (1280, "dark"), (2560, "light"))


async def pictures(directory: Path) -> None:
    with EmbeddedRedis() as server:
        client = Redis.from_url(server.url, decode_responses=True)
        await publish(Publisher(client))
        async with page_of(server.url) as page, async_playwright() as playwright:
            browser = await launched(playwright)
            for width, scheme in SIZES:
                context = await browser.new_context(
                    viewport={"width": width, "height": 760}, color_scheme=scheme, bypass_csp=True
                )
                for name, path in (("account", "/"), ("position", OWN)):
                    tab = await context.new_page()
                    await tab.goto(page.url + path)
                    await tab.add_style_tag(content=".card{content-visibility:visible!important}")
                    await tab.wait_for_timeout(2_500)
                    await tab.screenshot(path=directory / f"{name}-{width}-{scheme}.png", full_page=True)
                await context.close()
            await browser.close()
        await client.aclose()


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    asyncio.run(pictures(Path(sys.argv[1])))
