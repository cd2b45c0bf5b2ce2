"""Whether what should be live is live: the production domain against the newest good deployment, its commit against the branch."""

from datetime import datetime

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Status
from runbook_lib.core.records.repository import Comparison
from runbook_lib.judging.answers import record_of
from runbook_lib.judging.findings import Findings
from runbook_lib.procedures.deploy_web_api.causes import CATALOGUE
from runbook_lib.procedures.deployments.deployed import Deployed
from runbook_lib.procedures.deployments.reading import Reading
from runbook_lib.procedures.deployments.rules import push_delay, touches


def judge_live(reading: Reading, now: datetime) -> Findings:
    """The domain and the commit. What the newest deployment's own trouble explains is no finding of its own."""
    found = _domain(reading)
    if found.faults or found.states:
        return found
    if reading.judged is not None and reading.judged.word in ("failed", "canceled", "blocked", "building", "unknown"):
        return found  # it explains why the one before it still serves
    found.add(_commit(reading, now))
    return found


def _newest_good(reading: Reading) -> Deployed | None:
    return next((row for row in reading.rows if row.word in ("ready", "crashed")), None)


def _domain(reading: Reading) -> Findings:
    """Vercel's production domain: pinned by a rollback, never promoted, or not moved for an error."""
    site, project, found = reading.site, reading.vercel_project, Findings()
    newest, serving = _newest_good(reading), reading.serving
    if site.target != "production" or newest is None or project is None:
        return found
    job, evidence = project["alias_job"], [site.project, site.deployments, site.detail]
    serving_id = (serving.id if serving else None) or project["serving"]
    if not serving_id or newest.id == serving_id:
        return found
    subject = f"{site.name}: {newest.id}"
    told = f"deployment {newest.id} ({newest.short_commit}) is good, and {serving_id} serves"
    failed = job is not None and job["status"] == "failed" and job["to"] == newest.id
    error = newest.alias_error or (failed and "the last alias job failed")
    moved = job["type"] if job is not None and job["to"] == serving_id else None
    if error:
        found.faults.append(
            CATALOGUE.finding("deploy.alias_stale.failed", subject, f"{site.name}: {told}: {error}", evidence)
        )
    elif project["rolled_back_to"] or moved == "rollback":
        if job is not None and job["at"] and newest.at <= job["at"]:
            summary = f"{site.name}: rolled back to {serving_id} at {job['at']}"
            found.states.append(
                CATALOGUE.finding("deploy.rolled_back", f"{site.name}: {serving_id}", summary, evidence)
            )
        else:
            summary = f"{site.name}: {told}, pinned by a rollback"
            found.faults.append(CATALOGUE.finding("deploy.alias_stale.rolled_back", subject, summary, evidence))
    elif newest.substate == "STAGED" or not project["assigns_domains"]:
        found.faults.append(
            CATALOGUE.finding(
                "deploy.alias_stale.staged", subject, f"{site.name}: {told}; it was never promoted", evidence
            )
        )
    elif job is not None and moved == "promote":
        summary = f"{site.name}: {told}, because it was promoted at {job['at']}"
        found.faults.append(
            CATALOGUE.finding("deploy.wrong_commit.older", f"{site.name}: {serving_id}", summary, evidence)
        )
    elif serving is not None and serving.at < newest.at:
        found.faults.append(CATALOGUE.finding("deploy.alias_stale", subject, f"{site.name}: {told}", evidence))
    return found


def _commit(reading: Reading, now: datetime) -> Findings:
    """The serving commit against the one that was asked for, else against the branch."""
    site, serving, found = reading.site, reading.serving, Findings()
    if serving is None or not serving.commit:
        return found
    commit, subject = serving.commit, f"{site.name}: {serving.id}"
    wanted = site.commit.lower()
    if wanted:
        if not commit.lower().startswith(wanted):
            code = "deploy.wrong_commit" if _deployed(reading, wanted) is None else "deploy.wrong_commit.older"
            summary = f"{site.name}: {commit[:9]} serves, and {wanted[:9]} should"
            found.faults.append(CATALOGUE.finding(code, subject, summary, [site.deployments, site.project]))
        return found
    compared = record_of(site.compare, Comparison)
    if compared is None or compared["commit"] != commit:
        if site.compare is not None and site.compare.status == Status.not_found:
            summary = f"{site.name}: its commit {commit[:9]} is nowhere in the repository"
            found.faults.append(
                CATALOGUE.finding(
                    "deploy.wrong_commit.other_branch", subject, summary, [site.compare, site.deployments]
                )
            )
        elif site.target == "production" and serving.branch not in (None, reading.branch):
            summary = f"{site.name}: production was built from branch {serving.branch}, not {reading.branch}"
            found.faults.append(
                CATALOGUE.finding(
                    "deploy.wrong_commit.other_branch", subject, summary, [site.deployments, site.project]
                )
            )
        return found
    if compared["status"] in ("behind", "diverged"):
        summary = f"{site.name}: its commit {commit[:9]} is not on branch {compared['branch']}"
        found.faults.append(
            CATALOGUE.finding("deploy.wrong_commit.other_branch", subject, summary, [site.compare, site.deployments])
        )
    elif compared["status"] == "ahead":
        found.add(_behind_the_branch(reading, compared, now))
    return found


def _behind_the_branch(reading: Reading, compared: Comparison, now: datetime) -> Findings:
    """The branch has commits that what serves has not: only those that touch the part count."""
    site, serving, found = reading.site, reading.serving, Findings()
    assert serving is not None
    project = reading.project
    mine = touches(compared["files"], project["root"] if project else None)
    head, subject = compared["head"], f"{site.name}: {serving.id}"
    if not mine and not compared["files_cut"]:
        found.notes.append(f"{site.name}: the branch is ahead by {compared['ahead_by']:g} commits that do not touch it")
        return found
    evidence = [site.compare, site.deployments, site.project]
    earlier = _deployed(reading, head)
    shown = ", ".join(mine[:3]) or "more files than GitHub lists"
    told = (
        f"branch {compared['branch']} is at {head[:9]}, {compared['ahead_by']:g} commits ahead of what serves ({shown})"
    )
    if earlier is not None and earlier.at < serving.at and earlier.word in ("ready", "superseded"):
        summary = f"{site.name}: {told}; {head[:9]} was deployed before, as {earlier.id}"
        found.faults.append(CATALOGUE.finding("deploy.wrong_commit.older", subject, summary, evidence))
    elif any(row.commit == head for row in reading.skipped):
        found.notes.append(f"{site.name}: {told}; its deployment was skipped on purpose")
    elif compared["head_at"] and now - from_iso(compared["head_at"]) <= push_delay():
        found.states.append(
            CATALOGUE.finding(
                "deploy.in_progress", f"{site.name}: {head[:9]}", f"{site.name}: {told}, pushed just now", evidence
            )
        )
    elif reading.vercel_project and reading.vercel_project["skips"]:
        found.notes.append(f"{site.name}: {told}; the project may leave it out ({reading.vercel_project['skips']})")
    else:
        found.faults.append(
            CATALOGUE.finding(
                "deploy.wrong_commit.not_deployed",
                subject,
                f"{site.name}: {told}; no deployment was made of it",
                evidence,
            )
        )
    return found


def _deployed(reading: Reading, commit: str) -> Deployed | None:
    return next((row for row in reading.rows if (row.commit or "").lower().startswith(commit.lower())), None)
