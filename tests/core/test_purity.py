"""The core decides only: standard library, no clock, no chance, no input, no output (invariant 11, DESIGN 3)."""

import ast
import sys
from pathlib import Path

import pytest

import position_monitor.core

MODULES = sorted(Path(position_monitor.core.__file__).parent.rglob("*.py"))
AMBIENT = {
    "time",
    "datetime",
    "random",
    "secrets",
    "uuid",
    "os",
    "socket",
    "subprocess",
    "asyncio",
    "threading",
    "logging",
    "io",
}


WITH_FLOATS = {f"backtest/{name}.py" for name in ("band", "records", "running", "walk")}
WITH_FLOATS |= {"publication/metrics.py", "shadow/report.py"}
"""A backtest skips candles by comparing floats, which may stop it too early and never too late; statistics and the
figures of Prometheus are floats. No order and no money is made from any of them."""


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the direction"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_core_imports_only_itself_and_the_standard_library(path):
    for name in imported(path):
        top = name.split(".")[0]
        assert name.startswith("position_monitor.core") or top in sys.stdlib_module_names, name
        assert top not in AMBIENT, name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_core_reads_no_clock_prints_nothing_and_opens_nothing(path):
    forbidden = {"open", "print", "input", "float", "hash", "id"}
    if f"{path.parent.name}/{path.name}" in WITH_FLOATS:
        forbidden.remove("float")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in forbidden, f"{path.name}:{node.lineno}"
        if isinstance(node, ast.Global):
            raise AssertionError(f"{path.name}:{node.lineno} keeps state between calls")


def test_there_is_something_to_check():
    assert len(MODULES) > 15
