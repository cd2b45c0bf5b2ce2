"""Which provider failed the gateway, and how: each failing call under its code, by what the requests came to.

A call that failed is a cause only where its request failed with it, or where it lasts: a provider that has failed every
call up to now in a way that does not pass by itself is broken although a fallback makes it good. A throttle or an overload
that a fallback makes good is what fallbacks are for.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from statistics import median

from runbook_lib.core.model import Finding, Status, Suspect
from runbook_lib.core.percentile import percentile
from runbook_lib.judging.findings import Findings
from runbook_lib.procedures.llm_gateway.calls import Call, Request, iso_of
from runbook_lib.procedures.llm_gateway.causes import CATALOGUE
from runbook_lib.procedures.llm_gateway.normal import normal_of
from runbook_lib.procedures.llm_gateway.reading import Reading
from runbook_lib.reading.classify import PROVIDER_FAILURES, is_unreachable

LASTING = 3  # calls in a row, up to the last, without one that went well between them
_LASTING_KINDS = frozenset({"down", "key_invalid", "access_denied", "out_of_credit", "model_gone", "timeout"})
_BY_MODEL = frozenset({"model_gone", "request_rejected", "stream_broken"})
_RECENT_S = 600.0
# Models whose retirement the vendors have announced and carried out (their deprecation pages, November 2026).
_RETIRED = re.compile(
    r"^(?:text-davinci|code-davinci|gpt-3\.5-turbo-(?:0301|0613)|gpt-4-32k|gpt-4-vision-preview|"
    r"claude-1|claude-2|claude-instant|claude-3-sonnet-20240229|claude-3-5-sonnet-2024)"
)

Pair = tuple[Request, Call]
_READINGS = {
    400: ("provider.request_rejected", "provider.content_filtered"),
    429: ("provider.rate_limited", "provider.out_of_credit"),
    503: ("provider.overloaded", "provider.down"),
}
_TELLING = re.compile(r"overloaded|rate_limit_|insufficient_quota|content_filter|content_policy|credit")


@dataclass(frozen=True)
class Mark:
    """When a fault showed, first and last, and whether it was still so at the end."""

    first_s: float
    last_s: float
    goes_on: bool


@dataclass
class FailureFindings(Findings):
    """What the failing calls come to. faults: the one that explains most requests first; a mark for each of them."""

    marks: list[Mark] = field(default_factory=list)


def judge_failures(reading: Reading) -> FailureFindings:
    """Every provider's failures under their codes."""
    judged = FailureFindings()
    together = [request for request in reading.calls.failing if _all_failed(request)]
    common = _in_common(reading, together)
    everything = ((request, call) for request in reading.calls.requests for call in request.calls if not call.ok)
    for (who, kind), pairs in _grouped(everything).items():
        lost = [request for request, _ in pairs if request.failed]
        is_shared = bool(lost) and all(request in together for request in lost)
        if common is not None and is_shared and kind in ("timeout", "no_connection"):
            continue  # what they have in common explains it
        lasts = _is_lasting(reading, who, kind, pairs)
        is_fault = lasts or (bool(lost) and not reading.is_noise(lost))
        if not is_fault and len(pairs) < LASTING:
            continue
        named = _name(reading, who, kind, pairs)
        if lasts and not lost and reading.is_sample and not isinstance(named, Suspect):
            named = _perhaps_over(named)
        if isinstance(named, Suspect):
            judged.suspects += [named, *_other_reading(named)] if is_fault else []
        elif is_fault and (not is_shared or (lasts and any(request not in together for request, _ in pairs))):
            judged.faults.append(named)
            judged.marks.append(_mark(reading, who, pairs))
        else:
            judged.also.append(named)
    if common is not None:
        judged.suspects.clear()
    if together and not judged.suspects:
        judged.faults.insert(0, common or _all_providers(together))
        judged.marks.append(_mark(reading, "", [(request, request.last) for request in together]))
    judged.faults = _most_first(judged.faults, reading)
    return judged


def _mark(reading: Reading, who: str, pairs: Sequence[Pair]) -> Mark:
    last = pairs[-1][1]
    return Mark(pairs[0][1].at_s, last.at_s, _goes_on(reading, who, last))


def _is_lasting(reading: Reading, who: str, kind: str, pairs: Sequence[Pair]) -> bool:
    """Whether it failed every call after its last good one, often enough, in a way that does not pass by itself."""
    plain = "down" if kind == "no_connection" else kind
    good_s = max(
        (call.at_s for call in reading.calls.all if call.ok and who in (call.provider, call.target)), default=0.0
    )
    return plain in _LASTING_KINDS and sum(call.at_s > good_s for _, call in pairs) >= LASTING


