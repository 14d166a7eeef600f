"""The journal of the daemon: one prefix, priorities and fields under systemd, no secrets, bounded lines.

Every other module logs with `from loguru import logger`; `configure` decides once where that goes. Secrets are
removed from the finished text, tracebacks included, so it does not matter how one got into a message (invariant 15).
Lines are written by a thread of their own: a journal that stopped reading must not stop protection (fault P7).

Where standard error is the systemd journal, lines go to its socket with their fields; what it does not take, and every
line under another service manager, goes to standard error as `<priority>[POSITION-MONITOR] text`.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import queue
import re
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple, TextIO
from urllib.parse import quote

from loguru import logger

from position_monitor.core.publication.journal_line import Line
from position_monitor.edge.journal_socket import IDENTIFIER, JournalSocket, journal_behind

if TYPE_CHECKING:
    from loguru import Message, Record

PREFIX: Final = "[POSITION-MONITOR]"
LINE_LENGTH_MAX: Final = 2000
LINES_PER_MESSAGE_MAX: Final = 60
MESSAGES_WAITING_MAX: Final = 5000
FLUSH_TIMEOUT_S: Final = 2.0
SECRET_LENGTH_MIN: Final = 6
REDACTED: Final = "***"

_SYSLOG_PRIORITIES: Final = (("CRITICAL", 2), ("ERROR", 3), ("WARNING", 4), ("SUCCESS", 5), ("INFO", 6))
_DEBUG_PRIORITY: Final = 7
_NAMED_SECRET: Final = re.compile(
    r"(?i)\b(signature|api_?key|api_?secret|x-mbx-apikey|authorization|listenkey|secret|password|passphrase)"
    r"(['\"]?\s*[:=]\s*(?:b?['\"])?(?:(?:bearer|basic)\s+)?)[^\s&'\",;)}\]]+"
)
_URL_PASSWORD: Final = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^/\s@:]*):[^/\s]+@")
PASSING_SECRETS_MAX: Final = 64
"""Listen keys that are still taken out of lines: one an hour in quiet times, each of no use soon after the next."""
_secrets: tuple[str, ...] = ()
"""Longest first, so that no part of a longer one is left over."""
_passing_secrets: tuple[str, ...] = ()
"""The same, oldest first, of those that come and go."""
_sink: _Sink | None = None
_account = ""
"""Whose journal this is: a field of every line."""
FIELDS: Final = ("symbol", "side", "verdict", "event")
"""What a line may be searched for by, as `journalctl SYMBOL=BTCUSDT EVENT=StopFired`; `ACCOUNT=` is always there."""


def say(line: Line) -> None:
    """Write one line with its fields. Never raises and never waits, as all logging here."""
    logger.bind(symbol=line.symbol, side=line.side, verdict=line.verdict, event=line.event).log(
        line.level.value, line.text
    )


def name_account(account: str) -> None:
    """Put the account into every later line of the systemd journal, as its field ACCOUNT."""
    global _account
    _account = account


def register_secret(value: str, *, passing: bool = False) -> None:
    """Remove `value` from every later line. Shorter than six characters would blank ordinary words: not registered.

    `passing` ones, which a program gets anew all its life, are kept up to `PASSING_SECRETS_MAX` (invariant 10).
    """
    global _secrets, _passing_secrets
    spellings = {value, value.strip(), quote(value.strip(), safe="")}
    fresh = [spelling for spelling in spellings if len(spelling) >= SECRET_LENGTH_MIN]
    if passing:
        kept = [secret for secret in _passing_secrets if secret not in fresh]
        _passing_secrets = tuple((*kept, *fresh)[-PASSING_SECRETS_MAX:])
    else:
        _secrets = tuple(sorted({*_secrets, *fresh}, key=len, reverse=True))


def redact(text: str) -> str:
    """`text` without registered secrets, signatures, key headers and passwords in URLs."""
    for secret in (*_secrets, *_passing_secrets):
        if secret in text:
            text = text.replace(secret, REDACTED)
    text = _URL_PASSWORD.sub(rf"\1:{REDACTED}@", text)
    return _NAMED_SECRET.sub(rf"\1\2{REDACTED}", text)


def under_systemd() -> bool:
    """Whether a service manager started us, so that standard error is read by the journal."""
    return "JOURNAL_STREAM" in os.environ or "INVOCATION_ID" in os.environ


def configure(*, level: str = "INFO", stream: TextIO | None = None, journal: bool | None = None) -> None:
    """Send every log line, those of libraries and of uncaught exceptions included, to `stream` (standard error).

    `journal` (default: whether systemd started us) chooses `<priority>[POSITION-MONITOR] text` over a line with time
    and level for a human. Raises `ValueError` for an unknown level. Writing a line later never raises and never waits.
    """
    global _sink
    for_journal = under_systemd() if journal is None else journal
    target = stream if stream is not None else sys.stderr
    flush()
    logger.remove()
    _sink = _Sink(target, for_journal=for_journal, native=journal_behind(target) if for_journal else None)
    logger.add(
        _sink,
        level=level,
        format="{message}" if for_journal else _TERMINAL_FORMAT,
        colorize=not for_journal and target.isatty() and "NO_COLOR" not in os.environ,
        backtrace=False,  # only the frames between raise and catch
        diagnose=False,  # True prints the values of variables, keys included
        catch=True,
    )
    logging.basicConfig(handlers=[_FromStandardLogging()], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught


def flush(timeout_s: float = FLUSH_TIMEOUT_S) -> None:
    """Wait until what was logged so far is written, at most `timeout_s`."""
    if _sink is not None:
        _sink.flush(timeout_s)


_TERMINAL_FORMAT: Final = "<green>{time:HH:mm:ss.SSS}</green> <level>{level: <8}</level> <level>{message}</level>"


class _Written(NamedTuple):
    """A finished message."""

    priority: int
    lines: list[str]
    """Redacted and bounded, each with the prefix."""
    fields: Mapping[str, str]


class _Sink:
    """Hands finished messages to a writing thread. A full queue drops messages and says later how many."""

    def __init__(self, stream: TextIO, *, for_journal: bool, native: JournalSocket | None = None) -> None:
        self._stream = stream
        self._for_journal = for_journal
        self._native = native
        self._waiting: queue.Queue[list[_Written]] = queue.Queue(MESSAGES_WAITING_MAX)
        self._dropped = 0
        threading.Thread(target=self._write_forever, name="log", daemon=True).start()

    def __call__(self, message: Message) -> None:
        """Never raises: loguru would print the whole record, unredacted, to report our failure."""
        with contextlib.suppress(Exception):
            written = [_Written(_priority(message.record["level"].no), _lines(str(message)), _fields(message.record))]
            if self._dropped and not self._waiting.full():
                written.insert(0, _Written(4, [f"{PREFIX} {self._dropped} log messages were lost"], {}))
            try:
                self._waiting.put_nowait(written)
                self._dropped = 0
            except queue.Full:
                self._dropped += 1

    def flush(self, timeout_s: float) -> None:
        """Wait for the thread, which may be stuck in a write for ever."""
        with self._waiting.all_tasks_done:
            self._waiting.all_tasks_done.wait_for(lambda: not self._waiting.unfinished_tasks, timeout_s)

    def _write_forever(self) -> None:
        while True:
            written = self._waiting.get()
            with contextlib.suppress(Exception):  # the journal is gone, the disk is full, the stream was closed
                for message in written:
                    self._write(message)
            self._waiting.task_done()

    def _write(self, message: _Written) -> None:
        left = [line for line in message.lines if not self._taken(line, message)]
        if left:
            head = f"<{message.priority}>" if self._for_journal else ""
            self._stream.write("".join(f"{head}{line}\n" for line in left))
            self._stream.flush()

    def _taken(self, line: str, message: _Written) -> bool:
        """Whether the journal's socket took a line."""
        if self._native is None:
            return False
        fixed = {"MESSAGE": line, "PRIORITY": str(message.priority), "SYSLOG_IDENTIFIER": IDENTIFIER}
        return self._native.send({**fixed, **message.fields})


