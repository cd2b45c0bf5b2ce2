"""What is so of a deployment on any platform, rule by rule: each reads one site and returns findings, or what may be so.

A rule names a code only where what was seen carries it: what a look does not hold counts only where the whole of it was read.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Observation, Suspect
from runbook_lib.core.records.deployments import BuildError, BuildLog, RailwayDeploymentDetail, VercelDeployment
from runbook_lib.core.records.parts import PartAnswer
from runbook_lib.core.records.repository import CommitCheck, PullRequest
from runbook_lib.judging.answers import record_of, rows_of
from runbook_lib.judging.findings import Findings
from runbook_lib.procedures.deploy_web_api.causes import CATALOGUE
from runbook_lib.procedures.deployments.deployed import Deployed
from runbook_lib.procedures.deployments.reading import NAMES, Reading, SetVariable, Site, is_whole
from runbook_lib.reading.needed_variables import PROVIDER_KEYS, missing

_PUSH_DELAY = timedelta(minutes=10)  # a push becomes a deployment within seconds; a queue may hold it for some minutes
_PROTECTIONS: tuple[Literal["protection", "password", "trusted_ips"], ...] = ("protection", "password", "trusted_ips")
_SHARED = ("packages/", "package.json", "pnpm-lock.yaml", "turbo.json")


def judge_connection(reading: Reading) -> Findings:
    """Whether a push deploys: the project's link to a repository. A service that runs a ready image has none by design."""
    site, project, found = reading.site, reading.project, Findings()
    if project is None or reading.is_of_images:
        return found
    if not project["repository"]:
        summary = f"{site.name}: {project['name']} is connected to no repository"
        found.faults.append(CATALOGUE.finding("deploy.repo_not_connected", site.name, summary, [site.project]))
    return found


def judge_previews(reading: Reading, now: datetime) -> Findings:
    """Whether pull requests get previews: as the settings say, else as open pull requests show."""
    site, project, found = reading.site, reading.vercel_project, Findings()
    if project is None:
        return found
    if project["previews_disabled"]:
        summary = f"{site.name}: preview deployments are switched off in the project's settings"
        found.faults.append(
            CATALOGUE.finding("deploy.preview_disabled.switched_off", site.name, summary, [site.project])
        )
        return found
    pulls, rows = rows_of(site.pulls, PullRequest), rows_of(site.previews, VercelDeployment)
    if not is_whole(site.previews) or not project["repository"] or project["skips"]:
        return found  # a list that was not read whole does not show that a preview is missing
    built = {row["commit"] for row in rows} | {row["branch"] for row in rows}
    waiting = [
        pull
        for pull in pulls
        if not pull["fork"] and not built & {pull["commit"], pull["branch"]} and _is_old(pull["at"], now)
    ]
    if waiting and not any((row["target"] or "preview") == "preview" for row in rows):
        numbers = ", ".join(f"#{int(pull['number'])}" for pull in waiting[:5])
        summary = f"{site.name}: pull request {numbers} is open, and no preview was made in the last 30 days"
        found.faults.append(
            CATALOGUE.finding("deploy.preview_disabled.none_made", site.name, summary, [site.pulls, site.previews])
        )
    return found


def _is_old(at: str | None, now: datetime) -> bool:
    return at is not None and now - from_iso(at) > _PUSH_DELAY


def judge_checks(reading: Reading) -> Findings:
    """The checks on the judged commit; what the platforms themselves report there is no check of the commit."""
    site, judged, found = reading.site, reading.judged, Findings()
    rows = rows_of(site.checks, CommitCheck)
    own = tuple(name.split(".")[0].lower() for name in NAMES.values())
    failed = [
        row
        for row in rows
        if row["state"] == "failed" and not f"{row['by'] or ''} {row['name']}".lower().strip().startswith(own)
    ]
    commit = judged.short_commit if judged is not None else ""
    if failed:
        named = ", ".join(f"{row['name']} ({row['conclusion']})" for row in failed[:5])
        summary = f"{site.name}: on commit {commit} failed {named}"
        found.faults.append(CATALOGUE.finding("deploy.checks_failed", f"commit {commit}", summary, [site.checks]))
    elif judged is not None and judged.checks_conclusion == "failed":
        summary = f"{site.name}: the platform says that the checks on deployment {judged.id} failed"
        found.faults.append(CATALOGUE.finding("deploy.checks_failed", f"commit {commit}", summary, [site.detail]))
    elif judged is not None and not commit and not reading.is_of_images:
        found.suspects.append(
            Suspect(
                "deploy.checks_failed",
                _subject(reading, judged),
                f"deployment {judged.id} names no commit whose checks could be read",
                "the checks of the commit that it was made from, wherever they run",
            )
        )
    return found


