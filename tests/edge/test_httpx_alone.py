"""httpx without its command line (DESIGN 8, memory)."""

import subprocess
import sys

SCRIPT = """
import sys
{before}
from position_monitor.edge.http.httpx_alone import httpx
print(sorted({{"click", "pygments", "rich"}} & set(sys.modules)), httpx.AsyncClient.__name__)
import click
print(click.__name__)
"""


def said_after(before):
    command = [sys.executable, "-c", SCRIPT.format(before=before)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()


def test_nothing_of_its_command_line_is_loaded_and_click_can_be_imported_later():
    assert said_after("") == ["[] AsyncClient", "click"]


def test_whoever_has_imported_click_keeps_it():
    assert said_after("import click") == ["['click'] AsyncClient", "click"]
