"""`performance`: the report from the records in Redis, on narrow and wide screens, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from position_monitor.cli.main import main
from position_monitor.core.performance.aftermath import aftermath_of
from position_monitor.core.performance.facts import range_of
from position_monitor.core.performance.record import Record, RecordStatus
from position_monitor.edge.redis.record_stream import RecordStream
from tests.core.performance.test_record import vector
from tests.core.performance.test_summary import loser

D = Decimal
Show = Callable[..., int]


@pytest.fixture
def show(config_file: Path, monkeypatch: Any) -> Show:
    """Runs the command over these records on a screen of this width."""

    def run(*options: str, records: tuple[Record, ...], width: int = 80, unreadable: int = 0) -> int:
        async def read(url: str, *, prefix: str, account: str) -> RecordStream:
            return RecordStream(records, "1-1", unreadable)

        monkeypatch.setattr("position_monitor.cli.performance.read_records", read)
        monkeypatch.setenv("COLUMNS", str(width))
        return main(["--config", str(config_file), "performance", *options])

    return run


def several() -> tuple[Record, ...]:
    """A winner, a loser and one that is provisional."""
    waiting = replace(vector(income=()), epoch="0mb3k2xx", status=RecordStatus.PROVISIONAL)
    return vector(), loser(), waiting


@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_width_shows_every_figure(show: Show, capsys: Any, width: int) -> None:
    """No line is longer than the screen, nothing is cut with an ellipsis, and small samples say how small they are."""
    assert show(records=several(), width=width) == 0
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()) <= width
    assert "…" not in out
    for words in ("3 closed positions", "1 provisional", "n = 3", "TP1", "TRAIL", "take", "67 % won", "█", "250 ms"):
        assert words in out, words
    assert ("Median time" in out.split("Net R")[0]) is (width >= 80)
    assert "fills_and_income_differ" in out.replace("\n", "")


def test_figures_of_one_record(show: Show, capsys: Any) -> None:
    """The vector 4.9 as a reader sees it."""
    assert show(records=(vector(),), width=120) == 0
    out = capsys.readouterr().out
    reasons, _, rest = out.partition("Net R")
    rows = dict(cells(line) for line in reasons.splitlines() if "│" in line)
    assert rows["TRAIL"] == ["1", "100 %", "+0.38", "+0.38", "40.11", "30m", "+3.5"]
    assert rows["TP1"] == ["1", "100 %", "+0.28", "+0.28", "29.29", "10m", "+0.0"]
    rows = dict(cells(line) for line in rest.splitlines() if "│" in line)
    assert rows["USDT"] == ["127.05", "-6.94", "-0.42", "119.69", "0"]
    assert rows["working_stop"] == ["1", "+3.5", "+3.5", "+3.5", "0.96"]
    assert rows["TP1"] == ["1/1", "100 %", "21-100 %", "10m"]
    assert "time to protect: median 250 ms" in out


def cells(line: str) -> tuple[str, list[str]]:
    """The first cell of a row of a table, and the others."""
    first, *others = (cell.strip() for cell in line.split("│")[1:-1])
    return first, others


def test_json_is_one_document(show: Show, capsys: Any) -> None:
    assert show("--json", records=several()) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["count"], document["provisional"], len(document["records"])) == (3, 1, 3)
    assert document["records"][0]["net"] == "119.691524"


def test_csv_is_one_row_a_record(show: Show, capsys: Any) -> None:
    assert show("--csv", records=several()) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["record_id"] for row in rows] == [record.record_id for record in several()]
    assert (rows[0]["net"], rows[0]["fills"], rows[0]["fees_by_asset"]) == ("119.691524", "4", "USDT=6.936476")
    assert len({len(row) for row in rows}) == 1


@pytest.mark.parametrize("options", [(), ("--json",), ("--csv",)])
def test_nothing_yet_is_a_sentence_and_no_error(show: Show, capsys: Any, options: tuple[str, ...]) -> None:
    assert show(*options, records=()) == 0
    captured = capsys.readouterr()
    assert "no position was closed yet" in captured.err
    if options == ("--json",):
        assert json.loads(captured.out)["records"] == []


def test_redis_away_names_host_and_port(config_file: Path, capsys: Any) -> None:
    assert main(["--config", str(config_file), "performance"]) == 1
    assert "Redis at 127.0.0.1:9 did not answer" in capsys.readouterr().err


def test_unreadable_entries_are_counted(show: Show, capsys: Any) -> None:
    assert show(records=(vector(),), unreadable=2) == 0
    assert "2 entries" in capsys.readouterr().err


def test_html_is_one_page_with_every_chart(show: Show, capsys: Any, tmp_path: Path) -> None:
    """Beside the table, whole in one step, with the figures of the vector 4.9."""
    target = tmp_path / "page.html"
    target.write_text("old")
    assert show("--html", str(target), records=several(), unreadable=2) == 0
    captured = capsys.readouterr()
    assert "Why they were closed" in captured.out
    assert f"wrote {target}" in captured.err
    page = target.read_text("utf-8")
    for words in (
        *("MFE against R", "MAE against R", "Net R of closed positions", "Equity in R", "Slippage by role"),
        *("Why they were closed", "Rungs that were reached", "Cost of protection", "TRAIL", "250 ms"),
        *("fills_and_income_differ", "2 entries of the stream are not readable"),
    ):
        assert words in page, words
    assert page.count("<svg") == 4
    assert list(tmp_path.glob(".page*")) == []
    assert show("--html", str(target), records=(vector(),)) == 0
    row = (
        '<th scope="row">TRAIL</th><td class="number">1</td><td class="number">100 %</td><td class="number">+0.38</td>'
    )
    assert row in target.read_text("utf-8")


def test_html_of_nothing_says_so(show: Show, tmp_path: Path) -> None:
    assert show("--html", str(tmp_path / "page.html"), records=()) == 0
    assert "there is nothing to report" in (tmp_path / "page.html").read_text("utf-8")


@pytest.mark.parametrize("place", ["none/page.html", ".", "file/page.html"])
def test_html_that_cannot_be_written_is_a_word_and_exit_1(show: Show, capsys: Any, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    assert show("--html", str(tmp_path / place), records=several()) == 1
    assert str(tmp_path / place) in capsys.readouterr().err


def test_html_to_a_full_device_is_exit_1(show: Show, capsys: Any) -> None:
    assert show("--html", "/dev/full", records=several()) == 1
    assert "/dev/full could not be written: No space left" in capsys.readouterr().err


def test_what_waiting_had_brought_is_said_once_it_is_there(show: Show, capsys: Any) -> None:
    record = vector()
    show(records=(record,))
    assert "after the exit" not in capsys.readouterr().out
    best = record.exit_average - 2 * record.risk.money / record.quantity_entered  # a short
    after = aftermath_of(range_of(best, 1), side=record.key.side, mean_exit=record.exit_average)
    show(records=(replace(record, after=after), loser()))
    assert "after the exit: 1 of 1 went on by 1 R or more within 4 h, median +2.00 R" in capsys.readouterr().out
