"""README and docs name nothing that does not exist: commands, targets, keys, files, links, events, words of code."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from pydantic import BaseModel

from position_monitor import schemas
from position_monitor.config import Config
from position_monitor.core.publication.metrics import METRICS
from position_monitor.service.reloading import WAIT_FOR_RESTART
from tests.documents.reading import (
    HISTORY,
    PAGES,
    ROOT,
    Code,
    all_blocks,
    all_inline,
    anchors,
    first_cells,
    links,
    prose,
    section,
    shell_lines,
    text_of,
)
from tests.documents.typed import arguments, command_lines, offered, options, refusal
from tests.test_house import tracked

FIGURES = frozenset(one.full_name for one in METRICS)
REDIS = ROOT / "docs" / "redis.md"
_SOURCE = (".py", ".service", ".timer", ".json", ".yml", ".toml", ".example", ".lua", ".ini", "")


@cache
def files() -> frozenset[str]:
    return frozenset(str(path.relative_to(ROOT)) for path in tracked())


@cache
def words_of_the_source(*, tests: bool = True) -> frozenset[str]:
    """Every word of the package, the units and the makefile, and of the tests but these."""
    but = ("docs/", "requirements", "tests/documents/") if tests else ("docs/", "requirements", "tests/")
    mine = (name for name in files() if Path(name).suffix in _SOURCE and not name.startswith(but))
    return frozenset(
        word for name in mine for word in re.findall(r"\w+", (ROOT / name).read_text("utf-8", errors="replace"))
    )


def test_every_command_line_is_one_that_the_program_takes() -> None:
    wrong = {
        str(code): why
        for code in command_lines()
        for argv in arguments(code.text)
        if argv and argv != ["--account", "NAME"] and code.page not in HISTORY and (why := refusal(argv))
    }
    assert wrong == {}
    assert len(command_lines()) > 60


def test_every_option_is_one_of_its_command() -> None:
    wrong = []
    for code in command_lines():
        (argv, *_) = arguments(code.text)
        command = next((word for word in argv if not word.startswith("-")), "")
        if missing := options(code.text) - offered(command) - {"--version"}:
            wrong.append(f"{code}: {sorted(missing)}")
    assert wrong == []


@pytest.mark.parametrize("argv", [["stauts"], ["status", "--wathc"], ["explain"], ["events", "--since", "soon"]])
def test_the_rule_of_command_lines_sees(argv: list[str]) -> None:
    """The rule is not blind."""
    assert refusal(argv)


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = {name for line in re.findall(r"^([a-z ]+):", makefile, re.MULTILINE) for name in line.split()}
    named = [
        (str(code), word)
        for code in shell_lines()
        for call in re.findall(r"(?:^|[;&(] ?|sudo )make((?: [\w./=$:-]+)+)", code.text)
        for word in call.split()
        if "=" not in word
    ]
    assert [pair for pair in named if pair[1] not in targets] == []
    assert {"install", "uninstall", "rollback", "run", "check", "test", "bench"} <= {word for _, word in named}


def keys(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """Every key of the configuration, dotted."""
    for name, one in model.model_fields.items():
        yield f"{path}{name}"
        kinds = [one.annotation, *getattr(one.annotation, "__args__", ())]
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from keys(kind, f"{path}{name}.")


def exists(key: str) -> bool:
    """Whether a dotted key is one of the model; below a table whose names the operator chooses, any name is."""
    all_keys = set(keys(Config))
    free = ("symbols.", "exit.profiles.", "exit.regimes.", "exit.locks.")
    return key in all_keys or key.startswith(free)


def keys_named() -> Iterator[tuple[str, str]]:
    """Where a page names a key, and the key."""
    sections = "|".join(Config.model_fields)
    for code in all_inline(but=HISTORY):
        if match := re.match(rf"\[({sections})\] ([a-z_0-9]+)\b", code.text):
            yield str(code), f"{match[1]}.{match[2]}"
        elif re.match(rf"({sections})(\.[a-z_0-9]+)+( = .*)?$", code.text) and not code.text.endswith(".py"):
            yield str(code), code.text.split(" ")[0]


def test_every_key_of_the_configuration_exists() -> None:
    named = list(keys_named())
    assert [where for where, key in named if not exists(key)] == []
    assert len(named) > 20


def test_the_rule_of_keys_sees() -> None:
    """The rule is not blind."""
    assert exists("loop.check_interval_s") and exists("redis.url")
    assert not exists("loop.interval_s") and not exists("redis.uri") and not exists("alert.urls")


def test_the_sections_that_wait_for_a_restart_are_named() -> None:
    changing = section(ROOT / "docs" / "operations.md", "Changing the configuration")
    assert [name for name in WAIT_FOR_RESTART if f"`{name}`" not in changing and f"`[{name}]`" not in changing] == []


def test_every_example_of_the_configuration_is_one() -> None:
    """Blocks of TOML have keys that exist."""
    wrong = []
    for code in all_blocks():
        if code.language != "toml" or code.page == "paper-exchange.md":
            continue
        for name, table in tomllib.loads(code.text).items():
            named = [f"{name}.{key}" for key in table] if isinstance(table, dict) else [name]
            wrong += [f"{code.page}:{code.line}: {key}" for key in named if not exists(key)]
    assert wrong == []


def test_every_link_leads_somewhere() -> None:
    wrong = []
    for page in PAGES:
        for target in links(page):
            path, _, anchor = target.partition("#")
            if re.match(r"[a-z]+:", path):
                continue
            goal = (page.parent / path).resolve() if path else page
            if not goal.exists() or (anchor and goal.suffix == ".md" and anchor not in anchors(goal)):
                wrong.append(f"{page.name}: {target}")
    assert wrong == []


def test_every_page_is_reached_from_the_readme() -> None:
    """A page that nothing links to is read by nobody."""
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        waiting += [(page.parent / target.partition("#")[0]).resolve() for target in links(page)]
    assert [page.name for page in PAGES if page not in reached] == []


FILE = re.compile(r"[\w@./][\w@./-]*[\w@-]\.(?:py|md|toml|json|yml|service|timer|txt|example|svg)")
OF_OTHERS = frozenset({
    # examples of a reader's own files, and files that appear when something runs
    "trial.toml", "config.toml", "/etc/quantum/position-monitor.toml", "bench.json", "position_monitor.prom",
})  # fmt: skip


def files_named() -> list[Code]:
    """Inline code that is the name of a file of the repository."""
    named = [code for code in all_inline(but=HISTORY) if FILE.fullmatch(code.text)]
    return [code for code in named if code.text not in OF_OTHERS and not code.text.startswith("/etc/")]


def is_a_file(name: str) -> bool:
    """Whether a file ends so: pages name modules from the package, or from the room that they are about."""
    name = name.removeprefix("./").replace("@NAME.", "@.")
    return any(f"/{one}".endswith(f"/{name}") for one in files())


def test_every_file_exists() -> None:
    assert [str(code) for code in files_named() if not is_a_file(code.text)] == []
    assert len(files_named()) > 100 and not is_a_file("tests/test_nothing.py")


def test_every_directory_exists() -> None:
    rooms = {"/".join(name.split("/")[:depth]) for name in files() for depth in range(1, 8)}
    named = [code for code in all_inline(but=HISTORY) if re.fullmatch(r"(?:\w+/)+", code.text) and code.text[0] != "/"]
    wrong = [str(code) for code in named if not any(f"/{room}/".endswith(f"/{code.text}") for room in rooms)]
    assert wrong == []


def test_every_redis_key_is_in_the_table() -> None:
    table = {cell.split("<")[0].rstrip(":") for cell in first_cells(text_of(REDIS)) if cell.startswith("P:")}
    named = [
        (str(code), key)
        for page in PAGES
        for code in [*all_inline(), *all_blocks()]
        if code.page == page.name and page.name not in HISTORY
        for key in re.findall(r"(?:\bP|quantum:position_monitor:(?:main|<account>)):([a-z_]+(?::[a-z_]+)*)", code.text)
    ]
    assert [where for where, key in named if f"P:{key}" not in table] == []
    assert len(named) > 20


def test_the_schemas_that_redis_md_names_are_those_that_ship() -> None:
    (call,) = re.findall(r"schemas\.load\((.*?)\)", text_of(REDIS))
    shipped = {path.name.removesuffix(".schema.json") for path in Path(schemas.__file__).parent.glob("*.schema.json")}
    of_the_dashboard = {name for name in shipped if name.startswith("dashboard_")}
    assert set(re.findall(r'"(\w+)"', call)) == shipped - of_the_dashboard
    dashboard = text_of(ROOT / "docs" / "dashboard.md")
    assert [name for name in of_the_dashboard if name not in dashboard] == []


OPERATORS = ("README.md", "operations.md", "incidents.md", "redis.md", "configuration.md", "journal.md", "ownership.md")
"""Pages whose names must be those of the program itself; the others also name what only tests have."""
OTHERS_WORDS = frozenset({
    "OperationFailed", "BadRequest", "InsufficientFunds",  # ccxt
})  # fmt: skip
WORD = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|(?:[A-Z][a-z]+){2,}")


def test_every_name_is_one_of_the_code() -> None:
    """Names of fields, variables, conditions, events and settings: in snake_case, in capitals or in camel case."""
    wrong = [
        f"{code}: {word}"
        for code in all_inline(but=HISTORY)
        if WORD.fullmatch(code.text)
        for word in [code.text]
        if word
        not in words_of_the_source(tests=code.page not in OPERATORS or word.startswith("test_"))
        | FIGURES
        | OTHERS_WORDS
    ]
    assert wrong == []


def test_the_rule_of_names_sees() -> None:
    """The rule is not blind."""
    assert {"check_interval_s", "EXIT_MODE", "StopPlaced"} <= words_of_the_source()
    assert "stop_lost_percent" not in words_of_the_source()


def test_every_block_of_json_is_json() -> None:
    for code in all_blocks():
        if code.language == "json":
            json.loads(code.text)


def test_pages_close_their_blocks() -> None:
    """An open block swallows the rest of its page."""
    assert [page.name for page in PAGES if "```" in prose(page)] == []
    assert section(ROOT / "docs" / "operations.md", "Alerts")
