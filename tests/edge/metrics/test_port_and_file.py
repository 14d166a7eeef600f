"""The port and the file of the metrics: what readers get, and that none of them can hold up the others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import stat
import time
from pathlib import Path

import httpx
import pytest

from position_monitor.core.publication.metrics import METRICS, Histogram, Kind
from position_monitor.edge.metrics import port as port_module
from position_monitor.edge.metrics.exposition import text_of
from position_monitor.edge.metrics.port import READERS_MAX, Page, Port
from position_monitor.edge.metrics.textfile import TextFile


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def broken() -> Page:
    raise RuntimeError("a defect")


@pytest.fixture
async def origin() -> object:
    number = free_port()
    pages = {"/metrics": lambda: Page(200, b"figures\n"), "/broken": broken}
    task = asyncio.ensure_future(Port(number, pages).run())
    for _ in range(500):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", number)
            writer.close()
            break
        except OSError:
            await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{number}"
    task.cancel()


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/metrics", 200, "figures\n"),
        ("GET", "/metrics?a=b", 200, "figures\n"),
        ("HEAD", "/metrics", 200, ""),
        ("GET", "/", 404, "there is /broken, /metrics\n"),
        ("POST", "/metrics", 405, "only GET and HEAD\n"),
        ("GET", "/broken", 503, "this page could not be made\n"),
    ],
)
async def test_pages(origin: str, method: str, path: str, status: int, body: str) -> None:
    async with httpx.AsyncClient() as client:
        reply = await client.request(method, f"{origin}{path}")
    assert (reply.status_code, reply.text) == (status, body)


async def test_readers_that_say_nothing_are_few_and_not_for_long(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight that hang take every place; the ninth is turned away at once; when their time is over, all is as before."""
    monkeypatch.setattr(port_module, "REQUEST_WITHIN_S", 1.0)
    host, number = origin.removeprefix("http://").split(":")
    silent = [await asyncio.open_connection(host, int(number)) for _ in range(READERS_MAX)]
    await asyncio.sleep(0.1)
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.HTTPError):
            await client.get(f"{origin}/metrics")
        for _ in range(500):
            try:
                assert (await client.get(f"{origin}/metrics")).text == "figures\n"
                break
            except httpx.HTTPError:
                await asyncio.sleep(0.02)
        else:
            raise AssertionError("the port never came back")
    for _, writer in silent:
        writer.close()


@pytest.mark.parametrize("head", [b"\xff\xfe\x00\r\n\r\n", b"GET\r\n\r\n", b"GET /" + b"a" * 20_000, b"\r\n\r\n"])
async def test_nonsense_ends_its_own_connection_only(origin: str, head: bytes) -> None:
    host, number = origin.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(number))
    writer.write(head)
    answer = b""
    with contextlib.suppress(ConnectionError):
        answer = await asyncio.wait_for(reader.read(), 20)
    assert answer == b"" or answer.split(b" ")[1] in (b"404", b"405")
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{origin}/metrics")).status_code == 200


async def test_a_port_that_is_taken_is_had_when_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port_module, "AGAIN_S", 0.05)
    number = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", number))
        taken.listen()
        task = asyncio.ensure_future(Port(number, {"/metrics": lambda: Page(200, b"x")}).run())
        await asyncio.sleep(0.2)
        assert not task.done()
    async with httpx.AsyncClient() as client:
        for _ in range(500):
            try:
                assert (await client.get(f"http://127.0.0.1:{number}/metrics")).text == "x"
                break
            except httpx.HTTPError:
                await asyncio.sleep(0.02)
        else:
            raise AssertionError("it was never opened")
    task.cancel()


def settled(file: TextFile) -> None:
    until_s = time.monotonic() + 30
    while file.busy:
        assert time.monotonic() < until_s
        time.sleep(0.005)


def test_the_file_is_whole_and_readable_by_all_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "a.prom"
    file = TextFile(path)
    for text in (b"one\n", b"two\n"):
        file.write(text)
        settled(file)
        assert path.read_bytes() == text and stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [*tmp_path.iterdir()] == [path]
    file.remove()
    assert [*tmp_path.iterdir()] == []


def test_a_directory_that_is_not_there_costs_a_line_and_nothing_else(tmp_path: Path) -> None:
    file = TextFile(tmp_path / "absent" / "a.prom")
    file.write(b"one\n")
    settled(file)
    (tmp_path / "absent").mkdir()
    file.write(b"two\n")
    settled(file)
    assert (tmp_path / "absent" / "a.prom").read_bytes() == b"two\n"


def test_every_figure_is_written_in_the_form_that_prometheus_reads() -> None:
    from prometheus_client.parser import text_string_to_metric_families

    values = {one.name: {tuple("x" for _ in one.labels): 1.5} for one in METRICS if one.kind is not Kind.HISTOGRAM}
    histograms = {one.name: Histogram((0.1, 1.0)) for one in METRICS if one.kind is Kind.HISTOGRAM}
    for seconds in (0.05, 0.1, 0.5, 7.0):
        histograms["cycle_seconds"].observe(seconds)
    text = text_of('ma"in', values, histograms).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert set(families) == {f"position_monitor_{one.name}" for one in METRICS}
    assert {sample.labels["account"] for family in families.values() for sample in family.samples} == {'ma"in'}
    buckets = {
        sample.labels["le"]: sample.value
        for sample in families["position_monitor_cycle_seconds"].samples
        if sample.name.endswith("_bucket")
    }
    assert buckets == {"0.1": 2, "1.0": 3, "+Inf": 4}
