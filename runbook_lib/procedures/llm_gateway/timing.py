"""Time: a provider that is slower than it was, a gateway that is slow itself, and retries without a back-off."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from runbook_lib.core.model import Finding, Suspect
from runbook_lib.procedures.llm_gateway.calls import Call, Request, iso_of
from runbook_lib.procedures.llm_gateway.causes import CATALOGUE
from runbook_lib.procedures.llm_gateway.normal import ENOUGH, SLOW_FACTOR, Normal, normal_of
from runbook_lib.procedures.llm_gateway.reading import Reading

OWN_SLOW_MS = 1000.0
FEWEST = 3  # slow calls
# Own work of a few ms that takes this much longer, beside what the provider takes longer, tells of a starved host.
BREATHLESS_FACTOR, BREATHLESS_MS, BREATHLESS_SHARE = 5.0, 50.0, 0.1
IMMEDIATE_S = 0.1
GROWTH = 1.3  # an exponential back-off with jitter still grows by more than this from first to last, on the median


@dataclass(frozen=True)
class Streak:
    """Values far above normal: the first and the last of them in time, and how many of those between were."""

    values: tuple[float, ...]
    first_s: float
    last_s: float


def slow_findings(reading: Reading) -> tuple[list[Finding], list[Finding], list[Suspect]]:
    """Providers whose calls took several times what they usually take for as many tokens: faults, and those of a time in
    which the gateway's own work took several times as long too, for then its clock tells of its host, not of the provider; and
    what only the log of whole requests tells, which may be either's."""
    found: list[Finding] = []
    in_doubt: list[Finding] = []
    unclear: list[Suspect] = []
    for target in reading.seen_targets:
        provider, _, model = target.partition("/")
        calls = [
            call for call in reading.calls.all if call.ok and call.target == target and call.duration_ms is not None
        ]
        normal = normal_of([call for call in reading.good_calls(provider, model) if call.duration_ms is not None])
        if normal is None:
            continue
        streak = _slow_streak(calls, normal)
        if streak is None:
            continue
        slow = [call for call in calls if streak.first_s <= call.at_s <= streak.last_s]
        usual = median(normal.expected_ms(call.output_tokens) for call in slow)
        took = median(call.duration_ms or 0 for call in slow)
        tokens = [call.output_tokens for call in slow if call.output_tokens]
        per_token = f" ({took / median(tokens):.0f} ms a token)" if tokens else ""
        summary = (
            f"{target} took {took:.0f} ms{per_token} where answers of that length usually take {usual:.0f} ms: "
            f"{len(slow)} calls from {iso_of(streak.first_s)} to {iso_of(streak.last_s)}"
        )
        breathless = _was_breathless(reading, streak, took - usual)
        if breathless:
            summary += f"; the gateway's own work took {breathless:.0f} times as long meanwhile, so it may be its host"
        finding = CATALOGUE.finding("provider.slow", target, summary, (call.observation for call in slow))
        if any(call.is_whole_request for call in slow):
            why = f"{summary}; how much of it was the gateway's own, its log does not say"
            look_at = "the gateway's spans: read access to the trace backend"
            unclear += [Suspect(code, target, why, look_at) for code in ("provider.slow", "gateway.unhealthy")]
            continue
        (in_doubt if breathless or not _own_time_known(reading) else found).append(finding)
    return found, in_doubt, unclear


def _was_breathless(reading: Reading, streak: Streak, excess_ms: float) -> float:
    """How many times its usual own time the gateway took in a streak's requests; 0.0 where that was about as usual, or too
    little beside what the provider took too long."""
    every = [request for request in (*reading.before.requests, *reading.calls.requests) if request.own_ms is not None]
    meanwhile = [each.own_ms or 0.0 for each in every if streak.first_s <= each.at_s <= streak.last_s]
    usual = _usual_own_ms(every)
    if usual is None or not meanwhile:
        return 0.0
    took = median(meanwhile)
    is_so = took > max(BREATHLESS_FACTOR * usual, BREATHLESS_MS, BREATHLESS_SHARE * excess_ms)
    return took / max(usual, 1.0) if is_so else 0.0


def _own_time_known(reading: Reading) -> bool:
    """Whether the time before the window was seen: else nobody knows how long the gateway itself usually takes."""
    return any(look.status.answered or look.status.has_content for look in reading.evidence.before)