def judge_variables(reading: Reading, providers: Sequence[str] | None = ()) -> Findings:
    """Variables that are not set for the target, and those that were changed after what serves was made.

    Args:
        providers: those of the gateway's chain, each of which needs its key; None: the chain is not known.
    """
    site, found = reading.site, Findings()
    if site.variables is None or not (site.variables.status.answered or site.variables.status.has_content):
        return found
    rows = reading.variables
    if not rows:  # empty is not absent: what a token may not see is left out of a list without a word
        why = "the platform lists no variable at all: none is set, or this token may not see them"
        look = f"{NAMES[site.platform]}: the part's variables, as an owner of the project sees them"
        found.suspects.append(Suspect("deploy.env_missing", site.name, why, look))
        return found
    here = [row for row in rows if _is_for(row, reading)]
    names = {row.name for row in here}
    for any_of in missing(site.part, names, providers or ()):
        subject = f"{site.name}: {any_of[0]}"
        if not reading.has_all_variables:
            why = f"{any_of[0]} is not among the variables that were read, and they are not all"
            found.suspects.append(Suspect("deploy.env_missing", subject, why, "read the rest of the list"))
            continue
        elsewhere = sorted({t for row in rows if row.name in any_of for t in row.targets or ()})
        shown = " or ".join(any_of)
        summary = f"{site.name}: {shown} is not set for {site.target}"
        code = "deploy.env_missing"
        if elsewhere:
            code, summary = f"{code}.other_target", f"{summary}, only for {', '.join(elsewhere)}"
        found.faults.append(CATALOGUE.finding(code, subject, summary, reading.variable_looks))
    unset = [key for key in PROVIDER_KEYS.values() if key not in names]
    if providers is None and unset and not found.faults:
        why = f"{', '.join(unset)}: not set, and the chain of providers that would need it is not known"
        look = "set LLM_FALLBACK_CHAIN where the runbook runs, as the gateway has it"
        found.suspects.append(Suspect("deploy.env_missing", f"{site.name}: {unset[0]}", why, look))
    found.add(_stale(reading, here))
    return found


def _is_for(row: SetVariable, reading: Reading) -> bool:
    """Whether a variable reaches the target: Railway and Fly have one environment; Vercel may narrow to a branch."""
    if row.targets is None:
        return True
    return reading.site.target in row.targets and row.branch in (None, reading.branch)


def _stale(reading: Reading, here: Sequence[SetVariable]) -> Findings:
    site, serving, found = reading.site, reading.serving, Findings()
    if serving is None or serving.word not in ("ready", "crashed"):
        return found
    changed = sorted(row.name for row in here if (row.updated_at or "") > serving.at)
    newest = reading.rows[0] if reading.rows else None
    latest = max((row.updated_at or "" for row in here if row.name in changed), default="")
    taken_up = (
        "building",
        "failed",
        "canceled",
        "blocked",
    )  # a newer deployment has it; how that went is told of that one
    is_coming = newest is not None and newest.word in taken_up and newest.at >= latest
    if not changed or is_coming:
        return found
    named = ", ".join(changed[:8])
    summary = f"{site.name}: {named} changed at {latest}, after deployment {serving.id} of {serving.at} that serves"
    for name in changed:
        found.faults.append(
            CATALOGUE.finding("deploy.env_stale", f"{site.name}: {name}", summary, [site.variables, site.deployments])
        )
    return found


_INSTALL = re.compile(r"ERR_PNPM|ERESOLVE|\bnpm ERR|lockfile|frozen-lockfile|No matching version|No matching distribution|"
                      r"Could not find a version|resolution-too-deep|(?:pnpm|npm|yarn) install|pip install", re.I)  # fmt: skip
_COMPILE = re.compile(r"Type error|TS\d{4}|SyntaxError|Module not found|Can't resolve|Failed to compile|Parsing error|"
                      r"Build failed because of webpack|Cannot find module", re.I)  # fmt: skip
_RESOURCES = re.compile(r"out of memory|\bOOM\b|SIGKILL|\bKilled\b|ENOSPC|No space left|heap limit|maximum (?:build )?"
                        r"(?:duration|time)|timed? ?out|exceeded the .*limit", re.I)  # fmt: skip
_ENV = re.compile(r"\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b.*(?:missing|required|not set|undefined|is not defined)|"
                  r"(?:missing|required).*(?:environment )?variable.*?\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b", re.I)  # fmt: skip


