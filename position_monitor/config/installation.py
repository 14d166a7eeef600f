"""The files of an installed daemon, for a command that is asked beside it.

systemd reads the env file and the credentials as root and hands them to the daemon. A command reads the same files
itself, where it may, so that it sees what the daemon sees. Whose files they are follows from the configuration file:
`/etc/quantum/position-monitor.toml` belongs to the plain unit, `position-monitor-NAME.toml` to the instance `@NAME`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from position_monitor.config import env_file

DIRECTORY: Final = Path("/etc/quantum")
"""Where the units expect configuration, env files and credentials."""
ACCOUNT_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
ENV_FILE_BYTES_MAX: Final = 64 * 1024
CREDENTIALS_VARIABLE: Final = "CREDENTIALS_DIRECTORY"
KEY_VARIABLES: Final = ("EXCHANGE_API_KEY", "EXCHANGE_API_SECRET")
_OF_ENVIRONMENT: Final = re.compile(r"environment (\w+)")
_CONFIG_FILE: Final = re.compile(rf"position-monitor(?:-({ACCOUNT_NAME.pattern}))?\.toml")


@dataclass(frozen=True, slots=True)
class Installation:
    """The files of one unit."""

    account: str
    """Name of the instance; empty for the plain unit."""
    directory: Path

    @property
    def config_file(self) -> Path:
        """What `--config` of its unit names."""
        return self.directory / f"position-monitor{self._suffix}.toml"

    @property
    def env_file(self) -> Path:
        """`EnvironmentFile=` of its unit."""
        return self.directory / f"position-monitor{self._suffix}.env"

    @property
    def credentials(self) -> Path:
        """The directory of the files of `LoadCredential=`."""
        return self.directory / "credentials" / self.account

    @property
    def _suffix(self) -> str:
        return f"-{self.account}" if self.account else ""


def installation_of(config_file: Path) -> Installation | None:
    """The installation that a configuration file belongs to; None for a file that no unit reads."""
    if config_file.parent != DIRECTORY or (match := _CONFIG_FILE.fullmatch(config_file.name)) is None:
        return None
    return Installation(match[1] or "", DIRECTORY)


def installed_accounts() -> tuple[str, ...]:
    """The instances that have a configuration file here, in order."""
    matches = (_CONFIG_FILE.fullmatch(path.name) for path in DIRECTORY.glob("position-monitor-*.toml"))
    return tuple(sorted(match[1] for match in matches if match and match[1]))


class Environment(Mapping[str, str]):
    """The variables of this process, and below them those of an installation's env file. Each one has its origin."""

    def __init__(
        self,
        process: Mapping[str, str],
        *,
        filed: Mapping[str, str] | None = None,
        unreadable: tuple[str, ...] = (),
        keys_unreadable: tuple[str, ...] = (),
        sources: tuple[str, ...] = (),
    ) -> None:
        self._process = process
        self._filed = {} if filed is None else filed
        set_here = {name: text for name, text in process.items() if text or name not in self._filed}
        self._merged = {**self._filed, **set_here}
        self.unreadable = unreadable
        """Why the env file of the installation could not be read, and what follows: one sentence, or none."""
        self.keys_unreadable = keys_unreadable
        """The same of the credentials. Most commands need none."""
        self.sources = sources
        """The files of the installation that were read, or are not there: a few words each."""

    def __getitem__(self, variable: str) -> str:
        """The process wins. As everywhere, an empty variable counts as unset."""
        return self._merged[variable]

    def __iter__(self) -> Iterator[str]:
        return iter(self._merged)

    def __len__(self) -> int:
        return len(self._merged)

    def place(self, variable: str) -> str:
        """Where a variable comes from: `environment`, or `env file`."""
        return "env file" if not self._process.get(variable) and self._filed.get(variable) else "environment"

    def named(self, origins: Mapping[str, str]) -> dict[str, str]:
        """The origins of settings, `environment NAME ...`, with the file named where the variable stands in it."""
        placed: dict[str, str] = {}
        for key, origin in origins.items():
            match = _OF_ENVIRONMENT.match(origin)
            placed[key] = origin if match is None else self.place(match[1]) + origin.removeprefix("environment")
        return placed


def process_environment(config_file: Path, environ: Mapping[str, str]) -> Environment:
    """What the daemon of this configuration file has as its environment, as far as this process may read it.

    Where systemd handed over credentials (`$CREDENTIALS_DIRECTORY`), it handed over the env file too, and nothing is
    read here. A key in the environment of this process is used instead of the installed credentials.
    """
    installation = installation_of(config_file)
    if installation is None or environ.get(CREDENTIALS_VARIABLE):
        return Environment(environ)
    variables, sources, unreadable = _env_file(installation.env_file)
    keys_unreadable: list[str] = []
    if not any(environ.get(variable) for variable in KEY_VARIABLES):
        directory, words = installation.credentials, _why_unreadable(installation.credentials)
        if words:
            keys_unreadable.append(f"{directory} {words}: the keys in it are not used by this command; run it as root")
        elif directory.is_dir():
            variables[CREDENTIALS_VARIABLE] = str(directory)
            sources.append(f"credentials {directory}")
    return Environment(
        environ,
        filed=variables,
        unreadable=tuple(unreadable),
        keys_unreadable=tuple(keys_unreadable),
        sources=tuple(sources),
    )


def _env_file(path: Path) -> tuple[dict[str, str], list[str], list[str]]:
    """The variables of an env file; what was read in words; and why it was not."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return {}, [], [f"{path} is no regular file: nothing of it is in effect for this command"]
            text = file.read(ENV_FILE_BYTES_MAX).decode()
    except FileNotFoundError:
        return {}, [f"no env file {path}"], []
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        why = f"{path} could not be read ({words}): what it sets for the daemon is not in effect for this command"
        return {}, [], [f"{why}; run it as root"]
    return env_file.parsed(text), [f"env file {path}"], []


def _why_unreadable(directory: Path) -> str:
    """Why the files of a directory cannot be read, or empty; a directory that is not there is no problem."""
    try:
        if stat.S_ISDIR(directory.stat().st_mode) and not os.access(directory, os.R_OK | os.X_OK):
            return "could not be read (Permission denied)"
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:  # the directory above it is closed
        return f"could not be read ({error.strerror})"
    return ""
