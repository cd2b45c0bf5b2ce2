"""A dial of a façade is a field of its state: how one is found by its path, and set."""

from dataclasses import fields, is_dataclass
from typing import Any

from runbook_lib.core.errors import UsageError


def set_dial(state: object, of: str, path: str, value: Any) -> None:
    """Set a field of a façade's state; dots lead inwards, and into a mapping by key.

    Raises:
        UsageError: there is no such dial.
    """
    target: Any = state
    first, *rest = path.split(".", 1)
    while rest:
        target = target[_key(target, first)] if isinstance(target, dict) else getattr(target, first, None)
        first, *rest = rest[0].split(".", 1)
    if isinstance(target, dict):
        target[_key(target, first)] = value
    elif is_dataclass(target) and first in {f.name for f in fields(target)}:
        setattr(target, first, _as_the_old_one(getattr(target, first), value))
    else:
        raise UsageError(f"{of} has no dial {path}")


def _key(mapping: dict[Any, Any], text: str) -> Any:
    """The key that this text stands for: itself, or one that is no text and is written like it (false, 3)."""
    return next((key for key in mapping if not isinstance(key, str) and str(key).lower() == text.lower()), text)


def _as_the_old_one(old: Any, value: Any) -> Any:
    """A value from JSON in the kind of the one it replaces: sets and tuples come as lists."""
    if isinstance(value, list) and isinstance(old, (set, tuple)):
        return type(old)(value)
    return value
