"""`verify --self-test`: differences of every kind, planted on a paper exchange and in Redis, and looked for.

Nothing of the daemon runs here: the claims are written as DESIGN 5 documents them, renewed like a daemon's, and true
until something is planted. So what is shown is that the independent reader sees, and that it is silent otherwise.
"""

from position_monitor.rehearsal.rehearsing import Outcome, rehearse

__all__ = ["Outcome", "rehearse"]
