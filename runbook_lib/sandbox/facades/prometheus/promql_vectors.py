"""What PromQL does with vectors: sums, arithmetic, comparisons, set operations, quantiles; each over many moments at once.

A value is an array over the moments, NaN where there is none.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Labels = tuple[tuple[str, str], ...]
Numbers = Any  # an array of floats over the moments
Vector = dict[Labels, Numbers]
Evaluate = Callable[[Numbers], Vector]
NAME = "__name__"
COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    ">": np.greater,
    ">=": np.greater_equal,
    "<": np.less,
    "<=": np.less_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
_CALCULATE: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}


def sum_by(vector: Vector, names: Sequence[str]) -> Vector:
    """The sums of the vectors whose labels of these names are equal; NaN only where all of them are."""
    groups: dict[Labels, list[Numbers]] = {}
    for labels, values in vector.items():
        groups.setdefault(tuple(pair for pair in labels if pair[0] in names), []).append(values)
    return {labels: _sum_of(rows) for labels, rows in groups.items()}


def _sum_of(rows: Sequence[Numbers]) -> Numbers:
    """Their sum; NaN only where all of them are."""
    stacked = np.vstack(rows)
    return np.where(np.isnan(stacked).all(axis=0), np.nan, np.nansum(stacked, axis=0))


class BadQuery(ValueError):
    """A query that cannot be read, in Prometheus's words."""


class Unanswerable(BadQuery):
    """A query that can be read, and fails when it is evaluated."""


@dataclass(frozen=True)
class Compiled:
    """An expression ready to be evaluated, and whether it is a number instead of a vector."""

    evaluate: Evaluate
    is_scalar: bool = False


@dataclass(frozen=True)
class Matching:
    """By which labels the series of two vectors belong together: all but some, or only those behind `on`; never by the name."""

    names: tuple[str, ...] = ()
    is_on: bool = False

    def key(self, labels: Labels) -> Labels:
        """What must be equal."""
        if self.is_on:
            return tuple(pair for pair in labels if pair[0] in self.names)
        return tuple(pair for pair in labels if pair[0] not in self.names and pair[0] != NAME)

    def kept_labels(self, labels: Labels) -> Labels:
        """The labels of a series that a comparison lets through."""
        return self.key(labels) if self.is_on else tuple(pair for pair in labels if pair[0] not in self.names)

    def groups(self, vector: Vector) -> dict[Labels, list[Numbers]]:
        """The values of a vector by what must be equal."""
        found: dict[Labels, list[Numbers]] = {}
        for labels, values in vector.items():
            found.setdefault(self.key(labels), []).append(values)
        return found


def _single(vector: Vector, matching: Matching, side: str) -> dict[Labels, Numbers]:
    """The one value of each group. Raises Unanswerable where there are two at once."""
    found = {}
    for key, rows in matching.groups(vector).items():
        stacked = np.vstack(rows)
        if (np.sum(~np.isnan(stacked), axis=0) > 1).any():
            text = ", ".join(f'{name}="{value}"' for name, value in key)
            if side == "left":
                raise Unanswerable(
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                )
            raise Unanswerable(
                f"found duplicate series for the match group {{{text}}} on the right hand-side of the operation: […]"
                ";many-to-many matching not allowed: matching labels must be unique on one side"
            )
        found[key] = _sum_of(rows)
    return found


def arithmetic(left: Compiled, right: Compiled, sign: str, matching: Matching) -> Compiled:
    """`+ - * /` between numbers and vectors."""
    operation = _CALCULATE[sign]

    def evaluate(moments: Numbers) -> Vector:
        one, other = left.evaluate(moments), right.evaluate(moments)
        if right.is_scalar:
            return {_unnamed(labels): operation(values, other[()]) for labels, values in one.items()}
        if left.is_scalar:
            return {_unnamed(labels): operation(one[()], values) for labels, values in other.items()}
        theirs, mine = _single(other, matching, "right"), _single(one, matching, "left")
        return {key: operation(values, theirs[key]) for key, values in mine.items() if key in theirs}

    return Compiled(evaluate, left.is_scalar and right.is_scalar)


