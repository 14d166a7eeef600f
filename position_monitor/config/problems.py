"""What is wrong with a configuration, in words: key, value found, what is allowed. Secrets never appear."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Union
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from position_monitor.config.monitoring import SecretUrl, shown_address
from position_monitor.errors import ConfigError

HIDDEN = "***"
_DIGITS_MAX = 30
"""A number of more digits is shown with an exponent."""
_SECRET = re.compile(r"key|secret|pass|token|auth|user|pin", re.IGNORECASE)
"""Names of keys whose values nobody wants to see in a journal."""


class InvalidConfig(ConfigError):
    """The configuration cannot be used; `problems` holds one sentence for each thing to correct."""

    def __init__(self, problems: Sequence[str], path: Path | None = None) -> None:
        self.problems = tuple(problems)
        self.path = path
        where = f" ({path})" if path else ""
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        super().__init__("\n  - ".join([f"the configuration has {count}{where}:", *self.problems]))


def redact_url(text: str) -> str:
    """The URL with its password and every query value hidden, fit for a screen or a journal."""
    try:
        parts = urlsplit(text)
        userinfo, separator, host = parts.netloc.rpartition("@")
    except ValueError:
        return HIDDEN
    user, colon, _ = userinfo.partition(":")
    # `redis://secret@host` puts the password where a user would stand, so both parts are doubtful without a colon.
    shown = f"{user}:{HIDDEN}" if colon else HIDDEN
    netloc = f"{shown}@{host}" if separator else host
    query = re.sub(r"=[^&]*", f"={HIDDEN}", parts.query)
    return parts._replace(netloc=netloc, query=query).geturl()


def shown(value: object) -> str:
    """A value as an operator would write it in TOML, without secrets."""
    if isinstance(value, SecretUrl):
        return f'"{value.shown}"'
    if isinstance(value, SecretStr):
        return f'"{redact_url(value.get_secret_value())}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{_without_secret(value)}"'
    if isinstance(value, Decimal | float | int):
        number = Decimal(str(value)).normalize()
        return format(number, "f") if number.is_finite() and abs(number.adjusted()) < _DIGITS_MAX else str(number)
    if isinstance(value, BaseModel):
        pairs = ((name, getattr(value, name)) for name in type(value).model_fields)
        return "{ " + ", ".join(f"{name} = {shown(item)}" for name, item in pairs if item is not None) + " }"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {shown(item)}" for name, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(shown(item) for item in value) + "]"
    return str(value)


def _without_secret(text: str) -> str:
    """Anything that looks like it carries a password is cut down to what is safe to repeat and to print."""
    text = text.encode(errors="backslashreplace").decode()
    if "://" in text:
        return redact_url(text)
    return HIDDEN if "@" in text else text


def fields_by_key(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a table under the names they have in the file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def allowed(field: FieldInfo) -> str:
    """What a key allows, in words, taken from its declaration."""
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "allowed" in extra:
        return str(extra["allowed"])
    bounds = {type(item).__name__: item for item in field.metadata}
    words = _kind(field.annotation)
    low = bounds["Ge"].ge if "Ge" in bounds else None
    above = bounds["Gt"].gt if "Gt" in bounds else None
    high = bounds["Le"].le if "Le" in bounds else None
    if low is not None:
        words += f" from {shown(low)}"
    if above is not None:
        words += f" above {shown(above)}"
    return words if high is None else f"{words} {'to' if low is not None else 'up to'} {shown(high)}"


def _kind(annotation: object) -> str:
    """The type of a field in words."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _kind(arguments[0])
    if origin is Literal:
        return "one of " + ", ".join(f'"{item}"' for item in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_kind(item) for item in arguments if item is not type(None))
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return "one of " + ", ".join(f'"{item.value}"' for item in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "a table"
    if annotation is bool:
        return "true or false"
    if annotation is int:
        return "a whole number"
    return "text" if annotation is str else "a number"


def field_at(model: type[BaseModel], path: Sequence[str | int]) -> tuple[str, FieldInfo | None]:
    """Follow an error's location through the models: the key as written in the file, and its declaration if any."""
    key = ""
    field: FieldInfo | None = None
    table: type[BaseModel] | None = model
    for part in path:
        keys = fields_by_key(table) if table else {}
        if part in keys:
            field = keys[str(part)]
            table = _model_of(field.annotation)
            key += "" if part == "overrides" else f".{part}"
        elif isinstance(part, int):
            key += f"[{part}]"
        elif table is not None:
            key += f".{part}"
            field = field if field is not None and _is_map(field.annotation) else None
    return key.removeprefix("."), field


def _is_map(annotation: object) -> bool:
    """Whether any name may stand below this key, as symbols do below [symbols]."""
    return typing.get_origin(annotation) is dict


def _model_of(annotation: object) -> type[BaseModel] | None:
    """The table inside an annotation such as `tuple[Rung, ...] | None` or `dict[str, SymbolOverride]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for item in typing.get_args(annotation) if (model := _model_of(item))), None)


def accepted_keys(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """The keys of the table in which `path` ends."""
    table: type[BaseModel] | None = model
    for part in path[:-1]:
        keys = fields_by_key(table) if table else {}
        table = _model_of(keys[str(part)].annotation) if part in keys else table
    return sorted(fields_by_key(table)) if table else []


def sentences(model: type[BaseModel], error: ValidationError, origins: dict[str, str]) -> list[str]:
    """One sentence for each thing pydantic refused, in the order of the model, without doubles."""
    texts: dict[str, str] = {}
    for item in error.errors(include_url=False):
        key, field = field_at(model, item["loc"])
        texts.setdefault(key, _sentence(model=model, item=item, key=key, field=field, origin=origins.get(key, "")))
    # pydantic calls a list too short when its only item was refused; the item's own sentence is enough.
    return [text for key, text in texts.items() if not any(other.startswith(f"{key}[") for other in texts)]


def unknown_keys(error: ValidationError) -> tuple[list[tuple[int | str, ...]], bool]:
    """Where keys stand that nobody knows, and whether anything else is wrong as well."""
    items = error.errors(include_url=False)
    unknown = [item["loc"] for item in items if item["type"] == "extra_forbidden"]
    # pydantic calls a list too short when its items were refused.
    lists = {path[:length] for path in unknown for length in range(len(path))}
    others = [item for item in items if item["type"] != "extra_forbidden"]
    return unknown, any(item["type"] != "too_short" or item["loc"] not in lists for item in others)


def _sentence(model: type[BaseModel], item: ErrorDetails, key: str, field: FieldInfo | None, origin: str) -> str:
    if item["type"] == "extra_forbidden":
        hint = _hint(str(item["loc"][-1]), accepted_keys(model, item["loc"]))
        return f"{key} is not a known key{_unknown_value(key, item['input'])}{hint}"
    if field is None or (item["type"] == "value_error" and _kind(field.annotation) == "a table"):
        return _plain(item["msg"])
    if item["type"] == "missing":
        return f"{key} is missing; allowed is {allowed(field)}"
    reason = f" ({_plain(item['msg'])})" if item["type"] == "value_error" else ""
    where = f" (from {origin})" if origin.startswith(("environment", "env file")) else ""
    return f"{key} was {_shown_input(field, item['input'])}{where}; allowed is {allowed(field)}{reason}"


def _shown_input(field: FieldInfo, value: object) -> str:
    """A refused value, fit to be read by all: of an address that is a secret, only the scheme."""
    if _holds_secret_url(field.annotation):
        return f'"{shown_address(value)}"' if isinstance(value, str) else HIDDEN
    return shown(value)


def _holds_secret_url(annotation: object) -> bool:
    return annotation is SecretUrl or any(_holds_secret_url(item) for item in typing.get_args(annotation))


def _unknown_value(key: str, value: object) -> str:
    """The value of a key nobody knows, where it cannot be a secret in the wrong place."""
    plain = isinstance(value, bool | int | float | Decimal)
    plain = plain or (isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_.%+-]{1,12}", value) is not None)
    return f" (was {shown(value)})" if plain and not _SECRET.search(key) else ""


def _plain(message: str) -> str:
    """Pydantic's words without its prefix."""
    return message.removeprefix("Value error, ")


def _hint(name: str, accepted: Iterable[str]) -> str:
    """The nearest known key, or all of them."""
    keys = list(accepted)
    close = difflib.get_close_matches(name, keys, n=1)
    return f'; did you mean "{close[0]}"?' if close else f"; known here: {', '.join(keys)}"


def without(value: Any, paths: Collection[tuple[int | str, ...]], here: tuple[int | str, ...] = ()) -> Any:  # noqa: ANN401
    """A copy of nested tables and lists without the keys at `paths`."""
    if isinstance(value, Mapping):
        kept = ((key, item, (*here, key)) for key, item in value.items())
        return {key: without(item, paths, path) for key, item, path in kept if path not in paths}
    if isinstance(value, list | tuple):
        return [without(item, paths, (*here, index)) for index, item in enumerate(value)]
    return value
