"""The verdict of 02: what keeps Stripe's events from the API and from billing_customers, in the order of an event's way."""

from datetime import timedelta

from runbook_lib.core.clock import from_iso, to_iso
from runbook_lib.core.model import Change, Conclusion, Situation
from runbook_lib.core.records.deployments import DeploymentRow
from runbook_lib.core.records.variables import VariableName
from runbook_lib.judging.answers import rows_of
from runbook_lib.judging.concluding import conclude
from runbook_lib.judging.findings import Findings
from runbook_lib.procedures.stripe_webhooks.causes import CATALOGUE
from runbook_lib.procedures.stripe_webhooks.events import judge_events
from runbook_lib.procedures.stripe_webhooks.evidence import CLI, ENDPOINT, Evidence, Scene, answered
from runbook_lib.procedures.stripe_webhooks.known_secrets import secret_of_api
from runbook_lib.procedures.stripe_webhooks.route import judge_route
from runbook_lib.procedures.stripe_webhooks.secret import doubt_secret, judge_verification
from runbook_lib.procedures.stripe_webhooks.way import judge_keys, judge_way

_BEFORE = timedelta(hours=2)


def diagnose(evidence: Evidence) -> Conclusion:
    """What is so, from everything that was seen."""
    scene, judged = Scene(evidence), Findings()
    judge_keys(scene, judged)
    judge_way(scene, judged)
    judge_route(scene, judged)
    judge_verification(scene, judged)
    judge_events(scene, judged)
    if not judged.faults and not judged.suspects:
        doubt_secret(scene, judged)
    roots, explained = CATALOGUE.settle(judged.faults)
    return conclude(
        CATALOGUE,
        evidence.all(),
        asked=(scene.form,) if scene.form else (CLI, ENDPOINT),
        faults=roots,
        also=[*explained, *judged.also],
        states=judged.states,
        blind=judged.blind,
        suspects=judged.suspects,
        situation=_situation(scene),
        facts={"form": scene.form, "cli_version": scene.version},
    )


def _situation(scene: Scene) -> Situation:
    """How many events wait, of whom, since when, and what was changed before."""
    seen = scene.evidence
    failing = sorted(scene.failing, key=lambda each: each["at"])
    going: bool | None = None
    if scene.events:
        going = scene.events[0]["pending"] > 0
    return Situation(
        ongoing=going,
        onset=failing[0]["at"] if failing else None,
        last_seen=failing[-1]["at"] if failing else None,
        requests_failed=len(failing) if answered(seen.deliveries) else None,
        orgs_affected=len({each["customer"] for each in failing if each["customer"]})
        if answered(seen.deliveries)
        else None,
        changes=tuple(sorted(_changes(scene), key=lambda each: each.at)),
    )


def _changes(scene: Scene) -> list[Change]:
    """Deployments and variables of the API, and on this machine the start of its process and its .env file."""
    seen = scene.evidence
    onset = min((each["at"] for each in scene.failing), default=to_iso(seen.window.until))
    since = to_iso(from_iso(onset) - _BEFORE)
    found: list[Change] = []
    for look in seen.changes:
        where = f"{look.source} api"
        if look.call == "env_changes":
            for variable in rows_of(look, VariableName):
                found.append(Change(variable["updated_at"] or "", f"variable {variable['name']} changed", where))
        else:
            for row in rows_of(look, DeploymentRow):
                found.append(Change(row["at"], f"deployment {row['state']}: {row['message'] or ''}", where))
    api = secret_of_api(scene)
    process, file = api["process"], api["file"]
    if process and process["started_at"]:
        found.append(Change(process["started_at"], "the API was started", "this machine"))
    if file and file["changed_at"]:
        found.append(Change(file["changed_at"], f"{file['name']} was changed", "this machine"))
    for each in scene.listens:
        if each["started_at"]:
            found.append(Change(each["started_at"], "the Stripe CLI was started", "this machine"))
    return [each for each in found if since <= each.at <= to_iso(seen.now)]


def events_table(scene: Scene) -> dict[str, object]:
    """The window's events for a display."""
    rows = [[row["at"], row["type"], row["customer"], row["pending"], row["status"]] for row in scene.events[:30]]
    return {"columns": ["at", "type", "customer", "pending", "status"], "rows": rows}


def arrivals_table(scene: Scene) -> dict[str, object]:
    """What came to the webhook, for a display."""
    rows = [[each.at, each.status, each.ms, each.words or each.error] for each in scene.arrivals[-30:]]
    return {"columns": ["at", "status", "ms", "words"], "rows": rows}
