"""House rules that a reader would otherwise have to police: names, docstrings, no machine in the source, the lock."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from position_monitor.core.model.refusal import Refusal

ROOT = Path(__file__).parent.parent
VAGUE = re.compile(r"(^|_)(utils?|helpers?|managers?|misc|common)(_|$)")
MACHINE = re.compile(rf"(/home/|/root/|/Users/|{re.escape(str(ROOT))}/)[\w.-]+|[A-Z]:\\Users")
TEXT = frozenset({".py", ".md", ".toml", ".txt", ".cfg", ".service", ".json", ".sh", ".yaml", ""})


def tracked() -> list[Path]:
    """Files of the repository, or of the unpacked source where there is no git."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    names = listed.stdout.split("\n") if listed.returncode == 0 else []
    found = [ROOT / name for name in names if name] or [ROOT / "pyproject.toml", *ROOT.glob("*/**/*.py")]
    return [path for path in found if path.is_file()]


def test_files_are_named_by_what_they_do() -> None:
    """No utils, helpers or managers: a room for everything is a room for nothing."""
    assert [path.name for path in tracked() if path.suffix == ".py" and VAGUE.search(path.stem)] == []


@pytest.mark.parametrize(("name", "vague"), [("order_utils", True), ("manager", True), ("commonality", False)])
def test_the_name_rule_sees(name: str, vague: bool) -> None:
    """The rule is not blind."""
    assert bool(VAGUE.search(name)) is vague


def test_no_file_names_a_machine() -> None:
    """Paths of whoever wrote it do not belong in the source."""
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked()
        if path.suffix in TEXT and path != Path(__file__)
        for match in MACHINE.finditer(path.read_text("utf-8", errors="replace"))
    ]
    # Paths that a systemd unit closes to its process are about every machine.
    assert [line for line in found if not re.search(r"/(home|root)/\w*$", line) or "deploy/" not in line] == []


