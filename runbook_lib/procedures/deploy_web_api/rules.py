"""Procedure 06's verdict: every rule on every part, and how each part stands."""

from datetime import datetime

from runbook_lib.core.model import Conclusion, Observation
from runbook_lib.judging.concluding import conclude
from runbook_lib.judging.findings import Findings
from runbook_lib.procedures.deploy_web_api.causes import CATALOGUE
from runbook_lib.procedures.deployments import error_rates, rules
from runbook_lib.procedures.deployments.evidence import Evidence
from runbook_lib.procedures.deployments.judgement import (
    Judgement,
    facts,
    gather_findings,
    situation,
    suspect_unknown_deployment,
)
from runbook_lib.procedures.deployments.live import judge_live
from runbook_lib.procedures.deployments.plans import plans_for
from runbook_lib.procedures.deployments.reading import Site, read
from runbook_lib.reading.request_rows import is_failed


def judge_site(site: Site, now: datetime, *, is_asked: bool) -> Judgement:
    """Every rule on one part on one platform."""
    reading = read(site)
    traffic = error_rates.read_traffic(reading)
    judged = Findings()
    for found in (
        rules.judge_connection(reading),
        rules.judge_previews(reading, now),
        rules.judge_checks(reading),
        rules.judge_variables(reading),
        rules.judge_build(reading),
        rules.judge_outcome(reading, now, is_asked=is_asked),
        rules.judge_health(reading, lambda: any(not is_failed(row) for row in traffic.after)),
        rules.judge_protection(reading),
        judge_live(reading, now),
        error_rates.judge_error_rate(reading, traffic),
    ):
        judged.add(found)
    judged = judged.settled(CATALOGUE)
    codes = [finding.code for finding in (*judged.faults, *judged.states)]
    return Judgement(reading, traffic, judged, tuple(plans_for(reading, codes)))


def diagnose(evidence: Evidence, now: datetime, *, is_asked: bool = False) -> Conclusion:
    """The verdict on the parts that were asked for.

    Args:
        is_asked: one deployment or commit was asked for: then one that is still under way leaves the answer open.
    """
    judgements = [judge_site(site, now, is_asked=is_asked) for site in evidence.sites]
    found = gather_findings(CATALOGUE, judgements)
    return conclude(
        CATALOGUE,
        evidence.all(),
        asked=evidence.asked,
        faults=found.faults,
        also=found.also,
        states=found.states,
        suspects=[*suspect_unknown_deployment(judgements), *found.suspects],
        situation=situation(judgements, found.faults, now),
        facts=facts(judgements),
    )


def summary_rows(judgement: Judgement) -> list[tuple[str, str, str]]:
    """One line for each check of a part: what, how it stands, and the tone (good, bad, unknown, neutral)."""
    site = judgement.reading.site
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
    since = judgement.traffic.since
    if since.requests:
        is_bad = any(code.startswith(("deploy.error_rate_up", "deploy.migration_missing")) for code in codes)
        found.append(("errors since", f"{since.failed} of {since.requests}", "bad" if is_bad else "good"))
    return found
