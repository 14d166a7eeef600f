"""The embedded server starts, is safe to lose, and never outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from redis import Redis

from position_monitor.edge.redis.embedded import EmbeddedRedis, EmbeddedRedisFailed


def running(pid: int) -> bool:
    try:
        return "Z" not in open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False


def test_it_refuses_to_evict_and_persists_nothing():
    """A lease must not be evicted (R6), and nothing is left on disk."""
    with EmbeddedRedis() as server:
        client = Redis.from_url(server.url, decode_responses=True)
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("save") == {"save": ""}
        directory, pid = client.config_get("dir")["dir"], server.pid
        assert os.path.isdir(directory)
        client.close()
    assert not os.path.exists(directory)
    assert not running(pid)
    assert (server.port, server.pid) == (0, 0)


def test_two_servers_take_two_ports():
    """Port 0 means a free one, and starting twice is starting once."""
    with EmbeddedRedis() as one, EmbeddedRedis() as two:
        assert one.port != two.port
        pid = one.pid
        one.start()
        assert one.pid == pid


def test_a_taken_port_is_an_error_that_says_so():
    """Another server there must not be mistaken for ours."""
    with EmbeddedRedis() as first:
        second = EmbeddedRedis(first.port)
        with pytest.raises(EmbeddedRedisFailed, match="did not start"):
            second.start()
        assert second.pid == 0
        assert Redis.from_url(first.url).ping()


CHILD = """
import sys, time
from position_monitor.edge.redis.embedded import EmbeddedRedis
server = EmbeddedRedis()
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
def test_it_dies_with_a_killed_parent():
    """kill -9 of the parent leaves no server behind."""
    parent = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    assert running(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for _ in range(500):
        if not running(pid):
            break
        signal.sigtimedwait([], 0.01)
    assert not running(pid)
    parent.stdout.close()


def test_in_the_foreground_it_ends_on_sigterm():
    """`python -m position_monitor.edge.redis.embedded PORT`."""
    command = [sys.executable, "-m", "position_monitor.edge.redis.embedded", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    url = process.stderr.readline().strip()
    assert Redis.from_url(url).ping()
    process.terminate()
    assert process.wait(10) == 0
    process.stderr.close()
    with pytest.raises(Exception, match="refused"):
        Redis.from_url(url).ping()
