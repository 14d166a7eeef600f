"""Sending to real servers that take, refuse, hang, drip or are not there: what arrived, and what is said of it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from typing import Any

import pytest
from loguru import logger

from position_monitor.config.monitoring import AlertsSection, SecretUrl
from position_monitor.core.publication.alert_text import Letter
from position_monitor.edge.alerts import targets
from position_monitor.edge.alerts.delivery import PAUSES_S, QUEUE_MAX, Lane, Mail, lanes_of
from position_monitor.edge.alerts.secrets import hide, without_addresses
from position_monitor.edge.alerts.targets import Sent, WebAddress, name_of, send_by_apprise
from position_monitor.edge.log import redact
from tests.edge.web_target import web_target

LETTER = Letter("[main, paper] Test", "Nothing is wrong.", urgent=True)
MAIL = Mail(LETTER, {"title": LETTER.title})


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "REQUEST_TIMEOUT_S", 0.5)


@pytest.mark.parametrize(
    ("manner", "why"),
    [
        ("take", ""),
        ("refuse", "answered HTTP 500"),
        ("redirect", "answered HTTP 302"),
        ("hang", "did not answer within 0.5 s"),
        ("drip", "did not answer within 0.5 s"),
        ("slow", "did not answer within 0.5 s"),
    ],
)
async def test_a_webhook_takes_it_or_one_word_says_why_not(manner: str, why: str) -> None:
    with web_target(manner) as web:
        secret = SecretUrl(f"{web.origin.replace('//', '//user-1:password-2@')}/token-3?key=token-4")
        sent = await WebAddress("webhook_url", secret).post({"title": "a"})
        assert sent == Sent("webhook_url", not why, why)
        assert web.arrived == [("POST", "/token-3?key=token-4", '{"title":"a"}')]


async def test_an_address_that_nobody_is_at() -> None:
    with web_target() as web:
        origin = web.origin
    sent = await WebAddress("webhook_url", SecretUrl(f"{origin}/token-3")).post({})
    assert sent == Sent("webhook_url", False, "could not be reached (ConnectError)")


async def test_a_ping_asks_for_the_page() -> None:
    with web_target() as web:
        assert (await WebAddress("ping_url", SecretUrl(f"{web.origin}/token-3"))._ask("GET", None)).taken
        assert web.arrived == [("GET", "/token-3", "")]


async def test_services_are_sent_to_beside_each_other_and_each_says_what_became_of_it() -> None:
    with web_target() as web, web_target("refuse") as bad, web_target("hang") as dead:
        hosts = [one.origin.removeprefix("http://") for one in (web, bad, dead)]
        urls = [
            SecretUrl(f"json://user-1:password-2@{host}/token-{index}?key=token-9&rto=1")
            for index, host in enumerate(hosts)
        ]
        urls.append(SecretUrl("nosuch://token-4-secret"))
        results = await send_by_apprise([(name_of(index, url), url) for index, url in enumerate(urls)], LETTER)
        assert [(one.target, one.taken) for one in results] == [
            ("urls[0] (json)", True), ("urls[1] (json)", False), ("urls[2] (json)", False), ("urls[3] (nosuch)", False),
        ]  # fmt: skip
        assert bad.arrived and dead.arrived
        [(_, _, body)] = web.arrived
        assert json.loads(body)["message"] == LETTER.text and json.loads(body)["type"] == "failure"
        said = " ".join(one.why for one in results)
        assert said and [word for word in ("token-", "password-2", "user-1") if word in said] == []


async def test_a_process_that_never_answers_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "CHILD_TIMEOUT_S", 0.2)
    children: list[asyncio.subprocess.Process] = []
    start = asyncio.create_subprocess_exec

    async def started(*arguments: str, **options: Any) -> asyncio.subprocess.Process:
        children.append(await start(*arguments, **options))
        return children[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", started)
    [sent] = await send_by_apprise([("urls[0] (json)", SecretUrl("json://h"))], LETTER)
    assert sent == Sent("urls[0] (json)", False, "did not answer within 0.2 s")
    assert [child.returncode is not None for child in children] == [True]


async def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "apprise_is_installed", lambda: False)
    [sent] = await send_by_apprise([("urls[0] (ntfy)", SecretUrl("ntfy://topic"))], LETTER)
    assert not sent.taken and "quantum-position-monitor[alerts]" in sent.why


def test_the_process_that_sends_knows_nothing_of_the_exchange_or_of_systemd() -> None:
    environ = dict.fromkeys(
        ("EXCHANGE_API_SECRET", "CREDENTIALS_DIRECTORY", "REDIS_URL", "ALERTS_URLS", "NOTIFY_SOCKET", "WATCHDOG_USEC"),
        "x",
    )
    assert targets._environment(environ | {"HTTPS_PROXY": "p", "PATH": "/bin"}) == {"HTTPS_PROXY": "p", "PATH": "/bin"}


class QuickClock:
    """A clock on which every pause is over at once."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


