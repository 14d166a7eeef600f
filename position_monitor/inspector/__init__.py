"""One look at the exchange without acting: what `plan`, `explain`, `status --direct` and `check --live` show.

It runs the daemon's own observer and core with empty memory, so it says what a freshly started daemon would do.
`looking.py` looks, `bystander.py` is what the daemon inside has around it, `inspected.py` is what comes of it.
"""

from position_monitor.inspector.bystander import Bystander
from position_monitor.inspector.inspected import (
    InspectedExits,
    InspectedOrder,
    InspectedPosition,
    Inspection,
    inspected_exits,
)
from position_monitor.inspector.looking import Inspector

__all__ = [
    "Bystander",
    "InspectedExits",
    "InspectedOrder",
    "InspectedPosition",
    "Inspection",
    "Inspector",
    "inspected_exits",
]
