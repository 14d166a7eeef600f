"""Settings of the generated cases: as many as take a moment, and none fails because the machine was busy."""

from hypothesis import settings

settings.register_profile("core", deadline=None, max_examples=100)
settings.load_profile("core")