class _FromStandardLogging(logging.Handler):
    """Passes what libraries log through the standard `logging` on, so that it is redacted and prefixed too."""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):
            standard = record.levelname in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
            level: str | int = record.levelname if standard else record.levelno
            logger.opt(exception=record.exc_info).log(level, "{}: {}", record.name, record.getMessage())


def _log_uncaught(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logger.opt(exception=(kind, fault, trace)).critical("the program ended with an error nobody expected")
    flush()


def _lines(text: str) -> list[str]:
    lines = redact(text).rstrip("\n").split("\n")
    if len(lines) > LINES_PER_MESSAGE_MAX:  # the end of a traceback says what happened
        lines = [lines[0], "…", *lines[2 - LINES_PER_MESSAGE_MAX :]]
    return [f"{PREFIX} {_bounded(line)}" for line in lines]


def _fields(record: Record) -> dict[str, str]:
    """The fields of a line; those that do not apply are empty."""
    extra = record["extra"]
    named = {name.upper(): _bounded(redact(str(extra.get(name, "")))) for name in FIELDS if extra.get(name)}
    return {"ACCOUNT": _account, **named}


def _bounded(line: str) -> str:
    clean = line.rstrip("\r").encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= LINE_LENGTH_MAX else clean[: LINE_LENGTH_MAX - 1] + "…"


def _priority(level_number: int) -> int:
    for name, priority in _SYSLOG_PRIORITIES:
        if level_number >= logger.level(name).no:
            return priority
    return _DEBUG_PRIORITY


atexit.register(flush)
