"""TraceQL as far as clients use it: `parse` a query, run it on a trace with `runner`, or over time with `metrics`.

Language: grafana.com/docs/tempo, "Construct a TraceQL query" and "TraceQL metrics functions". Left out: `parent.` attributes,
comparisons between two aggregates, `compare()`, and arithmetic between metrics queries; they are refused, never ignored.
"""

from runbook_lib.sandbox.store.traceql.evaluate import SpanSet, mentioned, runner, single
from runbook_lib.sandbox.store.traceql.fields import getter, root_name, root_service
from runbook_lib.sandbox.store.traceql.parser import parse
from runbook_lib.sandbox.store.traceql.tree import Attribute, Intrinsic, Metric, Query, TraceqlError

__all__ = [
    "Attribute",
    "Intrinsic",
    "Metric",
    "Query",
    "SpanSet",
    "TraceqlError",
    "getter",
    "mentioned",
    "parse",
    "root_name",
    "root_service",
    "runner",
    "single",
]
