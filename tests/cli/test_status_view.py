"""The whole of a status: on any width, with any number of positions, in a terminal that knows little, in a pipe."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from redis import Redis
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.live import Live

from position_monitor.cli.main import main
from position_monitor.cli.status_view import Overview, StatusView
from position_monitor.cli.status_watch import Watching
from position_monitor.config import load_config
from position_monitor.core.model.sides import PositionKey, Side
from position_monitor.core.model.verdicts import RiskStatus, Verdict
from position_monitor.core.publication.state import AccountState, PositionState
from position_monitor.edge.clock import SystemClock
from position_monitor.edge.redis.embedded import EmbeddedRedis
from position_monitor.edge.redis.reader import RedisUnreachable
from position_monitor.edge.redis.state import RedisState
from tests.cli.conftest import NOW_MS

P = "quantum:position_monitor"
NAKED_EVERY = 9


def book(account: AccountState, state: PositionState, count: int) -> Overview:
    """`count` positions of which every ninth is naked, and an account that says so."""
    positions = tuple(
        replace(state, key=PositionKey(f"S{n}USDT", Side.SHORT if n % 2 else Side.LONG))
        if n % NAKED_EVERY
        else replace(state, key=PositionKey(f"S{n}USDT", Side.LONG), verdict=Verdict.NAKED, reason="no stop")
        for n in range(count)
    )
    naked = sum(one.verdict is Verdict.NAKED for one in positions)
    return Overview(
        replace(
            account,
            positions=count,
            protected=count - naked,
            risk_status=RiskStatus.CRITICAL if naked else RiskStatus.PROTECTED,
            exposed_notional=Decimal(1000 * naked),
            coverage_pct=Decimal("99.97"),
        ),
        positions,
    )


def view(overview: Overview, *, only_problems: bool = False, height: int | None = None) -> StatusView:
    """The view of one look."""
    return StatusView("binanceusdm", "main", overview, NOW_MS, only_problems=only_problems, height=height)


def printed(shown: RenderableType, width: int) -> list[str]:
    """As a terminal without colours shows it."""
    console = Console(width=width, no_color=True, file=io.StringIO())
    with console.capture() as capture:
        console.print(shown)
    return capture.get().splitlines()


@pytest.mark.parametrize("count", [0, 7, 40, 200])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_one_look_tells_the_worst_first_and_is_never_wider(
    count: int, width: int, account_state: AccountState, position_state: PositionState
) -> None:
    """The verdict with the count it rests on stands first, and last as well where the list is long."""
    lines = printed(view(book(account_state, position_state, count)), width)
    naked = -(-count // NAKED_EVERY)
    assert max(cell_len(line) for line in lines) <= width
    if not count:
        assert lines[0] == "✔ PROTECTED  no open positions"
        return
    fraction = f"{count - naked}/{count} protected ({(count - naked) * 100 // count} %)"
    assert lines[0] == f"✖ CRITICAL  {fraction}  {naked} NAKED"
    assert (lines[-1] == lines[0]) == (count > 15)
    rows = [line for line in lines if re.match(r"[✔✖] (NAKED|PROTECTED) +S\d+USDT +(long|short) ", line)]
    assert len(rows) == count and all("NAKED" in row for row in rows[:naked])
    facts = re.sub(r"\s+", " ", " ".join(lines))
    assert facts.count("NAKED: no stop") == 1
    for fact in ("environment paper", "mode live", f"exposed notional {1000 * naked:,}", "unknown notional 0"):
        assert fact in facts


def test_an_account_that_was_never_read_is_not_told_as_a_flat_one(account_state: AccountState) -> None:
    """A refused key at the start: nobody knows whether a position is open (invariant 17)."""
    unread = replace(account_state, risk_status=RiskStatus.UNKNOWN, positions=0, protected=0, observed_at_ms=0)
    (first, *_) = printed(view(Overview(unread)), 120)
    assert first == "? UNKNOWN  no position could be read yet: nobody knows whether one is open"
    (later, *_) = printed(view(Overview(replace(unread, observed_at_ms=NOW_MS - 60_000))), 120)
    assert later == "? UNKNOWN  no open positions when last read"


@pytest.mark.parametrize(("height", "width"), [(12, 60), (24, 80), (50, 120)])
def test_what_is_watched_fits_the_terminal(
    height: int, width: int, account_state: AccountState, position_state: PositionState
) -> None:
    """What does not fit is counted, and it is never the worst."""
    lines = printed(view(book(account_state, position_state, 200), height=height), width)
    assert len(lines) <= height
    assert lines[0].startswith("✖ CRITICAL  177/200 protected (88 %)")
    rows = [line for line in lines if re.match(r"✖ NAKED +S\d", line)]
    more = re.search(r"… (\d+) more: (.*)", lines[-1])
    assert rows and more is not None
    shown = [line for line in lines if re.match(r"[✔✖] (NAKED|PROTECTED) +S\d", line)]
    assert len(shown) + int(more[1]) == 200
    assert ("NAKED" in more[2]) == (len(rows) < 23)


def test_only_problems(account_state: AccountState, position_state: PositionState) -> None:
    """What is protected is counted, not listed."""
    lines = printed(view(book(account_state, position_state, 40), only_problems=True), 80)
    assert [line.split()[1] for line in lines if re.search(r"USDT +(long|short)", line)] == ["NAKED"] * 5
    fine = Overview(account_state, (position_state,))
    assert printed(view(fine, only_problems=True), 80)[-1] == "nothing needs a look: 1 PROTECTED"


def test_a_list_that_is_not_whole_claims_nothing(account_state: AccountState, position_state: PositionState) -> None:
    """Half of the keys expired: 7/7 would be a lie, whatever the account says (invariant 17)."""
    seven = replace(account_state, positions=7, protected=7)
    lines = printed(view(Overview(seven, (position_state,), ("ETHUSDT:LONG",))), 120)
    assert lines[0] == "? UNKNOWN  1/7 protected (14 %)  1 UNKNOWN, 5 not listed"
    assert any(line.startswith("? ETHUSDT:LONG UNKNOWN: it is listed and its state has expired") for line in lines)


def test_text_from_outside_is_not_markup(account_state: AccountState, position_state: PositionState) -> None:
    """A reason or a symbol with brackets is shown as it is, and cannot break the view."""
    odd = replace(position_state, key=PositionKey("币安[red]USDT", Side.LONG), verdict=Verdict.NAKED, reason="[/] x")
    text = "\n".join(printed(view(Overview(replace(account_state, reason="[bold]y[/nope]"), (odd,))), 120))
    assert "币安[red]USDT" in text and "[/] x" in text and "[bold]y[/nope]" in text


@pytest.fixture(scope="module")
def valkey() -> Iterator[EmbeddedRedis]:
    """A real server."""
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture
def asked(valkey: EmbeddedRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration whose Redis is the server, empty."""
    Redis.from_url(valkey.url).flushall()
    path = tmp_path / "asked.toml"
    path.write_text(f'[redis]\nurl = "{valkey.url}"\n')
    return path


