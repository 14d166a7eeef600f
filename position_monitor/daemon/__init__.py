"""The one room that knows both sides (DESIGN 3): the core that decides and the edges that act.

`cycle.py` is the loop's body, with `placing.py` and `removal.py` for what it sends and takes away, `upkeep.py` beside
it and `report.py` for what it says at its end. `fast_path.py` places the stops that an event brings before the first
read. Both send and remove through `desk.py`, which asks the gate first, and learn through `memory.py`, the only writer
of the evidence. `surroundings.py` is all that the daemon asks of the process around it.
"""

from position_monitor.daemon.cycle import Daemon
from position_monitor.daemon.report import CycleReport

__all__ = ["CycleReport", "Daemon"]
