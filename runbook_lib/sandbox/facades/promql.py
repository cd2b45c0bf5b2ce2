"""The part of PromQL that dashboards and burn-rate alerts use, over counters and gauges that a façade provides.

Understood: selectors with `=`, `!=`, `=~`, `!~`; `rate` and `increase` over a range; `sum` and `sum by (…)`; `histogram_quantile`;
numbers; `+ - * /`, comparisons, `and`, `or`, `unless` between them. Anything else is the 400 `bad_data` that Prometheus answers.
A whole range is evaluated at once: a value is an array over the moments asked for, NaN where there is none.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from runbook_lib.sandbox.facades.promql_vectors import (
    COMPARE,
    Evaluate,
    Labels,
    Numbers,
    Vector,
    arithmetic,
    comparison,
    quantile_of,
    set_operation,
    sum_by,
)

_TOKEN = re.compile(
    r'\s*([a-zA-Z_:][\w:]*|\d+(?:\.\d+)?(?:[smhd])?|=~|!~|!=|==|>=|<=|"(?:[^"\\]|\\.)*"|[{}()\[\],=+\-*/<>])'
)
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MOST_POINTS = 11_000
_SETS = ("and", "or", "unless")


class BadQuery(ValueError):
    """A query that cannot be read, in Prometheus's words."""


@dataclass(frozen=True)
class Counter:
    """A counter's growth: at which moments (epoch seconds, in order) it grew by how much."""

    times: Numbers
    amounts: Numbers

    def at(self, moments: Numbers) -> Numbers:
        """Its value: NaN before it first grew."""
        run = np.concatenate(([np.nan], np.cumsum(self.amounts)))
        return run[np.searchsorted(self.times, moments, side="right")]

    def growth(self, moments: Numbers, range_s: float) -> Numbers:
        """By how much it grew within the range before each moment; NaN before it first grew."""
        run = np.concatenate(([0.0], np.cumsum(self.amounts)))
        last = np.searchsorted(self.times, moments, side="right")
        first = np.searchsorted(self.times, moments - range_s, side="right")
        return np.where(last > 0, run[last] - run[first], np.nan)


Metrics = Callable[[str], Mapping[Labels, Counter]]  # the counters of a metric, by labels
Gauges = Callable[[str, Numbers], Vector]  # the gauges of a metric over the moments


def counter_of(pairs: Sequence[tuple[float, float]]) -> Counter:
    """A counter from (moment, amount) in any order."""
    ordered = sorted(pairs)
    return Counter(np.array([time for time, _ in ordered]), np.array([amount for _, amount in ordered]))


