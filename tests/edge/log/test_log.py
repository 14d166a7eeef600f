"""The journal: prefix, priority, no secrets, bounded, and never in the way."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import threading
import warnings

import pytest
from loguru import logger

from position_monitor.edge import log

SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP"


@pytest.fixture(autouse=True)
def restored():
    """Logging is global: put it back."""
    hook, handlers = sys.excepthook, logging.root.handlers[:]
    yield
    log.flush()
    log._secrets = log._passing_secrets = ()
    logger.remove()
    logger.add(sys.stderr)
    sys.excepthook, logging.root.handlers[:] = hook, handlers
    logging.captureWarnings(capture=False)


@pytest.fixture
def journal():
    """Configure for the journal and read back what was written."""
    stream = io.StringIO()
    log.configure(stream=stream, journal=True, level="DEBUG")

    def lines():
        log.flush()
        return stream.getvalue().splitlines()

    return lines


@pytest.mark.parametrize(
    ("level", "priority"),
    [("CRITICAL", 2), ("ERROR", 3), ("WARNING", 4), ("SUCCESS", 5), ("INFO", 6), ("DEBUG", 7)],
)
def test_every_level_has_its_syslog_priority(journal, level, priority):
    """`journalctl -p warning` works."""
    logger.log(level, "✅ SL order placed: {} -1.5%", "BTCUSDT")
    assert journal() == [f"<{priority}>[POSITION-MONITOR] ✅ SL order placed: BTCUSDT -1.5%"]


def test_every_line_of_a_traceback_is_prefixed(journal):
    """A multi-line message is many journal lines, each with its priority."""
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        logger.exception("it failed")
    assert journal()[0] == "<3>[POSITION-MONITOR] it failed"
    assert journal()[-2:] == ["<3>[POSITION-MONITOR] ValueError: first", "<3>[POSITION-MONITOR] second"]
    assert all(line.startswith("<3>[POSITION-MONITOR] ") for line in journal())


def test_a_terminal_gets_time_and_level(monkeypatch):
    """The same prefix, for a human."""
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    monkeypatch.delenv("INVOCATION_ID", raising=False)
    stream = io.StringIO()
    log.configure(stream=stream)
    logger.warning("careful")
    logger.debug("not shown")
    log.flush()
    [line] = stream.getvalue().splitlines()
    prefix, time, level, text = line.split()
    assert (prefix, level, text) == ("[POSITION-MONITOR]", "WARNING", "careful")
    assert len(time) == len("21:49:18.412")


@pytest.mark.parametrize("name", ["JOURNAL_STREAM", "INVOCATION_ID"])
def test_under_systemd_the_journal_format_is_the_default(monkeypatch, name):
    """Both variables systemd sets are understood."""
    monkeypatch.setenv(name, "8:1234")
    stream = io.StringIO()
    log.configure(stream=stream)
    logger.info("started")
    log.flush()
    assert stream.getvalue() == "<6>[POSITION-MONITOR] started\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"key {SECRET} in the text", "key *** in the text"),
        ("GET https://fapi/x?t=1&signature=c8db56825ae7 failed", "GET https://fapi/x?t=1&signature=*** failed"),
        ("{'X-MBX-APIKEY': 'vmPUZE6mv9SD5', 'a': 1}", "{'X-MBX-APIKEY': '***', 'a': 1}"),
        ("X-MBX-APIKEY: vmPUZE6mv9SD5", "X-MBX-APIKEY: ***"),
        ("apiKey=vmPUZE6mv9SD5&x=1", "apiKey=***&x=1"),
        ("redis://default:p@ss:w0rd@10.0.0.1:6379/0", "redis://default:***@10.0.0.1:6379/0"),
        ("redis://:hunter22@10.0.0.1:6379/0", "redis://:***@10.0.0.1:6379/0"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
        ('{"listenKey": "pqia91ma19a5s61cv6a81va65sdf19v8a65a1"}', '{"listenKey": "***"}'),
        ("password=hunter22 secret: hunter22", "password=*** secret: ***"),
        ("BTCUSDT stop 63158.2 at https://fapi.binance.com/fapi/v1/time", None),
        ("🛡️ 7/7 protected (100%)", None),
    ],
)  # fmt: skip
def test_secrets_are_removed_from_messages(journal, text, shown):
    """Invariant 15: registered values and everything that looks like a credential; ordinary lines stay."""
    log.register_secret(SECRET)
    logger.info(text)
    assert journal() == [f"<6>[POSITION-MONITOR] {shown or text}"]


def test_secrets_are_removed_from_tracebacks_and_their_variables(journal):
    """ccxt puts the signed URL in its errors, loguru's diagnose prints variables."""
    log.register_secret(SECRET)
    secret_variable = SECRET
    try:
        raise RuntimeError(f"binanceusdm GET https://fapi/x?signature=deadbeef {secret_variable}")
    except RuntimeError:
        logger.exception("failed")
    text = "\n".join(journal())
    assert "signature=***" in text
    assert SECRET not in text
    assert "deadbeef" not in text


