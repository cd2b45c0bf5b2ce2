"""What is so of a deployment on any platform, rule by rule: each reads one site and returns findings, or what may be so.

A rule names a code only where what was seen carries it: what a look does not hold counts only where the whole of it was read.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Finding, Observation, Suspect
from runbook_lib.procedures.deploy_web_api.causes import CATALOGUE
from runbook_lib.procedures.deployments.reading import NAMES, Reading, Row, content, is_whole, rows_in, word
from runbook_lib.reading.needed_variables import PROVIDER_KEYS, missing

_PUSH_DELAY = timedelta(minutes=10)  # a push becomes a deployment within seconds; a queue may hold it for some minutes
_SHARED = ("packages/", "package.json", "pnpm-lock.yaml", "turbo.json")


@dataclass
class Judged:
    """What rules found so far. `open`: what the evidence allows but does not carry."""

    faults: list[Finding] = field(default_factory=list)
    also: list[Finding] = field(default_factory=list)
    states: list[Finding] = field(default_factory=list)
    open: list[Suspect] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, other: "Judged") -> None:
        """Take in what another rule found."""
        for name in ("faults", "also", "states", "open", "notes"):
            getattr(self, name).extend(getattr(other, name))


def connected(reading: Reading) -> Judged:
    """Whether a push deploys: the project's link to a repository. A service that runs a ready image has none by design."""
    site, found = reading.site, Judged()
    if not reading.project or site.platform == "fly" or reading.project.get("image"):
        return found
    if not reading.project.get("repository"):
        summary = f"{site.name}: {reading.project.get('name')} is connected to no repository"
        found.faults.append(CATALOGUE.finding("deploy.repo_not_connected", site.name, summary, [site.project]))
    return found


def previews(reading: Reading, now: datetime) -> Judged:
    """Whether pull requests get previews: as the settings say, else as open pull requests show."""
    site, found = reading.site, Judged()
    if site.platform != "vercel" or not reading.project:
        return found
    if reading.project.get("previews_disabled"):
        summary = f"{site.name}: preview deployments are switched off in the project's settings"
        found.faults.append(
            CATALOGUE.finding("deploy.preview_disabled.switched_off", site.name, summary, [site.project])
        )
        return found
    pulls, rows = rows_in(site.pulls), rows_in(site.previews)
    if not is_whole(site.previews) or not reading.project.get("repository") or reading.project.get("skips"):
        return found  # a list that was not read whole does not show that a preview is missing
    built = {str(row.get("commit")) for row in rows} | {str(row.get("branch")) for row in rows}
    waiting = [
        pull
        for pull in pulls
        if not pull["fork"] and not built & {pull["commit"], pull["branch"]} and _is_old(pull.get("at"), now)
    ]
    if waiting and not any((row.get("target") or "preview") == "preview" for row in rows):
        numbers = ", ".join(f"#{int(pull['number'])}" for pull in waiting[:5])
        summary = f"{site.name}: pull request {numbers} is open, and no preview was made in the last 30 days"
        found.faults.append(
            CATALOGUE.finding("deploy.preview_disabled.none_made", site.name, summary, [site.pulls, site.previews])
        )
    return found


def _is_old(at: str | None, now: datetime) -> bool:
    return bool(at) and now - from_iso(str(at)) > _PUSH_DELAY


def checks(reading: Reading) -> Judged:
    """The checks on the judged commit; what the platforms themselves report there is no check of the commit."""
    site, found = reading.site, Judged()
    rows = rows_in(site.checks)
    own = tuple(name.split(".")[0].lower() for name in NAMES.values())
    failed = [
        row
        for row in rows
        if row["state"] == "failed" and not f"{row.get('by') or ''} {row['name']}".lower().strip().startswith(own)
    ]
    commit = str((reading.judged or {}).get("commit") or "")[:9]
    if failed:
        named = ", ".join(f"{row['name']} ({row['conclusion']})" for row in failed[:5])
        summary = f"{site.name}: on commit {commit} failed {named}"
        found.faults.append(CATALOGUE.finding("deploy.checks_failed", f"commit {commit}", summary, [site.checks]))
    elif (reading.judged or {}).get("checks_conclusion") == "failed":
        summary = f"{site.name}: the platform says that the checks on deployment {_id(reading.judged)} failed"
        found.faults.append(CATALOGUE.finding("deploy.checks_failed", f"commit {commit}", summary, [site.detail]))
    elif reading.judged is not None and not commit and not reading.is_of_images:
        found.open.append(
            Suspect(
                "deploy.checks_failed",
                _subject(reading, reading.judged),
                f"deployment {_id(reading.judged)} names no commit whose checks could be read",
                "the checks of the commit that it was made from, wherever they run",
            )
        )
    return found


