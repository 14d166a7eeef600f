"""Sending one message: to a webhook, to the services of apprise, and the ping of a dead-man service.

Each answers with what became of it and never raises. No text holds an address (invariant 15).
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ssl import SSLContext
from types import ModuleType
from typing import Final, NamedTuple

from position_monitor.config.monitoring import SecretUrl
from position_monitor.core.publication.alert_text import Letter
from position_monitor.edge.alerts.secrets import without_addresses

REQUEST_TIMEOUT_S: Final = 10.0
"""For a whole answer, from the opening of the connection on."""
CHILD_TIMEOUT_S: Final = 30.0
"""For the process that runs apprise; then it is ended."""
CHILD_LINE_MAX: Final = 16 * 1024
EXTRA_MISSING: Final = (
    "alerts.urls is set, but the package apprise is not installed: pip install 'quantum-position-monitor[alerts]'"
)
_NOT_FOR_THE_CHILD: Final = ("EXCHANGE_", "ALERTS_", "CREDENTIALS_DIRECTORY", "REDIS_URL", "NOTIFY_SOCKET", "WATCHDOG_")
_CHILD: Final = "position_monitor.edge.alerts.apprise_child"


class Sent(NamedTuple):
    """What became of one message at one target."""

    target: str
    """Which one, without its address: `webhook_url`, `urls[0] (ntfy)`."""
    taken: bool
    why: str = ""
    """Why it was not taken."""


def apprise_is_installed() -> bool:
    """Whether the extra `alerts` is there."""
    return importlib.util.find_spec("apprise") is not None


@lru_cache(maxsize=1)
def _loaded() -> tuple[ModuleType, SSLContext]:
    """The library and the certificates of the host. In a thread and once: both take long, and a stop may be due."""
    # here, because a daemon that calls nobody starts sooner without it
    from position_monitor.edge.http.httpx_alone import httpx

    return httpx, httpx.create_ssl_context()


@dataclass(frozen=True, slots=True)
class WebAddress:
    """An address that is asked over HTTP. Any 2xx answer means taken; its body is not read."""

    name: str
    url: SecretUrl

    async def post(self, document: Mapping[str, object]) -> Sent:
        """Send a JSON document."""
        return await self._ask("POST", document)

    async def get(self) -> Sent:
        """Ask for the page, which is all that a ping is."""
        return await self._ask("GET", None)

    async def _ask(self, method: str, document: Mapping[str, object] | None) -> Sent:
        httpx, certificates = await asyncio.to_thread(_loaded)
        try:
            async with (
                asyncio.timeout(REQUEST_TIMEOUT_S),
                httpx.AsyncClient(verify=certificates, timeout=REQUEST_TIMEOUT_S, follow_redirects=False) as client,
                client.stream(method, self.url.get_secret_value(), json=document) as reply,
            ):
                if reply.is_success:
                    return Sent(self.name, True)
                return Sent(self.name, False, f"answered HTTP {reply.status_code}")
        except (httpx.TimeoutException, TimeoutError):
            return Sent(self.name, False, f"did not answer within {REQUEST_TIMEOUT_S:g} s")
        except Exception as fault:  # an address may be wrong in ways that no check of ours sees
            return Sent(self.name, False, f"could not be reached ({type(fault).__name__})")


def name_of(index: int, url: SecretUrl) -> str:
    """What an address of `urls` is called: its place and its scheme."""
    return f"urls[{index}] ({url.get_secret_value().partition(':')[0]})"


async def send_by_apprise(
    urls: Sequence[tuple[str, SecretUrl]], letter: Letter, *, really: bool = True
) -> tuple[Sent, ...]:
    """Hand a message to each of these named addresses in a process of its own; what it leaves unanswered was not taken.

    With `really` false nothing is sent: is each of them an address that the library reads?
    """
    if not apprise_is_installed():
        return tuple(Sent(name, False, EXTRA_MISSING) for name, _ in urls)
    answers: dict[int, tuple[bool, str]] = {}
    fate = f"did not answer within {CHILD_TIMEOUT_S:g} s"
    try:
        async with asyncio.timeout(CHILD_TIMEOUT_S):
            await _run_child(urls, letter, really=really, answers=answers)
        fate = "the process that sends ended without a word about it"
    except TimeoutError:
        pass
    except (OSError, ValueError) as fault:
        fate = f"the process that sends could not be used ({type(fault).__name__})"
    secrets = [url for _, url in urls]
    results = [(name, *answers.get(index, (False, fate))) for index, (name, _) in enumerate(urls)]
    return tuple(Sent(name, taken, without_addresses(why, secrets)) for name, taken, why in results)


async def _run_child(
    urls: Sequence[tuple[str, SecretUrl]], letter: Letter, *, really: bool, answers: dict[int, tuple[bool, str]]
) -> None:
    """Start the process, give it the message and take its answers in as they come; it is gone afterwards."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", _CHILD,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        limit=CHILD_LINE_MAX, env=_environment(os.environ), close_fds=True,
    )  # fmt: skip
    try:
        assert child.stdin is not None and child.stdout is not None, "Invariant: both are pipes"
        request = {
            "title": letter.title,
            "body": letter.text,
            "type": "failure" if letter.urgent else "warning" if letter.title.count("⚠") else "info",
            "urls": [url.get_secret_value() for _, url in urls],
            "send": really,
        }
        child.stdin.write(json.dumps(request).encode())
        await child.stdin.drain()
        child.stdin.close()
        for _ in urls:
            line = await child.stdout.readline()
            if not line:
                return
            answer = json.loads(line)
            answers[int(answer["index"])] = (answer["taken"] is True, str(answer["why"]))
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await asyncio.shield(asyncio.ensure_future(child.wait()))


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What the process may know: proxies, paths, language; nothing of the exchange, of Redis or of systemd."""
    return {name: value for name, value in environ.items() if not name.startswith(_NOT_FOR_THE_CHILD)}
