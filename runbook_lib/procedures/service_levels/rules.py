"""Are the promises kept, and would somebody be told if not? The verdict over all objectives, and the situation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from runbook_lib.core.clock import from_epoch_s, to_iso
from runbook_lib.core.model import Change, Conclusion, Finding, Json, Observation, Situation, Status, Suspect, Unseen
from runbook_lib.core.records.alerts import TestedAlert
from runbook_lib.core.records.deployments import DeploymentRow
from runbook_lib.core.records.team_files import ServiceLevels
from runbook_lib.judging.answers import record_of, rows_of, whole_record
from runbook_lib.judging.concluding import conclude
from runbook_lib.procedures.service_levels.alerts import alert_findings, untested
from runbook_lib.procedures.service_levels.causes import CATALOGUE
from runbook_lib.procedures.service_levels.evidence import Evidence, unheard
from runbook_lib.procedures.service_levels.exhibits import glance
from runbook_lib.procedures.service_levels.judging import JudgedLevel, budget_left, judge_all
from runbook_lib.procedures.service_levels.reading import Level, commit_or_id, hours_of
from runbook_lib.procedures.service_levels.tally import POLICIES, Policy, span_text

_STANDING = ("alert.unrouted", "alert.silenced", "alert.rule_broken", "alert.receiver_failing")


@dataclass(frozen=True)
class Weighed:
    """Every objective judged, and what is shown of the budgets."""

    judged: tuple[JudgedLevel, ...]
    glance: list[dict[str, Json]]


def weigh(evidence: Evidence) -> Weighed:
    """The objectives, from what was counted; what the alerts' looks add changes none of it."""
    judged = judge_all(evidence)
    return Weighed(tuple(judged), glance(judged, evidence))


def diagnose(evidence: Evidence, weighed: Weighed | None = None) -> Conclusion:
    """The verdict on all objectives and on the alerts that guard them; `weighed`: the objectives, where that is done already."""
    weighed = weighed or weigh(evidence)
    judged = weighed.judged
    wrong, doubted = alert_findings(evidence, judged)
    faults, explained = CATALOGUE.settle([*(each.fault for each in judged if each.fault), *wrong])
    blind = [each.blind for each in judged if each.blind]
    return conclude(
        CATALOGUE,
        evidence.all(),
        asked=evidence.questions(),
        faults=faults,
        also=explained,
        states=[each.state for each in judged if each.state],
        blind=blind,
        suspects=[*_unknown(evidence), *(each.suspect for each in judged if each.suspect), *doubted],
        not_seen=[*_uncounted(evidence), *(_unjudged(each) for each in blind if faults)],
        situation=situation_of(evidence, judged, faults),
        facts={"objectives": [row_of(each, evidence) for each in judged], "glance": weighed.glance},
    )


def _unknown(evidence: Evidence) -> list[Suspect]:
    """The objectives that were asked for and that the team's file does not have: nobody judged them."""
    levels = whole_record(evidence.file, ServiceLevels)
    known = [each["name"] for each in levels["objectives"]] if levels else []
    return [
        Suspect(
            "",
            name,
            f"{levels['file']} has no objective of this name; it has {', '.join(known)}",
            "the same with -p objectives= one of these names",
        )
        for name in evidence.only
        if levels and name not in known
    ]


def _unjudged(blind: Finding) -> Unseen:
    """An objective that could not be judged, beside others that are broken."""
    return Unseen("objective", blind.subject, str(Status.partial), blind.summary, blind.remedy or "")


def _uncounted(evidence: Evidence) -> list[Unseen]:
    """Test alerts of which nobody can say whether they arrived."""
    return [_unheard(look) for look in untested(evidence)]


def _unheard(look: Observation) -> Unseen:
    sent = record_of(look, TestedAlert)
    why = f"a test alert went to {', '.join(sent['receivers'] if sent else ())}, and nothing tells whether it arrived"
    help_ = "ask whoever is on call whether the test arrived; or let the runbook read Alertmanager's /metrics"
    if sent and sent["taken"]:  # answers are counted
        why += f" by {', '.join(unheard(look))} within {sent['waited_s']:g} s"
        help_ = "an alert that joins others of its group is told of after their group_interval: test again after it"
    return Unseen(look.source, look.call, str(Status.partial), why, help_)


def situation_of(evidence: Evidence, judged: Sequence[JudgedLevel], faults: Sequence[Finding]) -> Situation:
    """Whether it burns now, since when, how many requests, and what was deployed in the two hours before the worst hour. A rule, a
    route or a silence that is wrong is so until it is corrected."""
    stands = any(finding.code.startswith(_STANDING) for finding in faults)
    broken = [each for each in judged if each.fault is not None and each.level.tally is not None]
    if not broken:
        is_open = not judged or any(each.blind or each.suspect for each in judged)
        return Situation(ongoing=stands or (None if is_open else False))
    worst = min(broken, key=lambda each: budget_left(each.level))
    tally = worst.level.tally
    assert tally is not None
    hours = hours_of(tally, worst.level.target, 1)
    bad = tally.least.nonzero()[0]
    onset = hours[0]["since_s"] if hours else None
    return Situation(
        ongoing=stands or any(each.burning for each in broken),
        onset=to_iso(from_epoch_s(onset)) if onset else None,
        last_seen=to_iso(from_epoch_s(tally.since_s + (int(bad[-1]) + 1) * tally.step_s)) if len(bad) else None,
        requests_failed=round(sum(each.level.tally.sums()[1] for each in broken if each.level.tally is not None)),
        changes=_changes_before(evidence, onset),
    )


def _changes_before(evidence: Evidence, onset_s: float | None) -> tuple[Change, ...]:
    if onset_s is None:
        return ()
    since = to_iso(from_epoch_s(onset_s) - timedelta(hours=2))
    until = to_iso(from_epoch_s(onset_s) + timedelta(hours=1))
    found = {
        Change(
            row["at"],
            f"{row['part']} deployed {commit_or_id(row)} {row['message'] or ''}".strip(),
            row["url"] or look.source,
        )
        for look in evidence.changes
        for row in rows_of(look, DeploymentRow)
        if since <= row["at"] <= until
    }
    return tuple(sorted(found, key=lambda change: change.at, reverse=True))


def row_of(each: JudgedLevel, evidence: Evidence) -> dict[str, Json]:
    """One objective for the table, the plots and the postmortem."""
    level = each.level
    row: dict[str, Json] = {
        "objective": level.name,
        "kind": level.objective["kind"],
        "service": level.objective["service"],
        "target": level.target,
        "said": next((found.code for found in (each.fault, each.state, each.blind) if found), ""),
        "by": level.by,
    }
    if level.tally is None:
        return row
    worst, best = level.between()
    total, bad, _ = level.tally.sums()
    rates = {span_text(p.long_s): _rate(level, p) for p in POLICIES if p.long_s <= evidence.window.seconds}
    return {
        **row,
        "worst": worst,
        "best": best,
        "requests": round(total),
        "bad": round(bad),
        "budget_left": budget_left(level),
        "burn_rates": rates,
        "sampling": level.sampling.words() if level.sampling else "",
    }


def _rate(level: Level, policy: Policy) -> float | None:
    assert level.tally is not None
    rate, _ = level.tally.burn_now(policy.long_s, level.target)
    return None if rate is None else round(rate, 3)
