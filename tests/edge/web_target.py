"""A real HTTP server that takes alerts and pings, or behaves badly, and remembers what arrived."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class WebTarget(ThreadingHTTPServer):
    """`manner`: take, refuse (500), hang (no answer), slow (a second), redirect, drip (a head without end)."""

    daemon_threads = True

    def __init__(self, manner: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.manner = manner
        self.arrived: list[tuple[str, str, str]] = []
        """Method, path with query, body."""
        self.over = threading.Event()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """The documents that were posted."""
        return [json.loads(body) for method, _, body in self.arrived if method == "POST" and body]

    def of_kind(self, kind: str, status: str) -> list[dict[str, Any]]:
        """What was said of one kind of alert."""
        notices = [notice for document in self.alerts for notice in document["alerts"]]
        return [one for one in notices if (one["kind"], one["status"]) == (kind, status)]

    def pings(self, path: str) -> int:
        return sum(method == "GET" and where == path for method, where, _ in self.arrived)


class _Handler(BaseHTTPRequestHandler):
    server: WebTarget

    def do_POST(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.server.arrived.append((self.command, self.path, body))
        manner = self.server.manner
        if manner == "hang":
            self.server.over.wait(60)
            return
        if manner == "drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not self.server.over.wait(0.05):
                self.wfile.write(b"x")
            return
        if manner == "slow":
            time.sleep(1)
        self.send_response({"refuse": 500, "redirect": 302}.get(manner, 200))
        if manner == "redirect":
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words: object) -> None:
        del words

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()


@contextmanager
def web_target(manner: str = "take") -> Iterator[WebTarget]:
    server = WebTarget(manner)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