def first_error(site_log: Observation | None) -> BuildError | None:
    """The first line of a build's log that says what went wrong.

    A line that only says that a command failed gives way to a later one that says why.
    """
    log = record_of(site_log, BuildLog)
    if log is None or not log["errors"]:
        return None
    errors = log["errors"]
    vague = re.compile(r"^(?:error: )?command .* exited|^exit code|failed with exit code|ELIFECYCLE|^error:?$", re.I)
    return next((row for row in errors if not vague.search(row["text"])), errors[0])


def judge_build(reading: Reading) -> Findings:
    """Why the judged deployment was not built."""
    site, row, found = reading.site, reading.judged, Findings()
    if row is None or row.word != "failed" or failed_step(site) == "HEALTHCHECK":
        return found
    error = first_error(site.build_log)
    if site.platform == "railway" and not is_whole(site.detail):  # its build's log holds a failed health check as well
        why = f"deployment {row.id} failed, and at which of its steps could not be read"
        look = "Railway: the deployment's own page, its steps"
        found.suspects.append(Suspect("deploy.build_failed", _subject(reading, row), why, look))
        return found
    said = error["text"] if error else row.error or row.reason or "it does not say why"
    where = f" (line {error['line']} of its log)" if error else ""
    text = f"{said} {row.error or ''} {row.error_code or ''} {row.out_of_memory or ''}"
    code = "deploy.build_failed"
    if _ENV.search(said):
        code += ".env"
    elif _RESOURCES.search(text):
        code += ".resources"
    elif _COMPILE.search(said):
        code += ".compile"
    elif _INSTALL.search(said):
        code += ".install"
    summary = f"{site.name}: the build of {row.id} ({row.short_commit}) failed: {said[:240]}{where}"
    found.faults.append(
        CATALOGUE.finding(code, _subject(reading, row), summary, [site.deployments, site.detail, site.build_log])
    )
    return found


def failed_step(site: Site) -> str:
    """The step at which Railway's deployment stopped; "" where that is not told."""
    page = record_of(site.detail, RailwayDeploymentDetail) if site.platform == "railway" else None
    return next((event["step"] for event in reversed(page["events"]) if event["error"]), "") if page else ""


def judge_outcome(reading: Reading, now: datetime, *, is_asked: bool) -> Findings:
    """Whether the judged deployment ended: canceled, under way for too long, waiting for somebody, or crashed."""
    site, row, found = reading.site, reading.judged, Findings()
    project = reading.project
    if row is None:
        if site.deployments is not None and site.deployments.status.proves_absence:
            summary = f"{site.name}: no deployment of the last 30 days, and none that serves"
            if project is not None and not project["serving"]:
                found.faults.append(
                    CATALOGUE.finding("deploy.not_ready.none", site.name, summary, [site.deployments, site.project])
                )
        return found
    state, subject = row.word, _subject(reading, row)
    evidence = [site.deployments, site.detail]
    if state == "canceled" and reading.serving is not None and row.commit == reading.serving.commit:
        found.notes.append(f"{site.name}: {row.id} was canceled, and its commit serves already")
    elif state == "canceled" and site.platform == "vercel":
        said = row.reason or row.error
        because = f": {said}" if said else ""
        summary = f"{site.name}: the newest deployment {row.id} was canceled{because}"
        found.faults.append(CATALOGUE.finding("deploy.canceled", subject, summary, evidence))
    elif state == "blocked":
        summary = f"{site.name}: deployment {row.id} is {row.state}: {row.reason or 'it waits for somebody'}"
        found.faults.append(CATALOGUE.finding("deploy.not_ready.blocked", subject, summary, evidence))
    elif state == "building":
        age = reading.age(row, now)
        minutes = age.total_seconds() / 60
        summary = f"{site.name}: deployment {row.id} has been {row.state} for {minutes:.0f} minutes"
        if age > reading.patience:
            found.faults.append(CATALOGUE.finding("deploy.not_ready", subject, summary, evidence))
        elif is_asked:
            why = f"it is {row.state}, {minutes:.0f} minutes after it was made"
            found.suspects.append(
                Suspect("deploy.not_ready", subject, why, f"{NAMES[site.platform]}: look again when it has ended")
            )
        else:
            found.states.append(CATALOGUE.finding("deploy.in_progress", subject, summary, evidence))
    elif state == "failed" and failed_step(site) == "HEALTHCHECK":
        path = (reading.railway_service["health_path"] if reading.railway_service else None) or "/"
        summary = f"{site.name}: deployment {row.id} was built, and its health check at {path} failed"
        found.faults.append(
            CATALOGUE.finding("deploy.health_failing.at_deploy", site.name, summary, [*evidence, site.project])
        )
    elif state == "crashed":
        said = row.diagnosis or row.error
        summary = f"{site.name}: deployment {row.id} started and crashed" + (f": {said}" if said else "")
        found.faults.append(CATALOGUE.finding("deploy.not_ready.crashed", subject, summary, evidence))
    elif state in ("unknown", "canceled"):
        why = f"the platform calls it {row.state}, which this runbook does not know"
        found.suspects.append(
            Suspect("deploy.not_ready", subject, why, f"look at it in {NAMES[site.platform]}'s console")
        )
    if reading.vercel_project and reading.vercel_project["paused"]:
        summary = f"{site.name}: the project is paused"
        found.faults.append(CATALOGUE.finding("deploy.not_ready.paused", site.name, summary, [site.project]))
    return found


