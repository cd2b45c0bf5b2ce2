"""A TraceQL pipeline run on one trace."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from runbook_lib.sandbox.store.durations import format_go
from runbook_lib.sandbox.store.model import Span, Trace
from runbook_lib.sandbox.store.traceql.check import fields_of, kind_of
from runbook_lib.sandbox.store.traceql.expressions import compare, compiled, runtime_value
from runbook_lib.sandbox.store.traceql.fields import Several
from runbook_lib.sandbox.store.traceql.structure import merged, related
from runbook_lib.sandbox.store.traceql.tree import (
    Aggregate,
    Attribute,
    Coalesce,
    Filter,
    GroupBy,
    Intrinsic,
    Pipeline,
    ScalarFilter,
    Select,
    SpansetOperation,
    Stage,
)


@dataclass(slots=True)
class SpanSet:
    """Spans of one trace that belong together, and what the pipeline computed of them."""

    spans: list[Span]
    attributes: list[tuple[str, Any]] = field(default_factory=list)


_REDUCERS: dict[str, Callable[[list[Any]], Any]] = {
    "avg": lambda numbers: sum(numbers) / len(numbers),
    "min": min,
    "max": max,
    "sum": sum,
}

Run = Callable[[Trace, list[SpanSet]], list[SpanSet]]
Pick = Callable[[Trace, list[Span]], list[Span]]


def runner(pipeline: Pipeline) -> Callable[[Trace], list[SpanSet]]:
    """A function that gives the spansets which the pipeline leaves of a trace; an empty list: no match."""
    run = _stages(pipeline.stages)
    return lambda trace: run(trace, [SpanSet(list(trace.spans))])


def mentioned(pipeline: Pipeline) -> list[Attribute | Intrinsic]:
    """The fields that the pipeline asks about or selects: Tempo adds these, and no others, to the spans of a reply."""
    found: dict[Attribute | Intrinsic, None] = {}
    for stage in pipeline.stages:
        for one in _fields_of_stage(stage):
            found.setdefault(one)
    return list(found)


def single(value: Any) -> Any:
    """A field's value as replies show it: of several events' or links' values the first."""
    return (value[0] if value else None) if type(value) is Several else value


def _stages(stages: tuple[Stage, ...]) -> Run:
    runs = [_stage(stage) for stage in stages]

    def run(trace: Trace, sets: list[SpanSet]) -> list[SpanSet]:
        for one in runs:
            sets = one(trace, sets)
            if not sets:
                break
        return sets

    return run


def _stage(stage: Stage) -> Run:
    if isinstance(stage, ScalarFilter):
        return _scalar_filter(stage)
    if isinstance(stage, GroupBy):
        return _group_by(stage)
    if isinstance(stage, Coalesce):
        return lambda _trace, sets: [SpanSet(merged((s for one in sets for s in one.spans), ()))]
    if isinstance(stage, Select):
        return lambda _trace, sets: sets
    pick = _spanset(stage)

    def filtered(trace: Trace, sets: list[SpanSet]) -> list[SpanSet]:
        picked = ((one, pick(trace, one.spans)) for one in sets)
        return [SpanSet(spans, one.attributes) for one, spans in picked if spans]

    return filtered


def _spanset(stage: Stage) -> Pick:
    if isinstance(stage, Filter):
        test = compiled(stage.expression)
        return lambda trace, spans: [span for span in spans if test(span, trace) is True]
    if isinstance(stage, SpansetOperation):
        return _operation(stage)
    run = _stage(stage) if not isinstance(stage, Pipeline) else _stages(stage.stages)

    def picked(trace: Trace, spans: list[Span]) -> list[Span]:
        return merged((span for one in run(trace, [SpanSet(spans)]) for span in one.spans), ())

    return picked


def _operation(stage: SpansetOperation) -> Pick:
    left, right = _spanset(stage.left), _spanset(stage.right)

    def picked(trace: Trace, spans: list[Span]) -> list[Span]:
        first, second = left(trace, spans), right(trace, spans)
        if stage.operator == "||":
            return merged(first, second)
        if stage.operator == "&&":
            return merged(first, second) if first and second else []
        return related(trace, stage.operator, first, second, negated=stage.negated, union=stage.union)

    return picked


def _scalar_filter(stage: ScalarFilter) -> Run:
    aggregate = _aggregate(stage.aggregate)
    label, limit = str(stage.aggregate), runtime_value(stage.literal)
    argument = stage.aggregate.argument
    timed = argument is not None and kind_of(argument) == "duration"

    def run(trace: Trace, sets: list[SpanSet]) -> list[SpanSet]:
        kept = []
        for one in sets:
            value = aggregate(trace, one.spans)
            if value is not None and compare(stage.operator, value, limit):
                shown = format_go(round(value)) if timed else value
                kept.append(SpanSet(one.spans, [*one.attributes, (label, shown)]))
        return kept

    return run


def _aggregate(aggregate: Aggregate) -> Callable[[Trace, list[Span]], Any]:
    if aggregate.argument is None:
        return lambda _trace, spans: len(spans)
    value = compiled(aggregate.argument)
    reduce = _REDUCERS[aggregate.name]

    def compute(trace: Trace, spans: list[Span]) -> Any:
        numbers = [v for s in spans if type(v := single(value(s, trace))) in (int, float)]
        return reduce(numbers) if numbers else None

    return compute


def _group_by(stage: GroupBy) -> Run:
    value = compiled(stage.expression)
    label = f"by({stage.expression})"

    def run(trace: Trace, sets: list[SpanSet]) -> list[SpanSet]:
        found: list[SpanSet] = []
        for one in sets:
            groups: dict[tuple[type, str], tuple[Any, list[Span]]] = {}
            for span in one.spans:
                shown = single(value(span, trace))
                groups.setdefault((type(shown), str(shown)), (shown, []))[1].append(span)
            found.extend(SpanSet(spans, [*one.attributes, (label, shown)]) for shown, spans in groups.values())
        return found

    return run


def _fields_of_stage(stage: Stage) -> list[Attribute | Intrinsic]:
    if isinstance(stage, Filter | GroupBy):
        return fields_of(stage.expression)
    if isinstance(stage, SpansetOperation):
        return [*_fields_of_stage(stage.left), *_fields_of_stage(stage.right)]
    if isinstance(stage, Pipeline):
        return [one for part in stage.stages for one in _fields_of_stage(part)]
    if isinstance(stage, Select):
        return list(stage.fields)
    if isinstance(stage, ScalarFilter) and stage.aggregate.argument is not None:
        return fields_of(stage.aggregate.argument)
    return []
