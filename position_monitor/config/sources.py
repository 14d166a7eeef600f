"""Where settings come from: the TOML file, the environment of the existing stack, the credential store.

Precedence: environment over file over default. Each value remembers which it was, for `config show` and errors.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from position_monitor.config.installation import (
    CREDENTIALS_VARIABLE,
    DIRECTORY,
    installation_of,
    installed_accounts,
)
from position_monitor.config.problems import InvalidConfig

DEFAULT_PATH = DIRECTORY / "position-monitor.toml"
PATH_VARIABLE = "POSITION_MONITOR_CONFIG"
FILE_BYTES_MAX = 1_000_000

ENVIRONMENT: Mapping[str, tuple[str, str]] = {
    "CHECK_INTERVAL": ("loop", "check_interval_s"),
    "REDIS_URL": ("redis", "url"),
    "AI_ENGINE_URL": ("ai_engine", "url"),
    "BACKEND_URL": ("backend", "url"),
    "ALERTS_URLS": ("alerts", "urls"),
    "ALERTS_WEBHOOK_URL": ("alerts", "webhook_url"),
    "ALERTS_PING_URL": ("alerts", "ping_url"),
    "EXIT_MODE": ("exit", "mode"),
    "EXIT_EXECUTOR_MODE": ("exit", "executor_mode"),
    "EXIT_BRAIN_V3_ENABLED": ("exit", "brain_v3_enabled"),
    "EXIT_BRAIN_V3_LIVE_ROLLOUT": ("exit", "live_rollout"),
    "EXIT_BRAIN_PROFILE": ("exit", "profile"),
    "EXIT_EXECUTOR_KILL_SWITCH": ("exit", "kill_switch"),
    "EXIT_LIVE_ROLLOUT_PCT": ("exit", "live_rollout_pct"),
}
"""Variables of the stack this daemon joins, and the key each overrides; those of [alerts] are ours, for secrets."""

CREDENTIALS = {
    "exchange_api_key": ("EXCHANGE_API_KEY", "paper-key"),
    "exchange_api_secret": ("EXCHANGE_API_SECRET", "paper-secret"),
}
"""Credential file -> environment variable, and the value that opens the paper exchange."""

_FAMILIES = ("EXIT_", "CHALLENGE_", "REGIME_")


def stack_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Those variables of an environment that set something here and are not empty."""
    names = {*ENVIRONMENT, *(variable for variable, _ in CREDENTIALS.values())}
    chosen = (name for name in environ if name in names or name.startswith(_FAMILIES))
    return {name: environ[name] for name in chosen if environ[name]}


REAL_ENVIRONMENTS = ("demo", "live")
"""Where a key of one's own is needed."""

_TRUTH = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Credentials:
    """The exchange key. Opened only where a request is signed; never printed (invariant 15)."""

    api_key: SecretStr
    api_secret: SecretStr
    origin: str
    """Where they came from, in words."""


def config_path(path: Path | None, environ: Mapping[str, str]) -> Path:
    """The file to read: the one asked for, else the one the environment names, else the system's."""
    return path or Path(environ.get(PATH_VARIABLE) or DEFAULT_PATH)


def read_file(path: Path) -> dict[str, Any]:
    """The file as TOML with exact decimals; `InvalidConfig` when it cannot be read."""
    try:
        with os.fdopen(_opened_without_waiting(path), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise InvalidConfig(["a regular file is expected, this is something else (a pipe, a device)"], path)
            content = file.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            raise InvalidConfig([f"the file has more than {FILE_BYTES_MAX} bytes: is it the right one?"], path)
        return tomllib.loads(content.decode(), parse_float=Decimal)
    except FileNotFoundError:
        advice = "name one with --config or begin with: position-monitor config generate"
        if installation_of(path) is not None and (accounts := installed_accounts()):
            advice = f"installed here is --account {', '.join(accounts)}; {advice}"
        raise InvalidConfig([f"there is no file {path}; {advice}"], path) from None
    except OSError as error:
        raise InvalidConfig([f"the file could not be read: {error.strerror}"], path) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, InvalidOperation) as error:
        raise InvalidConfig([f"the file is not valid TOML: {error}"], path) from None


def _opened_without_waiting(path: Path) -> int:
    """A pipe at the file's place would hold up whoever opens it, and with it every stop, until somebody writes."""
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def dotted_keys(data: Mapping[str, Any], origin: str, prefix: str = "") -> dict[str, str]:
    """Every key of a nested table with one origin."""
    origins: dict[str, str] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            origins |= dotted_keys(value, origin, f"{prefix}{key}.")
        else:
            origins[f"{prefix}{key}"] = origin
    return origins


