"""httpx without its command line, which takes 5 MiB where the extra `alerts` is installed: click, rich, pygments.

httpx imports it where it can and does without where it cannot. So click is not to be had while httpx is imported.
"""

from __future__ import annotations

import sys

_ABSENT = object()
_click = sys.modules.get("click", _ABSENT)
sys.modules["click"] = None  # type: ignore[assignment]  # the import system takes it for a module that is not installed
try:
    import httpx
finally:
    if _click is _ABSENT:
        del sys.modules["click"]
    else:
        sys.modules["click"] = _click  # type: ignore[assignment]

__all__ = ["httpx"]
