"""What glibc is told about its heap (DESIGN 8, memory)."""

import ctypes
import subprocess
import sys

import pytest

SCRIPT = """
from position_monitor.edge.allocator import keep_heap_dense
{before}
def heap_kib():
    lines = [line.split()[0] for line in open("/proc/self/maps") if line.rstrip().endswith("[heap]")]
    first, last = lines[0].split("-")
    return (int(last, 16) - int(first, 16)) // 1024
bytearray(8 << 20)  # freed at once: glibc by itself takes blocks of this size from the heap from now on
before = heap_kib()
held = [bytearray(256 << 10) for _ in range(40)]
print(heap_kib() - before)
"""


def grown_kib(before):
    command = [sys.executable, "-c", SCRIPT.format(before=before)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc")
def test_large_blocks_never_come_from_the_heap():
    assert grown_kib("") > 9_000, "what glibc does by itself"
    assert grown_kib("keep_heap_dense()") < 1_000
