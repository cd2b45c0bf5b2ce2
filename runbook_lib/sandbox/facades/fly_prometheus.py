"""Fly's hosted Prometheus over what its proxy saw: counters and one histogram, and the part of PromQL that reads them.

Understood: selectors with `=`, `!=`, `=~`, `!~`; `rate` and `increase` over a range; `sum` and `sum by (…)`;
`histogram_quantile`; numbers; `+ - * /` between them. Anything else is the 400 `bad_data` that Prometheus answers.
"""

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runbook_lib.sandbox.world import RequestRow, World

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
Labels = tuple[tuple[str, str], ...]
Vector = dict[Labels, float]
_TOKEN = re.compile(r'\s*([a-zA-Z_:][\w:]*|\d+(?:\.\d+)?(?:[smhd])?|=~|!~|!=|"(?:[^"\\]|\\.)*"|[{}()\[\],=+\-*/])')
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class BadQuery(ValueError):
    """A query that cannot be read, in Prometheus's words."""


@dataclass(frozen=True)
class _Selector:
    metric: str
    matchers: tuple[tuple[str, str, str], ...]
    range_s: float | None


Evaluate = Callable[[datetime], Vector]


class Prometheus:
    """One query engine over one world's requests on Fly."""

    def __init__(self, world: World) -> None:
        self.world = world

    def query(self, text: str, at: datetime) -> list[dict[str, Any]]:
        """An instant vector as Prometheus's `result`."""
        vector = self._compile(text)(at)
        return [
            {"metric": dict(labels), "value": [at.timestamp(), _number(value)]}
            for labels, value in sorted(vector.items())
        ]

    def query_range(self, text: str, start: datetime, end: datetime, step_s: float) -> list[dict[str, Any]]:
        """A matrix as Prometheus's `result`. Raises BadQuery for a step of nothing or more than 11,000 points."""
        if step_s <= 0 or (end - start).total_seconds() / step_s > 11_000:
            raise BadQuery("exceeded maximum resolution of 11,000 points per timeseries")
        evaluate = self._compile(text)
        series: dict[Labels, list[list[Any]]] = {}
        at = start
        while at <= end:
            for labels, value in evaluate(at).items():
                series.setdefault(labels, []).append([at.timestamp(), _number(value)])
            at += timedelta(seconds=step_s)
        return [{"metric": dict(labels), "values": values} for labels, values in sorted(series.items())]

    def _compile(self, text: str) -> Evaluate:
        tokens = _split(text)
        evaluate, rest = self._sum(tokens)
        if rest:
            raise BadQuery(f'parse error: unexpected "{rest[0]}"')
        return evaluate

    def _sum(self, tokens: list[str]) -> tuple[Evaluate, list[str]]:
        left, rest = self._product(tokens)
        while rest and rest[0] in "+-":
            sign = rest[0]
            right, rest = self._product(rest[1:])
            left = _binary(left, right, sign)
        return left, rest

    def _product(self, tokens: list[str]) -> tuple[Evaluate, list[str]]:
        left, rest = self._one(tokens)
        while rest and rest[0] in "*/":
            sign = rest[0]
            right, rest = self._one(rest[1:])
            left = _binary(left, right, sign)
        return left, rest

    def _one(self, tokens: list[str]) -> tuple[Evaluate, list[str]]:
        if not tokens:
            raise BadQuery("parse error: unexpected end of input")
        head, rest = tokens[0], tokens[1:]
        if re.fullmatch(r"\d+(\.\d+)?", head):
            number = float(head)
            return lambda _: {(): number}, rest
        if head == "(":
            inner, rest = self._sum(rest)
            return inner, _expect(rest, ")")
        if head == "sum":
            return self._aggregate(rest)
        if head in ("rate", "increase"):
            selector, rest = _selector(_expect(rest, "("))
            return self._over_range(head, selector), _expect(rest, ")")
        if head == "histogram_quantile":
            rest = _expect(rest, "(")
            if not rest or not re.fullmatch(r"\d+(\.\d+)?", rest[0]):
                raise BadQuery("parse error: histogram_quantile expects a number first")
            share, rest = float(rest[0]), _expect(rest[1:], ",")
            inner, rest = self._sum(rest)
            return (lambda at: _quantile(share, inner(at))), _expect(rest, ")")
        selector, rest = _selector(tokens)
        if selector.range_s is not None:
            raise BadQuery('invalid expression type "range vector" for range query, must be Scalar or instant Vector')
        return (lambda at: self._counters(selector, at, None)), rest

    def _aggregate(self, tokens: list[str]) -> tuple[Evaluate, list[str]]:
        names: list[str] = []
        if tokens[:1] == ["by"]:
            names, tokens = _names(tokens[1:])
        inner, rest = self._sum(_expect(tokens, "("))
        rest = _expect(rest, ")")
        if rest[:1] == ["by"]:
            names, rest = _names(rest[1:])
        return (lambda at: _sum_by(inner(at), names)), rest

    def _over_range(self, function: str, selector: _Selector) -> Evaluate:
        if selector.range_s is None:
            raise BadQuery(f'expected type range vector in call to function "{function}", got instant vector')
        range_s = selector.range_s
        divisor = range_s if function == "rate" else 1.0
        return lambda at: {k: v / divisor for k, v in self._counters(selector, at, range_s).items()}

    def _counters(self, selector: _Selector, at: datetime, range_s: float | None) -> Vector:
        """Counts up to `at`: all that was ever seen, or the growth over a range."""
        since = at - timedelta(seconds=range_s) if range_s is not None else None
        counts: Counter[Labels] = Counter()
        for row in self.world.requests:
            if row.platform != "fly" or row.at > at or (since is not None and row.at <= since):
                continue
            for labels, amount in self._samples(selector.metric, row):
                if _matches(labels, selector.matchers):
                    counts[tuple(sorted(labels.items()))] += amount
        return dict(counts)

    def _samples(self, metric: str, row: RequestRow) -> list[tuple[dict[str, str], int]]:
        labels = {"app": self.world.ids.fly_gateway_app, "region": row.region, "status": str(row.status)}
        if metric in ("fly_edge_http_responses_count", "fly_app_http_responses_count"):
            return [(labels, 1)]
        if metric == "fly_app_http_response_time_seconds_count":
            return [(labels, 1)]
        if metric == "fly_app_http_response_time_seconds_bucket":
            seconds = row.duration_ms / 1000
            inside = [({**labels, "le": f"{bound:g}"}, int(seconds <= bound)) for bound in BUCKETS_S]
            return [*inside, ({**labels, "le": "+Inf"}, 1)]
        return []