def variables(reading: Reading, providers: Sequence[str] | None = ()) -> Judged:
    """Variables that are not set for the target, and those that were changed after what serves was made.

    Args:
        providers: those of the gateway's chain, each of which needs its key; None: the chain is not known.
    """
    site, found = reading.site, Judged()
    if site.variables is None or not (site.variables.status.answered or site.variables.status.has_content):
        return found
    rows = reading.variables
    if not rows:  # empty is not absent: what a token may not see is left out of a list without a word
        why = "the platform lists no variable at all: none is set, or this token may not see them"
        look = f"{NAMES[site.platform]}: the part's variables, as an owner of the project sees them"
        found.open.append(Suspect("deploy.env_missing", site.name, why, look))
        return found
    here = [row for row in rows if _is_for(row, reading)]
    names = {str(row["name"]) for row in here}
    for any_of in missing(site.part, names, providers or ()):
        subject = f"{site.name}: {any_of[0]}"
        if not reading.has_all_variables:
            why = f"{any_of[0]} is not among the variables that were read, and they are not all"
            found.open.append(Suspect("deploy.env_missing", subject, why, "read the rest of the list"))
            continue
        elsewhere = sorted({t for row in rows if row["name"] in any_of for t in row.get("targets") or ()})
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
        found.open.append(Suspect("deploy.env_missing", f"{site.name}: {unset[0]}", why, look))
    found.add(_stale(reading, here))
    return found


def _is_for(row: Row, reading: Reading) -> bool:
    """Whether a variable reaches the target: Railway and Fly have one environment; Vercel may narrow to a branch."""
    targets = row.get("targets")
    if targets is None:
        return True
    return reading.site.target in targets and row.get("branch") in (None, reading.branch)


def _stale(reading: Reading, here: Sequence[Row]) -> Judged:
    site, serving, found = reading.site, reading.serving, Judged()
    if serving is None or word(serving) not in ("ready", "crashed"):
        return found
    changed = sorted(str(row["name"]) for row in here if (row.get("updated_at") or "") > str(serving["at"]))
    newest = reading.rows[0] if reading.rows else None
    latest = max((str(row["updated_at"]) for row in here if row["name"] in changed), default="")
    taken_up = (
        "building",
        "failed",
        "canceled",
        "blocked",
    )  # a newer deployment has it; how that went is told of that one
    is_coming = newest is not None and word(newest) in taken_up and str(newest["at"]) >= latest
    if not changed or is_coming:
        return found
    named = ", ".join(changed[:8])
    summary = (
        f"{site.name}: {named} changed at {latest}, after deployment {_id(serving)} of {serving['at']} that serves"
    )
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


def first_error(site_log: Observation | None) -> dict[str, Any] | None:
    """The first line of a build's log that says what went wrong: {"text", "line", "at"}. A line that only says that a command
    failed gives way to a later one that says why."""
    held = content(site_log)
    errors = held.get("errors") if isinstance(held, dict) else None
    if not errors:
        return None
    vague = re.compile(r"^(?:error: )?command .* exited|^exit code|failed with exit code|ELIFECYCLE|^error:?$", re.I)
    telling: dict[str, Any] = next((row for row in errors if not vague.search(str(row["text"]))), errors[0])
    return telling


def build(reading: Reading) -> Judged:
    """Why the judged deployment was not built."""
    site, row, found = reading.site, reading.judged, Judged()
    if row is None or word(row) != "failed" or failed_step(site.detail) == "HEALTHCHECK":
        return found
    error = first_error(site.build_log)
    if site.platform == "railway" and not is_whole(site.detail):  # its build's log holds a failed health check as well
        why = f"deployment {_id(row)} failed, and at which of its steps could not be read"
        look = "Railway: the deployment's own page, its steps"
        found.open.append(Suspect("deploy.build_failed", _subject(reading, row), why, look))
        return found
    said = str(error["text"]) if error else str(row.get("error") or row.get("reason") or "it does not say why")
    where = f" (line {error['line']} of its log)" if error else ""
    text = f"{said} {row.get('error') or ''} {row.get('error_code') or ''} {row.get('out_of_memory') or ''}"
    code = "deploy.build_failed"
    if _ENV.search(said):
        code += ".env"
    elif _RESOURCES.search(text):
        code += ".resources"
    elif _COMPILE.search(said):
        code += ".compile"
    elif _INSTALL.search(said):
        code += ".install"
    summary = f"{site.name}: the build of {_id(row)} ({str(row.get('commit') or '')[:9]}) failed: {said[:240]}{where}"
    found.faults.append(
        CATALOGUE.finding(code, _subject(reading, row), summary, [site.deployments, site.detail, site.build_log])
    )
    return found


def failed_step(detail: Observation | None) -> str:
    """The step at which Railway's deployment stopped; "" where that is not told."""
    held = content(detail)
    events = held.get("events") if isinstance(held, dict) else None
    return next((str(event["step"]) for event in reversed(events or []) if event.get("error")), "")


