"""`shadow-report`: calibration first, the difference and its word, on 80 columns, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from position_monitor.cli.main import main
from position_monitor.core.performance.record import Record
from position_monitor.core.shadow.pair import Pair
from position_monitor.edge.redis.pair_documents import pair_document, read_pair
from position_monitor.edge.redis.pairs import FollowedNow, PairStream
from position_monitor.edge.redis.record_stream import RecordStream
from tests.core.shadow.samples import censored, sample

Show = Callable[..., int]


@pytest.fixture
def show(config_file: Path, monkeypatch: Any) -> Show:
    """Runs the command over these pairs and records."""

    def run(
        *options: str,
        pairs: Sequence[Pair],
        records: Sequence[Record] = (),
        unreadable: int = 0,
        followed: FollowedNow | None = None,
    ) -> int:
        async def pairs_read(url: str, *, prefix: str, account: str) -> PairStream:
            return PairStream(tuple(pairs), unreadable, followed=followed)

        async def records_read(url: str, *, prefix: str, account: str) -> RecordStream:
            return RecordStream(tuple(records), "1-1", 0)

        monkeypatch.setattr("position_monitor.cli.shadow_report.read_pairs", pairs_read)
        monkeypatch.setattr("position_monitor.cli.shadow_report.read_records", records_read)
        monkeypatch.setattr("position_monitor.cli.output.PLAIN_WIDTH", 80)
        return main(["--config", str(config_file), "shadow-report", *options])

    return run


@pytest.mark.parametrize(
    ("count", "shift", "own_shift", "words"),
    [
        (12, 0.0, 0.0, ["NOT ENOUGH", "a word needs at least 30 positions", "more positions to see 0.1 R"]),
        (100, 0.0, 0.0, ["NO DIFFERENCE SEEN", "calibrated", "100 of 100 closed positions (100 %)"]),
        (100, 0.3, 0.0, ["BETTER", "Nothing is promoted by itself", "systemctl reload quantum-position-monitor"]),
        (100, -0.3, 0.0, ["WORSE"]),
        (100, 0.3, 0.05, ["BIASED RULER", "nothing below is to be read"]),
    ],
)
def test_every_word_fits_80_columns(
    show: Show, capsys: Any, count: int, shift: float, own_shift: float, words: list[str]
) -> None:
    records, pairs = sample(count, shift=shift, own_shift=own_shift)
    pairs = [pair._replace(settings_hash="0123456789ab") for pair in pairs]
    assert show(pairs=pairs, records=records) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines) <= 80
    assert lines[1].startswith("A/A")
    assert lines.index(next(line for line in lines if line.startswith("A/B"))) < 4
    for word in words:
        assert any(word in line for line in lines), word
    assert "…" not in "".join(lines)


def test_a_biased_ruler_takes_the_place_of_the_word(show: Show, capsys: Any) -> None:
    """On the screen and for a script."""
    pairs = sample(100, shift=0.5, own_shift=0.05)[1]
    show(pairs=pairs)
    assert "BETTER" not in capsys.readouterr().out.split("For orientation")[0]
    show("--json", pairs=pairs)
    assert json.loads(capsys.readouterr().out)["report"]["word"] == "BIASED RULER"


def test_a_few_positions_that_are_off_are_no_biased_ruler(show: Show, capsys: Any) -> None:
    """Two positions of the first day say nothing of the ruler either."""
    show(pairs=sample(2, shift=0.5, own_shift=0.05)[1])
    shown = capsys.readouterr().out.split("For orientation")[0]
    assert "not enough to calibrate" in shown
    assert "NOT ENOUGH" in shown
    assert "BIASED" not in shown


def test_what_is_left_out_is_said(show: Show, capsys: Any) -> None:
    records, pairs = sample(60)
    old = [pair._replace(settings_hash="old") for pair in pairs[:5]]
    show(pairs=old + censored(pairs[5:8]) + pairs[8:], records=records, unreadable=2)
    told = capsys.readouterr()
    for words in ("censored: 3 closed by hand", "of other settings: 5", "Coverage: 52 of 55"):
        assert words in told.out, words
    assert "2 entries of the streams are not readable" in told.err


def test_no_pair_is_no_error(show: Show, capsys: Any) -> None:
    assert show(pairs=[]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "no shadow result yet" in told.err
    assert show("--csv", pairs=[]) == 0
    assert capsys.readouterr().out.startswith("record_id,")


def test_what_is_on_the_way_is_said(show: Show, capsys: Any) -> None:
    """So that on the first day nobody takes a shadow that works for one that does not."""
    now = FollowedNow(open=7, outliving=2, written_at_ms=time.time_ns() // 1_000_000 - 30_000)
    assert show(pairs=[], followed=now) == 0
    assert re.search(r"7 open positions were followed \d+s ago, and 2 that are closed while", capsys.readouterr().err)
    show("--json", pairs=[], followed=now)
    assert json.loads(capsys.readouterr().out)["following"] == now._asdict()


def test_json_has_the_word_the_interval_and_every_pair(show: Show, capsys: Any) -> None:
    records, pairs = sample(100, shift=0.3)
    show("--json", pairs=pairs, records=records)
    document = json.loads(capsys.readouterr().out)
    report = document["report"]
    assert report["word"] == report["difference_r"]["word"] == "BETTER"
    assert report["difference_r"]["low"] > 0
    assert report["calibrated"] is True
    assert report["coverage"]["epochs_pct"] == 100.0
    assert all(group["for_orientation"] for group in report["groups"])
    assert len(document["pairs"]) == 100
    show("--json", pairs=pairs[:1])
    assert json.loads(capsys.readouterr().out)["report"]["difference_r"]["low"] is None  # no infinity in JSON


def test_csv_has_one_row_a_pair(show: Show, capsys: Any) -> None:
    show("--csv", pairs=sample(3)[1])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 3
    assert {"record_id", "live_net_r", "shadow_net_r", "own_net_r", "difference_r", "shadow_censored"} <= set(rows[0])


def test_a_pair_is_read_back_as_it_was_written() -> None:
    for pair in sample(3)[1]:
        assert read_pair(json.dumps(pair_document(pair))) == pair
