"""TraceQL as far as the runbook asks it: `parse` a query, run it on a trace with `runner`, or over time with `metrics`.

`{ field op value && (… || …) }`, several of them joined by `&&` or `||`, then `select(…)`, or `count_over_time()` or
`histogram_over_time(duration)` with `by (…)`. The rest of the language is refused with a parse error that says so, never ignored.
Language: grafana.com/docs/tempo, "Construct a TraceQL query" and "TraceQL metrics functions".
"""

from runbook_lib.sandbox.store.traceql.evaluate import mentioned_fields, runner
from runbook_lib.sandbox.store.traceql.fields import getter, root_name, root_service
from runbook_lib.sandbox.store.traceql.parser import parse
from runbook_lib.sandbox.store.traceql.tree import Attribute, Intrinsic, Metric, Query, TraceqlError

__all__ = [
    "Attribute",
    "Intrinsic",
    "Metric",
    "Query",
    "TraceqlError",
    "getter",
    "mentioned_fields",
    "parse",
    "root_name",
    "root_service",
    "runner",
]
