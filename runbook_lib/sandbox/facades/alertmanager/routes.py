"""Where Alertmanager sends an alert: matchers in the vendor's grammar, the routing tree, and how alerts are grouped on their way.

Grammar: prometheus/alertmanager, pkg/labels/parse.go. Routes inherit receiver, grouping and waits; mute times they do not.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

Labels = dict[str, str]
_MATCHER = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|!~|!=|=)\s*(.*?)\s*", re.DOTALL)
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


@dataclass(frozen=True)
class Matcher:
    """What one label must be. A label that is not there is empty."""

    name: str
    sign: str
    value: str

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.sign}"{escaped}"'

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether labels satisfy it; an expression must match the whole value."""
        got = labels.get(self.name, "")
        is_equal = re.fullmatch(self.value, got) is not None if "~" in self.sign else got == self.value
        return is_equal != self.sign.startswith("!")


@dataclass(frozen=True)
class Way:
    """A route at which an alert ends, with all that it inherits. `path` tells it from others: the matchers down to it."""

    path: str
    receiver: str = ""
    group_by: tuple[str, ...] = ()
    group_wait_s: float = 30.0
    group_interval_s: float = 300.0
    mute: tuple[str, ...] = ()

    def group_of(self, labels: Labels) -> Labels:
        """The labels that an alert is grouped by."""
        return {name: labels[name] for name in sorted(labels) if name in self.group_by or "..." in self.group_by}


def matcher(text: str) -> Matcher:
    """One matcher, as `severity="page"`. Raises ValueError in the vendor's words."""
    found = _MATCHER.fullmatch(text)
    if found is None:
        raise ValueError(f"bad matcher format: {text}")
    return checked_matcher(found[1], found[2], _value(found[3]))


def checked_matcher(name: str, sign: str, value: str) -> Matcher:
    """A matcher whose expression can be read. Raises ValueError."""
    try:
        re.compile(value if "~" in sign else "")
    except re.error as bad:
        raise ValueError(f"error parsing regexp: {bad}: `^(?:{value})$`") from bad
    return Matcher(name, sign, value)


def _value(raw: str) -> str:
    """A matcher's value without its quotes and escapes. Raises ValueError for a quote that is neither an end nor escaped."""
    text, is_quoted = (raw[1:], True) if raw.startswith('"') else (raw, False)
    found, at = "", 0
    while at < len(text):
        sign = text[at]
        if sign == "\\" and at + 1 < len(text):
            at += 1
            found += {"n": "\n", '"': '"', "\\": "\\"}.get(text[at], "\\" + text[at])
        elif sign == '"':
            if not is_quoted or at + 1 < len(text):
                raise ValueError(f"matcher value contains unescaped double quote: {raw}")
            return found
        else:
            found += sign
        at += 1
    if is_quoted:
        raise ValueError(f"matcher value contains unescaped double quote: {raw}")
    return found


def matchers(text: str) -> list[Matcher]:
    """Those of one text, `{a="b", c="d"}` or without braces; commas within quotes part nothing."""
    parts, is_quoted, is_escaped = [""], False, False
    for sign in text.removeprefix("{").removesuffix("}"):
        if sign == "," and not is_quoted:
            parts.append("")
            continue
        if sign == '"' and not is_escaped:
            is_quoted = not is_quoted
        is_escaped = sign == "\\" and not is_escaped
        parts[-1] += sign
    return [matcher(part) for part in parts if part.strip()]


def matchers_of(route: Mapping[str, Any]) -> list[Matcher]:
    """A route's matchers, in whichever spelling it has them."""
    return [
        *(Matcher(name, "=", str(value)) for name, value in (route.get("match") or {}).items()),
        *(Matcher(name, "=~", str(value)) for name, value in (route.get("match_re") or {}).items()),
        *(each for text in route.get("matchers") or () for each in matchers(text)),
    ]


def are_met(texts: Sequence[str], labels: Labels) -> bool:
    """Whether labels satisfy every matcher of some texts."""
    return all(each.holds(labels) for text in texts for each in matchers(text))


def ways_of(route: Mapping[str, Any], labels: Labels, above: Way | None = None) -> list[Way]:
    """The routes at which an alert ends: the first that matches at each level, and further ones where one continues."""
    own = _way(route, above)
    found: list[Way] = []
    for child in route.get("routes") or ():
        if all(each.holds(labels) for each in matchers_of(child)):
            found += ways_of(child, labels, own)
            if not child.get("continue"):
                break
    return found or [own]


def _way(route: Mapping[str, Any], above: Way | None) -> Way:
    step = "{" + ",".join(sorted(str(each) for each in matchers_of(route))) + "}"
    way = Way(step) if above is None else replace(above, path=f"{above.path}/{step}")
    return replace(
        way,
        receiver=str(route.get("receiver") or way.receiver),
        group_by=tuple(route["group_by"]) if route.get("group_by") is not None else way.group_by,
        group_wait_s=_seconds(route.get("group_wait"), way.group_wait_s),
        group_interval_s=_seconds(route.get("group_interval"), way.group_interval_s),
        mute=tuple(route.get("mute_time_intervals") or ()),
    )


def _seconds(text: Any, otherwise: float) -> float:
    found = re.findall(r"(\d+)(ms|[smhd])", str(text or ""))
    return sum(float(number) * _UNIT_S[unit] for number, unit in found) if found else otherwise


def is_muted(config: Mapping[str, Any], way: Way, now: datetime) -> bool:
    """Whether a time interval mutes a way at this moment: of weekdays and times in UTC, which is all that is set here."""
    held = {each["name"]: each["time_intervals"] for each in config.get("time_intervals") or ()}
    return any(_is_within(each, now) for name in way.mute for each in held[name])


def _is_within(interval: Mapping[str, Any], now: datetime) -> bool:
    clock = now.strftime("%H:%M")
    is_day = interval.get("weekdays", [now.strftime("%A").lower()]) == [now.strftime("%A").lower()]
    times = interval.get("times", [{"start_time": "00:00", "end_time": "24:00"}])
    return is_day and any(each["start_time"] <= clock < each["end_time"] for each in times)
