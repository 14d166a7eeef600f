"""Generated cases are the same in every run; `pytest --hypothesis-profile=search` looks for new ones.

A case that chance finds belongs into a test of its own, not into somebody's unrelated run. No case fails because the
machine was busy.
"""

from hypothesis import settings

settings.register_profile("repeatable", deadline=None, max_examples=100, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=2_000)
settings.load_profile("repeatable")
