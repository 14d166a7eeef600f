"""Who may look: methods, host names, the token, and the headers that keep a browser from running anything else.

On loopback anybody of this host may read; a page of somebody else's in a browser here must not, so the `Host` has to be
one that leads here (a foreign name that resolves to 127.0.0.1 is refused). Elsewhere a token is asked for.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from position_monitor.errors import ConfigError

TOKEN_LENGTH_MIN: Final = 16
TOKEN_LENGTH_MAX: Final = 4_096
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether an address leads to this host only. A name other than `localhost` does not count."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_token(path: Path) -> str:
    """The token in a file, without the white space around it. Raises `ConfigError`, which never repeats it."""
    try:
        with path.open("rb") as file:
            content = file.read(TOKEN_LENGTH_MAX + 1)
    except OSError as fault:
        raise ConfigError(f"--token-file {path} could not be read: {fault.strerror}") from None
    token = content.decode("utf-8", "replace").strip()
    if not token.isascii() or not token.isprintable() or not TOKEN_LENGTH_MIN <= len(token) < TOKEN_LENGTH_MAX:
        raise ConfigError(
            f"--token-file {path} holds {len(token)} characters; expected one line of at least {TOKEN_LENGTH_MIN} "
            "printable ASCII characters, e.g. of `openssl rand -hex 32`"
        )
    return token


class Access:
    """Decides by the headers of a request."""

    def __init__(self, host: str, token: str | None) -> None:
        """`host` is what the server listens on. Raises `ConfigError` where others reach it and there is no token."""
        if token is None and not is_loopback(host):
            raise ConfigError(
                f"--host was {host}, which others can reach; expected a loopback address, or --token-file FILE with it"
            )
        self._token = token
        self._hosts = {"localhost", host.strip("[]")}

    def refusal(self, host_header: str, authorization: str) -> int:
        """The status to answer with; 0 for one that may look."""
        if self._token is not None:
            return 0 if hmac.compare_digest(_given(authorization), self._token.encode()) else 401
        try:
            name = urlsplit(f"//{host_header}").hostname or ""
        except ValueError:
            name = ""
        return 0 if name in self._hosts or is_loopback(name) else 421


def _given(authorization: str) -> bytes:
    """The token of `Bearer TOKEN`, or the password of `Basic`, which is what a browser asks its user for."""
    scheme, _, value = authorization[: 2 * TOKEN_LENGTH_MAX].partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode("utf-8", "replace")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return b""