class Journal:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def __enter__(self) -> Journal:
        self.number = logger.add(lambda line: self.lines.append(redact(str(line))), format="{level} {message}")
        return self

    def __exit__(self, *_: object) -> None:
        logger.remove(self.number)


async def until(what: object) -> None:
    until_s = time.monotonic() + 30
    while not what():  # type: ignore[operator]
        assert time.monotonic() < until_s
        await asyncio.sleep(0.01)


async def test_what_is_not_taken_is_tried_again_and_given_up_and_never_waited_for() -> None:
    """The server refuses; then it takes. What is put in never waits, and the journal says each change once."""
    counts: dict[str, int] = {}
    clock = QuickClock()

    def count(what: str, number: int) -> None:
        counts[what] = counts.get(what, 0) + number

    with web_target("refuse") as web, Journal() as journal:
        section = AlertsSection(webhook_url=SecretUrl(f"{web.origin}/token-4711"))
        [lane] = lanes_of(section, clock, count)  # type: ignore[arg-type]
        task = asyncio.ensure_future(lane.run())
        lane.put(MAIL)
        await until(lambda: counts.get("dropped"))
        assert len(web.arrived) == 1 + len(PAUSES_S) and clock.slept == [*PAUSES_S]
        web.manner = "take"
        lane.put(MAIL)
        await until(lambda: counts.get("sent"))
        task.cancel()
    assert counts == {"failed": 4, "dropped": 1, "sent": 1}
    levels = [line.split()[0] for line in journal.lines]
    assert levels == ["WARNING", "ERROR", "INFO"] and "token-4711" not in "".join(journal.lines)


async def test_a_target_that_hangs_holds_twenty_messages_and_the_oldest_goes_first() -> None:
    held: list[Mail] = []

    async def hanging(mail: Mail, done: frozenset[str]) -> tuple[Sent, ...]:
        held.append(mail)
        await asyncio.Event().wait()
        return ()

    counts: dict[str, int] = {}
    lane = Lane(hanging, QuickClock(), lambda what, number: counts.update({what: counts.get(what, 0) + number}))  # type: ignore[arg-type]
    task = asyncio.ensure_future(lane.run())
    mails = [Mail(Letter(str(number), "", urgent=False), {}) for number in range(QUEUE_MAX + 6)]
    lane.put(mails[0])
    await until(lambda: held)
    for mail in mails[1:]:
        lane.put(mail)
    assert counts == {"dropped": 5} and [*lane._waiting] == mails[6:]
    task.cancel()


async def test_only_what_did_not_take_it_is_asked_again() -> None:
    asked: list[list[str]] = []

    async def send(mail: Mail, done: frozenset[str]) -> tuple[Sent, ...]:
        names = [name for name in ("a", "b") if name not in done]
        asked.append(names)
        return tuple(
            Sent(name, name == "a" or len(asked) == 3, "busy" if name == "b" and len(asked) < 3 else "")
            for name in names
        )

    lane = Lane(send, QuickClock(), lambda what, number: None)  # type: ignore[arg-type]
    task = asyncio.ensure_future(lane.run())
    lane.put(MAIL)
    await until(lambda: len(asked) == 3)
    task.cancel()
    assert asked == [["a", "b"], ["b"], ["b"]]


ADDRESSES = (
    "tgram://123456789:AbCdEf-Ghij/998877",
    "https://hooks.example.com/services/T00000000/B00000000/XXXXyyyyZZZZ",
    "ntfys://tk_abcdef123@ntfy.example.com/mysecret-topic9",
    "mailtos://someone:pass%2Fword99@mail.example.com?to=boss99@example.com",
    "https://example.com/?token=QUERY-token-1",
)


@pytest.mark.parametrize("text", ADDRESSES)
def test_no_token_of_an_address_stays_in_a_text(text: str) -> None:
    """Everywhere: what looks like a token. In a text about the address: every part of it."""
    url = SecretUrl(text)
    hide(AlertsSection(webhook_url=SecretUrl(text)) if text.startswith("http") else AlertsSection(urls=(url,)))
    assert text not in redact(f"failed for {text}: no answer")
    tokens = [piece for piece in url.tokens if len(piece) >= 6]
    assert tokens and [piece for piece in tokens if piece in redact(f"a {' '.join(url.tokens)} b")] == []
    left = without_addresses(f"could not ask {text} or {' '.join(url.parts)}", [url])
    assert [piece for piece in url.parts if len(piece) >= 6 and piece in left] == []
    assert url.shown == f"{text.partition(':')[0]}://***" and text not in repr(url) + str(url)


def test_plain_words_and_hosts_stay_readable() -> None:
    hide(AlertsSection(webhook_url=SecretUrl("http://127.0.0.1:9000/position-monitor/alerts?channel=trading")))
    line = "alerts: position-monitor on 127.0.0.1 speaks to the channel trading"
    assert redact(line) == line


def test_the_library_is_not_loaded_by_the_daemon() -> None:
    """Importing all that sends costs neither apprise nor httpx nor prometheus_client."""
    code = (
        "import sys; from position_monitor.service import process, calling, figures;"
        "print([name for name in ('apprise', 'httpx', 'prometheus_client') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