@dataclass(frozen=True)
class Selector:
    """One metric and what its labels must be; a range where one stands behind it."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]
    range_s: float | None


class Engine:
    """Answers queries from a façade's counters and gauges."""

    def __init__(self, metrics: Metrics, gauges: Gauges | None = None) -> None:
        self._metrics = metrics
        self._gauges = gauges or (lambda _name, _moments: {})

    def query(self, text: str, at: datetime) -> list[dict[str, Any]]:
        """An instant vector as Prometheus's `result`."""
        moments = np.array([at.timestamp()])
        return [
            {"metric": dict(labels), "value": [at.timestamp(), number_text(float(values[0]))]}
            for labels, values in sorted(self.evaluate(text, moments).items())
            if _is_scalar(text) or not math.isnan(values[0])
        ]

    def query_range(self, text: str, start: datetime, end: datetime, step_s: float) -> list[dict[str, Any]]:
        """A matrix as Prometheus's `result`. Raises BadQuery for a step of nothing or more than 11,000 points."""
        if step_s <= 0 or (end - start).total_seconds() / step_s > _MOST_POINTS:
            raise BadQuery("exceeded maximum resolution of 11,000 points per timeseries")
        moments = np.arange(start.timestamp(), end.timestamp() + step_s / 1e6, step_s)
        found = []
        for labels, values in sorted(self.evaluate(text, moments).items()):
            kept = [
                [moment, number_text(value)]
                for moment, value in zip(moments.tolist(), values.tolist(), strict=True)
                if not math.isnan(value)
            ]
            if kept:
                found.append({"metric": dict(labels), "values": kept})
        return found

    def evaluate(self, text: str, moments: Numbers) -> Vector:
        """The vector over the moments. Raises BadQuery."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return {
                labels: np.broadcast_to(np.asarray(values, dtype=float), moments.shape)
                for labels, values in self.compiled(text)(moments).items()
            }

    @staticmethod
    def selector(text: str) -> "Selector":
        """A text that is one selector without a range. Raises BadQuery."""
        selector, rest = _selector(_split(text))
        if rest or selector.range_s is not None:
            raise BadQuery(f'invalid parameter "match[]": {text}')
        return selector

    def compiled(self, text: str) -> Evaluate:
        """A query ready to be evaluated. Raises BadQuery."""
        evaluate, rest = self._either(_split(text))
        if rest:
            raise BadQuery(f'parse error: unexpected "{rest[0]}"')
        return evaluate

    def _either(self, tokens: list[str]) -> tuple[Evaluate, list[str]]:
        return self._chain(tokens, ("or",), self._both, set_operation)

    def _both(self, tokens: list[str]) -> tuple[Evaluate, list[str]]:
        return self._chain(tokens, ("and", "unless"), self._compared, set_operation)

    def _compared(self, tokens: list[str]) -> tuple[Evaluate, list[str]]:
        return self._chain(tokens, tuple(COMPARE), self._sum, comparison)

    def _sum(self, tokens: list[str]) -> tuple[Evaluate, list[str]]:
        return self._chain(tokens, ("+", "-"), self._product, arithmetic)

    def _product(self, tokens: list[str]) -> tuple[Evaluate, list[str]]:
        return self._chain(tokens, ("*", "/"), self._one, arithmetic)

    def _chain(
        self,
        tokens: list[str],
        signs: Sequence[str],
        operand: Callable[[list[str]], tuple[Evaluate, list[str]]],
        combine: Callable[[Evaluate, Evaluate, str], Evaluate],
    ) -> tuple[Evaluate, list[str]]:
        """Operands between signs of one precedence, from the left."""
        left, rest = operand(tokens)
        while rest and rest[0] in signs:
            sign = rest[0]
            right, rest = operand(rest[1:])
            left = combine(left, right, sign)
        return left, rest

    def _one(self, tokens: list[str]) -> tuple[Evaluate, list[str]]:
        if not tokens:
            raise BadQuery("parse error: unexpected end of input")
        head, rest = tokens[0], tokens[1:]
        if re.fullmatch(r"\d+(\.\d+)?", head):
            number = float(head)
            return lambda moments: {(): np.full(moments.shape, number)}, rest
        if head == "(":
            inner, rest = self._either(rest)
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
            inner, rest = self._either(rest)
            return (lambda moments: quantile_of(share, inner(moments))), _expect(rest, ")")
        selector, rest = _selector(tokens)
        if selector.range_s is not None:
            raise BadQuery('invalid expression type "range vector" for range query, must be Scalar or instant Vector')
        return (lambda moments: self._instant(selector, moments)), rest

    def _aggregate(self, tokens: list[str]) -> tuple[Evaluate, list[str]]:
        names: list[str] = []
        if tokens[:1] == ["by"]:
            names, tokens = _names(tokens[1:])
        inner, rest = self._either(_expect(tokens, "("))
        rest = _expect(rest, ")")
        if rest[:1] == ["by"]:
            names, rest = _names(rest[1:])
        return (lambda moments: sum_by(inner(moments), names)), rest

    def _over_range(self, function: str, selector: Selector) -> Evaluate:
        if selector.range_s is None:
            raise BadQuery(f'expected type range vector in call to function "{function}", got instant vector')
        range_s = selector.range_s
        divisor = range_s if function == "rate" else 1.0
        return lambda moments: {
            labels: counter.growth(moments, range_s) / divisor for labels, counter in self._counters(selector).items()
        }

    def _counters(self, selector: Selector) -> dict[Labels, Counter]:
        found = self._metrics(selector.metric)
        return {labels: counter for labels, counter in found.items() if matches(dict(labels), selector.matchers)}

    def _instant(self, selector: Selector, moments: Numbers) -> Vector:
        gauges = self._gauges(selector.metric, moments)
        kept = {labels: values for labels, values in gauges.items() if matches(dict(labels), selector.matchers)}
        return {**{labels: each.at(moments) for labels, each in self._counters(selector).items()}, **kept}


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


def _selector(tokens: list[str]) -> tuple[Selector, list[str]]:
    if not tokens or not re.fullmatch(r"[a-zA-Z_:][\w:]*", tokens[0]) or tokens[0] in _SETS:
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
            matchers.append(
                (rest[0], rest[1], _pattern(rest[1], rest[2][1:-1].replace('\\"', '"').replace("\\\\", "\\")))
            )
            rest = rest[3:]
        rest = _expect(rest, "}")
    range_s = None
    if rest[:1] == ["["]:
        span = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", rest[1]) if len(rest) > 1 else None
        if span is None:
            raise BadQuery("parse error: bad duration")
        range_s, rest = float(span[1]) * _UNIT_S[span[2]], _expect(rest[2:], "]")
    return Selector(metric, tuple(matchers), range_s), rest


def _pattern(sign: str, text: str) -> str:
    """A label matcher's text, checked when it is a regular expression."""
    try:
        re.compile(text if "~" in sign else "")
    except re.error as bad:
        raise BadQuery(f"parse error: {bad}") from bad
    return text


def matches(labels: Mapping[str, str], matchers: Sequence[tuple[str, str, str]]) -> bool:
    """Whether labels satisfy every (name, sign, text); a label that is not there is empty."""
    for name, sign, wanted in matchers:
        got = labels.get(name, "")
        is_equal = re.fullmatch(wanted, got) is not None if "~" in sign else got == wanted
        if is_equal == sign.startswith("!"):
            return False
    return True


def _is_scalar(text: str) -> bool:
    """Whether a query is arithmetic alone: then NaN is its value, and otherwise that there is none."""
    return not re.search(r"[a-zA-Z_]", text)


def number_text(value: float) -> str:
    """A number as Prometheus writes it."""
    if math.isnan(value):
        return "NaN"
    return "+Inf" if value == math.inf else "-Inf" if value == -math.inf else f"{value:.10g}"