def undocumented(tree: ast.Module) -> list[str]:
    """What a reader can reach and that has no docstring: the module, public classes and functions, public methods."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    reachable = [*tree.body, *(item for node in classes for item in node.body)]
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    public = [node for node in reachable if isinstance(node, kinds) and not node.name.startswith("_")]
    return ([] if ast.get_docstring(tree) else ["module"]) + [
        node.name for node in public if not ast.get_docstring(node)
    ]


def test_the_docstring_rule_sees() -> None:
    """The rule is not blind, and leaves private and inner names alone."""
    source = (
        '"""M."""\nclass A:\n    """A."""\n    def b(self): pass\n    def _c(self): pass\ndef d():\n    def e(): pass\n'
    )
    assert undocumented(ast.parse(source)) == ["d", "b"]


def test_everything_public_says_what_it_is() -> None:
    """A public name without a docstring is a name nobody can use without reading it."""
    found = {
        str(path.relative_to(ROOT)): names
        for path in sorted((ROOT / "position_monitor").rglob("*.py"))
        if (names := undocumented(ast.parse(path.read_text("utf-8"))))
    }
    assert found == {}


SAYS_NOTHING = frozenset({"known", "seen", "found", "told"})
"""Words that would fit any value: they say that somebody has it, and not what it is."""
OF_OTHERS = frozenset({
    "FileNotFoundError",  # Python's own
    "NOT_FOUND",  # of `http.HTTPStatus`
})  # fmt: skip


def identifiers(tree: ast.Module) -> set[str]:
    """Every name that a module gives or uses: of modules, functions, classes, parameters, variables and attributes."""
    fields = ("id", "attr", "name", "asname", "arg", "rest")
    given = {getattr(node, field, None) for node in ast.walk(tree) for field in fields}
    given |= {name for node in ast.walk(tree) if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names}
    return {part for name in given if isinstance(name, str) for part in name.split(".")}


def say_nothing(names: Iterable[str]) -> list[str]:
    """Those of the names that are, or have among their words, one that says nothing."""
    words = {name: {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)} for name in names}
    return sorted(name for name, of_name in words.items() if of_name & SAYS_NOTHING and name not in OF_OTHERS)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def look(seen, *, known=1): pass", ["known", "seen"]),
        ("a.zero_seen = b._found", ["_found", "zero_seen"]),
        ("class NothingFound: ...", ["NothingFound"]),
        ("SEEN_MAX = f(told_at_ms=2)", ["SEEN_MAX", "told_at_ms"]),
        ("import a.known as b\nfrom c import seen as d", ["known", "seen"]),
        ("try: ...\nexcept E as found: ...", ["found"]),
        ("def f():\n    global known", ["known"]),
        ("match a:\n    case {'b': found, **told}: ...\n    case [*seen]: ...", ["found", "seen", "told"]),
        ("[known := 1, 'seen', unseen, unknown, founded, FileNotFoundError]", ["known"]),
    ],
)
def test_the_rule_of_names_that_say_nothing_sees(source: str, names: list[str]) -> None:
    """The rule is not blind, and leaves prose and longer words alone."""
    assert say_nothing(identifiers(ast.parse(source))) == names


def test_every_name_says_what_it_names() -> None:
    """A reader who meets `evidence`, `observation` or `diff` knows which one it is."""
    named = {
        name: say_nothing({*identifiers(ast.parse(text)), *name.removesuffix(".py").split("/")})
        for name, text in sources().items()
        if not name.startswith("paper/")
    }
    assert {name: names for name, names in named.items() if names} == {}


VENUE_NUMBER = re.compile(r"(?<![\w.])-\d(?:_?\d){3,}(?![\w-])")
"""A number by which the venue names a failure: in code, in a string, in a comment, in a docstring."""


def above_the_venues() -> list[Path]:
    """Every module but those of the venues, of the paper exchange, of the independent reader, and the configuration."""
    package = ROOT / "position_monitor"
    apart = (package / "edge" / "venues", package / "paper", package / "config", package / "verification")
    return [path for path in sorted(package.rglob("*.py")) if not any(room in path.parents for room in apart)]


def test_no_number_of_a_venue_is_known_above_the_venues() -> None:
    """A failure is classified once, by its venue; everybody else asks what it means (DESIGN 3)."""
    found = [
        f"{path.relative_to(ROOT)}: {number}"
        for path in above_the_venues()
        for number in VENUE_NUMBER.findall(path.read_text("utf-8"))
    ]
    assert found == []
    assert {"core", "daemon", "service", "edge"} <= {path.relative_to(ROOT).parts[1] for path in above_the_venues()}


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("CODES = frozenset({-2021, -4_142})", 2),
        ('said = "-4116"', 1),
        ('"""Refused as already passed (-2021)."""', 1),
        ("# the venue says -1008 then", 1),
        ("code == -50011", 1),
        ("since 2026-11-28", 0),
        ("left = whole - 2021", 0),
        ("last = rows[-1]", 0),
        ("FAR = Decimal('1e-1000')", 0),
        ("pause_ms = -100", 0),
    ],
)
def test_the_number_rule_sees(source: str, seen: int) -> None:
    """The rule is not blind, and leaves dates and arithmetic alone."""
    assert len(VENUE_NUMBER.findall(source)) == seen


def test_every_meaning_of_a_refusal_is_asked_for_by_somebody() -> None:
    """A meaning that nobody asks for changes nothing: it belongs to `OTHER`, which is what is left."""
    tables = {ROOT / "position_monitor" / "edge" / "venues" / "binance" / "codes.py"}
    sources = [path.read_text("utf-8") for path in (ROOT / "position_monitor").rglob("*.py") if path not in tables]
    asked = {name for source in sources for name in re.findall(r"\bRefusal\.([A-Z_]+)", source)}
    assert {refusal.name for refusal in Refusal} - {"OTHER"} <= asked


PACKAGE = ROOT / "position_monitor"
LINES_MAX = 300


def sources() -> dict[str, str]:
    """Every module of the package by its path below it."""
    return {str(path.relative_to(PACKAGE)): path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))}


def test_no_file_is_longer_than_one_can_read_in_one_go() -> None:
    """A file that grows beyond this has two subjects: it is split along their meaning."""
    lengths = {name: len(text.splitlines()) for name, text in sources().items()}
    assert {name: lines for name, lines in lengths.items() if lines > LINES_MAX} == {}


def patched(tree: ast.Module) -> list[str]:
    """Attributes that are assigned from outside of their object."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign)]
    targets = [target for node in nodes for target in (node.targets if isinstance(node, ast.Assign) else [node.target])]
    single = [one for target in targets for one in (target.elts if isinstance(target, ast.Tuple) else [target])]
    attributes = [one for one in single if isinstance(one, ast.Attribute)]
    return [ast.unparse(one) for one in attributes if not (isinstance(one.value, ast.Name) and one.value.id == "self")]


