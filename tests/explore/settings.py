"""The settings of a life, as the JSON text that names them: made into a configuration once, and into a file once."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import tomlkit

from position_monitor.config import Config
from tests.sim.stage_process import INTERVAL_S, TIMEOUT_S, config_of


@cache
def config_from(settings: str) -> Config:
    return config_of(json.loads(settings))


@cache
def _room() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="explore-")


@cache
def file_with(settings: str) -> Path:
    """A configuration file with these settings."""
    data = {
        "loop": {"check_interval_s": INTERVAL_S, "full_sweep_s": 20},
        "exchange": {"request_timeout_s": TIMEOUT_S, "rest_url": "http://127.0.0.1:1"},
    }
    path = Path(_room().name) / f"{random.Random(settings).getrandbits(64):x}.toml"
    path.write_text(tomlkit.dumps(data | json.loads(settings)))
    return path
