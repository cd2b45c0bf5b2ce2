"""Procedure 06's verdict: every rule on every part, what explains what, and which looks the answer stands on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runbook_lib.core.clock import Window, from_iso
from runbook_lib.core.model import Change, Conclusion, Finding, Json, Observation, Situation, Status, Suspect, Unseen
from runbook_lib.judging.concluding import conclude, unseen
from runbook_lib.judging.plan import Plan, facts_of
from runbook_lib.procedures.deployments import rules
from runbook_lib.procedures.deployments import traffic as traffic_of
from runbook_lib.procedures.deployments.live import live
from runbook_lib.procedures.deployments.plans import plans_for
from runbook_lib.procedures.deployments.reading import Reading, Site, read, word
from runbook_lib.procedures.deployments.rules import Judged
from runbook_lib.procedures.failed_request.rules import changes_of
from runbook_lib.reading import requests as rows

COMPARED = timedelta(hours=24)  # request logs are kept for about a day; an older deployment's first hours are gone
# what explains the symptom first: what hurts users, then why the new code is not there, then how it is set up
_ORDER = (
    "deploy.env_missing",
    "deploy.migration_missing",
    "deploy.error_rate_up",
    "deploy.not_ready.paused",
    "deploy.not_ready.crashed",
    "deploy.health_failing",
    "deploy.protection_on",
    "deploy.alias_stale.missing",
    "deploy.build_failed",
    "deploy.canceled",
    "deploy.not_ready",
    "deploy.checks_failed",
    "deploy.repo_not_connected",
    "deploy.alias_stale",
    "deploy.wrong_commit",
    "deploy.env_stale",
    "deploy.preview_disabled",
)
_OF_DEPLOYMENT = ("deploy.build_failed", "deploy.canceled", "deploy.not_ready", "deploy.checks_failed")
# a consequence, and the causes that bring it about by themselves
_EXPLAINED: dict[str, tuple[str, ...]] = {
    "deploy.build_failed.env": ("deploy.env_missing",),
    "deploy.wrong_commit.not_deployed": ("deploy.repo_not_connected",),
    "deploy.preview_disabled.none_made": ("deploy.repo_not_connected", "deploy.not_ready.none"),
    "deploy.health_failing": (
        "deploy.migration_missing",
        "deploy.error_rate_up",
        "deploy.not_ready.paused",
        "deploy.not_ready.crashed",
    ),
}


@dataclass(frozen=True)
class Judgement:
    """One part on one platform with everything that was found of it."""

    reading: Reading
    traffic: traffic_of.Traffic
    judged: Judged
    plans: tuple[Plan, ...] = ()


def judge_site(site: Site, now: datetime, *, is_asked: bool) -> Judgement:
    """Every rule on one part on one platform."""
    reading = read(site)
    traffic = traffic_of.read_traffic(reading)
    judged = Judged()
    for found in (
        rules.connected(reading),
        rules.previews(reading, now),
        rules.checks(reading),
        rules.variables(reading),
        rules.build(reading),
        rules.ended(reading, now, is_asked=is_asked),
        rules.health(reading, lambda: any(not rows.is_failed(row) for row in traffic.after)),
        rules.protected(reading),
        live(reading, now),
        traffic_of.judge(reading, traffic),
    ):
        judged.add(found)
    settled = settle(judged)
    codes = [finding.code for finding in (*settled.faults, *settled.states)]
    return Judgement(reading, traffic, settled, tuple(plans_for(reading, codes)))


def settle(judged: Judged) -> Judged:
    """Put what other findings explain under `also`, and the rest in the order in which they explain the symptom."""
    codes = judged.codes()
    roots: list[Finding] = []
    also = list(judged.also)
    for finding in judged.faults:
        by = next((by for code, by in _EXPLAINED.items() if finding.code.startswith(code)), ())
        (also if codes & set(by) else roots).append(finding)
    roots.sort(key=lambda finding: rank(finding.code))
    return Judged(roots, also, judged.states, judged.open, judged.notes)


def rank(code: str, order: Sequence[str] = _ORDER) -> int:
    """The place of a code among those that explain the symptom; the narrowest entry that fits counts."""
    fitting = [
        (len(known), place) for place, known in enumerate(order) if code == known or code.startswith(f"{known}.")
    ]
    return max(fitting)[1] if fitting else len(order)


def diagnose(sites: Sequence[Site], now: datetime, *, is_asked: bool = False) -> Conclusion:
    """The verdict on the parts that were asked for.

    Args:
        sites: each part on each platform that it may run on; those that the runbook is not told of are left out where the
            same part is known elsewhere.
        is_asked: one deployment or commit was asked for: then one that is still under way leaves the answer open.
    """
    used = used_sites(sites)
    judgements = [judge_site(site, now, is_asked=is_asked) for site in used]
    faults = sorted(
        (finding for each in judgements for finding in each.judged.faults), key=lambda finding: rank(finding.code)
    )
    looks = [look for site in used for look in site.looks()]
    return conclude(
        faults=faults,
        also=[finding for each in judgements for finding in each.judged.also],
        states=[finding for each in judgements for finding in each.judged.states],
        suspects=[*_unknown(judgements), *(suspect for each in judgements for suspect in each.judged.open)],
        needed=[look for each in judgements for look in needed(each, now)],
        not_seen=not_seen(looks),
        situation=situation(judgements, looks, faults, now),
        facts=facts(judgements),
    )


def _unknown(judgements: Sequence[Judgement]) -> list[Suspect]:
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


def used_sites(sites: Sequence[Site]) -> list[Site]:
    """The sites that are configured; of a part that is configured nowhere, its first one, so that it is said."""
    parts = list(dict.fromkeys(site.part for site in sites))
    found = []
    for part in parts:
        of_part = [site for site in sites if site.part == part]
        found += [site for site in of_part if site.is_configured] or of_part[:1]
    return found


def needed(judgement: Judgement, now: datetime) -> list[Observation]:
    """The looks without an answer on which "nothing is wrong" would stand."""
    site, reading = judgement.reading.site, judgement.reading
    wanted = [site.project, site.deployments, site.variables]
    if site.target == "production":
        wanted.append(site.probe)
    for look in (site.checks, site.compare, site.pulls):  # GitHub is no need of a team that did not name it
        if look is not None and look.status != Status.not_configured:
            wanted.append(look)
    if reading.serving is not None and reading.age(reading.serving, now) <= COMPARED:
        wanted += [look for look in site.after if look.status not in (Status.too_recent, Status.out_of_retention)]
        if judgement.traffic.failed_after:
            wanted += [look for look in site.before if look.status not in (Status.too_recent, Status.out_of_retention)]
    if reading.judged is not None and word(reading.judged) == "failed":
        wanted.append(site.detail)
    return [look for look in wanted if look is not None and not look.status.answered and not look.status.has_content]


def not_seen(looks: Sequence[Observation]) -> list[Unseen]:
    """What could not be seen: a window too young to hold anything is no blind spot, nor is a list cut where it is old."""
    told = [look for look in looks if look.status != Status.too_recent]
    return [each for each in unseen(told) if each.status != Status.partial]


def situation(
    judgements: Sequence[Judgement], looks: Sequence[Observation], faults: Sequence[Finding], now: datetime
) -> Situation:
    """Since when requests fail, of those that the findings are about; and every change of the two hours before. What is wrong with
    a deployment or its setting is so until it is corrected: from when it was deployed, where the deployment itself failed."""
    changes: tuple[Change, ...] = changes_of(looks, Window(now - timedelta(seconds=1), now))
    hurts = ("deploy.error_rate_up", "deploy.migration_missing", "deploy.health_failing")
    if not any(finding.code.startswith(hurts) for finding in faults):
        return Situation(ongoing=True if faults else None, onset=_failed_at(judgements, faults), changes=changes)
    seen = [
        row
        for each in judgements
        if any(finding.code.startswith(hurts) for finding in each.judged.faults)
        for row in rows.rows_of((*each.reading.site.after, *each.reading.site.before))
    ]
    told = rows.situation_of(seen, None, now, None)
    ongoing = told.ongoing
    if ongoing is None and any(finding.code.startswith("deploy.health_failing") for finding in faults):
        ongoing = True
    return Situation(ongoing, told.onset, told.last_seen, told.requests_failed, told.orgs_affected, changes)


def _failed_at(judgements: Sequence[Judgement], faults: Sequence[Finding]) -> str | None:
    """When the deployment was made that the first finding says has failed; None for a finding of another kind."""
    for each in judgements:
        judged = each.reading.judged
        if judged and faults and faults[0] in each.judged.faults and faults[0].code.startswith(_OF_DEPLOYMENT):
            return str(judged["at"])
    return None


def facts(judgements: Sequence[Judgement]) -> dict[str, Json]:
    """For displays and the report: what is deployed, the figures, the plans, links."""
    serving = [dict(each.reading.serving) for each in judgements if each.reading.serving]
    links = [
        {"what": f"{row['part']}: deployment {row['id']}", "url": row["inspect_url"]}
        for row in serving
        if row.get("inspect_url")
    ]
    return {
        "deployments": [
            {name: row.get(name) for name in ("part", "platform", "id", "commit", "branch", "at", "url")}
            for row in serving
        ],
        "links": links,
        "traffic": {
            each.reading.site.name: traffic_of.figures(each.traffic) for each in judgements if each.traffic.after
        },
        "plans": facts_of([plan for each in judgements for plan in each.plans]),
        "notes": [note for each in judgements for note in each.judged.notes],
    }


def summary_rows(judgement: Judgement) -> list[tuple[str, str, str]]:
    """One line for each check of a part: what, how it stands, and the tone (good, bad, unknown, neutral)."""
    site, reading = judgement.reading.site, judgement.reading
    codes = [finding.code for finding in (*judgement.judged.faults, *judgement.judged.also)]
    checks: tuple[tuple[str, tuple[str, ...], Observation | None], ...] = (
        ("repository", ("deploy.repo_not_connected",), site.project),
        ("previews", ("deploy.preview_disabled",), site.project),
        ("variables", ("deploy.env_missing", "deploy.env_stale"), site.variables),
        ("checks", ("deploy.checks_failed",), site.checks),
        ("deployment", ("deploy.build_failed", "deploy.canceled", "deploy.not_ready"), site.deployments),
        ("live commit", ("deploy.wrong_commit", "deploy.alias_stale"), site.compare or site.deployments),
        ("health", ("deploy.health_failing", "deploy.protection_on"), site.probe),
    )
    found = []
    for name, meant, look in checks:
        bad = [code for code in codes if code.startswith(meant)]
        if bad:
            found.append((name, bad[0].removeprefix("deploy."), "bad"))
        elif look is None or not (look.status.answered or look.status.has_content):
            found.append((name, str(look.status) if look is not None else "not looked at", "unknown"))
        else:
            found.append((name, "ok", "good"))
    if reading.serving is not None and judgement.traffic.after:
        held = traffic_of.figures(judgement.traffic)["since"]
        is_bad = any(code.startswith(("deploy.error_rate_up", "deploy.migration_missing")) for code in codes)
        found.append(("errors since", f"{held['failed']} of {held['requests']}", "bad" if is_bad else "good"))
    return found


def is_worth_following(judgement: Judgement) -> bool:
    """Whether so many requests fail that it matters where they begin."""
    return judgement.traffic.is_more() or len(judgement.traffic.failed_after) >= 3


def compared_window(reading: Reading, now: datetime) -> tuple[Window, Window] | None:
    """The time since the serving deployment and as long a time before it (ten minutes at least); None when it is too old."""
    if reading.serving is None or reading.age(reading.serving, now) > COMPARED or reading.site.target != "production":
        return None
    at = from_iso(str(reading.serving["at"]))
    length = max(now - at, timedelta(minutes=10))
    ready_at = reading.serving.get("ready_at")
    until = from_iso(str(ready_at)) if ready_at else at
    return Window(at, now), Window(at - length, min(max(until, at), now))
