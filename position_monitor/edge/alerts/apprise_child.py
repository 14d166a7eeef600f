"""A process of its own that hands one message to the library apprise, and ends: `python -m` this module.

The library and the services behind it may be slow, hang or leak: here they cost the daemon neither memory nor time, and
what hangs is ended with the process. Standard input: one JSON object `{title, body, type, urls, send}`. Standard
output: one JSON object a line, `{index, taken, why}`, as soon as a service has answered. The texts are raw: whoever
started the process takes the addresses out, which stand neither in arguments nor in the environment (invariant 15).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from typing import Any, Final

INPUT_CHARS_MAX: Final = 1_000_000
NICENESS: Final = 10


class _Reasons(logging.Handler):
    """Keeps the last warning of each thread: why a service did not take the message."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.by_thread: dict[int, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.by_thread[threading.get_ident()] = record.getMessage()[:500]


def main() -> int:
    """Send one message to every address; returns 0 whatever became of it."""
    with contextlib.suppress(OSError):  # a hardened unit forbids it
        os.nice(NICENESS)
    request: dict[str, Any] = json.loads(sys.stdin.read(INPUT_CHARS_MAX))
    reasons = _Reasons()
    library = logging.getLogger("apprise")
    library.handlers, library.propagate = [reasons], False
    library.setLevel(logging.WARNING)
    with ThreadPoolExecutor(max_workers=max(1, len(request["urls"]))) as pool:
        send = partial(_send, request=request, reasons=reasons)
        sending = [pool.submit(send, index, url) for index, url in enumerate(request["urls"])]
        for done in as_completed(sending):
            sys.stdout.write(json.dumps(done.result()) + "\n")
            sys.stdout.flush()
    return 0


def _send(index: int, url: str, *, request: dict[str, Any], reasons: _Reasons) -> dict[str, object]:
    """What became of one address."""
    try:
        import apprise

        asset = apprise.AppriseAsset(app_id="position-monitor", async_mode=False)
        service = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
        if service is None:
            why = reasons.by_thread.get(threading.get_ident(), "")
            return {"index": index, "taken": False, "why": f"this is no address that apprise reads; {why}"}
        if not request["send"]:
            return {"index": index, "taken": True, "why": ""}
        taken = bool(service.notify(body=request["body"], title=request["title"], notify_type=request["type"]))
    except Exception as fault:  # a plugin of the library may fail in any way
        return {"index": index, "taken": False, "why": type(fault).__name__}
    why = "" if taken else reasons.by_thread.get(threading.get_ident(), "the service did not take it")
    return {"index": index, "taken": taken, "why": why}


if __name__ == "__main__":
    sys.exit(main())