def _perhaps_over(named: Finding) -> Suspect:
    """What lasts as far as a sample of the calls shows: Tempo returns the first it finds, and one that went well may be newer."""
    look = "the same over a shorter window, so that every call of it is read: -p since=10m; any on-call"
    return Suspect(named.code, named.subject, f"{named.summary}; newer calls may not have been read", look)


def _all_failed(request: Request) -> bool:
    """Whether two providers or more were tried and all of them failed."""
    return not any(call.ok for call in request.calls) and len({call.provider for call in request.calls}) > 1


def _grouped(pairs: Iterable[Pair]) -> dict[tuple[str, str], list[Pair]]:
    """By provider (and model, where the failure is a model's own) and kind of failure."""
    found: dict[tuple[str, str], list[Pair]] = {}
    for request, call in pairs:
        who = call.target if call.failure in _BY_MODEL else call.provider
        kind = call.failure
        if kind == "down" and is_no_connection(call):
            kind = "no_connection"
        elif kind == "timeout" and call.fault is not None and (call.fault.http_status or 0) >= 400:
            kind = "down"  # the provider's own word that it took too long
        found.setdefault((who, kind), []).append((request, call))
    return found


def is_no_connection(call: Call) -> bool:
    """Whether a call got no answer because there was no connection."""
    if call.fault is None or call.fault.http_status is not None:
        return False
    return bool(is_unreachable(call.fault)) or "ConnectTimeout" in call.fault.text


def _name(reading: Reading, who: str, kind: str, pairs: Sequence[Pair]) -> Finding | Suspect:
    if kind == "no_connection":
        return _no_connection(reading, who, pairs)
    if kind == "timeout":
        return _timed_out(reading, who, pairs)
    if kind == "model_gone":
        return _model(reading, who, pairs)
    call = pairs[-1][1]
    text = call.fault.text if call.fault else ""
    if (readings := _unworded(pairs)) is not None:
        look = "what the provider said: the failed traces or the gateway's log; read access to the trace backend"
        why = f"{who} answered {call.fault.http_status if call.fault else ''}, and its words were not seen"
        return Suspect(readings[0], who, why, look)
    if kind not in PROVIDER_FAILURES:
        look = "what it said, in the gateway's log or traces; or its status page: any on-call"
        return Suspect("provider.down", who, f"{who} {call.what}: {_short(text) or 'it says nothing'}", look)
    code = PROVIDER_FAILURES[kind]
    if code == "provider.out_of_credit" and re.search(r"reached your specified|spend(?:ing)? limit", text, re.I):
        code = "provider.out_of_credit.spending_limit"
    return _finding(code, who, call.what, pairs)


def _unworded(pairs: Sequence[Pair]) -> tuple[str, str] | None:
    """The two readings of a status that stands alone in every call: a row of spans has no words, and 429 may be a throttle or an
    empty account. None where a call's words, or its error's type, decide."""
    faults = [call.fault for _, call in pairs if call.fault is not None]
    told = {fault.http_status for fault in faults if not fault.message and not _TELLING.search(fault.text)}
    if len(told) != 1 or any(fault.message or _TELLING.search(fault.text) for fault in faults):
        return None
    return _READINGS.get(told.pop() or 0)


def _finding(code: str, who: str, what: str, pairs: Sequence[Pair], *more: str, note: str = "") -> Finding:
    """A finding with counts, times and the provider's own words."""
    calls = [call for _, call in pairs]
    failed = len({request.id for request, _ in pairs if request.failed})
    last = calls[-1]
    said = f" ({_short(last.fault.text)})" if last.fault and last.fault.text else ""
    status = f", HTTP {last.fault.http_status}" if last.fault and last.fault.http_status else ""
    when = f"from {iso_of(calls[0].at_s)} to {iso_of(last.at_s)}" if len(calls) > 1 else f"at {iso_of(last.at_s)}"
    lost = f"{failed} requests failed with them" if failed else "a fallback made them good"
    summary = f"{who} {what}{status}{said}: {len(calls)} calls {when}, {lost}{note}"
    return CATALOGUE.finding(code, who, summary, [*(call.observation for call in calls), *more])


