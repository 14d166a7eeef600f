"""Kinds of values a configuration holds, and what is refused before any bound is looked at."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr, StrictBool

from position_monitor.core.model.sides import Side

REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")


def _number_only(value: object) -> object:
    """Pydantic reads `true` as 1; a configuration must not."""
    if isinstance(value, bool):
        raise ValueError("a truth value is not a number")
    return value


def _text_of_url(value: str, schemes: tuple[str, ...], *, userinfo: bool) -> str:
    """Check a URL that may be empty. Never repeats the URL in the error: it may carry a password."""
    if not value:
        return value
    parts = urlsplit(value)
    target = parts.path if parts.scheme == "unix" else parts.hostname
    if parts.scheme not in schemes or "://" not in value or not target:
        raise ValueError(f"the URL must start with {' or '.join(f'{scheme}://' for scheme in schemes)} and name a host")
    if parts.username is not None and not userinfo:
        raise ValueError("user and password do not belong in this URL")
    if not all(_port_is_possible(host) for host in parts.netloc.rpartition("@")[2].split(",")):
        raise ValueError("a port is a number from 1 to 65535")
    return value.rstrip("/")


def _port_is_possible(host: str) -> bool:
    """Whether `host`, `host:port` or `[address]:port` names a port that exists, or none."""
    _, separator, port = host.rpartition(":")
    if not separator or "]" in port:
        return True
    return port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65_535


def _origin(value: str, schemes: tuple[str, ...]) -> str:
    """Scheme, host and port of a venue; its paths are its own."""
    text = _text_of_url(value, schemes, userinfo=False)
    parts = urlsplit(text)
    if parts.path or parts.query or parts.fragment:
        raise ValueError("only scheme, host and port, without a path")
    return text


def _http_url(value: str) -> str:
    return _text_of_url(value, ("http", "https"), userinfo=False)


def _http_origin(value: str) -> str:
    return _origin(value, ("http", "https"))


def _ws_origin(value: str) -> str:
    return _origin(value, ("ws", "wss"))


def _redis_url(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text:
        raise ValueError("the URL must not be empty")
    return SecretStr(_text_of_url(text, REDIS_SCHEMES, userinfo=True))


def symbol_problem(symbol: str) -> str:
    """Why `symbol` cannot be an exchange's own id, or empty. Ids may be non-ASCII; they are upper case."""
    if not symbol or len(symbol) > 40 or any(char.isspace() or char in ":/" for char in symbol):
        return "a symbol is the exchange's own id, e.g. BTCUSDT, without blanks, slashes or colons"
    return "" if symbol == symbol.upper() else f"symbols are upper case: {symbol.upper()}"


def _none_or_ten(value: int) -> int:
    if 0 < value < 10:
        raise ValueError("fewer than 10 leave no room for ladders")
    return value


def _unmanaged_entry(value: str) -> str:
    symbol, separator, side = value.partition(":")
    if problem := symbol_problem(symbol):
        raise ValueError(problem)
    if separator and side not in list(Side):
        raise ValueError("after the colon stands LONG or SHORT")
    return value


Percent = Annotated[Decimal, BeforeValidator(_number_only)]
Seconds = Annotated[float, BeforeValidator(_number_only)]
Count = Annotated[int, BeforeValidator(_number_only)]
OrdersMax = Annotated[int, BeforeValidator(_number_only), AfterValidator(_none_or_ten)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
HttpOrigin = Annotated[str, AfterValidator(_http_origin)]
WsOrigin = Annotated[str, AfterValidator(_ws_origin)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
UnmanagedEntry = Annotated[str, AfterValidator(_unmanaged_entry)]
Profile = Literal[
    "DEFAULT",
    "NORMAL",
    "TREND",
    "RANGE",
    "VOLATILE",
    "CHOP",
    "CHALLENGE_100",
    "TREND_FOLLOW",
    "FAST_TP",
    "DEFENSIVE_TRAIL",
]


_WORDS = dict.fromkeys(("true", "1", "yes", "on", "enabled"), True)
_WORDS |= dict.fromkeys(("false", "0", "no", "off", "disabled"), False)


def _switch(value: object) -> object:
    """A switch of the existing stack is a word in any case; any other text stays as it is, and is refused."""
    return _WORDS.get(value.strip().lower(), value) if isinstance(value, str) else value


SwitchWord = Annotated[StrictBool, BeforeValidator(_switch)]


def allowed_is(text: str) -> dict[str, Any]:
    """Words for what a key allows, where its type alone does not say it."""
    return {"allowed": text}


class Section(BaseModel):
    """Base of every table: immutable, unknown keys are errors, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)
