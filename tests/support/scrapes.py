"""Counters as a Prometheus would have scraped them, in OpenMetrics' text with timestamps."""

import math
from collections.abc import Iterable, Mapping

import numpy as np

from runbook_lib.sandbox.facades.prometheus.promql import Counter, Numbers
from runbook_lib.sandbox.facades.prometheus.promql_vectors import Labels

Samples = Iterable[tuple[float, float]]


def scraped(counters: Mapping[Labels, Counter], moments: Numbers) -> dict[Labels, Samples]:
    """The samples of counters at these moments. As Tempo's generator has it, a series begins with a 0 before it first grows."""
    found: dict[Labels, Samples] = {}
    for labels, counter in counters.items():
        values = counter.at(moments)
        first = int(np.argmin(np.isnan(values)))
        values[max(0, first - 1)] = values[first] if first == 0 else 0.0
        pairs = zip(moments.tolist(), values.tolist(), strict=True)
        found[labels] = [(at, value) for at, value in pairs if not math.isnan(value)]
    return found


def openmetrics(metrics: Mapping[str, Mapping[Labels, Samples]]) -> str:
    """The text of metrics by name."""
    lines = []
    for name, rows in metrics.items():
        is_counter = name.endswith("_total")
        lines.append(f"# TYPE {name.removesuffix('_total')} {'counter' if is_counter else 'unknown'}")
        for labels, samples in rows.items():
            inner = ",".join(f"{key}={_quoted(value)}" for key, value in labels)
            lines += [f"{name}{{{inner}}} {value:.17g} {at:.3f}" for at, value in samples]
    return "\n".join([*lines, "# EOF", ""])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