def _usual_own_ms(requests: Sequence[Request]) -> float | None:
    """The gateway's own time in the quicker half of its requests; None with too few of them."""
    known = sorted(request.own_ms or 0.0 for request in requests if request.own_ms is not None)
    return median(known[: max(ENOUGH // 2, len(known) // 2)]) if len(known) >= ENOUGH else None


def _slow_streak(calls: Sequence[Call], normal: Normal) -> Streak | None:
    """Where at least half of the calls from the first slow one to the last were slow, and there are enough of them."""
    return _streak([(call.at_s, call.duration_ms or 0, normal.is_slow(call)) for call in calls])


def _streak(timed: Sequence[tuple[float, float, bool]]) -> Streak | None:
    slow = [(at_s, value) for at_s, value, is_slow in timed if is_slow]
    if len(slow) < FEWEST:
        return None
    first_s, last_s = slow[0][0], slow[-1][0]
    between = sum(1 for at_s, _, _ in timed if first_s <= at_s <= last_s)
    return Streak(tuple(value for _, value in slow), first_s, last_s) if 2 * len(slow) >= between else None


def own_slowness(reading: Reading) -> list[Finding]:
    """The gateway's own time in its requests, against what it was."""
    timed = [request for request in reading.calls.requests if request.own_ms is not None]
    usual = _usual_own_ms([*reading.before.requests, *timed])
    if usual is None:
        return []
    limit = max(SLOW_FACTOR * usual, OWN_SLOW_MS)
    streak = _streak([(each.at_s, each.own_ms or 0, (each.own_ms or 0) > limit) for each in timed])
    if streak is None:
        return []
    evidence = [request.last.observation for request in timed if (request.own_ms or 0) > limit]
    summary = (
        f"the gateway itself took {median(streak.values):.0f} ms besides its calls, usually {usual:.0f} ms: "
        f"{len(streak.values)} requests from {iso_of(streak.first_s)} to {iso_of(streak.last_s)}"
    )
    return [CATALOGUE.finding("gateway.unhealthy.slow", "gateway", summary, evidence)]


@dataclass(frozen=True)
class Waits:
    """The waits before each repetition of the same call within one request, in seconds."""

    request: Request
    gaps_s: tuple[float, ...]
    was_told: bool  # the provider throttled or shed load: it may have said how long to wait, and that may be the same each time


def waits_of(reading: Reading) -> list[Waits]:
    """Every request that tried the same again, with the waits between; from spans, for lines do not tell when a call began."""
    found = []
    for request in reading.calls.requests:
        gaps: dict[str, list[float]] = {}
        told = {call.target for call in request.calls if call.failure in ("rate_limited", "overloaded")}
        for earlier, later in zip(request.calls, request.calls[1:], strict=False):
            if not earlier.ok and earlier.target == later.target and later.gap_s is not None:
                gaps.setdefault(later.target, []).append(later.gap_s)
        found += [Waits(request, tuple(waits), target in told) for target, waits in gaps.items()]
    return found


def backoff_findings(reading: Reading) -> list[Finding]:
    """Retries that follow at once, or after a wait that does not grow."""
    waits = waits_of(reading)
    every = [gap for each in waits for gap in each.gaps_s]
    immediate = [gap for gap in every if gap < IMMEDIATE_S]
    if len(immediate) >= FEWEST and 2 * len(immediate) > len(every):
        summary = (
            f"{len(immediate)} of {len(every)} repetitions followed within {IMMEDIATE_S * 1000:.0f} ms "
            f"(median {median(every) * 1000:.0f} ms); up to {_most(waits)} attempts at the same"
        )
        return [CATALOGUE.finding("gateway.retry_without_backoff.immediate", "gateway", summary, _evidence(waits))]
    long = [each for each in waits if len(each.gaps_s) >= 3 and not each.was_told]
    grown = [each.gaps_s[-1] / max(each.gaps_s[0], 1e-3) for each in long]
    if long and median(grown) < GROWTH and sum(len(each.gaps_s) for each in long) >= 2 * FEWEST:
        first, last = median(each.gaps_s[0] for each in long), median(each.gaps_s[-1] for each in long)
        summary = (
            f"the wait stays as it is from attempt to attempt ({first:.2f} s, then {last:.2f} s) "
            f"over up to {_most(long)} attempts in {len(long)} requests"
        )
        return [CATALOGUE.finding("gateway.retry_without_backoff.constant", "gateway", summary, _evidence(long))]
    return []


def _most(waits: Sequence[Waits]) -> int:
    return max(len(each.gaps_s) for each in waits) + 1


def _evidence(waits: Sequence[Waits]) -> list[str]:
    return [call.observation for each in waits for call in each.request.calls]
