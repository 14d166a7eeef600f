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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in an order that mixes those that wait for processes among those that calculate: by name, what waits comes
    together at the end and leaves the processors idle for minutes. The same in every run and every worker."""
    items.sort(key=lambda item: zlib.crc32(item.location[0].encode()))


def pytest_collection_finish() -> None:
    """The modules and thousands of collected tests stay to the end: looking for garbage among them costs a tenth."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY)