def test_the_wiring_rule_sees() -> None:
    """The rule is not blind, and an object may change itself."""
    source = "self.a, self.desk.mode = 1, 2\ndaemon.events = 3\nself.b += 1\nself.desk.rules: int = 4\nlocal = 5\n"
    assert sorted(patched(ast.parse(source))) == ["daemon.events", "self.desk.mode", "self.desk.rules"]


def test_everything_around_the_daemon_is_wired_at_construction() -> None:
    """No object is built dormant and completed afterwards, and nobody writes into another one (`daemon/memory.py`)."""
    rooms = ("daemon/", "service/", "inspector/", "edge/reading/", "edge/redis/", "edge/streams/")
    found = {name: patched(ast.parse(text)) for name, text in sources().items() if name.startswith(rooms)}
    assert {name: names for name, names in found.items() if names} == {}


def lock(name: str) -> dict[str, tuple[str, int]]:
    """Package -> (version, number of hashes) of one requirements file."""
    entries: dict[str, tuple[str, int]] = {}
    for block in re.split(r"\n(?=\S)", (ROOT / name).read_text("utf-8").strip()):
        pinned = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", block)
        assert pinned, f"{name}: not a pinned requirement: {block.splitlines()[0]}"
        entries[canonicalize_name(pinned[1])] = (pinned[2], block.count("--hash=sha256:"))
    return entries


def declared(*extras: str) -> list[Requirement]:
    """What pyproject.toml asks for, the project's own extras resolved."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    texts = project["dependencies"] + [text for extra in extras for text in project["optional-dependencies"][extra]]
    wanted = [Requirement(text) for text in texts]
    return [requirement for requirement in wanted if requirement.name != project["name"]]


LOCKS = [
    ("requirements.txt", ("embedded",)),
    ("requirements-extras.txt", ("embedded", "alerts", "metrics")),
    ("requirements-dev.txt", ("embedded", "alerts", "metrics", "dev")),
]


@pytest.mark.parametrize(("name", "extras"), LOCKS)
def test_the_lock_is_in_step_with_pyproject(name: str, extras: tuple[str, ...]) -> None:
    """Every declared package is pinned to a version the declaration allows."""
    pinned = lock(name)
    wrong = [
        str(requirement)
        for requirement in declared(*extras)
        if not requirement.specifier.contains(pinned.get(canonicalize_name(requirement.name), ("none", 0))[0])
    ]
    assert wrong == [], "run: make lock"


@pytest.mark.parametrize(
    "name",
    [
        *(name for name, _ in LOCKS),
        "tests/bench/freqtrade/requirements.txt",
        "tests/bench/backtesting/requirements.txt",
    ],
)
def test_every_pin_has_hashes_and_no_address(name: str) -> None:
    """An install from this file takes exactly these bytes, from wherever the installer is told to look."""
    assert [package for package, (_, hashes) in lock(name).items() if hashes == 0] == []
    assert re.findall(r"\S*(?:://|--index-url|--find-links|git\+| @ )\S*", (ROOT / name).read_text("utf-8")) == []


def test_the_development_lock_extends_the_runtime_lock() -> None:
    """Tests run against the versions that are deployed."""
    development = lock("requirements-dev.txt")
    for smaller in ("requirements.txt", "requirements-extras.txt"):
        assert {name: entry for name, entry in lock(smaller).items() if development.get(name) != entry} == {}
    assert lock("requirements.txt").items() <= lock("requirements-extras.txt").items()


BY_POSITION_MAX = 4
OTHERS = ("logger.", "table.", "max", "min", "zip", "_notes", "self._ask")
"""Functions of libraries, and those that take any number of the same kind."""


def by_position(tree: ast.Module) -> list[str]:
    """Calls that hand over more values by position than one can keep apart."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and len(node.args) > BY_POSITION_MAX)
    own = (call for call in calls if not ast.unparse(call.func).startswith(OTHERS))
    return [f"{call.lineno}: {ast.unparse(call.func)}" for call in own]


def test_the_rule_of_wide_values_sees() -> None:
    """The rule is not blind, and leaves keywords alone."""
    assert by_position(ast.parse("f(1, 2, 3, 4, 5)\ng(1, 2, 3, 4, e=5)\nmax(1, 2, 3, 4, 5)")) == ["1: f"]


def test_wide_values_go_by_keyword() -> None:
    """Two swapped levels would type-check and move a stop."""
    found = {name: by_position(ast.parse(text)) for name, text in sources().items() if not name.startswith("paper/")}
    assert {name: calls for name, calls in found.items() if calls} == {}
