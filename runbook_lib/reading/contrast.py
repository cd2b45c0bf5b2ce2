"""A window of requests instead of one: which failed, what separates them from the healthy ones, and where the blame lies.

Attribute by attribute: how often a value occurs among the failing and among the healthy traces. The lift is the difference
of the two shares; a value that every failing trace has and no healthy one has scores 1. Blame is counted by root failure,
never by error spans, so that one broken database does not show up as three broken services.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from runbook_lib.core.model import Json
from runbook_lib.core.records.traces import Span
from runbook_lib.reading.parts import callee_of, parts_of
from runbook_lib.reading.root import Failure, Fate, find_failures
from runbook_lib.reading.spans import Trace, first, http_status

_MEANINGS = ("route", "http_method", "http_status", "provider", "model", "db_table", "db_code", "org")
_PLAIN = (
    "vercel.deployment_id",
    "vercel.edge_region",
    "service.version",
    "deployment.id",
    "cloud.region",
    "host.name",
    "nexuscore.plan",
    "gen_ai.request.stream",
    "user_agent.original",
)
_MOST_VALUES = 200  # an attribute with more values is an id, not a trait


@dataclass(frozen=True)
class JudgedTrace:
    """A trace, whether it failed, and its root failures (empty for a healthy one)."""

    trace: Trace
    failed: bool
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class Trait:
    """How an attribute's value is spread over failing and healthy traces."""

    attribute: str
    value: str
    failing: int
    healthy: int
    failing_total: int
    healthy_total: int

    @property
    def lift(self) -> float:
        """Share among the failing minus share among the healthy, from -1 to 1."""
        return self.failing / max(1, self.failing_total) - self.healthy / max(1, self.healthy_total)

    def as_row(self) -> dict[str, Json]:
        """For the display."""
        return {**self.__dict__, "lift": round(self.lift, 3)}


@dataclass(frozen=True)
class Blame:
    """One service and operation: its root failures and median latency, in the window and in the baseline before it."""

    part: str
    operation: str
    failures: int
    calls: int
    baseline_failures: int
    baseline_calls: int
    median_ms: float
    baseline_median_ms: float | None

    @property
    def score(self) -> float:
        """How much more often it is the root of a failure now than before."""
        return self.failures / max(1, self.calls) - self.baseline_failures / max(1, self.baseline_calls)


def judge(trace: Trace) -> JudgedTrace:
    """Whether a trace failed: an unrecovered failure, or a root that answered 5xx."""
    failures = tuple(each for each in find_failures(trace) if each.fate == Fate.unrecovered)
    root_failed = any((http_status(root) or 0) >= 500 or root["status"] == "error" for root in trace.roots)
    return JudgedTrace(trace, bool(failures) or root_failed, failures)


def rank_traits(judged: Sequence[JudgedTrace], most: int = 12) -> list[Trait]:
    """What separates failing from healthy traces, the strongest first; only values over-represented among the failing.

    Attributes that merely restate the failure (its status code, its SQLSTATE) are left out; one-sided windows give nothing.
    """
    failing = [each for each in judged if each.failed]
    healthy = [each for each in judged if not each.failed]
    if not failing or not healthy:
        return []
    bad, good = _counted(failing), _counted(healthy)
    many = Counter(attribute for attribute, _ in set(bad) | set(good))
    traits = [
        Trait(attribute, value, count, good.get((attribute, value), 0), len(failing), len(healthy))
        for (attribute, value), count in bad.items()
        if many[attribute] <= _MOST_VALUES and attribute not in ("http_status", "db_code")
    ]
    return sorted((t for t in traits if t.lift > 0.05), key=lambda t: (-t.lift, t.attribute, t.value))[:most]


def rank_blame(judged: Sequence[JudgedTrace], baseline: Sequence[JudgedTrace]) -> list[Blame]:
    """Which service and operation the root failures lie in, the most changed against the baseline first."""
    now, before = _operations(judged), _operations(baseline)
    blamed = [
        Blame(
            part,
            operation,
            len(stats.failures),
            len(stats.durations_ms),
            len(before[key].failures) if key in before else 0,
            len(before[key].durations_ms) if key in before else 0,
            round(median(stats.durations_ms), 1),
            round(median(before[key].durations_ms), 1) if key in before else None,
        )
        for key, stats in now.items()
        if stats.failures
        for part, operation in [key]
    ]
    return sorted(blamed, key=lambda blame: (-blame.score, -blame.failures, blame.operation))


@dataclass
class _Operation:
    """What one operation did in a set of traces."""

    durations_ms: list[float]
    failures: list[Failure]


def _operations(judged: Sequence[JudgedTrace]) -> dict[tuple[str, str], _Operation]:
    found: dict[tuple[str, str], _Operation] = {}
    for each in judged:
        parts = parts_of(each.trace)
        roots = {failure.span["id"]: failure for failure in each.failures}
        for span in each.trace.spans:
            if span["kind"] == "internal" and span["id"] not in roots:
                continue
            key = (parts[span["id"]], operation_name(span))
            stats = found.setdefault(key, _Operation([], []))
            stats.durations_ms.append((span["end_ns"] - span["start_ns"]) / 1e6)
            if span["id"] in roots:
                stats.failures.append(roots[span["id"]])
    return found


def operation_name(span: Span) -> str:
    """What the span does, without ids: `openai gpt-4o-mini`, `SELECT memberships`, `POST /api/chat`."""
    callee = callee_of(span)
    if callee and callee[0] == "provider":
        return f"{callee[1]} {first(span['attributes'], 'model', '')}".strip()
    route = first(span["attributes"], "route")
    if span["kind"] == "server" and route:
        return f"{first(span['attributes'], 'http_method', '')} {route}".strip()
    return span["name"].split("?")[0]


def _counted(judged: Sequence[JudgedTrace]) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for each in judged:
        counts.update(_traits_of(each.trace))
    return counts


def _traits_of(trace: Trace) -> set[tuple[str, str]]:
    """Every trait of a trace, once: of its spans, and of the processes that reported them."""
    traits: set[tuple[str, str]] = set()
    for span in trace.spans:
        attributes = span["attributes"]
        if not attributes:
            continue
        for meaning in _MEANINGS:
            value = first(attributes, meaning)
            if value is not None:
                traits.add((meaning, str(value)[:120]))
        for name in _PLAIN:
            if name in attributes:
                traits.add((name, str(attributes[name])[:120]))
    for index in {span["resource"] for span in trace.spans}:
        resource = trace.resources[index] if index < len(trace.resources) else {}
        traits.update((name, str(resource[name])[:120]) for name in _PLAIN if name in resource)
    return traits
