"""Calls of primitives by name: which there are, what they take, and arguments as text turned into what they declare."""

import inspect
import json
from typing import Any, get_type_hints

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox.primitives import alerts as primitives_alerts
from runbook_lib.sandbox.primitives import billing as primitives_billing
from runbook_lib.sandbox.primitives import database as primitives_database
from runbook_lib.sandbox.primitives import deployments as primitives_deployments
from runbook_lib.sandbox.primitives import general as primitives_general
from runbook_lib.sandbox.primitives import network as primitives_network
from runbook_lib.sandbox.primitives import past as primitives_past
from runbook_lib.sandbox.primitives import processes as primitives_processes
from runbook_lib.sandbox.primitives import recovery as primitives_recovery
from runbook_lib.sandbox.primitives import variables as primitives_variables
from runbook_lib.sandbox.primitives import webhooks as primitives_webhooks
from runbook_lib.sandbox.primitives.breakage import Breakage
from runbook_lib.sandbox.primitives.registry import PRIMITIVES, Primitive

PRIMITIVE_MODULES = (  # importing them makes theirs usable by name
    primitives_alerts,
    primitives_billing,
    primitives_database,
    primitives_deployments,
    primitives_general,
    primitives_network,
    primitives_past,
    primitives_processes,
    primitives_recovery,
    primitives_variables,
    primitives_webhooks,
)
_PLAIN = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


async def inject(breakage: Breakage, name: str, arguments: dict[str, Any]) -> Any:
    """Use a primitive. Returns what it returns, mostly None.

    Raises:
        UsageError: no such primitive, argument or part.
    """
    checked = check(name, arguments)
    async with breakage.lock:
        result = await PRIMITIVES[name](breakage, **checked)
        breakage.active.append((name, checked))
    return result


def check(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a primitive, with text turned into the types that it declares.

    Raises:
        UsageError: no such primitive or argument, one is missing, or a value does not fit.
    """
    function = PRIMITIVES.get(name)
    if function is None:
        raise UsageError(f"There is no primitive named {name}", do_next=f"Known: {', '.join(sorted(PRIMITIVES))}.")
    known = _parameters(function)
    for key in arguments:
        if key not in known:
            raise UsageError(f"{name} has no argument {key}", do_next=f"Known: {', '.join(known)}.")
    for key, item in known.items():
        if item.default is inspect.Parameter.empty and key not in arguments:
            raise UsageError(f"{name} needs {key}", do_next="See: runbook sandbox inject --help")
    hints = get_type_hints(function)
    return {key: _as_type(f"{name}: {key}", value, hints[key]) for key, value in arguments.items()}


def describe() -> list[tuple[str, str, str]]:
    """(name, its arguments with their defaults, what it does) of every primitive, by name."""
    rows = []
    for name, function in sorted(PRIMITIVES.items()):
        shown = [
            key if item.default is inspect.Parameter.empty else f"[{key}={json.dumps(item.default)}]"
            for key, item in _parameters(function).items()
        ]
        rows.append((name, " ".join(shown), inspect.getdoc(function) or ""))
    return rows


def _parameters(function: Primitive) -> dict[str, inspect.Parameter]:
    return {key: item for key, item in inspect.signature(function).parameters.items() if key != "breakage"}


def _as_type(what: str, value: Any, hint: Any) -> Any:
    """A value as the declared type. Text is read as JSON where the type is not text; for Any, where it is JSON."""
    is_text = hint is str or hint == (str | None)
    if isinstance(value, str) and not is_text:
        try:
            value = json.loads(value)
        except ValueError:
            if hint is not Any:
                raise UsageError(f"{what} is not of its type", came_back=value, where=str(hint)) from None
    if hint is Any or value is None:
        return value
    kind = next((kind for kind in _PLAIN if hint is kind or hint == (kind | None)), None)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
        raise UsageError(f"{what} must be {_PLAIN[kind]}", came_back=repr(value))
    return value
