"""The shape of the house: imports point one way, the core is pure, and only the daemon opens the order gate."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "position_monitor"
ROOT = Path(__file__).parent.parent / PACKAGE

CORE_STDLIB = {
    *(
        "__future__",
        "abc",
        "array",
        "base64",
        "bisect",
        "collections",
        "collections.abc",
        "dataclasses",
        "decimal",
        "enum",
    ),
    *("fractions", "functools", "hashlib", "heapq", "itertools", "math", "operator", "re", "string", "types", "typing"),
}
"""The standard library the core may use: nothing that knows the time, the world or chance."""

IMPURE_CALLS = {"open", "print", "input", "eval", "exec", "compile", "breakpoint", "__import__", "hash", "id"}
"""Built-ins the core may not call: I/O, and values that differ from process to process."""

IMPURE_ATTRIBUTES = {"now", "utcnow", "today", "monotonic", "perf_counter", "time_ns", "getenv", "urandom", "uuid4"}

LAYERS = {
    "core": {"core"},
    "errors": {"errors", "core"},
    "config": {"config", "core", "errors"},
    "edge": {"edge", "core", "errors", "config"},
    "charts": {"charts"},
    "dashboard": {"dashboard", "charts", "core", "edge", "errors", "schemas"},
    "paper": {"paper"},
    "daemon": {"daemon", "core", "edge", "errors"},
    "service": {"service", "daemon", "core", "edge", "errors", "config"},
    "inspector": {"inspector", "service", "daemon", "core", "edge", "errors", "config"},
    "verification": {"verification", "errors", "config", "edge"},
    "rehearsal": {"rehearsal", "verification", "paper", "edge", "errors", "config"},
    "preflight": {"preflight", "inspector", "verification", "core", "edge", "errors", "config"},
    "cli": {
        *("cli", "preflight", "rehearsal", "verification", "inspector", "service", "daemon", "core", "edge", "errors"),
        *("config", "paper", "charts", "dashboard"),
    },
    "__main__": {"cli"},
    "schemas": set(),
}
"""What each room may import. Nobody but `__main__` imports cli; paper knows nothing of the daemon it is tested with."""

CORE_ROOMS = {
    "model": set(),
    "market": {"model"},
    "exits": {"model", "market"},
    "observation": {"model"},
    "evidence": {"model", "observation"},
    "shadow": {"model", "market", "exits", "observation", "evidence", "book", "performance"},
    "book": {"model", "market", "exits", "observation", "evidence"},
    "decision": {"model", "market", "exits", "observation", "evidence", "book"},
    "publication": {"model", "market", "exits", "observation", "evidence", "book", "decision"},
    "performance": {"model"},
    "backtest": {
        *("model", "market", "exits", "observation", "evidence", "book"),
        *("performance", "shadow"),
    },
}
"""What each room of the core may import beside itself (DESIGN 3)."""

ERRORS_KNOW = {"position_monitor.core.model.refusal"}
"""The one part of the core a failure speaks of: what a refusal means."""

INDEPENDENT_TAKES = {f"{PACKAGE}.edge.redis.{name}" for name in ("connection", "fault_words", "published_text")}
"""All that the independent reader takes of the edges: the way to Redis, what its failures are called, and what makes
foreign texts harmless. It
shares no code with what it judges: not core, not the venues, not the daemon, not the readers of the published state."""

DASHBOARD_TAKES = {
    *(f"{PACKAGE}.edge.redis.{name}" for name in ("reader", "event_stream", "outcome_reader")),
    *(f"{PACKAGE}.core.{name}" for name in ("publication.state", "model.sides", "model.verdicts")),
}
"""All that the page takes of the daemon's house: the readers of the contract, and the values that they give."""

GATE = {"approve_place", "approve_cancel", "approve_close", "decide", "decide_symbol"}
"""Decisions and approvals: used by the core itself and by the daemon, by nobody else."""


ASK_THE_POLICY = {"core.model", "core.exits", "config"}
"""Who may ask which policy it is: where the word is defined, the table of policies, and the operator's switches."""


def room(module: str) -> str:
    """The room of a module: `position_monitor.edge.log` is in `edge`, `position_monitor.config.rules` in `config`."""
    return [*module.split("."), ""][1]


