"""One bare signed request to the venue over the daemon's own client: what the bars about time and CPU are measured by.

The client is the daemon's (`CcxtTransport`: ccxt signs, aiohttp sends over a connection that is kept, the answer is
parsed), without what the daemon does around it: no budget, no models, no decision. It runs in a process of its own, as
the daemon does, and sends when it is asked to. The request is the cheapest signed one: the conditional orders of a
symbol that has none (weight 1, the answer is an empty list).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from position_monitor.edge.http.ccxt_transport import CcxtTransport
from position_monitor.edge.venues.transport import Endpoint
from position_monitor.paper.server import PaperOptions
from tests.bench.processes import BenchFailed, Venue, ended

NOBODY_HOLDS = "BTCUSDT"
"""The generated accounts hold contracts of other names only, and the trader of the bench trades none but those."""
WEIGHT = Endpoint.OPEN_ALGO_ORDERS.weight({"symbol": NOBODY_HOLDS})
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What one request took: from before it was signed until its answer was parsed."""

    elapsed_ms: float
    cpu_ms: float


class BareClient:
    """The asking end. Each call of `ask` sends so many requests, one after another."""

    def __init__(self, exchange: Venue) -> None:
        self.weight = 0
        """Request weight used so far: the venue counts it with the daemon's."""
        command = [sys.executable, "-m", "tests.bench.bare_request", exchange.url]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ask()  # opens the connection

    def ask(self, times: int = 1) -> list[Asked]:
        """Send `times` requests; raises `BenchFailed` when one of them was not answered as it should be."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{times}\n")
            self.process.stdin.flush()
        self.weight += times * WEIGHT
        answer = self.process.stdout.readline()
        if not answer.startswith("["):
            raise BenchFailed(f"a bare request failed: {answer!r}")
        return [Asked(*pair) for pair in json.loads(answer)]


@contextlib.contextmanager
def bare_client(exchange: Venue) -> Iterator[BareClient]:
    """A client on this venue for the length of the block."""
    client = BareClient(exchange)
    try:
        yield client
    finally:
        ended(client.process)


async def _asked(transport: CcxtTransport) -> Asked:
    began_s, used_s = time.perf_counter(), time.process_time()
    params = {"symbol": NOBODY_HOLDS, "timestamp": str(time.time_ns() // 1_000_000), "recvWindow": "5000"}
    reply = await transport.call(Endpoint.OPEN_ALGO_ORDERS, params)
    asked = Asked((time.perf_counter() - began_s) * 1000, (time.process_time() - used_s) * 1000)
    if reply.status != 200 or reply.body != []:
        raise BenchFailed(f"the venue answered {reply.status} with {reply.body!r}")
    return asked


def main(url: str) -> None:
    """The sending end: a number of requests comes in on each line, and what each of them took goes out."""
    options = PaperOptions()
    transport = CcxtTransport(
        environment="paper", rest_url=url, api_key=options.api_key, api_secret=options.api_secret, timeout_s=TIMEOUT_S
    )
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            found = [runner.run(_asked(transport)) for _ in range(int(line))]
            print(json.dumps([(one.elapsed_ms, one.cpu_ms) for one in found]), flush=True)
        runner.run(transport.aclose())


if __name__ == "__main__":
    main(sys.argv[1])
