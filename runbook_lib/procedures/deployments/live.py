"""Whether what should be live is live: the production domain against the newest good deployment, its commit against the branch."""

from datetime import datetime

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Status
from runbook_lib.procedures.deploy_web_api.causes import CATALOGUE
from runbook_lib.procedures.deployments.reading import Reading, Row, content, word
from runbook_lib.procedures.deployments.rules import Judged, push_delay, touches


def live(reading: Reading, now: datetime) -> Judged:
    """The domain and the commit. What the newest deployment's own trouble explains is no finding of its own."""
    found = _domain(reading)
    if found.faults or found.states:
        return found
    if reading.judged is not None and word(reading.judged) in ("failed", "canceled", "blocked", "building", "unknown"):
        return found  # it explains why the one before it still serves
    found.add(_commit(reading, now))
    return found


def _newest_good(reading: Reading) -> Row | None:
    return next((row for row in reading.rows if word(row) in ("ready", "crashed")), None)


def _domain(reading: Reading) -> Judged:
    """Vercel's production domain: pinned by a rollback, never promoted, or not moved for an error."""
    site, project, found = reading.site, reading.project, Judged()
    newest, serving = _newest_good(reading), reading.serving
    if site.platform != "vercel" or site.target != "production" or newest is None or not project:
        return found
    job, evidence = project.get("alias_job") or {}, [site.project, site.deployments, site.detail]
    serving_id = str((serving or {}).get("id") or project.get("serving") or "")
    if not serving_id or newest["id"] == serving_id:
        return found
    subject = f"{site.name}: {newest['id']}"
    told = f"deployment {newest['id']} ({_short(newest)}) is good, and {serving_id} serves"
    failed = job.get("status") == "failed" and job.get("to") == newest["id"]
    error = newest.get("alias_error") or (failed and "the last alias job failed")
    if error:
        found.faults.append(
            CATALOGUE.finding("deploy.alias_stale.failed", subject, f"{site.name}: {told}: {error}", evidence)
        )
    elif project.get("rolled_back_to") or (job.get("type") == "rollback" and job.get("to") == serving_id):
        if job.get("at") and str(newest["at"]) <= str(job["at"]):
            summary = f"{site.name}: rolled back to {serving_id} at {job['at']}"
            found.states.append(
                CATALOGUE.finding("deploy.rolled_back", f"{site.name}: {serving_id}", summary, evidence)
            )
        else:
            summary = f"{site.name}: {told}, pinned by a rollback"
            found.faults.append(CATALOGUE.finding("deploy.alias_stale.rolled_back", subject, summary, evidence))
    elif newest.get("substate") == "STAGED" or not project.get("assigns_domains"):
        found.faults.append(
            CATALOGUE.finding(
                "deploy.alias_stale.staged", subject, f"{site.name}: {told}; it was never promoted", evidence
            )
        )
    elif job.get("type") == "promote" and job.get("to") == serving_id:
        summary = f"{site.name}: {told}, because it was promoted at {job.get('at')}"
        found.faults.append(
            CATALOGUE.finding("deploy.wrong_commit.older", f"{site.name}: {serving_id}", summary, evidence)
        )
    elif serving is not None and str(serving["at"]) < str(newest["at"]):
        found.faults.append(CATALOGUE.finding("deploy.alias_stale", subject, f"{site.name}: {told}", evidence))
    return found


def _commit(reading: Reading, now: datetime) -> Judged:
    """The serving commit against the one that was asked for, else against the branch."""
    site, serving, found = reading.site, reading.serving, Judged()
    if serving is None or not serving.get("commit"):
        return found
    commit, subject = str(serving["commit"]), f"{site.name}: {serving['id']}"
    wanted = site.commit.lower()
    if wanted:
        if not commit.lower().startswith(wanted):
            code = "deploy.wrong_commit" if _deployed(reading, wanted) is None else "deploy.wrong_commit.older"
            summary = f"{site.name}: {commit[:9]} serves, and {wanted[:9]} should"
            found.faults.append(CATALOGUE.finding(code, subject, summary, [site.deployments, site.project]))
        return found
    compared = content(site.compare)
    if not isinstance(compared, dict) or compared["commit"] != commit:
        if site.compare is not None and site.compare.status == Status.not_found:
            summary = f"{site.name}: its commit {commit[:9]} is nowhere in the repository"
            found.faults.append(
                CATALOGUE.finding(
                    "deploy.wrong_commit.other_branch", subject, summary, [site.compare, site.deployments]
                )
            )
        elif site.target == "production" and serving.get("branch") not in (None, reading.branch):
            summary = f"{site.name}: production was built from branch {serving['branch']}, not {reading.branch}"
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


def _behind_the_branch(reading: Reading, compared: Row, now: datetime) -> Judged:
    """The branch has commits that what serves has not: only those that touch the part count."""
    site, serving, found = reading.site, reading.serving, Judged()
    assert serving is not None
    mine = touches(compared["files"], reading.project.get("root"))
    head, subject = str(compared["head"]), f"{site.name}: {serving['id']}"
    if not mine and not compared["files_cut"]:
        found.notes.append(f"{site.name}: the branch is ahead by {compared['ahead_by']:g} commits that do not touch it")
        return found
    evidence = [site.compare, site.deployments, site.project]
    earlier = _deployed(reading, head)
    shown = ", ".join(mine[:3]) or "more files than GitHub lists"
    told = (
        f"branch {compared['branch']} is at {head[:9]}, {compared['ahead_by']:g} commits ahead of what serves ({shown})"
    )
    if earlier is not None and str(earlier["at"]) < str(serving["at"]) and word(earlier) in ("ready", "superseded"):
        summary = f"{site.name}: {told}; {head[:9]} was deployed before, as {earlier['id']}"
        found.faults.append(CATALOGUE.finding("deploy.wrong_commit.older", subject, summary, evidence))
    elif any(str(row.get("commit")) == head for row in reading.skipped):
        found.notes.append(f"{site.name}: {told}; its deployment was skipped on purpose")
    elif compared.get("head_at") and now - from_iso(str(compared["head_at"])) <= push_delay():
        found.states.append(
            CATALOGUE.finding(
                "deploy.in_progress", f"{site.name}: {head[:9]}", f"{site.name}: {told}, pushed just now", evidence
            )
        )
    elif reading.project.get("skips"):
        found.notes.append(f"{site.name}: {told}; the project may leave it out ({reading.project['skips']})")
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


def _deployed(reading: Reading, commit: str) -> Row | None:
    return next((row for row in reading.rows if str(row.get("commit") or "").lower().startswith(commit.lower())), None)


def _short(row: Row) -> str:
    return str(row.get("commit") or "")[:9]