def test_a_percent_encoded_secret_is_removed_too(journal):
    """A password is written encoded in a URL."""
    log.register_secret("p@ss/wörd#1\n")
    logger.info("first p@ss/wörd#1 then p%40ss%2Fw%C3%B6rd%231")
    assert journal() == ["<6>[POSITION-MONITOR] first *** then ***"]


def test_a_short_secret_does_not_blank_the_journal(journal):
    """An empty or tiny credential file must not make every line unreadable."""
    for short in ("", " ", "abc"):
        log.register_secret(short)
    logger.info("abc")
    assert journal() == ["<6>[POSITION-MONITOR] abc"]


def test_lines_and_tracebacks_are_bounded(journal):
    """A body of the exchange in an error does not flood the journal; the last lines stay."""
    logger.info("x" * 10_000)
    assert len(journal()[0]) == len("<6>[POSITION-MONITOR] ") + log.LINE_LENGTH_MAX
    logger.error("\n".join(str(n) for n in range(1000)))
    assert len(journal()) == 1 + log.LINES_PER_MESSAGE_MAX
    assert journal()[-1].endswith(" 999")


def test_a_broken_stream_never_raises():
    """The journal is gone, the disk is full, the stream was closed (P7)."""
    stream = io.StringIO()
    log.configure(stream=stream, journal=True)
    stream.close()
    logger.info("into the void")
    log.flush()


def test_an_unencodable_text_never_raises(journal):
    """A lone surrogate from somewhere."""
    logger.info("odd \udc80")
    assert journal() == ["<6>[POSITION-MONITOR] odd ?"]


def test_a_stream_that_blocks_does_not_block_the_caller():
    """A journal that stopped reading must not stop protection; what was lost is counted."""
    release, entered = threading.Event(), threading.Event()

    class Stuck(io.StringIO):
        def write(self, text):
            entered.set()
            release.wait(10)
            return super().write(text)

    stream = Stuck()
    log.configure(stream=stream, journal=True)
    logger.info("first")
    assert entered.wait(5)
    for n in range(log.MESSAGES_WAITING_MAX + 5):
        logger.info("{}", n)
    release.set()
    log.flush(10)
    logger.info("afterwards")
    log.flush(10)
    lines = stream.getvalue().splitlines()
    assert lines[-2:] == ["<4>[POSITION-MONITOR] 5 log messages were lost", "<6>[POSITION-MONITOR] afterwards"]


def test_libraries_and_warnings_arrive_in_the_same_journal(journal):
    """asyncio reports forgotten exceptions through the standard logging: they must be redacted too."""
    log.register_secret(SECRET)
    logging.getLogger("asyncio").error("Task exception was never retrieved %s", SECRET)
    logging.getLogger("httpx").info("HTTP Request: GET http://internal")
    warnings.warn("old thing", stacklevel=1)
    lines = journal()
    assert lines[0] == "<3>[POSITION-MONITOR] asyncio: Task exception was never retrieved ***"
    assert "old thing" in lines[1]
    assert not any("HTTP Request" in line for line in lines)


PROGRAM = """
from position_monitor.edge import log
log.configure()
log.register_secret("NhqPtmdSJYdKjVHjA7PZ")
{last}
"""


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("raise RuntimeError('NhqPtmdSJYdKjVHjA7PZ')", "RuntimeError: ***"),
        ("from loguru import logger; logger.info('the last words')", "the last words"),
    ],
)
def test_the_last_words_of_a_process_are_written_and_redacted(last, expected):
    """An uncaught exception goes through the journal, and nothing is lost at exit."""
    command = [sys.executable, "-c", PROGRAM.format(last=last)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "INVOCATION_ID": "x"})
    assert expected in done.stderr
    assert "NhqPtmdSJYdKjVHjA7PZ" not in done.stderr
    assert all("[POSITION-MONITOR] " in line for line in done.stderr.splitlines())


def test_an_unknown_level_is_an_error(journal):
    """The configuration names it."""
    with pytest.raises(ValueError, match="LOUD"):
        log.configure(level="LOUD", stream=io.StringIO())


def test_secrets_that_come_and_go_are_bounded_and_the_lasting_ones_stay(journal):
    log.register_secret("the-lasting-secret")
    for number in range(3 * log.PASSING_SECRETS_MAX):
        log.register_secret(f"listen-key-{number:04}", passing=True)
    last = f"listen-key-{3 * log.PASSING_SECRETS_MAX - 1:04}"
    assert log.redact(f"{last} the-lasting-secret") == f"{log.REDACTED} {log.REDACTED}"
    assert len(log._passing_secrets) == log.PASSING_SECRETS_MAX