def ended(reading: Reading, now: datetime, *, is_asked: bool) -> Judged:
    """Whether the judged deployment ended: canceled, under way for too long, waiting for somebody, or crashed."""
    site, row, found = reading.site, reading.judged, Judged()
    if row is None:
        if site.deployments is not None and site.deployments.status.proves_absence:
            summary = f"{site.name}: no deployment of the last 30 days, and none that serves"
            if reading.project and not reading.project.get("serving"):
                found.faults.append(
                    CATALOGUE.finding("deploy.not_ready.none", site.name, summary, [site.deployments, site.project])
                )
        return found
    state, subject = word(row), _subject(reading, row)
    evidence = [site.deployments, site.detail]
    if state == "canceled" and reading.serving is not None and row.get("commit") == reading.serving.get("commit"):
        found.notes.append(f"{site.name}: {_id(row)} was canceled, and its commit serves already")
    elif state == "canceled" and site.platform == "vercel":
        said = row.get("reason") or row.get("error")
        because = f": {said}" if said else ""
        summary = f"{site.name}: the newest deployment {_id(row)} was canceled{because}"
        found.faults.append(CATALOGUE.finding("deploy.canceled", subject, summary, evidence))
    elif state == "blocked":
        summary = (
            f"{site.name}: deployment {_id(row)} is {row['state']}: {row.get('reason') or 'it waits for somebody'}"
        )
        found.faults.append(CATALOGUE.finding("deploy.not_ready.blocked", subject, summary, evidence))
    elif state == "building":
        age = reading.age(row, now)
        minutes = age.total_seconds() / 60
        summary = f"{site.name}: deployment {_id(row)} has been {row['state']} for {minutes:.0f} minutes"
        if age > reading.patience:
            found.faults.append(CATALOGUE.finding("deploy.not_ready", subject, summary, evidence))
        elif is_asked:
            why = f"it is {row['state']}, {minutes:.0f} minutes after it was made"
            found.open.append(
                Suspect("deploy.not_ready", subject, why, f"{NAMES[site.platform]}: look again when it has ended")
            )
        else:
            found.states.append(CATALOGUE.finding("deploy.in_progress", subject, summary, evidence))
    elif state == "failed" and failed_step(site.detail) == "HEALTHCHECK":
        path = reading.project.get("health_path") or "/"
        summary = f"{site.name}: deployment {_id(row)} was built, and its health check at {path} failed"
        found.faults.append(
            CATALOGUE.finding("deploy.health_failing.at_deploy", site.name, summary, [*evidence, site.project])
        )
    elif state == "crashed":
        said = row.get("diagnosis") or row.get("error")
        summary = f"{site.name}: deployment {_id(row)} started and crashed" + (f": {said}" if said else "")
        found.faults.append(CATALOGUE.finding("deploy.not_ready.crashed", subject, summary, evidence))
    elif state in ("unknown", "canceled"):
        why = f"the platform calls it {row['state']}, which this runbook does not know"
        found.open.append(Suspect("deploy.not_ready", subject, why, f"look at it in {NAMES[site.platform]}'s console"))
    if reading.project.get("paused"):
        summary = f"{site.name}: the project is paused"
        found.faults.append(CATALOGUE.finding("deploy.not_ready.paused", site.name, summary, [site.project]))
    return found


def health(reading: Reading, has_good_traffic: Callable[[], bool]) -> Judged:
    """What answers at the production address. A refusal that only we met proves nothing: the look itself then has no answer."""
    site, found = reading.site, Judged()
    seen = content(site.probe)
    if not isinstance(seen, dict):
        if site.probe is not None and not site.probe.status.answered and not has_good_traffic():
            why = f"no answer from here ({site.probe.status}), and no good request in the platform's log either"
            found.open.append(Suspect("deploy.health_failing", site.name, why, f"ask {site.part} from another network"))
        return found
    status, text = int(seen["status_code"]), str(seen.get("text") or "")
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
    elif site.part == "gateway" and status < 300 and not isinstance(seen.get("json"), dict):
        summary = f"{site.name}: it answers {status} at /, and not in the gateway's JSON"
        found.faults.append(CATALOGUE.finding("deploy.health_failing.wrong_answer", site.name, summary, [site.probe]))
    elif status == 404:
        summary = f"{site.name}: its own page answers 404"
        found.faults.append(CATALOGUE.finding("deploy.health_failing.wrong_answer", site.name, summary, [site.probe]))
    return found


def _is_well(seen: Row) -> bool:
    said = seen.get("json")
    return isinstance(said, dict) and said.get("status") == "ok"


def protected(reading: Reading) -> Judged:
    """Production behind the platform's login by its settings, where the address itself was not seen."""
    site, project, found = reading.site, reading.project, Judged()
    kinds = [project.get("protection"), project.get("password"), project.get("trusted_ips")]
    if site.target == "production" and any(kind in ("all", "production") for kind in kinds):
        seen = content(site.probe)
        if seen is None or int(seen["status_code"]) in (401, 403):
            summary = f"{site.name}: the project's protection covers production"
            found.faults.append(CATALOGUE.finding("deploy.protection_on", site.name, summary, [site.project]))
    return found


def _id(row: Row | None) -> str:
    return str((row or {}).get("id", "?"))


def _subject(reading: Reading, row: Row) -> str:
    return f"{reading.site.name}: {_id(row)}"


def touches(files: Iterable[str], root: str | None) -> list[str]:
    """The files that a part is built from: its own folder's, and what all parts share."""
    return [name for name in files if not root or name.startswith((f"{root.rstrip('/')}/", *_SHARED))]


def push_delay() -> timedelta:
    """How long a push may take to become a deployment."""
    return _PUSH_DELAY
