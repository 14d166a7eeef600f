"""What README and docs say of commands and of fields, held against a running stack: Valkey, paper exchange, daemon.

Every documented command line that only reads is run as it stands there, and ends as the table of the README says for
an account that is protected. Every field that is published has its row in docs/redis.md, and every row its field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from position_monitor import schemas
from position_monitor.cli.main import main
from tests.documents.reading import ROOT, first_cells, section, text_of
from tests.documents.typed import arguments, command_lines
from tests.e2e.stack import INCIDENT, PREFIX, Stack, eventually, fully_protected, stack_in

README, REDIS = ROOT / "README.md", ROOT / "docs" / "redis.md"
READING = ("status", "plan", "explain", "events", "history", "exits", "performance", "check", "verify", "config show")
FOR_LATER = ("--watch", "-f", "--follow", "--self-test", "--account", "--config", "--before-reload", "--after-reload")
"""Options that do not end by themselves, that start a stack of their own, or that need an installation."""
AMENDED = {"SYMBOL": "BTCUSDT", "SYMBOL:SIDE": "BTCUSDT:LONG"}


class Ran:
    """The stack, and what it published."""

    def __init__(self, stack: Stack) -> None:
        self.redis = stack.start_redis()
        self.paper = stack.start_paper("flat", "--price-interval-s", "0")
        self.config = stack.config()
        # At the usual pace the command line has its share of the minute's request weight.
        self.config.write_text(
            self.config.read_text().replace("check_interval_s = 1\nfull_sweep_s = 2", "check_interval_s = 5")
        )
        stack.start_daemon(self.config, **INCIDENT)
        eventually("a first state", lambda: self.redis.exists(f"{PREFIX}:status"))
        self.paper.post("position", action="open", symbol="BTCUSDT", side="LONG", quantity="0.3")
        self.paper.post("position", action="open", symbol="ETHUSDT", side="LONG", quantity="1")
        eventually("protected", lambda: fully_protected(self.paper))
        self.paper.post("position", action="close", symbol="ETHUSDT")
        eventually("a record", lambda: self.redis.xlen(f"{PREFIX}:exits"))
        eventually("totals", lambda: self.redis.exists(f"{PREFIX}:performance"))
        eventually("a shadow", lambda: self.redis.exists(f"{PREFIX}:shadow:BTCUSDT:LONG"))
        eventually("said", lambda: self.redis.hget(f"{PREFIX}:status", "positions") == "1")
        # The documented pair of hash and document must be of one moment.
        self.status = self.hash("status")
        self.position = self.hash("position:BTCUSDT:LONG")
        self.shadow = self.hash("shadow:BTCUSDT:LONG")
        self.performance = self.hash("performance")

    def hash(self, key: str) -> dict[str, str]:
        return self.redis.hgetall(f"{PREFIX}:{key}")  # type: ignore[return-value]

    def entries(self, key: str) -> list[dict[str, Any]]:
        return [json.loads(fields["data"]) for _, fields in self.redis.xrange(f"{PREFIX}:{key}")]  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    with stack_in(tmp_path_factory.mktemp("documents")) as stack:
        yield Ran(stack)


@pytest.fixture(autouse=True)
def _own_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Opening the journal is for a process of its own, no variable of whoever runs the tests is asked, and what a
    command writes stays in a directory of the test."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "POSITION_MONITOR_CONFIG",
        "REDIS_URL",
        "CREDENTIALS_DIRECTORY",
        "EXCHANGE_API_KEY",
        "EXCHANGE_API_SECRET",
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in INCIDENT.items():
        monkeypatch.setenv(name, value)
    # All of them come within a minute here; what the share is for is tested in `test_command_line_beside_daemon.py`.
    monkeypatch.setattr("position_monitor.edge.http.rate_budget.COMMAND_LINE_WEIGHT_1M", 2_000)
    monkeypatch.setattr("position_monitor.edge.log.configure", lambda **_: None)
    monkeypatch.setattr("position_monitor.edge.log.register_secret", lambda _: None)


def runnable() -> list[tuple[str, ...]]:
    """The documented command lines that only read and end by themselves, each once."""
    lines = {
        tuple(AMENDED.get(word, word) for word in argv)
        for code in command_lines()
        for argv in arguments(code.text)
        if " ".join(argv).startswith(READING) and not set(argv) & set(FOR_LATER)
    }
    return sorted(lines)


def documented_codes(command: str) -> list[int]:
    """The exit codes that the README names for a command, the one of a good day first."""
    for row in re.findall(r"^\| (`.*?) \| (?:.*?) \| ([^|]*) \|$", section(README, "The command line"), re.MULTILINE):
        if re.search(rf"`(?:position-monitor )?{command}\b", row[0]):
            return [int(code) for code in re.findall(r"(?:^|, )(\d+)\b", row[1])]
    raise AssertionError(f"the table of the README has no row for {command!r}")


@pytest.mark.parametrize("argv", runnable(), ids=" ".join)
def test_every_documented_command_ends_as_documented(
    ran: Ran, argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    codes = documented_codes("config show" if argv[0] == "config" else argv[0])
    assert codes[0] == 0
    code = main([*argv, "--config", str(ran.config)])
    out, err = capsys.readouterr()
    assert (code, "Traceback" in out + err) == (0, False), (out, err)
    assert out.strip(), "it said nothing"


def test_a_fair_number_of_commands_is_run() -> None:
    """The search for them is not blind."""
    commands = {argv[0] for argv in runnable()}
    assert commands == {name.split()[0] for name in READING} and len(runnable()) > 20


def fields(heading: str) -> set[str]:
    """The fields that the tables of a section of docs/redis.md name."""
    return first_cells(section(REDIS, heading))


def of_schema(name: str) -> Mapping[str, Any]:
    return schemas.load(name)["properties"]  # type: ignore[no-any-return]


def test_status_has_the_documented_fields_and_no_others(ran: Ran) -> None:
    assert fields("P:status") | {"unprotected_notional", "schema"} == set(ran.status)
    assert "`unprotected_notional` is the same" in section(REDIS, "P:status")


def test_a_position_has_the_documented_fields_and_no_others(ran: Ran) -> None:
    text = section(REDIS, "P:position:SYMBOL:SIDE")
    in_words = {"verdict", "since_ms", "reason", "observed_at_ms"}
    assert all(f"`{name}`" in text for name in in_words)
    assert first_cells(text) | in_words | {"schema"} == set(ran.position)


def test_the_document_of_a_position_has_the_fields_of_its_schema(ran: Ran) -> None:
    document = json.loads(ran.position["doc"])
    assert set(document) == set(of_schema("position"))
    more = {"symbol", "side", "account", "conditions", "published_at_ms"}
    assert set(document) == (set(ran.position) - {"doc"}) | more
    text = section(REDIS, "P:position:SYMBOL:SIDE")
    assert [name for name in document["conditions"] if f"`{name}`" not in text] == []
    rung = re.search(r"JSON array: `(rung [\w ]+)`", text)
    assert rung is not None and set(rung[1].split()) == set(document["take_profits"][0])


def test_a_shadow_has_the_documented_fields_and_no_others(ran: Ran) -> None:
    listed = re.search(r"Hash fields: `([\w\s]+)`", section(REDIS, "P:shadow:SYMBOL:SIDE"))
    assert listed is not None and set(listed[1].split()) == set(ran.shadow)
    assert set(json.loads(ran.shadow["doc"])) <= set(of_schema("shadow"))


def test_a_record_has_the_documented_fields_and_no_others(ran: Ran) -> None:
    text = section(REDIS, "P:exits and P:performance")
    cells = re.findall(r"^\| (`.*?) \| ", text, re.MULTILINE)
    named = {"order_epochs", *(name for cell in cells for name in re.findall(r"[a-z_]\w+", cell))}
    notes = set(re.findall(r"`(\w+)`", text.partition("| note |")[2].partition("\n\n")[0]))
    (record, *_) = ran.entries("exits")
    assert set(record) - {"schema", "notes"} == named - notes
    assert set(record) == set(of_schema("record"))
    fill = re.search(r"each: `([\w\s]+)`", text)
    assert fill is not None and set(fill[1].split()) == set(record["fills"][0])


def test_totals_have_the_documented_fields_and_no_others(ran: Ran) -> None:
    listed = re.search(r"`P:performance` has `([\w\s]+)`", section(REDIS, "P:exits and P:performance"))
    assert listed is not None and set(listed[1].split()) | {"schema"} == set(ran.performance)
    assert set(json.loads(ran.performance["doc"])) == set(of_schema("performance"))


def test_every_key_that_is_written_is_in_the_table(ran: Ran) -> None:
    rows = {cell for cell in first_cells(text_of(REDIS)) if cell.startswith("P:")}
    patterns = {re.sub(r"<[^>]+>", "[^:]+", row.replace("\\|", "|")) for row in rows}
    keys = [key.removeprefix(f"{PREFIX}:") for key in ran.redis.keys(f"{PREFIX}:*")]  # type: ignore[union-attr]
    assert [key for key in keys if not any(re.fullmatch(one, f"P:{key}") for one in patterns)] == []
    assert len(keys) > 8


def test_every_event_has_the_documented_fields_and_no_others(ran: Ran) -> None:
    """Of its type, and of every event; what is only there sometimes is named behind the others."""
    text = section(REDIS, "P:events")
    envelope = re.search(r"One JSON object per entry: `([\w\s]+)`", text)
    rows = {
        name: [cell.split() for cell in re.findall(r"`([^`]+)`", cells)]
        for name, cells in re.findall(r"^\| `([A-Z]\w+)` \| ([^|]*) \|", text, re.MULTILINE)
    }
    assert envelope is not None
    wrong = []
    for event in ran.entries("events"):
        always, *sometimes = rows[event["type"]] or [[]]
        own = set(event) - set(envelope[1].split())
        may = {name for cell in sometimes for name in cell}
        if not set(always) <= own <= {*always, *may}:
            wrong.append((event["type"], own.symmetric_difference(always)))
    assert wrong == []
    types = {event["type"] for event in ran.entries("events")}
    assert {"Started", "PositionAppeared", "StopPlaced", "StopReadBack", "TakeProfitPlaced", "PositionFlat"} <= types
