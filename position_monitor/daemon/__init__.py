"""The one room that knows both sides (DESIGN 3): the core that decides and the edges that act.

`cycle.py` is the loop's body, with `placing.py` and `removal.py` for what it sends and takes away, `fast_path.py` the
stops that an event brings before the first read, and `desk.py` what they share: the evidence and the pen.
"""

from position_monitor.daemon.cycle import CycleReport, Daemon

__all__ = ["CycleReport", "Daemon"]