def _no_connection(reading: Reading, who: str, pairs: Sequence[Pair]) -> Finding | Suspect:
    """The gateway got no connection: its own way out is broken, or the provider is away; what answers from here decides."""
    last = pairs[-1][1]
    why = is_unreachable(last.fault) if last.fault else ""
    if why == "wrong_url":
        return _finding("gateway.egress_broken.wrong_address", who, "is asked at an address that is none", pairs)
    sub = _how_broken([last])
    reach = reading.look_at(who, "reach")
    goes_on = _goes_on(reading, who, last)
    if reach is not None and reach.status == Status.unreachable and goes_on:
        return _finding("provider.down", who, "takes no connections, from here either", pairs, reach.id)
    if reach is not None and reach.status in (Status.ok, Status.rate_limited) and goes_on:
        what = "answers from here, and the gateway gets no connection to it"
        return _finding(f"gateway.egress_broken{sub}", who, what, pairs, reach.id)
    if (told := reading.incident(who)) is not None:
        note = f"; its status page: {told[0]}"
        return _finding("provider.down", who, "took no connections", pairs, told[1], note=note)
    look = f"from the gateway's host: curl -sS the base URL of {who}; shell access to the gateway's platform"
    over = (
        "it is over, and what answers now does not tell" if not goes_on else "whether it answers from here was not seen"
    )
    return Suspect("gateway.egress_broken", who, f"the gateway got no connection to {who}; {over}", look)


def _how_broken(calls: Sequence[Call]) -> str:
    """The narrower code of a way out that is broken, by what most of the errors say; empty where they say nothing."""
    said = Counter(is_unreachable(call.fault) for call in calls if call.fault is not None and call.fault.message)
    if not said:
        return ""
    return {"dns": ".dns", "wrong_url": ".wrong_address"}.get(said.most_common(1)[0][0], ".refused")


def _goes_on(reading: Reading, who: str, last: Call) -> bool:
    """Whether a provider's trouble lasted to the end: no call went well after it, and it is not long ago."""
    if any(call.ok and call.at_s > last.at_s and who in ("", call.provider, call.target) for call in reading.calls.all):
        return False
    return reading.evidence.now.timestamp() - last.at_s < _RECENT_S


def _other_reading(suspect: Suspect) -> list[Suspect]:
    """The other reading of the same evidence."""
    other = {"gateway.egress_broken": "provider.down", "gateway.timeout_too_short": "provider.slow"}
    other["gateway.wrong_model_configured"] = "provider.model_gone"
    other |= dict(_READINGS.values())
    code = other.get(suspect.code)
    return [replace(suspect, code=code)] if code else []


def _timed_out(reading: Reading, who: str, pairs: Sequence[Pair]) -> Finding | Suspect:
    """The gateway gave up: its patience is too short for what this provider usually takes, or the provider did not answer."""
    budget_ms = budget_of([call for _, call in pairs])
    usual = usual_ms(reading, who, {call.model for _, call in pairs})
    if budget_ms is None or usual is None:
        look = "traces with good calls of this model, for what it usually takes: since=24h; read access to the trace backend"
        why = f"the gateway gave up on {who}, and what {who} usually takes is not known"
        return Suspect("gateway.timeout_too_short", who, why, look)
    told = f"; it gave up after {budget_ms / 1000:.2f} s, usual are up to {usual / 1000:.2f} s"
    if budget_ms < 1.2 * usual:
        what = "was given up on sooner than it usually takes"
        return replace(_finding("gateway.timeout_too_short", who, what, pairs, note=told), subject="gateway")
    began_s = pairs[0][1].at_s
    if any(call.at_s > began_s and call.provider == who for call in reading.calls.all if call.ok):
        return _finding("provider.slow", who, "did not answer in time, and answers others", pairs, note=told)
    return _finding("provider.down.no_answer", who, "did not answer in time", pairs, note=told)


def budget_of(calls: Sequence[Call]) -> float | None:
    """How long the gateway waited before it gave up, in ms: by its spans, else by the words of its error."""
    waited = [call.duration_ms for call in calls if call.duration_ms is not None]
    if waited:
        return median(waited)
    said = [
        float(match[1]) * 1000
        for call in calls
        if call.fault and (match := re.search(r"after (\d+(?:\.\d+)?) ?s", call.fault.text))
    ]
    return median(said) if said else None


def usual_ms(reading: Reading, provider: str, models: set[str]) -> float | None:
    """The p95 of what good calls of these models took; None with fewer than five of them."""
    good = [each for each in reading.good_calls(provider) if each.duration_ms is not None and each.model in models]
    normal = normal_of(good)
    took = [each.duration_ms or 0.0 for each in good if normal is None or not normal.is_slow(each)]
    return percentile(took, 95) if len(took) >= 5 else None


