"""The team's service_levels.toml: what is promised, over which period, and who must be told. Every mistake is named exactly.

Read into {"period_days", "min_requests", "objectives": [{"name", "kind", "service", "target", "within_ms", "events",
"min_requests", "alerts"}],
"routes": [{"from", "severity", "to"}]}; what a kind does not have is None, lists that are left out are empty.
"""

import math
from collections.abc import Callable
from typing import Any

from runbook_lib.core.model import Json

KINDS = ("availability", "latency", "webhooks")
TELLERS = ("traces", "vercel", "railway")
SEVERITIES = ("page", "ticket")
CHANNELS = ("slack", "webhook", "email")
EVENTS = ["invoice.paid", "invoice.payment_failed", "customer.subscription.updated"]
_LONGEST_DAYS = 92
_LONGEST_NAME = 60


def read_service_levels(document: dict[str, Json]) -> dict[str, Json]:
    """The file's content, checked. Raises ValueError that names the table, the key and what is wrong with it."""
    _known(document, "the file", {"period_days", "min_requests", "objectives", "routes"})
    least = _number(document, "the file", "min_requests", _count, 1000)
    objectives = [_objective(each, where, least) for where, each in _tables(document, "objectives")]
    if not objectives:
        raise ValueError("no [[objectives]]: there is nothing to hold the figures against")
    names = [each["name"] for each in objectives]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two objectives are named {twice[0]!r}")
    return {
        "period_days": _number(document, "the file", "period_days", _days, 30),
        "min_requests": least,
        "objectives": objectives,
        "routes": [_route(each, where) for where, each in _tables(document, "routes")],
    }


def _objective(table: dict[str, Json], where: str, least: int) -> dict[str, Json]:
    _known(table, where, {"name", "kind", "service", "target", "within_ms", "events", "min_requests", "alerts"})
    name = _text(table, where, "name")
    if len(name) > _LONGEST_NAME:
        raise ValueError(f"{where}.name has {len(name)} characters; at most {_LONGEST_NAME} are shown")
    where = f"{where} ({name})"
    kind = _one_of(table, where, "kind", KINDS)
    if kind != "webhooks" and "events" in table:
        raise ValueError(f"{where}.events belongs to kind webhooks, and this is {kind}")
    if kind == "webhooks" and "service" in table:
        raise ValueError(f"{where}.service does not belong to kind webhooks: Stripe's events are counted")
    if kind != "latency" and "within_ms" in table:
        raise ValueError(f"{where}.within_ms belongs to kind latency, and this is {kind}")
    return {
        "name": name,
        "kind": kind,
        "service": None if kind == "webhooks" else _text(table, where, "service"),
        "target": _number(table, where, "target", _share),
        "within_ms": _number(table, where, "within_ms", _milliseconds) if kind == "latency" else None,
        "events": (_texts(table, where, "events") or list(EVENTS)) if kind == "webhooks" else [],
        "min_requests": _number(table, where, "min_requests", _count, least),
        "alerts": _texts(table, where, "alerts"),
    }


def _route(table: dict[str, Json], where: str) -> dict[str, Json]:
    _known(table, where, {"from", "severity", "to"})
    teller = _one_of(table, where, "from", TELLERS)
    if teller == "traces":
        severity: str | None = _one_of(table, where, "severity", SEVERITIES)
        return {"from": teller, "severity": severity, "to": _text(table, where, "to")}
    if "severity" in table:
        raise ValueError(f"{where}.severity belongs to routes from traces, and this is from {teller}")
    return {"from": teller, "severity": None, "to": _one_of(table, where, "to", CHANNELS)}


def _tables(document: dict[str, Json], key: str) -> list[tuple[str, dict[str, Json]]]:
    """The tables of `[[key]]`, each with its place as a reader counts: objectives[1] is the first."""
    rows = document.get(key, [])
    if not isinstance(rows, list) or any(not isinstance(row, dict) for row in rows):
        raise ValueError(f"{key} is not written as [[{key}]] tables")
    return [(f"{key}[{at}]", row) for at, row in enumerate(rows, 1)]


def _known(table: dict[str, Json], where: str, keys: set[str]) -> None:
    if unknown := sorted(set(table) - keys):
        raise ValueError(f"{where} has unknown keys: {', '.join(unknown)}; known are {', '.join(sorted(keys))}")


def _text(table: dict[str, Json], where: str, key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where}.{key} is {_shown(table, key)}, not a text")
    return value.strip()


def _texts(table: dict[str, Json], where: str, key: str) -> list[str]:
    value = table.get(key, [])
    if not isinstance(value, list) or any(not isinstance(each, str) or not each.strip() for each in value):
        raise ValueError(f"{where}.{key} is {value!r}, not a list of texts")
    return [each.strip() for each in value]


def _one_of(table: dict[str, Json], where: str, key: str, allowed: tuple[str, ...]) -> str:
    value = table.get(key)
    if value not in allowed:
        raise ValueError(f"{where}.{key} is {_shown(table, key)}; it is one of {', '.join(allowed)}")
    return str(value)


_MISSING = object()


def _number(
    table: dict[str, Json], where: str, key: str, allowed: Callable[[float], str], default: object = _MISSING
) -> Any:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{where}.{key} is {_shown(table, key)}, not a number")
    if why := allowed(value):
        raise ValueError(f"{where}.{key} is {value!r}; {why}")
    return value


def _shown(table: dict[str, Json], key: str) -> str:
    return repr(table[key]) if key in table else "missing"


def _days(value: float) -> str:
    fits = value == int(value) and 1 <= value <= _LONGEST_DAYS
    return "" if fits else f"whole days from 1 to {_LONGEST_DAYS} are meant"


def _count(value: float) -> str:
    return "" if value == int(value) and value >= 1 else "a whole number of one or more is meant"


def _share(value: float) -> str:
    if 1 < value <= 100:
        return f"a share is meant: write {value / 100:g}"
    return "" if 0 < value < 1 else "a share between 0 and 1 is meant: 1 leaves no budget, 0 promises nothing"


def _milliseconds(value: float) -> str:
    return "" if 1 <= value <= 600_000 else "milliseconds from 1 to 600,000 are meant"
