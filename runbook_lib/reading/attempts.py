"""Attempts at one thing: calls to model providers (retries and fallbacks), and any call that was made again and again."""

from dataclasses import dataclass
from statistics import median

from runbook_lib.core.records.traces import Span
from runbook_lib.reading.parts import PROVIDER, callee_of
from runbook_lib.reading.spans import Trace, duration_ms, fault, first

STORM_ATTEMPTS = 5
STORM_GAP_S = 0.2  # below this, a back-off is none: the providers' own SDKs begin at half a second


@dataclass(frozen=True)
class Attempt:
    """One call: to whom, how it ended, and how long after the end of the one before it (None for the first)."""

    span: Span
    kind: str
    callee: str
    model: str
    number: int
    ok: bool
    status: int | None
    what: str
    duration_ms: float
    gap_s: float | None

    def as_row(self) -> dict[str, object]:
        """For a table: plain values."""
        return {
            "attempt": self.number,
            "callee": self.callee,
            "model": self.model,
            "ok": self.ok,
            "status": self.status,
            "what": self.what,
            "duration_ms": round(self.duration_ms, 1),
            "gap_s": None if self.gap_s is None else round(self.gap_s, 3),
        }


@dataclass(frozen=True)
class Series:
    """The attempts that one caller made at one thing, in order."""

    caller: str
    attempts: tuple[Attempt, ...]

    @property
    def fallbacks(self) -> int:
        """How often the caller moved on to another provider or model."""
        pairs = zip(self.attempts, self.attempts[1:], strict=False)
        return sum((a.callee, a.model) != (b.callee, b.model) for a, b in pairs)

    @property
    def retries(self) -> int:
        """How often the same was tried again."""
        return len(self.attempts) - 1 - self.fallbacks

    @property
    def is_storm(self) -> bool:
        """Many attempts at the same with no or too little wait between them."""
        same = [b.gap_s for a, b in zip(self.attempts, self.attempts[1:], strict=False)
                if (a.callee, a.model) == (b.callee, b.model) and b.gap_s is not None]  # fmt: skip
        return len(same) >= STORM_ATTEMPTS - 1 and median(same) < STORM_GAP_S


def find_series(trace: Trace) -> list[Series]:
    """Every series of attempts: calls to providers by caller, and other calls made again after a failure."""
    grouped: dict[tuple[str, str, str], list[Span]] = {}
    for span in trace.spans:
        callee = callee_of(span)
        if callee is None or _wraps_a_call(trace, span, callee):
            continue
        kind, name = callee
        grouped.setdefault(
            (_caller(trace, span), kind, "" if kind == PROVIDER else f"{name} {span['name']}"), []
        ).append(span)
    found = []
    for (caller, kind, _), spans in grouped.items():
        if kind != PROVIDER and (len(spans) < 2 or fault(spans[0]) is None):
            continue
        found.append(Series(caller, tuple(_attempts(kind, spans))))
    return found


def _caller(trace: Trace, span: Span) -> str:
    """The request that makes the calls: the nearest server span above, whatever wrapper spans lie between."""
    for ancestor in trace.ancestors(span):
        if ancestor["kind"] == "server":
            return ancestor["id"]
    return span["parent"]


def _wraps_a_call(trace: Trace, span: Span, callee: tuple[str, str]) -> bool:
    """Whether an SDK's span only wraps the HTTP calls beneath it, which are then the attempts."""
    return any(
        child["kind"] == "client" and (inner := callee_of(child)) is not None and inner[0] in (callee[0], "other")
        for child in trace.children_of(span)
    )


def _attempts(kind: str, spans: list[Span]) -> list[Attempt]:
    attempts: list[Attempt] = []
    before: Span | None = None
    for number, span in enumerate(sorted(spans, key=lambda each: each["start_ns"]), start=1):
        failed = fault(span)
        callee = callee_of(span)
        gap_s = None if before is None else max(0.0, (span["start_ns"] - before["end_ns"]) / 1e9)
        attempts.append(
            Attempt(
                span,
                kind,
                callee[1] if callee else "",
                str(first(span["attributes"], "model", "")),
                number,
                failed is None,
                failed.http_status if failed else None,
                failed.text[:200] if failed else "",
                duration_ms(span),
                gap_s,
            )
        )
        before = span
    return attempts