def judge_health(reading: Reading, has_good_traffic: Callable[[], bool]) -> Findings:
    """What answers at the production address. A refusal that only we met proves nothing: the look itself then has no answer."""
    site, found = reading.site, Findings()
    seen = record_of(site.probe, PartAnswer)
    if seen is None:
        if site.probe is not None and not site.probe.status.answered and not has_good_traffic():
            why = f"no answer from here ({site.probe.status}), and no good request in the platform's log either"
            found.suspects.append(
                Suspect("deploy.health_failing", site.name, why, f"ask {site.part} from another network")
            )
        return found
    status, text = seen["status_code"], seen["text"]
    if status in (401, 403) and re.search(r"DEPLOYMENT_PROTECTED|Authentication Required|Vercel Authentication", text):
        summary = f"{site.name}: the production address answers {status} with the platform's login page"
        found.faults.append(CATALOGUE.finding("deploy.protection_on", site.name, summary, [site.probe, site.project]))
    elif status == 404 and "DEPLOYMENT_NOT_FOUND" in text:
        summary = f"{site.name}: the production address leads to no deployment"
        found.faults.append(CATALOGUE.finding("deploy.alias_stale.missing", site.name, summary, [site.probe]))
    elif status >= 500:
        nobody = re.search(r"NO_RESPONSE_FROM_FUNCTION|Application failed to respond|DEPLOYMENT_PAUSED", text)
        code = "deploy.health_failing.no_answer" if nobody else "deploy.health_failing.error"
        said = " ".join(text.split())[:120]
        summary = f"{site.name}: its health check answers {status}: {said}"
        found.faults.append(CATALOGUE.finding(code, site.name, summary, [site.probe]))
    elif site.part == "api" and (status == 404 or (status < 300 and not _is_well(seen))):
        summary = f"{site.name}: /api/health answers {status} without the API's own words"
        found.faults.append(CATALOGUE.finding("deploy.health_failing.wrong_answer", site.name, summary, [site.probe]))
    elif site.part == "gateway" and status < 300 and not isinstance(seen["json"], dict):
        summary = f"{site.name}: it answers {status} at /, and not in the gateway's JSON"
        found.faults.append(CATALOGUE.finding("deploy.health_failing.wrong_answer", site.name, summary, [site.probe]))
    elif status == 404:
        summary = f"{site.name}: its own page answers 404"
        found.faults.append(CATALOGUE.finding("deploy.health_failing.wrong_answer", site.name, summary, [site.probe]))
    return found


def _is_well(seen: PartAnswer) -> bool:
    said = seen["json"]
    return isinstance(said, dict) and said.get("status") == "ok"


def judge_protection(reading: Reading) -> Findings:
    """Production behind the platform's login by its settings, where the address itself was not seen."""
    site, project, found = reading.site, reading.vercel_project, Findings()
    if site.target != "production" or project is None:
        return found
    if any(project[kind] in ("all", "production") for kind in _PROTECTIONS):
        seen = record_of(site.probe, PartAnswer)
        if seen is None or seen["status_code"] in (401, 403):
            summary = f"{site.name}: the project's protection covers production"
            found.faults.append(CATALOGUE.finding("deploy.protection_on", site.name, summary, [site.project]))
    return found


def _subject(reading: Reading, row: Deployed) -> str:
    return f"{reading.site.name}: {row.id}"


def touches(files: Iterable[str], root: str | None) -> list[str]:
    """The files that a part is built from: its own folder's, and what all parts share."""
    return [name for name in files if not root or name.startswith((f"{root.rstrip('/')}/", *_SHARED))]


def push_delay() -> timedelta:
    """How long a push may take to become a deployment."""
    return _PUSH_DELAY
