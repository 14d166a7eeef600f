"""The configuration file of each daemon of a run, in memory: what SIGHUP makes it read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

from position_monitor.config import Config
from position_monitor.errors import ConfigError
from position_monitor.service import reloading

Sections = Mapping[str, Any]


class Files:
    """Daemon -> what stands in its file; the usual configuration where nothing was written."""

    def __init__(self, usual: Sections) -> None:
        self._usual = usual
        self._written: dict[int, dict[str, Any]] = {}
        self._only_obreloading: set[int] = set()

    def write(self, daemon: int, changes: Sections) -> None:
        """Put the usual configuration with these changes into a daemon's file. It may be one that is refused."""
        data = self._written[daemon] = dict(self._usual)
        for section, value in changes.items():
            data[section] = {**data.get(section, {}), **value} if isinstance(value, dict) else value
        try:
            observes = self.read(daemon).protection.mode == "observe"
        except ConfigError:
            return  # the daemon keeps what it had, and with it its mode
        (self._only_obreloading.add if observes else self._only_obreloading.discard)(daemon)

    def usual(self, section: str) -> Sections:
        """What the usual configuration says in a section."""
        return dict(self._usual.get(section, {}))

    def put_back(self) -> None:
        """The usual configuration stands in every file."""
        self._written.clear()
        self._only_obreloading.clear()

    def read(self, daemon: int) -> Config:
        """What loading the file gives. Raises `ConfigError` for a broken one."""
        return Config.from_data(self._written.get(daemon, self._usual))

    def is_live(self, daemon: int) -> bool:
        """Whether the last file that a daemon could take over lets it write."""
        return daemon not in self._only_obreloading


@contextmanager
def read_from(files: Files, daemon: Any) -> Iterator[None]:
    """Within, each daemon reads its own file; `daemon()` is the number of the one that asks."""
    with mock.patch.object(reloading, "load_config", lambda path: files.read(daemon())):
        yield
