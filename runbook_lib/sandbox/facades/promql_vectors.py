"""What PromQL does with vectors: sums, arithmetic, comparisons, set operations, quantiles; each over many moments at once.

A value is an array over the moments, NaN where there is none.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Labels = tuple[tuple[str, str], ...]
Numbers = Any  # an array of floats over the moments
Vector = dict[Labels, Numbers]
Evaluate = Callable[[Numbers], Vector]
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


def _paired(one: Vector, other: Vector) -> list[tuple[Labels, Numbers, Numbers]]:
    """What is calculated with what: equal labels, or everything with the one that has none."""
    if len(other) == 1 and () in other:
        return [(labels, values, other[()]) for labels, values in one.items()]
    if len(one) == 1 and () in one:
        return [(labels, one[()], values) for labels, values in other.items()]
    return [(labels, values, other[labels]) for labels, values in one.items() if labels in other]


def arithmetic(left: Evaluate, right: Evaluate, sign: str) -> Evaluate:
    """`+ - * /` between two vectors."""
    operation = _CALCULATE[sign]
    return lambda moments: {
        labels: operation(one, other) for labels, one, other in _paired(left(moments), right(moments))
    }


def comparison(left: Evaluate, right: Evaluate, sign: str) -> Evaluate:
    """The left vector where it compares so; nothing elsewhere."""
    operation = COMPARE[sign]
    return lambda moments: {
        labels: np.where(operation(one, other), one, np.nan)
        for labels, one, other in _paired(left(moments), right(moments))
    }


def set_operation(left: Evaluate, right: Evaluate, sign: str) -> Evaluate:
    """`and`, `or`, `unless`: what is kept of the left vector, moment by moment."""

    def evaluate(moments: Numbers) -> Vector:
        one, other = left(moments), right(moments)
        nothing = np.full(moments.shape, np.nan)
        if sign == "or":
            every = {**other, **one}
            return {
                labels: np.where(
                    np.isnan(one.get(labels, nothing)), other.get(labels, nothing), one.get(labels, nothing)
                )
                for labels in every
            }
        kept = {}
        for labels, values in one.items():
            is_there = ~np.isnan(other.get(labels, nothing))
            kept[labels] = np.where(is_there if sign == "and" else ~is_there, values, np.nan)
        return kept

    return evaluate


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
