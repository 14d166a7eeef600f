"""What the bench found, as a table, as JSON, and as the page in docs."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.bench.figures import Figure

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
WIDTH = 150
MARKS = {True: "met", False: "MISSED", None: ""}
STYLES = {True: "green", False: "bold red", None: ""}


def machine(command: str, root: Path) -> dict[str, str | int | float]:
    """Where and on what the figures were taken."""
    return {
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": _git(root, "rev-parse", "--short", "HEAD") + ("+" if _git(root, "status", "--porcelain") else ""),
        "load_1m": round(os.getloadavg()[0], 1),
        "cores": os.cpu_count() or 0,
        "cpu": _cpu_name(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
    }


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def show(figures: Sequence[Figure], where: Mapping[str, object]) -> None:
    """The table on stdout."""
    table = Table(title=f"{where['command']} on {described(where)}", title_style="", show_lines=False)
    for name in ("what", "case", "measured", "bar", ""):
        table.add_column(name, overflow="fold")
    said = ""
    for figure in figures:
        mark = Text(MARKS[figure.met], STYLES[figure.met])
        table.add_row(*(Text(text) for text in _cells(figure, said)), mark)
        said = figure.row
    console = Console()
    Console(width=max(console.width, WIDTH) if not console.is_terminal else None).print(table)


def _cells(figure: Figure, said: str) -> tuple[str, str, str, str]:
    return figure.row if figure.row != said else "", figure.case, figure.shown, figure.bar


def described(where: Mapping[str, object]) -> str:
    """The machine in one line."""
    return (
        f"{where['cores']} cores ({where['cpu']}), {where['memory_gib']} GiB, {where['system']}, "
        f"Python {where['python']}, commit {where['commit']}, {where['date']}, load {where['load_1m']} before"
    )


def write_json(path: Path, figures: Sequence[Figure], where: Mapping[str, object]) -> None:
    """Everything, for programs."""
    body = {"machine": dict(where), "figures": [figure.body() for figure in figures]}
    path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def markdown(figures: Sequence[Figure], where: Mapping[str, object]) -> str:
    """The table as it stands in the docs."""
    lines = [
        f"`{where['command']}` on {described(where)}.",
        "",
        "| what | case | measured | bar | |",
        "|---|---|---|---|---|",
    ]
    said = ""
    for figure in figures:
        cells = [cell.replace("|", "/") for cell in _cells(figure, said)]
        lines.append(f"| {' | '.join(cells)} | {MARKS[figure.met]} |")
        said = figure.row
    return "\n".join(lines)


def write_page(path: Path, figures: Sequence[Figure], where: Mapping[str, object]) -> None:
    """Replace the table between the two marks of a page; raises ValueError when the page lacks them."""
    path.write_text(replaced(path.read_text(encoding="utf-8"), markdown(figures, where)), encoding="utf-8")


def replaced(page: str, table: str) -> str:
    """The page with another table between its marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} ... {END}")
    return f"{before}{begin}\n{table}\n{end}{after}"