def _model(reading: Reading, target: str, pairs: Sequence[Pair]) -> Finding | Suspect:
    """The provider does not know the model: it was withdrawn, or it never was."""
    provider, _, model = target.partition("/")
    text = " ".join(call.fault.text for _, call in pairs if call.fault)
    if re.search(r"invalid url|unknown (?:url|path|route)", text, re.I):
        what = "is asked at an address that it does not have"
        return _finding("gateway.egress_broken.wrong_address", provider, what, pairs)
    offered = reading.offered(provider)
    listed = f"; {len(offered[0])} models are on offer to our key" if offered else ""
    more = [offered[1]] if offered else []
    worked = [call for call in reading.good_calls(provider, model) if call.at_s < pairs[0][1].at_s]
    if worked:
        note = f"; it worked at {iso_of(worked[-1].at_s)}{listed}"
        return _finding("provider.model_gone", target, "no longer offers the model", pairs, *more, note=note)
    if _RETIRED.match(model):
        return _finding("provider.model_gone", target, "has retired the model", pairs, *more, note=listed)
    if offered is not None and model in offered[0]:
        note = "; it is on offer to our key, which need not be the gateway's"
        return _finding(
            "gateway.wrong_model_configured", target, "is not offered to the gateway's key", pairs, *more, note=note
        )
    changed = _configured_lately(reading, target, pairs[0][1])
    near = get_close_matches(model, offered[0] if offered else [], n=1, cutoff=0.8)
    seen_before = any(look.status.answered or look.status.has_content for look in reading.evidence.before)
    if offered is not None and seen_before and (changed or near or _was_watched(reading, provider)):
        note = (f"; it offers {near[0]}" if near else "") + changed + listed
        return _finding("gateway.wrong_model_configured", target, "knows no such model", pairs, *more, note=note)
    look = "earlier traces: since=7d; read access to the trace backend. Or the provider's list of models, with the gateway's key"
    return Suspect(
        "gateway.wrong_model_configured", target, f"{target} is unknown; whether it ever worked was not seen", look
    )


def _configured_lately(reading: Reading, target: str, first: Call) -> str:
    """That the chain was set shortly before the first failure; empty where it was not, or that is not known."""
    since = reading.chain.since_s
    if since is None or target not in reading.chain.members or not -60 < first.at_s - since < 7200:
        return ""
    return f"; the chain was set at {iso_of(since)}, {max(0.0, first.at_s - since):.0f} s before"


def _was_watched(reading: Reading, provider: str) -> bool:
    """Whether the time before the window was seen and this provider answered then: a model that had worked would have shown."""
    looked = [look for look in reading.evidence.before if look.status == Status.ok]
    return bool(looked) and any(call.provider == provider and call.ok for call in reading.before.all)


def _in_common(reading: Reading, together: Sequence[Request]) -> Finding | None:
    """One cause of the gateway's own that explains why several providers fail alike; None where each has its own."""
    if not together:
        return None
    pairs = [(request, call) for request in together for call in request.calls]
    if all(is_no_connection(call) for _, call in pairs):
        providers = sorted({call.provider for _, call in pairs})
        reached = [
            look
            for each in providers
            if (look := reading.look_at(each, "reach")) is not None and look.status in (Status.ok, Status.rate_limited)
        ]
        if reached:
            what = (
                f"answer from here ({', '.join(look.source for look in reached)}), and the gateway reaches none of them"
            )
            sub = _how_broken([call for _, call in pairs])
            return _finding(f"gateway.egress_broken{sub}", ", ".join(providers), what, pairs, *(o.id for o in reached))
    if all(call.failure == "timeout" for _, call in pairs):
        named = [
            _timed_out(reading, provider, [pair for pair in pairs if pair[1].provider == provider])
            for provider in dict.fromkeys(call.provider for _, call in pairs)
        ]
        found = [each for each in named if isinstance(each, Finding) and each.code == "gateway.timeout_too_short"]
        return found[0] if found else None
    return None


def _all_providers(together: Sequence[Request]) -> Finding:
    """Each provider with what most of its calls came to."""
    kinds: dict[str, Counter[str]] = {}
    for request in together:
        for call in request.calls:
            kinds.setdefault(call.provider, Counter())[call.what] += 1
    told = "; ".join(f"{provider} {counted.most_common(1)[0][0]}" for provider, counted in kinds.items())
    first, last = together[0].at_s, together[-1].at_s
    summary = (
        f"{len(together)} requests from {iso_of(first)} to {iso_of(last)} tried every member, and each failed: {told}"
    )
    evidence = [call.observation for request in together for call in request.calls]
    return CATALOGUE.finding("gateway.all_providers_failing", ", ".join(kinds), summary, evidence)


def _most_first(faults: list[Finding], reading: Reading) -> list[Finding]:
    """The provider that the failed requests began with first; what is common to all before it; the order among equals stays."""
    began = Counter(request.calls[0].provider for request in reading.calls.failing)

    def rank(finding: Finding) -> tuple[bool, int]:
        return not finding.code.startswith("gateway."), -began.get(finding.subject.split("/")[0], 0)

    return sorted(faults, key=rank)


def _short(text: str, limit: int = 160) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
