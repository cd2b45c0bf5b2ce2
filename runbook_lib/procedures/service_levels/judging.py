"""One objective judged: missed, burning, met, or not to be told; never met for want of data.

What is not known is counted both ways: an objective is missed when even the best case misses it, met when even the worst case
meets it, and otherwise nobody can tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from runbook_lib.core.clock import Window, from_iso
from runbook_lib.core.model import Finding, Observation, Status, Suspect
from runbook_lib.core.records.deliveries import WebhookCoverage
from runbook_lib.judging.answers import whole_record
from runbook_lib.procedures.service_levels.causes import CATALOGUE
from runbook_lib.procedures.service_levels.evidence import AVAILABILITY, LATENCY, WEBHOOKS, Evidence
from runbook_lib.procedures.service_levels.reading import (
    Level,
    commit_or_id,
    deployments_of,
    hours_of,
    levels_of,
    served_at,
    unseen_edge,
)
from runbook_lib.procedures.service_levels.tally import HOUR_S, POLICIES, Policy, span_text
from runbook_lib.procedures.service_levels.words import clock_words, percent, span_words

MISSED = {AVAILABILITY: "slo.availability_missed", LATENCY: "slo.latency_missed", WEBHOOKS: "slo.webhook_missed"}
_COUNTED = {AVAILABILITY: "went well", LATENCY: "were quick enough", WEBHOOKS: "were taken"}
_AGAINST = {AVAILABILITY: "failed", LATENCY: "were too slow", WEBHOOKS: "were not"}
_THING = {AVAILABILITY: "requests", LATENCY: "requests", WEBHOOKS: "events"}
_CERTAIN_BAD = 10
_Z = 3.3  # one in a thousand, one-sided


@dataclass(frozen=True)
class JudgedLevel:
    """What is said of one objective: one of fault, state or blind; a suspect beside what is blind; policies that burn now."""

    level: Level
    fault: Finding | None = None
    state: Finding | None = None
    blind: Finding | None = None
    suspect: Suspect | None = None
    burning: tuple[Policy, ...] = field(default=())


def judge_all(evidence: Evidence) -> list[JudgedLevel]:
    """Every objective, judged."""
    return [judge(level, evidence) for level in levels_of(evidence)]


def judge(level: Level, evidence: Evidence) -> JudgedLevel:
    """One objective."""
    if uncovered := uncovered_types(level):
        return JudgedLevel(level, fault=_no_endpoint(level, uncovered))
    if level.tally is None:
        return _without_data(level)
    worst, best = level.between()
    burning = burning_now(level, evidence.window)
    if best < level.target and _is_enough(level):
        return JudgedLevel(level, fault=_missed(level, evidence, worst, best), burning=burning)
    total, biased = level.tally.sums()[0], level.biased()
    if biased is not None and biased.sampling is not None and worst < level.target and not burning:
        return _undecided(
            level,
            "slo.sampling_biased",
            f"{level.name}: {biased.sampling.words()}, and {biased.sampling.edge.source} does not know the whole period",
            "the platform's own metrics, or span metrics made before sampling, over the whole period; read access to either",
        )
    if total < level.objective["min_requests"]:
        least = level.objective["min_requests"]
        return _undecided(
            level,
            "slo.too_few_requests",
            f"{level.name}: {total:,.0f} {_THING[level.objective['kind']]} in {_period(evidence)}, fewer than the {least:,} that "
            "a share of them needs to mean anything",
            "the same over a longer period, or with a lower min_requests in service_levels.toml; the team",
        )
    if burning:
        return JudgedLevel(level, fault=_burning(level, evidence, burning, worst, best), burning=burning)
    if worst >= level.target:
        return JudgedLevel(level, state=_met(level, evidence, worst, best), suspect=_unchecked(level, evidence))
    return _between(level, worst, best)


def burning_now(level: Level, period: Window) -> tuple[Policy, ...]:
    """The policies whose two windows burn at the end of the period, with enough failures to be no accident; none where the counts
    end earlier."""
    tally = level.tally
    assert tally is not None
    if tally.until_s <= period.until.timestamp() - max(tally.step_s, HOUR_S):
        return ()
    return tuple(
        policy
        for policy in POLICIES
        if policy.long_s <= period.seconds and tally.fires_now(policy, level.target, period.seconds, _CERTAIN_BAD)
    )


def uncovered_types(level: Level) -> list[str]:
    """The event types of a webhook objective that no enabled endpoint asks for; empty where that is not known."""
    if level.objective["kind"] != WEBHOOKS:
        return []
    # Where not one event was counted the answer is empty, and still says who asks for them.
    coverage = next((held for look in level.asked if (held := whole_record(look, WebhookCoverage)) is not None), None)
    return (coverage and coverage["uncovered"]) or []


def _no_endpoint(level: Level, uncovered: Sequence[str]) -> Finding:
    held = [whole_record(look, WebhookCoverage) for look in level.asked]
    endpoints = [each for coverage in held if coverage for each in coverage["endpoints"] or ()]
    disabled = [each["id"] for each in endpoints if each["status"] != "enabled"]
    words = f"{len(endpoints)} endpoints" + (f", disabled: {', '.join(disabled)}" if disabled else "")
    summary = f"{level.name}: no enabled endpoint asks for {', '.join(uncovered)} ({words}); such events reach nobody"
    return CATALOGUE.finding("slo.webhook_missed.no_endpoint", level.name, summary, level.asked)


def _is_enough(level: Level) -> bool:
    """Whether what is bad is no chance: enough requests, or so many failures that few requests do not matter."""
    assert level.tally is not None
    total, bad, _ = level.tally.sums()
    if total >= level.objective["min_requests"]:
        return True
    share = bad / total
    centre = (share + _Z**2 / (2 * total)) / (1 + _Z**2 / total)
    reach = _Z / (1 + _Z**2 / total) * (share * (1 - share) / total + _Z**2 / (4 * total**2)) ** 0.5
    return bad >= _CERTAIN_BAD and centre - reach > 1 - level.target


def _without_data(level: Level) -> JudgedLevel:
    answered = [look for look in level.asked if look.status.answered]
    looked = [look for look in level.asked if look.status is not Status.not_configured]
    thing = _THING[level.objective["kind"]]
    if answered and len(answered) == len(looked):
        sources = ", ".join(dict.fromkeys(look.source for look in answered))
        return _undecided(
            level,
            "slo.no_data.nothing",
            f"{level.name}: no {thing} at all were counted by {sources}; silence is not success",
            f"whether {level.objective['service'] or 'Stripe'} had traffic at all: the platform's request log; a member "
            "with the Viewer role",
        )
    words = "; ".join(
        f"{look.source}: {look.status}{f', {look.why}' if look.why else ''}" for look in looked or level.asked
    )
    return _undecided(
        level,
        "slo.no_data.unseen",
        f"{level.name}: no source that counts could be asked ({words[:400]})",
        _ask_again(looked or level.asked),
    )


def _ask_again(looks: Sequence[Observation]) -> str:
    helpful = next((look for look in looks if look.help), None)
    if helpful is not None:
        return f"{helpful.source} {helpful.call}: {helpful.help}"
    return "any one of the sources once it answers: on-call, with read access to it"


def _between(level: Level, worst: float, best: float) -> JudgedLevel:
    """The worst case misses, the best case meets: why it cannot be told, by what hides most."""
    assert level.tally is not None
    hidden = {why: sum(gap.seconds for name, gap in level.gaps if name == why) for why in ("retention", "gap")}
    why = max(hidden, key=lambda each: hidden[each]) if any(hidden.values()) else "coarse"
    known = f"between {percent(worst)} and {percent(best)}, promised {percent(level.target)} ({level.by})"
    if why == "retention":
        days = hidden[why] / 86_400
        words = f"{level.name}: {known}; {level.by} has forgotten the first {days:.1f} days of the period"
        look = f"a source that keeps the period (Prometheus with span metrics), or notebook 09 with a period of {_kept(level)}"
    elif why == "gap":
        first = next(gap for name, gap in level.gaps if name == "gap")
        words = (
            f"{level.name}: {known}; nothing was counted for {sum(1 for name, _ in level.gaps if name == 'gap')} stretches, "
            f"{span_words(hidden[why])} in all, the first from {clock_words(first.since_s)}"
        )
        look = (
            f"the platform's metrics or logs of {clock_words(first.since_s)} to {clock_words(first.until_s)}: was there "
            "traffic? a member with the Viewer role"
        )
    else:
        words = f"{level.name}: {known}; its buckets do not tell which"
        look = "Tempo's TraceQL metrics, or a histogram with a bucket at the objective's limit; read access to traces"
    return _undecided(level, f"slo.no_data.{why}", words, look)


def _kept(level: Level) -> str:
    assert level.tally is not None
    return f"{max(1, int((level.tally.until_s - level.tally.since_s) // 86_400))} days"


def _undecided(level: Level, code: str, summary: str, deciding_look: str) -> JudgedLevel:
    found = CATALOGUE.finding(code, level.name, summary, level.evidence)
    suspected = MISSED[level.objective["kind"]]
    return JudgedLevel(level, blind=found, suspect=Suspect(suspected, level.name, summary, deciding_look))


def _unchecked(level: Level, evidence: Evidence) -> Suspect | None:
    """The doubt that is left where the platform counts as well, and nobody could hold the traces against it."""
    look = unseen_edge(level, evidence)
    if look is None:
        return None
    summary = (
        f"{level.name}: met by {level.by}, and nobody can tell whether those keep failures and successes alike: "
        f"{look.source}'s own count did not come back ({look.status}{f', {look.why}' if look.why else ''})"
    )
    return Suspect("slo.sampling_biased", level.name, summary, _ask_again([look]))


def _missed(level: Level, evidence: Evidence, worst: float, best: float) -> Finding:
    assert level.tally is not None
    _, bad, _ = level.tally.sums()
    total = level.tally.sums()[0]
    allowed = (1 - level.target) * (total + level.missing())
    against = f"{bad:,.0f} {_AGAINST[level.objective['kind']]}, {allowed:,.0f} were allowed in {_period(evidence)}"
    summary = f"{level.name}: {_figure(level, worst, best)}; {against}{_where_it_went(level, evidence)}"
    return CATALOGUE.finding(MISSED[level.objective["kind"]], level.name, summary, level.evidence)


def _burning(level: Level, evidence: Evidence, burning: Sequence[Policy], worst: float, best: float) -> Finding:
    assert level.tally is not None
    first, period_s = burning[0], evidence.window.seconds
    rate, _ = level.tally.burn_now(first.long_s, level.target)
    assert rate is not None  # it burns
    left = budget_left(level)
    summary = (
        f"{level.name}: the last {span_text(first.long_s)} burns the budget {rate:.1f} times as fast as it lasts (threshold "
        f"{first.threshold(period_s):g} over {first.name}); {left:.0%} of {_period(evidence)} is left, "
        f"gone in {span_words(max(0.0, left) * period_s / rate)} at this rate; {_figure(level, worst, best)}"
    )
    speed = "fast" if first.severity == "page" else "slow"
    return CATALOGUE.finding(f"slo.budget_burning.{speed}", level.name, summary, level.evidence)


def _met(level: Level, evidence: Evidence, worst: float, best: float) -> Finding:
    young = f"; the first request was on {clock_words(level.young)}" if level.young else ""
    left = f"{budget_left(level):.0%} of the budget is left"
    summary = f"{level.name}: {_figure(level, worst, best)} over {_period(evidence)}; {left}{young}"
    return CATALOGUE.finding("slo.met", level.name, summary, level.evidence)


def _figure(level: Level, worst: float, best: float) -> str:
    assert level.tally is not None
    total = level.tally.sums()[0]
    share = percent(best) if best - worst < 5e-7 else f"{percent(worst)} to {percent(best)}"
    kind = level.objective["kind"]
    limit = f" (within {level.objective['within_ms']:g} ms)" if kind == LATENCY else ""
    return (
        f"{share} of {total:,.0f} {_THING[kind]} {_COUNTED[kind]}{limit}, promised {percent(level.target)} ({level.by})"
    )


def _where_it_went(level: Level, evidence: Evidence) -> str:
    """The hour that cost most, and the deployment that served then."""
    assert level.tally is not None
    hours = hours_of(level.tally, level.target, 1)
    if not hours:
        return ""
    worst = hours[0]
    words = f"; {worst['budget_ratio']:.0%} of the budget went in the hour from {clock_words(worst['since_s'])}"
    deployments = deployments_of(evidence.changes, level.objective["service"])
    served = served_at(deployments, worst["since_s"] + 3600)
    if served is None:
        return words
    since_s = from_iso(served["ready_at"] or served["at"]).timestamp()
    served_for = span_words(max(0.0, worst["since_s"] - since_s))
    return f"{words}, while deployment {commit_or_id(served)} served (for {served_for} by then)"


def _period(evidence: Evidence) -> str:
    return f"{evidence.window.seconds / 86_400:g} days"


def budget_left(level: Level) -> float:
    """The share of the period's budget that is left, at worst; below zero when it is overspent."""
    assert level.tally is not None
    left = level.tally.budget_left(level.target)
    return float(left[-1]) if len(left) else 1.0