def comparison(left: Compiled, right: Compiled, sign: str, matching: Matching) -> Compiled:
    """The vector where it compares so, the left one of two; nothing elsewhere. Raises BadQuery for two numbers."""
    operation = COMPARE[sign]
    if left.is_scalar and right.is_scalar:
        raise BadQuery("parse error: comparisons between scalars must use BOOL modifier")

    def evaluate(moments: Numbers) -> Vector:
        one, other = left.evaluate(moments), right.evaluate(moments)
        if right.is_scalar:
            return {labels: np.where(operation(values, other[()]), values, np.nan) for labels, values in one.items()}
        if left.is_scalar:
            return {labels: np.where(operation(one[()], values), values, np.nan) for labels, values in other.items()}
        theirs = _single(other, matching, "right")
        _single(one, matching, "left")
        return {
            matching.kept_labels(labels): np.where(operation(values, theirs[matching.key(labels)]), values, np.nan)
            for labels, values in one.items()
            if matching.key(labels) in theirs
        }

    return Compiled(evaluate)


def set_operation(left: Compiled, right: Compiled, sign: str, matching: Matching) -> Compiled:
    """`and`, `or`, `unless`: what is kept of two vectors, moment by moment. Raises BadQuery for a number."""
    if left.is_scalar or right.is_scalar:
        raise BadQuery(f'parse error: set operator "{sign}" not allowed in binary scalar expression')

    def is_there(vector: Vector, labels: Labels, moments: Numbers) -> Numbers:
        rows = matching.groups(vector).get(matching.key(labels))
        return np.zeros(moments.shape, dtype=bool) if rows is None else (~np.isnan(np.vstack(rows))).any(axis=0)

    def evaluate(moments: Numbers) -> Vector:
        one, other = left.evaluate(moments), right.evaluate(moments)
        if sign != "or":
            return {
                labels: np.where(is_there(other, labels, moments) == (sign == "and"), values, np.nan)
                for labels, values in one.items()
            }
        found = dict(one)
        for labels, values in other.items():
            added = np.where(is_there(one, labels, moments), np.nan, values)
            found[labels] = _sum_of([found[labels], added]) if labels in found else added
        return found

    return Compiled(evaluate)


def _unnamed(labels: Labels) -> Labels:
    return tuple(pair for pair in labels if pair[0] != NAME)


def quantile_of(share: float, vector: Vector) -> Vector:
    """Prometheus's own interpolation within the bucket that holds the quantile."""
    groups: dict[Labels, list[tuple[float, Numbers]]] = {}
    for labels, values in vector.items():
        bound = next((text for name, text in labels if name == "le"), None)
        if bound is not None:
            rest = tuple(pair for pair in labels if pair[0] != "le")
            groups.setdefault(rest, []).append((math.inf if bound == "+Inf" else float(bound), values))
    return {labels: _interpolated(share, sorted(rows, key=lambda row: row[0])) for labels, rows in groups.items()}


def _interpolated(share: float, rows: Sequence[tuple[float, Numbers]]) -> Numbers:
    bounds, counts = [bound for bound, _ in rows], np.vstack([values for _, values in rows])
    result = np.full(counts.shape[1], np.nan)
    for at in range(counts.shape[1]):
        column = counts[:, at]
        if not np.isnan(column).all() and column[-1] > 0:
            result[at] = _interpolate(share, list(zip(bounds, np.nan_to_num(column).tolist(), strict=True)))
    return result


def _interpolate(share: float, buckets: Sequence[tuple[float, float]]) -> float:
    rank, below, low = share * buckets[-1][1], 0.0, 0.0
    for bound, count in buckets:
        if count >= rank:
            if bound == math.inf:
                return low
            return low + (bound - low) * ((rank - below) / (count - below) if count > below else 1.0)
        below, low = count, bound
    return low