def overlay_environment(data: dict[str, Any], environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """`data` with the stack's variables laid over it, and the origin of each key they set. Empty means unset."""
    merged = dict(data)
    origins: dict[str, str] = {}
    for variable, (section, key) in ENVIRONMENT.items():
        text = environ.get(variable, "").strip()
        table = merged.get(section, {})
        if not text or not isinstance(table, Mapping):
            continue
        merged[section] = {**table, key: _environment_value(variable, text)}
        origins[f"{section}.{key}"] = f"environment {variable}"
    return merged, origins


def _environment_value(variable: str, text: str) -> object:
    """Shells and compose files write `true`, `1`, `legacy`; the file is exact, the environment is forgiving."""
    if variable == "CHECK_INTERVAL":
        try:
            return Decimal(text)
        except InvalidOperation:
            return text
    if variable in ("EXIT_EXECUTOR_KILL_SWITCH", "EXIT_LIVE_ROLLOUT_PCT"):
        return text
    if variable == "ALERTS_URLS":
        return text.split()
    if variable == "EXIT_BRAIN_V3_ENABLED":
        return _TRUTH.get(text.lower(), text)
    return text.upper() if variable.startswith("EXIT_") else text


def read_credentials(environment: str, environ: Mapping[str, str]) -> tuple[Credentials | None, list[str]]:
    """The exchange key from credential files, else the environment, else (paper only) the built-in pair."""
    values: list[str] = []
    origins: list[str] = []
    problems: list[str] = []
    for name, (variable, paper_value) in CREDENTIALS.items():
        value, origin, problem = _credential(name, variable, environ)
        if not value and not problem and environment not in REAL_ENVIRONMENTS:
            value, origin = paper_value, "paper default"
        if problem:
            problems.append(problem)
        elif not value:
            problems.append(
                f"the credential {name} is missing; allowed is a file {name} in $CREDENTIALS_DIRECTORY "
                f"(LoadCredential= of the unit) or the variable {variable}"
            )
        values.append(value)
        origins.append(origin)
    if problems:
        return None, problems
    key, secret = values
    origin = origins[0] if origins[0] == origins[1] else " and ".join(origins)
    return Credentials(SecretStr(key), SecretStr(secret), origin), []


def _credential(name: str, variable: str, environ: Mapping[str, str]) -> tuple[str, str, str]:
    """Value, origin and problem of one credential. The value never appears in the problem."""
    value, origin = environ.get(variable, ""), "environment"
    if directory := environ.get(CREDENTIALS_VARIABLE):
        try:
            stored = (Path(directory) / name).read_text(encoding="utf-8").strip()
        except (FileNotFoundError, NotADirectoryError):
            stored = ""
        except (OSError, UnicodeDecodeError):
            return "", "", f"the credential file {name} could not be read as text; check its owner and mode"
        if stored:  # the unit's SetCredential= leaves a blank where the operator stored nothing
            value, origin = stored, f"credential files in {directory}"
    value = value.strip()
    if any(not char.isprintable() or char.isspace() for char in value):
        return "", "", f"the credential {name} was not one line of printable text; store the bare key"
    return value, origin, ""


READ_ONLY_CREDENTIALS = {"verify_api_key": "VERIFY_API_KEY", "verify_api_secret": "VERIFY_API_SECRET"}
"""Credential file -> environment variable of a key that may only read, for `verify`. Both or none."""


def read_only_credentials(environ: Mapping[str, str]) -> Credentials | None:
    """The key of `verify`, where it has one of its own; else None. `InvalidConfig` for half of one."""
    values: dict[str, str] = {}
    problems: list[str] = []
    origin = ""
    for name, variable in READ_ONLY_CREDENTIALS.items():
        value, origin, problem = _credential(name, variable, environ)
        problems += [problem] if problem else []
        values |= {name: value} if value else {}
    if not problems and len(values) == 1:
        absent = next(name for name in READ_ONLY_CREDENTIALS if name not in values)
        problems.append(f"the credential {absent} is missing; allowed are both of a read-only key, or none of them")
    if problems:
        raise InvalidConfig(problems)
    if not values:
        return None
    key, secret = values.values()
    return Credentials(SecretStr(key), SecretStr(secret), f"read-only key, {origin}")
