"""The process around the daemon: wiring, signals, the service manager, publishing. It decides nothing."""

from position_monitor.service.process import run
from position_monitor.service.serving import Service
from position_monitor.service.wiring import open_daemon, open_exchange, rules_from

__all__ = ["Service", "open_daemon", "open_exchange", "rules_from", "run"]
