"""One venue of ccxt without the hundred others.

`import ccxt.async_support` imports every venue ccxt knows: 66 MiB and most of a second, of which one class is used.
Here its package modules are stood in for by bare ones while the file of that class is imported, and taken away
afterwards, so that whoever imports ccxt later gets all of it. Stood in for as well are the tables with a method for
each of a thousand calls (`request` needs none), `requests`, which only ccxt's synchronous class uses, and
`cryptography`, which takes 7 MiB and signs only with a private key (Ed25519, RSA): what is called of it is imported
then. When a release of ccxt does not bear this, the ordinary import is made.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from loguru import logger


class _Later:
    """A module, or something inside one, that is imported when it, or something inside it, is called."""

    def __init__(self, module: str, *path: str) -> None:
        self._module, self._path = module, path

    def __getattr__(self, name: str) -> _Later:
        return _Later(self._module, *self._path, name)

    def __call__(self, *values: object, **named: object) -> Any:  # noqa: ANN401
        """Import it and call it."""
        called: Any = importlib.import_module(self._module)
        for name in self._path:
            called = getattr(called, name)
        return called(*values, **named)


_PACKAGES: Final = ("ccxt", "ccxt.async_support")
_TABLES: Final = ("ccxt.abstract.binance", "ccxt.abstract.binanceusdm")
_ABSENT: Final[Mapping[str, Mapping[str, object]]] = {
    "requests": {"Session": type("Session", (), {})},
    "requests.utils": {"default_user_agent": type("default_user_agent", (), {})},
    "requests.exceptions": {
        name: type(name, (OSError,), {})
        for name in ("HTTPError", "Timeout", "TooManyRedirects", "RequestException", "ConnectionError")
    },
    **{
        package: {name: _Later(f"{package}.{name}") for name in modules}
        for package, modules in {
            "cryptography.hazmat": ("backends",),
            "cryptography.hazmat.primitives": ("hashes",),
            "cryptography.hazmat.primitives.asymmetric": ("ec", "padding", "ed25519"),
        }.items()
    },
    **{
        module: {name: _Later(module, name) for name in names}
        for module, names in {
            "cryptography.hazmat.primitives.asymmetric.utils": ("decode_dss_signature", "Prehashed"),
            "cryptography.hazmat.primitives.serialization": ("Encoding", "PublicFormat", "load_pem_private_key"),
        }.items()
    },
}
"""What ccxt takes from `requests`, as bare names, and from `cryptography`, as names that are imported when called."""


def binanceusdm() -> type[Any]:
    """ccxt's asynchronous Binance USDⓈ-M class."""
    if "ccxt" not in sys.modules:
        try:
            return _alone()
        except (ImportError, AttributeError) as failure:
            logger.debug("ccxt cannot be imported in part ({}): all of it is", failure)
    return _class_of(importlib.import_module("ccxt.async_support"))


def _alone() -> type[Any]:
    others = set(sys.modules)
    absent = _ABSENT.keys() - others
    try:
        _stand_in(absent)
        return _class_of(importlib.import_module("ccxt.async_support.binanceusdm"))
    finally:
        for name in set(sys.modules) - others:
            if name.partition(".")[0] == "ccxt" or name in absent:
                del sys.modules[name]


def _stand_in(absent: Iterable[str]) -> None:
    """Bare modules in place of ccxt's packages, with the few names that ccxt's own files take from them.

    Of `requests` and `cryptography` only where nobody has imported them.
    """
    for name in absent:
        sys.modules[name] = _module(name, _ABSENT[name])
    for name in _TABLES:
        sys.modules[name] = _module(name, {"ImplicitAPI": type("ImplicitAPI", (), {})})
    spec = importlib.util.find_spec("ccxt")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("ccxt is not installed as a package")
    folder = Path(next(iter(spec.submodule_search_locations)))
    for name in _PACKAGES:
        package = ModuleType(name)
        package.__path__ = [str(folder.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
    errors = importlib.import_module("ccxt.base.errors")
    base = importlib.import_module("ccxt.base.exchange")
    vars(sys.modules["ccxt"]).update({name: getattr(errors, name) for name in errors.__all__}, Exchange=base.Exchange)


def _module(name: str, names: Mapping[str, object]) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(names)
    return made


def _class_of(module: ModuleType) -> type[Any]:
    venue: type[Any] = module.binanceusdm
    return venue
