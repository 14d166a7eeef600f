"""Every key of a configuration with its value, for people."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel


def leaves(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every key of a table and of the tables in it; a symbol's table lists only what it sets."""
    for name, field in type(model).model_fields.items():
        value, key = getattr(model, name), field.alias or name
        if isinstance(value, BaseModel):
            yield from leaves(value, f"{prefix}{key}.")
        elif isinstance(value, dict):
            inside = prefix if name == "overrides" else f"{prefix}{key}."
            for symbol, table in sorted(value.items()):
                yield from ((path, item) for path, item in leaves(table, f"{inside}{symbol}.") if item is not None)
        else:
            yield f"{prefix}{key}", value
