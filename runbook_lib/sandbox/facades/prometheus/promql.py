"""The part of PromQL that dashboards and burn-rate alerts use, over counters and gauges that a façade provides.

Understood: selectors with `=`, `!=`, `=~`, `!~`, and `offset`; `rate`, `increase`, `resets` over a range; `sum` and `sum by (…)`;
`histogram_quantile`; numbers; `+ - * /`, comparisons, `and`, `or`, `unless` between them, with `on` and `ignoring`. Anything else
is the 400 `bad_data` that Prometheus answers. Counters are seen at every moment, as if scraped without pause: `increase` guesses
nothing.
A whole range is evaluated at once: a value is an array over the moments asked for, NaN where there is none.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from runbook_lib.sandbox.facades.prometheus.promql_vectors import (
    COMPARE,
    NAME,
    BadQuery,
    Compiled,
    Labels,
    Matching,
    Numbers,
    Unanswerable,
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
_OVER_RANGE = ("rate", "increase", "resets")


__all__ = ["BadQuery", "Counter", "Engine", "Selector", "Unanswerable", "counter_of", "matches", "number_text"]


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
    """One metric and what its labels must be; a range where one stands behind it; from how long ago."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]
    range_s: float | None
    offset_s: float = 0.0


class Engine:
    """Answers queries from a façade's counters and gauges."""

    def __init__(self, metrics: Metrics, gauges: Gauges | None = None) -> None:
        self._metrics = metrics
        self._gauges = gauges or (lambda _name, _moments: {})

    def query(self, text: str, at: datetime) -> list[dict[str, Any]]:
        """An instant vector as Prometheus's `result`; NaN is the value of a number, and of a vector that it has none."""
        moments, is_number = np.array([at.timestamp()]), self.compile(text).is_scalar
        return [
            {"metric": dict(labels), "value": [at.timestamp(), number_text(float(values[0]))]}
            for labels, values in sorted(self.evaluate(text, moments).items())
            if is_number or not math.isnan(values[0])
        ]

    def scalar(self, text: str, at: datetime) -> str | None:
        """What an expression that is a number comes to; None for one that is a vector."""
        compiled = self.compile(text)
        if not compiled.is_scalar:
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            return number_text(float(compiled.evaluate(np.array([at.timestamp()]))[()][0]))

    def query_range(self, text: str, start: datetime, end: datetime, step_s: float) -> list[dict[str, Any]]:
        """A matrix as Prometheus's `result`. Raises BadQuery for a step of nothing or more than 11,000 points."""
        if step_s <= 0:
            raise BadQuery(
                'invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer'
            )
        if (end - start).total_seconds() / step_s > _MOST_POINTS:
            raise BadQuery(
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"
            )
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
                for labels, values in self.compile(text).evaluate(moments).items()
            }

    @staticmethod
    def selector(text: str) -> "Selector":
        """A text that is one selector without a range. Raises BadQuery."""
        selector, rest = _selector(_split(text))
        if rest or selector.range_s is not None:
            raise BadQuery(f'invalid parameter "match[]": {text}')
        return selector

    def compile(self, text: str) -> Compiled:
        """A query ready to be evaluated. Raises BadQuery."""
        try:
            compiled, rest = self._either(_split(text))
            if rest:
                raise BadQuery(f'parse error: unexpected "{rest[0]}"')
        except BadQuery as bad:
            raise BadQuery(f'invalid parameter "query": {bad}') from bad
        return compiled

    def _either(self, tokens: list[str]) -> tuple[Compiled, list[str]]:
        return self._chain(tokens, ("or",), self._both, set_operation)

    def _both(self, tokens: list[str]) -> tuple[Compiled, list[str]]:
        return self._chain(tokens, ("and", "unless"), self._compared, set_operation)

    def _compared(self, tokens: list[str]) -> tuple[Compiled, list[str]]:
        return self._chain(tokens, tuple(COMPARE), self._sum, comparison)

    def _sum(self, tokens: list[str]) -> tuple[Compiled, list[str]]:
        return self._chain(tokens, ("+", "-"), self._product, arithmetic)

    def _product(self, tokens: list[str]) -> tuple[Compiled, list[str]]:
        return self._chain(tokens, ("*", "/"), self._one, arithmetic)

    def _chain(
        self,
        tokens: list[str],
        signs: Sequence[str],
        operand: Callable[[list[str]], tuple[Compiled, list[str]]],
        combine: Callable[[Compiled, Compiled, str, Matching], Compiled],
    ) -> tuple[Compiled, list[str]]:
        """Operands between signs of one precedence, from the left."""
        left, rest = operand(tokens)
        while rest and rest[0] in signs:
            sign, (matching, rest) = rest[0], _matching(rest[1:])
            right, rest = operand(rest)
            left = combine(left, right, sign, matching)
        return left, rest

    def _one(self, tokens: list[str]) -> tuple[Compiled, list[str]]:
        if not tokens:
            raise BadQuery("parse error: unexpected end of input")
        head, rest = tokens[0], tokens[1:]
        if re.fullmatch(r"\d+(\.\d+)?", head):
            number = float(head)
            return Compiled(lambda moments: {(): np.full(moments.shape, number)}, is_scalar=True), rest
        if head == "(":
            inner, rest = self._either(rest)
            return inner, _expect(rest, ")")
        if head == "sum":
            return self._aggregate(rest)
        if head in _OVER_RANGE:
            selector, rest = _selector(_expect(rest, "("))
            return self._over_range(head, selector), _expect(rest, ")")
        if head == "histogram_quantile":
            rest = _expect(rest, "(")
            if not rest or not re.fullmatch(r"\d+(\.\d+)?", rest[0]):
                raise BadQuery("parse error: histogram_quantile expects a number first")
            share, rest = float(rest[0]), _expect(rest[1:], ",")
            inner, rest = self._either(rest)
            return Compiled(lambda moments: quantile_of(share, inner.evaluate(moments))), _expect(rest, ")")
        selector, rest = _selector(tokens)
        if selector.range_s is not None:
            raise BadQuery('invalid expression type "range vector" for range query, must be Scalar or instant Vector')
        return Compiled(lambda moments: self._instant(selector, moments)), rest

    def _aggregate(self, tokens: list[str]) -> tuple[Compiled, list[str]]:
        names: list[str] = []
        if tokens[:1] == ["by"]:
            names, tokens = _names(tokens[1:])
        inner, rest = self._either(_expect(tokens, "("))
        rest = _expect(rest, ")")
        if rest[:1] == ["by"]:
            names, rest = _names(rest[1:])
        return Compiled(lambda moments: sum_by(inner.evaluate(moments), names)), rest

    def _over_range(self, function: str, selector: Selector) -> Compiled:
        if selector.range_s is None:
            raise BadQuery(
                f'parse error: expected type range vector in call to function "{function}", got instant vector'
            )
        range_s = selector.range_s
        factor = {"rate": 1 / range_s, "increase": 1.0, "resets": 0.0}[function]  # these counters never begin anew
        return Compiled(
            lambda moments: {
                labels: counter.growth(moments - selector.offset_s, range_s) * factor
                for labels, counter in self._counters(selector).items()
            }
        )

    def _counters(self, selector: Selector) -> dict[Labels, Counter]:
        found = self._metrics(selector.metric)
        return {labels: counter for labels, counter in found.items() if matches(dict(labels), selector.matchers)}

    def _instant(self, selector: Selector, moments: Numbers) -> Vector:
        then = moments - selector.offset_s
        gauges = self._gauges(selector.metric, then)
        kept = {labels: values for labels, values in gauges.items() if matches(dict(labels), selector.matchers)}
        named = (NAME, selector.metric)
        return {**{(named, *labels): each.at(then) for labels, each in self._counters(selector).items()}, **kept}


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
        range_s, rest = _duration_s(rest[1:])
        rest = _expect(rest, "]")
    offset_s = 0.0
    if rest[:1] == ["offset"]:
        offset_s, rest = _duration_s(rest[1:])
    return Selector(metric, tuple(matchers), range_s, offset_s), rest


def _duration_s(tokens: list[str]) -> tuple[float, list[str]]:
    span = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", tokens[0]) if tokens else None
    if span is None:
        raise BadQuery("parse error: bad duration")
    return float(span[1]) * _UNIT_S[span[2]], tokens[1:]


def _matching(tokens: list[str]) -> tuple[Matching, list[str]]:
    """What stands between an operator and its right side."""
    if tokens[:1] not in (["on"], ["ignoring"]):
        return Matching(), tokens
    names, rest = _names(tokens[1:])
    return Matching(tuple(names), tokens[0] == "on"), rest


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


def number_text(value: float) -> str:
    """A number as Prometheus writes it."""
    if math.isnan(value):
        return "NaN"
    return (
        "+Inf" if value == math.inf else "-Inf" if value == -math.inf else np.format_float_positional(value, trim="-")
    )
