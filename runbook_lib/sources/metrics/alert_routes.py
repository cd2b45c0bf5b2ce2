"""Alertmanager's configuration, read: the routing tree and the receivers by name and kind. Nothing that may hold a secret
leaves it.

Facts: prometheus.io/docs/alerting/latest/configuration. A route matches by `matchers`, or by the older `match` and `match_re`;
Grafana's by `object_matchers`, and its receivers (contact points) name their kind in `type`. Mute times are not inherited.
"""

import re
from datetime import datetime
from typing import Any

import yaml

from runbook_lib.core.model import Json
from runbook_lib.core.records.alerts import AlertRoute, AlertRoutes, Matcher
from runbook_lib.sources.metrics.time_intervals import holds, intervals_of

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_MATCHER = re.compile(rf'\s*(?:([a-zA-Z_:][\w:]*)|{_QUOTED})\s*(=~|!~|!=|=)\s*(?:{_QUOTED}|([^"]*?))\s*', re.DOTALL)
_PART = re.compile(r'(?:[^,"\\]|\\.|"(?:[^"\\]|\\.)*"|["\\])+', re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\n])')
_DURATION = re.compile(r"(\d+)(ms|s|m|h|d|w|y)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_536_000.0}
_GROUP_WAIT_S = 30.0


def read_config(original: str | dict[str, Any], at: datetime) -> AlertRoutes:
    """The configuration as it is at a moment. Raises ValueError or a YAML error where it is none."""
    document = yaml.safe_load(original) if isinstance(original, str) else original
    if not isinstance(document, dict) or not isinstance(document.get("route"), dict):
        raise ValueError("the configuration has no route")
    receivers = {str(each["name"]): _kinds(each) for each in document.get("receivers") or ()}
    intervals = intervals_of(document)
    in_force = {name for name, held in intervals.items() if holds(held, at)}
    route = _Reader(set(intervals), in_force).route(
        document["route"], str(document["route"].get("receiver") or ""), _GROUP_WAIT_S
    )
    return {"route": route, "receivers": receivers, "inhibits": len(document.get("inhibit_rules") or ())}


def _kinds(receiver: dict[str, Any]) -> list[str]:
    """The kinds of a receiver's integrations, one for each."""
    found = []
    for key, rows in receiver.items():
        if key.endswith("_configs") and rows:
            grafana = key == "grafana_managed_receiver_configs"
            found += [str(row["type"]) if grafana else key.removesuffix("_configs") for row in rows]
    return sorted(found)


class _Reader:
    """Reads routes, with the names of the time intervals that there are and of those that hold at the moment."""

    def __init__(self, known: set[str], in_force: set[str]) -> None:
        self._known, self._in_force = known, in_force

    def route(self, route: dict[str, Any], inherited: str, wait_s: float) -> AlertRoute:
        receiver = str(route.get("receiver") or inherited)
        wait_s = _seconds(route.get("group_wait"), wait_s)
        mute = [str(name) for name in route.get("mute_time_intervals") or ()]
        active = [str(name) for name in route.get("active_time_intervals") or ()]
        if unknown := sorted({*mute, *active} - self._known):
            raise ValueError(f"there is no time interval {', '.join(unknown)[:80]}")
        muted_by = [name for name in mute if name in self._in_force]
        muted_by += active if active and not self._in_force & set(active) else []
        return {
            "receiver": receiver,
            "matchers": _matchers(route),
            "continue": bool(route.get("continue")),
            "group_wait_s": wait_s,
            "muted_by": muted_by,
            "timed_by": [*mute, *active],
            "routes": [self.route(child, receiver, wait_s) for child in route.get("routes") or ()],
        }


def _matchers(route: dict[str, Any]) -> list[Matcher]:
    found = [[str(name), "=", str(text)] for name, text in (route.get("match") or {}).items()]
    found += [[str(name), "=~", str(text)] for name, text in (route.get("match_re") or {}).items()]
    found += [[str(part) for part in each] for each in route.get("object_matchers") or ()]
    for text in route.get("matchers") or ():
        for each in _parts(str(text)):
            read = _MATCHER.fullmatch(each)
            if read is None:
                raise ValueError(f"a matcher cannot be read: {each!r:.60}")
            name, quoted_name, sign, quoted, plain = read.groups()
            named = _unescaped(quoted_name) if name is None else name
            found.append([named, sign, _unescaped(plain if quoted is None else quoted)])
    return found


def _parts(text: str) -> list[str]:
    """`{a="b", c="d"}` is two matchers in one text."""
    inner = text.strip().removeprefix("{").removesuffix("}")
    return [each for each in _PART.findall(inner) if each.strip()]


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], text)


def _seconds(text: Json, default_s: float) -> float:
    found = _DURATION.findall(str(text)) if text else []
    return sum(float(number) * _UNIT_S[unit] for number, unit in found) if found else default_s