def publish(url: str, overview: Overview) -> None:
    """Publish as the daemon does."""

    async def write() -> None:
        state = RedisState(
            url, prefix=P, account="main", owner="test:1:x", clock=SystemClock(),
            check_interval_s=60, lease_ttl_s=20, contend=False,
        )  # fmt: skip
        assert overview.account is not None
        state.publish(overview.account, overview.positions)
        assert any([await state.write_once() for _ in range(5)])
        await state.close()

    asyncio.run(write())


def test_waiting_ends_when_the_state_is_as_wanted(
    valkey: EmbeddedRedis,
    asked: Path,
    account_state: AccountState,
    position_state: PositionState,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """0 when reached; when the time is up what `status` says: 3 while nobody speaks, 2 while something is naked."""
    quick = ["--timeout", "0.1", "--config", str(asked)]
    assert main(["status", "--wait", "heard", *quick]) == 3
    naked = book(account_state, position_state, 7)
    publish(valkey.url, naked)
    assert main(["status", "--wait", "heard", *quick]) == 0
    assert main(["status", "--wait", "protected", *quick]) == 2
    assert "not protected within 0.1 s" in capsys.readouterr().err
    publish(valkey.url, Overview(replace(account_state, mode="stopped", risk_status=RiskStatus.UNKNOWN), ()))
    assert main(["status", "--wait", "protected", *quick]) == 3
    publish(valkey.url, Overview(account_state, (position_state,)))
    capsys.readouterr()
    assert main(["status", "--wait", "protected", "--json", *quick]) == 0
    assert json.loads(capsys.readouterr().out)["exit_code"] == 0


def test_half_expired_keys_and_a_broken_document_hide_nothing_else(
    valkey: EmbeddedRedis,
    asked: Path,
    account_state: AccountState,
    position_state: PositionState,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each is UNKNOWN by name with its reason; the code is 2 (invariants 12 and 17)."""
    publish(valkey.url, book(account_state, position_state, 7))
    redis = Redis.from_url(valkey.url)
    redis.delete(f"{P}:main:position:S1USDT:SHORT")
    redis.hset(f"{P}:main:position:S2USDT:LONG", "doc", "{")
    assert main(["status", "--config", str(asked)]) == 2
    out = capsys.readouterr().out
    assert "? S1USDT:SHORT UNKNOWN: it is listed and its state has expired" in out
    assert "? S2USDT:LONG UNKNOWN: the position document is not readable" in out
    assert "4/7 protected (57 %)" in out and "S3USDT" in out
    assert main(["status", "--json", "--config", str(asked)]) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["expired"] == ["S1USDT:SHORT"] and list(document["unreadable"]) == ["S2USDT:LONG"]


@pytest.mark.parametrize(
    ("user", "words"),
    [("nobody:wrong@", "refused the user or the password"), ("blind:pw@", "does not permit this user")],
)
def test_a_redis_that_refuses_says_where_and_why(
    user: str, words: str, valkey: EmbeddedRedis, asked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Never the password."""
    Redis.from_url(valkey.url).execute_command("ACL", "SETUSER", "blind", "on", ">pw", "+@all", "~nothing")
    asked.write_text(f'[redis]\nurl = "{valkey.url.replace("://", "://" + user)}"\n')
    assert main(["status", "--config", str(asked)]) == 1
    err = capsys.readouterr().err
    assert words in err and f"127.0.0.1:{valkey.port}" in err and "wrong" not in err and "pw" not in err


@pytest.mark.parametrize(
    "trouble",
    [("CONFIG", "SET", "maxmemory", "1"), ("REPLICAOF", "127.0.0.1", "9")],
    ids=["full", "read only"],
)
def test_a_redis_that_takes_nothing_more_can_still_be_asked(
    trouble: tuple[str, ...], asked: Path, account_state: AccountState, position_state: PositionState
) -> None:
    """What it holds until it expires is as good as ever. It has a server of its own: nothing mends it in time."""
    with EmbeddedRedis() as server:
        asked.write_text(f'[redis]\nurl = "{server.url}"\n')
        publish(server.url, Overview(account_state, (position_state,)))
        Redis.from_url(server.url).execute_command(*trouble)
        assert main(["status", "--config", str(asked)]) == 0
        assert main(["events", "--config", str(asked)]) == 0


@pytest.fixture
def screen() -> Live:
    """A terminal of 24 lines."""
    return Live(console=Console(file=io.StringIO(), force_terminal=True, width=80, height=24), auto_refresh=False)


async def test_a_watch_keeps_the_last_look_under_a_word_that_claims_nothing(
    screen: Live, asked: Path, account_state: AccountState, position_state: PositionState
) -> None:
    """While Redis is away nothing is green at the top; when it answers again everything is as before."""
    watching = Watching(load_config(asked), as_json=False, only_problems=False, screen=screen)
    overview, left = Overview(account_state, (position_state,)), asyncio.Event()

    def shown() -> list[str]:
        return printed(screen.renderable, 80)

    async def fine() -> Overview:
        return overview

    async def away() -> Overview:
        raise RedisUnreachable("Redis at 127.0.0.1:6379 did not answer: connection refused")

    async def silent() -> Overview:
        return Overview(None)

    with screen:
        await watching.look_once(away, left)
        assert shown()[0].startswith("? UNKNOWN for 0.0s: Redis at 127.0.0.1:6379") and watching.code == 1
        await watching.look_once(fine, left)
        assert shown()[0] == "✔ PROTECTED  1/1 protected (100 %)" and watching.code == 0
        for look, code in ((away, 1), (silent, 3)):
            await watching.look_once(look, left)
            assert shown()[0].startswith("? UNKNOWN for ") and watching.code == code
            assert "What stands below was heard last" in " ".join(shown()[:4])
            assert any("BTCUSDT" in line for line in shown()) and len(shown()) <= 24
        await watching.look_once(fine, left)
        assert shown()[0] == "✔ PROTECTED  1/1 protected (100 %)"


async def test_in_a_pipe_a_watch_says_a_trouble_once(
    asked: Path, account_state: AccountState, position_state: PositionState, capsys: pytest.CaptureFixture[str]
) -> None:
    """And once that it is over; another trouble is another word."""
    watching = Watching(load_config(asked), as_json=False, only_problems=False, screen=None)
    words = iter(["refused", "refused", "", "refused", "timed out"])

    async def look() -> Overview:
        if word := next(words):
            raise RedisUnreachable(word)
        return Overview(account_state, (position_state,))

    for _ in range(5):
        await watching.look_once(look, asyncio.Event())
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        "position-monitor: refused", "position-monitor: heard again", "position-monitor: refused",
        "position-monitor: timed out",
    ]  # fmt: skip
    assert captured.out.count("1/1 protected") == 1


def test_a_poor_terminal_a_full_disk_and_a_pipe_that_closes(
    valkey: EmbeddedRedis, asked: Path, account_state: AccountState, position_state: PositionState
) -> None:
    """The table stays a table in ASCII; what cannot be written is a word and 1; a reader that leaves is no error."""
    publish(valkey.url, book(account_state, position_state, 40))
    environ = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "COLUMNS": "60", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "position_monitor", "status", "--config", str(asked)]

    def run(how: str, **more: str) -> subprocess.CompletedProcess[str]:
        line = " ".join(command) + how
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", line], env=environ | more, capture_output=True, text=True, check=False
        )

    plain = run("")
    assert (plain.returncode, plain.stderr) == (2, "")
    assert plain.stdout.isascii() and "\\u" not in plain.stdout and "\x1b" not in plain.stdout
    assert max(map(len, plain.stdout.splitlines())) <= 60
    assert plain.stdout.splitlines()[0] == "X CRITICAL  35/40 protected (87 %)  5 NAKED"
    full = run(" > /dev/full")
    assert full.returncode == 1 and "could not be written" in full.stderr and "Traceback" not in full.stderr
    closed = run(" --watch 0.1 | head -1")
    assert closed.stdout == plain.stdout.splitlines()[0] + "\n" and closed.stderr == ""


def test_a_watch_in_json_is_one_object_a_line(
    valkey: EmbeddedRedis, asked: Path, account_state: AccountState, position_state: PositionState
) -> None:
    """Each line can be read by itself, so that a script may follow it."""
    publish(valkey.url, book(account_state, position_state, 7))
    command = [sys.executable, "-m", "position_monitor", "status", "--watch", "0.1", "--json", "--config", str(asked)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.kill()
    assert [(line["exit_code"], len(line["positions"])) for line in lines] == [(2, 7), (2, 7)]
