"""How the C library gives memory to this process and takes it back."""

from __future__ import annotations

from typing import Final

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
"""The parameters of mallopt(3) of glibc."""
LARGE_BYTES: Final = 128 * 1024
"""What glibc begins with."""


def keep_heap_dense() -> None:
    """Large blocks never come from the heap, and threads have none of their own. Nothing where it is not glibc.

    glibc raises its limit for large blocks with each one that is freed: after the first list of all contracts every
    answer is cut from the heap and leaves a hole there that small values fill. At 200 positions those were 6 MiB.
    Memory is no reason not to protect: where ctypes cannot be loaded (old libffi under `MemoryDenyWriteExecute`), all
    stays as it is.
    """
    try:
        import ctypes

        mallopt = ctypes.CDLL(None).mallopt
    except (ImportError, MemoryError, OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
    mallopt(_M_ARENA_MAX, 1)