def room_of_core(module: str) -> str:
    """The room inside the core: `position_monitor.core.book.diff` is in `book`; empty outside the core."""
    parts = [*module.split("."), "", ""]
    return parts[2] if parts[1] == "core" else ""


def imports(module: str, tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Every imported module with the name taken from it (empty for a plain import)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*module.split(".")[: -node.level], *filter(None, [node.module])])
            for alias in node.names:
                # `from position_monitor import daemon` imports a room, not a name.
                yield (f"{base}.{alias.name}", "") if base == PACKAGE else (base, alias.name)


def violations(module: str, source: str) -> list[str]:
    """What `source`, as the text of `module`, does that its room does not allow."""
    tree, here = ast.parse(source), room(module)
    found = []
    for target, name in imports(module, tree):
        if target.startswith(f"{PACKAGE}."):
            there = room(target)
            if there not in LAYERS.get(here, set(LAYERS)) and there != "__version__":
                found.append(f"{module} imports {target}")
            if here == "errors" and there == "core" and target not in ERRORS_KNOW:
                found.append(f"{module} imports {target}")
            if here == there == "core" and not _may_know(room_of_core(module), room_of_core(target)):
                found.append(f"{module} imports {target}")
            if target == f"{PACKAGE}.core.model.settings" and name == "Policy" and _place(module) not in ASK_THE_POLICY:
                found.append(f"{module} asks which policy it is; only core/exits does")
            if here == "verification" and there == "edge" and target not in INDEPENDENT_TAKES:
                found.append(f"{module} imports {target}")
            if here == "dashboard" and there in ("core", "edge") and target not in DASHBOARD_TAKES:
                found.append(f"{module} imports {target}")
            if name in GATE and here not in ("core", "daemon"):
                found.append(f"{module} takes {name}, which is the daemon's")
        elif here == "core" and target not in CORE_STDLIB:
            found.append(f"{module} imports {target}")
    return found + (list(impurities(module, tree)) if here == "core" else [])


def _place(module: str) -> str:
    """The room with the room of the core: `core.exits`, `config`."""
    return ".".join(filter(None, (room(module), room_of_core(module))))


def _may_know(here: str, there: str) -> bool:
    """Whether one room of the core may import from another."""
    return here == there or there in CORE_ROOMS.get(here, set())


