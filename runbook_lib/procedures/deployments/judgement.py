"""What was found of one part on one platform, and what several of them come to together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Change, Finding, Json, Situation, Suspect
from runbook_lib.judging.causes import Catalogue
from runbook_lib.judging.findings import Findings
from runbook_lib.judging.plan import Plan, facts_of
from runbook_lib.procedures.deployments import error_rates
from runbook_lib.procedures.deployments.reading import Reading
from runbook_lib.reading.changes import changes_of
from runbook_lib.reading.request_rows import logged_requests, situation_of

_OF_DEPLOYMENT = ("deploy.build_failed", "deploy.canceled", "deploy.not_ready", "deploy.checks_failed")
_HURTS = ("deploy.error_rate_up", "deploy.migration_missing", "deploy.health_failing")


@dataclass(frozen=True)
class Judgement:
    """One part on one platform with everything that was found of it."""

    reading: Reading
    traffic: error_rates.Traffic
    judged: Findings
    plans: tuple[Plan, ...] = ()


def gather_findings(catalogue: Catalogue, judgements: Iterable[Judgement]) -> Findings:
    """Everything that was found of all parts, faults in the order in which they explain."""
    found = Findings()
    for each in judgements:
        found.add(each.judged)
    found.faults.sort(key=lambda finding: catalogue.place(finding.code))
    return found


def suspect_unknown_deployment(judgements: Sequence[Judgement]) -> list[Suspect]:
    """The deployment that was asked for, where no platform that answered has it: then nothing was judged."""
    asked = next((each.reading.site.asked for each in judgements if each.reading.site.asked), "")
    if not asked or any(each.reading.judged for each in judgements):
        return []
    where = ", ".join(each.reading.site.name for each in judgements)
    return [
        Suspect(
            "",
            asked,
            f"no deployment of {where} has this id or address",
            "the same with an id from the platform's list of deployments, or without one for the newest",
        )
    ]


def situation(judgements: Sequence[Judgement], faults: Sequence[Finding], now: datetime) -> Situation:
    """Since when requests fail, of those that the findings are about; and every change of the two hours before. What is wrong with
    a deployment or its setting is so until it is corrected: from when it was deployed, where the deployment itself failed."""
    looks = [look for each in judgements for look in each.reading.site.looks()]
    changes: tuple[Change, ...] = changes_of(looks, Window(now - timedelta(seconds=1), now))
    if not any(finding.code.startswith(_HURTS) for finding in faults):
        return Situation(ongoing=True if faults else None, onset=_failed_at(judgements, faults), changes=changes)
    seen = [
        row
        for each in judgements
        if any(finding.code.startswith(_HURTS) for finding in each.judged.faults)
        for row in logged_requests((*each.reading.site.after, *each.reading.site.before))
    ]
    told = situation_of(seen, None, now, None)
    ongoing = told.ongoing
    if any(finding.code.startswith("deploy.health_failing") for finding in faults) and ongoing is None:
        ongoing = True
    return Situation(ongoing, told.onset, told.last_seen, told.requests_failed, told.orgs_affected, changes)


def _failed_at(judgements: Sequence[Judgement], faults: Sequence[Finding]) -> str | None:
    """When the deployment was made that the first finding says has failed; None for a finding of another kind."""
    for each in judgements:
        judged = each.reading.judged
        if judged and faults and faults[0] in each.judged.faults and faults[0].code.startswith(_OF_DEPLOYMENT):
            return judged.at
    return None


def facts(judgements: Sequence[Judgement]) -> dict[str, Json]:
    """For displays and the report: what is deployed, the figures, the plans, links."""
    serving = [each.reading.serving for each in judgements if each.reading.serving]
    links = [{"what": f"{row.part}: deployment {row.id}", "url": row.inspect_url} for row in serving if row.inspect_url]
    return {
        "deployments": [
            {name: getattr(row, name) for name in ("part", "platform", "id", "commit", "branch", "at", "url")}
            for row in serving
        ],
        "links": links,
        "traffic": {
            each.reading.site.name: error_rates.figures(each.traffic)
            for each in judgements
            if each.traffic.since.requests
        },
        "plans": facts_of([plan for each in judgements for plan in each.plans]),
        "notes": [note for each in judgements for note in each.judged.notes],
    }
