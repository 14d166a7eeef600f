"""Reading a process from outside: CPU time, memory. Linux only."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

_CPUCLOCK_SCHED = 2
KIB_PER_MIB = 1024


def cpu_s(pid: int) -> float:
    """CPU seconds a process used so far, all threads, user and system, to the nanosecond.

    The clock clock_getcpuclockid(3) gives; /proc/PID/stat counts in hundredths of a second, too coarse for a cycle.
    """
    return time.clock_gettime_ns((~pid << 3) | _CPUCLOCK_SCHED) / 1e9


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one process, in MiB. `pss` shares what several processes have mapped; `rss` counts it whole."""

    rss: float
    pss: float


def memory_mib(pid: int) -> Memory:
    """What a process holds now."""
    rss = _kib(Path(f"/proc/{pid}/status").read_text(), "VmRSS")
    pss = _kib(Path(f"/proc/{pid}/smaps_rollup").read_text(), "Pss")
    return Memory(rss / KIB_PER_MIB, pss / KIB_PER_MIB)


def _kib(text: str, name: str) -> int:
    """One line of a /proc file, such as `VmRSS:    1234 kB`."""
    for line in text.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise ValueError(f"no {name} in what the kernel says")