def impurities(module: str, tree: ast.Module) -> Iterator[str]:
    """Calls that read a clock, roll dice or touch the world."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            yield f"{module}:{node.lineno} calls {node.func.id}()"
        if isinstance(node, ast.Attribute) and node.attr in IMPURE_ATTRIBUTES:
            yield f"{module}:{node.lineno} uses .{node.attr}"


def modules() -> list[tuple[str, Path]]:
    """Every module of the package with its file."""
    paths = sorted(ROOT.rglob("*.py"))
    return [(".".join([PACKAGE, *path.relative_to(ROOT).with_suffix("").parts]), path) for path in paths]


def test_every_import_points_the_allowed_way() -> None:
    """The real source obeys."""
    found = [problem for module, path in modules() for problem in violations(module, path.read_text("utf-8"))]
    assert found == []


def test_every_room_has_a_rule() -> None:
    """A new top-level module must be placed in the table above before it can be imported from anywhere."""
    assert {room(module) for module, _ in modules()} - {"__init__"} <= set(LAYERS)
    assert {room_of_core(module) for module, _ in modules()} - {"", "__init__"} <= set(CORE_ROOMS)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("core.decision.plan", "import time"),
        ("core.decision.plan", "import os.path"),
        ("core.decision.plan", "from datetime import datetime"),
        ("core.decision.plan", "import ccxt"),
        ("core.decision.plan", "def f():\n    import random"),
        ("core.decision.plan", "from position_monitor.edge import clock"),
        ("core.decision.plan", "from ...edge import clock"),
        ("core.decision.plan", "from position_monitor.errors import Refused"),
        ("core.decision.plan", "from position_monitor import config"),
        ("core.model.ids", "from position_monitor.core.book import diff"),
        ("core.exits.policies", "from position_monitor.core.evidence.evidence import Evidence"),
        ("core.market.fold", "from position_monitor.core.exits.view import ExitView"),
        ("core.observation.cover", "from position_monitor.core.evidence import lives"),
        ("core.book.diff", "from ..decision import plan"),
        ("core.book.stop_level", "from position_monitor.core.model.settings import Policy, ProtectionSettings"),
        ("core.decision.gate_exits", "from ..model.settings import Policy"),
        ("service", "from position_monitor.core.model.settings import Policy"),
        ("core.decision.risk", "from position_monitor.core.publication.state import PositionState"),
        ("core.decision.plan", "open('x')"),
        ("core.decision.plan", "print('x')"),
        ("core.decision.plan", "key = hash('BTCUSDT')"),
        ("core.decision.plan", "def f(clock):\n    return clock.now()"),
        ("edge.log", "from position_monitor import daemon"),
        ("edge.log", "from position_monitor.cli.output import say"),
        ("edge.log", "from position_monitor.paper.world import World"),
        ("edge.exchange", "from position_monitor.core.decision.guard import approve_place"),
        ("paper.world", "from position_monitor.core.model.sides import Side"),
        ("paper.world", "from position_monitor.errors import Refused"),
        ("daemon", "from position_monitor.cli.output import say"),
        ("daemon", "from position_monitor.config import Config"),
        ("service", "from position_monitor.core.decision.decide import decide"),
        ("service", "from position_monitor.cli import main"),
        ("config.rules", "from position_monitor.edge.log import redact"),
        ("errors", "from position_monitor.core.model.sides import Side"),
        ("cli.plan", "from position_monitor.core.decision.guard import approve_close"),
        ("verification.stop_cover", "from position_monitor.core.observation.cover import cover_of"),
        ("verification.venue_rows", "from position_monitor.edge.venues.binance.rows import PositionRow"),
        ("verification.claims", "from position_monitor.edge.redis.published_values import read_status"),
        ("verification.claims", "from position_monitor.edge.redis.reader import RedisStateReader"),
        ("verification.verifying", "from position_monitor.daemon import Daemon"),
        ("verification.signed_reads", "from position_monitor.edge.http.ccxt_transport import CcxtTransport"),
        ("daemon", "from position_monitor.verification import Verification"),
        ("dashboard.watching", "from position_monitor.edge.redis.state import RedisState"),
        ("dashboard.watching", "from position_monitor.edge.redis.lease import REDIS_FAILURES"),
        ("dashboard.levels", "from position_monitor.core.decision.verdict import Judgement"),
        ("dashboard.server", "from position_monitor.daemon import Daemon"),
        ("dashboard.server", "from position_monitor.config import Config"),
        ("charts.ladder", "from position_monitor.core.model.sides import Side"),
        ("daemon", "from position_monitor.dashboard.board import Board"),
    ],
)
def test_a_planted_violation_is_found(module: str, source: str) -> None:
    """The checker is not blind: each of these sources breaks exactly one rule."""
    assert len(violations(f"{PACKAGE}.{module}", source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "core.decision.plan",
            "import hashlib\nfrom collections.abc import Mapping\nfrom position_monitor.core.model.sides import Side",
        ),
        ("core.decision.plan", "from ..model.sides import Side\nclient_id('x')\nnow_ms = 1"),
        ("edge.log", "import time\nfrom position_monitor import __version__"),
        ("edge.exchange", "from position_monitor.core.decision.guard import Approved"),
        (
            "daemon",
            "from position_monitor.core.decision.guard import approve_place\nfrom position_monitor.edge import actor",
        ),
        ("errors", "from position_monitor.core.model.refusal import Refusal"),
        ("verification.claims", "from position_monitor.edge.redis.connection import connect"),
        ("dashboard.watching", "from position_monitor.edge.redis.reader import RedisStateReader"),
        ("dashboard.levels", "from position_monitor.core.publication.state import PositionState"),
        ("__main__", "from position_monitor.cli.main import main"),
        ("core.exits.policies", "from position_monitor.core.model.settings import Policy"),
        ("config.exit_switches", "from position_monitor.core.model.settings import Policy"),
    ],
)
def test_what_is_allowed_passes(module: str, source: str) -> None:
    """The checker does not cry wolf."""
    assert violations(f"{PACKAGE}.{module}", source) == []
