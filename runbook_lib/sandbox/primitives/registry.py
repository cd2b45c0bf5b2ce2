"""Which primitives there are, by name."""

from collections.abc import Awaitable, Callable
from typing import Any

Primitive = Callable[..., Awaitable[Any]]
PRIMITIVES: dict[str, Primitive] = {}


def primitive(function: Primitive) -> Primitive:
    """Make a function usable by its name."""
    PRIMITIVES[function.__name__] = function
    return function
