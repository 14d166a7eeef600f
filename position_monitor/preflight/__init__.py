"""`check`: is this configuration usable, and with --live: is everything as it must be before the daemon's first use?

Each question is one finding: ok, warning, error or not known, and what to do. Nothing is placed and nothing is removed;
the one thing that is written is a key of its own in Redis, which goes at once.
"""

from position_monitor.preflight.checking import live_findings, offline_findings
from position_monitor.preflight.findings import Finding, Outcome

__all__ = ["Finding", "Outcome", "live_findings", "offline_findings"]
