"""The process around the daemon: wiring, signals, the service manager, publishing. It decides nothing.

`process.py` opens everything of a configuration. `serving.py` is one turn after another, with `starting.py` before the
first, `turns.py` for the waiting between them, `pacing.py` for how long, `reloading.py` for the configuration in force.
`surroundings.py` answers what the daemon asks, `telling.py` says what a cycle found.
"""

from position_monitor.service.process import run
from position_monitor.service.reloading import ConfigInForce
from position_monitor.service.serving import Service
from position_monitor.service.streams import Hearer, Streams
from position_monitor.service.wiring import (
    candle_settings_from,
    open_daemon,
    open_exchange,
    rules_from,
    settings_from,
)

__all__ = [
    "ConfigInForce",
    "Hearer",
    "Service",
    "Streams",
    "candle_settings_from",
    "open_daemon",
    "open_exchange",
    "rules_from",
    "run",
    "settings_from",
]
