"""Generated cases are the same in every run; `pytest --hypothesis-profile=search` looks for new ones.

A case that chance finds belongs into a test of its own, not into somebody's unrelated run. No case fails because the
machine was busy.
"""

import gc
import zlib

import pytest
from hypothesis import settings

settings.register_profile("repeatable", deadline=None, max_examples=100, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=2_000)
settings.load_profile("repeatable")

COLLECT_EVERY = 50_000
"""Objects between two collections of garbage."""


WAITING = ("tests/e2e/", "tests/systemd/")
"""Where tests mostly wait for processes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that wait for processes first, so that one worker waits while the others calculate; by name they come
    together near the end and leave the processors idle for minutes. The rest mixed, the same in every run."""
    items.sort(key=lambda item: (not item.location[0].startswith(WAITING), zlib.crc32(item.location[0].encode())))


def pytest_collection_finish() -> None:
    """The modules and thousands of collected tests stay to the end: looking for garbage among them costs a tenth."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY)