def _split(text: str) -> list[str]:
    tokens, at = [], 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if found is None:
            raise BadQuery(f"parse error: unexpected character: {text[at : at + 1]!r}")
        tokens.append(found[1])
        at = found.end()
    if not tokens:
        raise BadQuery("parse error: no expression found in input")
    return tokens


def _expect(tokens: list[str], wanted: str) -> list[str]:
    if not tokens or tokens[0] != wanted:
        got = tokens[0] if tokens else "end of input"
        raise BadQuery(f'parse error: unexpected "{got}", expected "{wanted}"')
    return tokens[1:]


def _names(tokens: list[str]) -> tuple[list[str], list[str]]:
    tokens = _expect(tokens, "(")
    end = tokens.index(")") if ")" in tokens else len(tokens)
    return [name for name in tokens[:end] if name != ","], _expect(tokens[end:], ")")


def _selector(tokens: list[str]) -> tuple[_Selector, list[str]]:
    if not tokens or not re.fullmatch(r"[a-zA-Z_:][\w:]*", tokens[0]):
        raise BadQuery(f'parse error: unexpected "{tokens[0] if tokens else "end of input"}"')
    metric, rest = tokens[0], tokens[1:]
    matchers: list[tuple[str, str, str]] = []
    if rest[:1] == ["{"]:
        rest = rest[1:]
        while rest and rest[0] != "}":
            if rest[0] == ",":
                rest = rest[1:]
                continue
            if len(rest) < 3 or rest[1] not in ("=", "!=", "=~", "!~") or not rest[2].startswith('"'):
                raise BadQuery("parse error: unexpected label matcher")
            matchers.append((rest[0], rest[1], _pattern(rest[1], rest[2].strip('"'))))
            rest = rest[3:]
        rest = _expect(rest, "}")
    range_s = None
    if rest[:1] == ["["]:
        span = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", rest[1]) if len(rest) > 1 else None
        if span is None:
            raise BadQuery("parse error: bad duration")
        range_s, rest = float(span[1]) * _UNIT_S[span[2]], _expect(rest[2:], "]")
    return _Selector(metric, tuple(matchers), range_s), rest


def _pattern(sign: str, text: str) -> str:
    """A label matcher's text, checked when it is a regular expression."""
    try:
        re.compile(text if "~" in sign else "")
    except re.error as bad:
        raise BadQuery(f"parse error: {bad}") from bad
    return text


def _matches(labels: dict[str, str], matchers: tuple[tuple[str, str, str], ...]) -> bool:
    for name, sign, wanted in matchers:
        got = labels.get(name, "")
        is_equal = re.fullmatch(wanted, got) is not None if "~" in sign else got == wanted
        if is_equal == sign.startswith("!"):
            return False
    return True


def _sum_by(vector: Vector, names: list[str]) -> Vector:
    summed: Vector = {}
    for labels, value in vector.items():
        kept = tuple((name, text) for name, text in labels if name in names)
        summed[kept] = summed.get(kept, 0.0) + value
    return summed


def _binary(left: Evaluate, right: Evaluate, sign: str) -> Evaluate:
    def calculate(a: float, b: float) -> float:
        if sign == "/":
            return a / b if b else math.nan if a == 0 else math.inf
        return {"+": a + b, "-": a - b, "*": a * b}[sign]

    def evaluate(at: datetime) -> Vector:
        one, other = left(at), right(at)
        if len(other) == 1 and () in other:
            return {labels: calculate(value, other[()]) for labels, value in one.items()}
        if len(one) == 1 and () in one:
            return {labels: calculate(one[()], value) for labels, value in other.items()}
        return {labels: calculate(value, other[labels]) for labels, value in one.items() if labels in other}

    return evaluate


def _quantile(share: float, vector: Vector) -> Vector:
    """Prometheus's own interpolation within the bucket that holds the quantile."""
    groups: dict[Labels, list[tuple[float, float]]] = {}
    for labels, value in vector.items():
        bound = next((text for name, text in labels if name == "le"), None)
        if bound is not None:
            rest = tuple(pair for pair in labels if pair[0] != "le")
            groups.setdefault(rest, []).append((math.inf if bound == "+Inf" else float(bound), value))
    return {labels: _interpolate(share, sorted(buckets)) for labels, buckets in groups.items()}


def _interpolate(share: float, buckets: list[tuple[float, float]]) -> float:
    total = buckets[-1][1]
    if total == 0:
        return math.nan
    rank, below, low = share * total, 0.0, 0.0
    for bound, count in buckets:
        if count >= rank:
            if bound == math.inf:
                return low
            return low + (bound - low) * ((rank - below) / (count - below) if count > below else 1.0)
        below, low = count, bound
    return low


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "+Inf" if value == math.inf else f"{value:g}"
