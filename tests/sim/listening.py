"""Hearing what the daemon logs, without what loguru looks up for every listener anew."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any
from unittest import mock

from loguru import logger

_lib_path = cache(sysconfig.get_path)
_NO_DATE = datetime.fromtimestamp(0, UTC)


def listen(hear: Callable[[Any], None], level: str, **options: bool) -> int:
    """Let `hear` have every message from a level on, and nobody else; returns the number to `logger.remove`."""
    logger.remove()
    with mock.patch.object(sysconfig, "get_path", _lib_path):  # asked half a hundred times for each listener
        return logger.add(hear, level=level, format="{level} {message}", **options)


@contextmanager
def undated() -> Iterator[None]:
    """Within, the host is not asked for its time and zone with each message: nobody reads when that was."""
    with mock.patch("loguru._logger.aware_now", lambda: _NO_DATE):
        yield
