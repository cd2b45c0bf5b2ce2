"""The verdict of 02: what keeps Stripe's events from the API and from billing_customers, in the order of an event's way."""

from datetime import timedelta

from runbook_lib.core.clock import from_iso, to_iso
from runbook_lib.core.model import Change, Conclusion, Finding, Observation, Situation, Status, Suspect, Unseen
from runbook_lib.judging.concluding import conclude, unseen
from runbook_lib.procedures.stripe_webhooks.arrivals import arrivals_of
from runbook_lib.procedures.stripe_webhooks.events import judge_events
from runbook_lib.procedures.stripe_webhooks.evidence import Evidence, Judged, Scene, answered, value_of
from runbook_lib.procedures.stripe_webhooks.route import judge_route
from runbook_lib.procedures.stripe_webhooks.secret import is_secret_proven, judge_verification
from runbook_lib.procedures.stripe_webhooks.way import judge_cli, judge_endpoints, judge_keys, right_clis

# An event's way from Stripe to the database: what comes first on it explains what comes later.
_WAY = (
    "webhook.cli_auth_expired",
    "webhook.cli_not_running",
    "webhook.cli_wrong_mode",
    "webhook.endpoint_missing",
    "webhook.endpoint_disabled",
    "webhook.event_not_enabled",
    "webhook.cli_not_forwarding",
    "webhook.cli_wrong_target",
    "webhook.address_family",
    "webhook.api_not_running",
    "webhook.port_taken",
    "webhook.auth_in_front",
    "webhook.route_missing",
    "webhook.secret_missing",
    "webhook.secret_stale_process",
    "webhook.secret_mismatch",
    "webhook.body_altered",
    "webhook.clock_skew",
    "webhook.handler_failing",
    "webhook.handler_slow",
    "webhook.out_of_order",
    "webhook.received_not_applied",
    "webhook.missed",
    "webhook.duplicate_endpoint",
    "webhook.api_version_mismatch",
)
_BEFORE = timedelta(hours=2)
_HOST_CALLS = ("stripe_listen", "cli_secret", "listeners", "api_secret")


def diagnose(evidence: Evidence) -> Conclusion:
    """What is so, from everything that was seen."""
    scene, judged = Scene(evidence), Judged()
    judge_keys(scene, judged)
    if scene.form == "cli":
        judge_cli(scene, judged)
    elif scene.form == "endpoint":
        judge_endpoints(scene, judged)
    else:
        _way_unknown(scene, judged)
    judge_route(scene, judged)
    judge_verification(scene, judged)
    judge_events(scene, judged)
    if not judged.faults:
        _doubt(scene, judged)
    return conclude(
        faults=sorted(judged.faults, key=_place),
        also=judged.also,
        states=judged.states,
        blind=judged.blind,
        suspects=judged.suspects,
        needed=_needed(scene),
        not_seen=_not_seen(scene),
        situation=_situation(scene),
        facts={"form": scene.form, "cli_version": scene.version},
    )


def _place(found: Finding) -> int:
    return next(
        (n for n, code in enumerate(_WAY) if found.code == code or found.code.startswith(f"{code}.")), len(_WAY)
    )


def _way_unknown(scene: Scene, judged: Judged) -> None:
    """A local API, no CLI, and Stripe's endpoints unseen: an endpoint may point here through a tunnel."""
    if answered(scene.evidence.listening) and not scene.listens:
        why = "no Stripe CLI listens here, and whether an endpoint brings the events could not be seen"
        look = "list the endpoints with a key that has Webhook endpoints: read; or run with -p via=cli"
        judged.suspects.append(Suspect("webhook.cli_not_running", "Stripe CLI", why, look))


def _doubt(scene: Scene, judged: Judged) -> None:
    """Nothing is found to be broken: has it been shown that the secret is right?"""
    seen = scene.evidence
    if judged.suspects or scene.form is None or is_secret_proven(scene):
        return
    if scene.form == "endpoint":
        if answered(seen.deliveries) and answered(seen.last_delivered):
            why = "Stripe has delivered no billing event in 30 days, and an endpoint's secret is shown only when it is made"
            look = "have Stripe raise one: stripe trigger invoice.paid (needs a key that may write), then run again"
            judged.suspects.append(Suspect("webhook.secret_mismatch", "STRIPE_WEBHOOK_SECRET", why, look))
    elif answered(seen.cli_secret) and answered(seen.route):
        why = "the CLI's secret is known, and the API's is not"
        look = "run again with --active on this machine: signed test events decide (they leave a log line)"
        judged.suspects.append(Suspect("webhook.secret_mismatch", "STRIPE_WEBHOOK_SECRET", why, look))


def _needed(scene: Scene) -> list[Observation]:
    """The looks without which nothing can be ruled out."""
    seen = scene.evidence
    wanted: list[Observation | None] = [seen.place, seen.route, seen.keys, seen.deliveries]
    if scene.form == "cli":
        wanted += [seen.cli_secret]
        if not right_clis(scene):  # what is hidden besides one that forwards as it should does not matter
            wanted += [seen.listening]
    else:
        wanted += [seen.endpoints]
    if scene.form is None:
        wanted += [seen.listening]
    if not is_secret_proven(scene):
        wanted += [seen.signed, seen.last_delivered]
    if seen.records is not None:
        wanted.append(seen.records)
    return [look for look in wanted if look is not None]


def _not_seen(scene: Scene) -> list[Unseen]:
    """What could not be seen, without what this way does not have."""
    seen = scene.evidence
    left_out: set[str] = set()
    if scene.form == "endpoint" and not scene.api.get("is_local"):
        left_out = set(_HOST_CALLS)
    elif scene.form == "endpoint":
        left_out = {"cli_secret"}
    looks = [
        look
        for look in seen.all()
        if look.call not in left_out
        and not (look.status == Status.not_configured and (look in seen.arrivals or look in seen.changes))
    ]
    return unseen(looks)


def _situation(scene: Scene) -> Situation:
    """How many events wait, of whom, since when, and what was changed before."""
    seen = scene.evidence
    failing = sorted(scene.failing, key=lambda each: str(each["at"]))
    going: bool | None = None
    if scene.events:
        going = scene.events[0]["pending"] > 0
    return Situation(
        ongoing=going,
        onset=str(failing[0]["at"]) if failing else None,
        last_seen=str(failing[-1]["at"]) if failing else None,
        requests_failed=len(failing) if answered(seen.deliveries) else None,
        orgs_affected=len({each["customer"] for each in failing if each["customer"]})
        if answered(seen.deliveries)
        else None,
        changes=tuple(sorted(_changes(scene), key=lambda each: each.at)),
    )


def _changes(scene: Scene) -> list[Change]:
    """Deployments and variables of the API, and on this machine the start of its process and its .env file."""
    seen = scene.evidence
    onset = min((str(each["at"]) for each in scene.failing), default=to_iso(seen.window.until))
    since = to_iso(from_iso(onset) - _BEFORE)
    found: list[Change] = []
    for look in seen.changes:
        for row in look.value if look.status.has_content and isinstance(look.value, list) else []:
            if look.call == "env_changes":
                found.append(
                    Change(str(row["updated_at"]), f"variable {row['name']} changed", f"{row['platform']} api")
                )
            else:
                found.append(
                    Change(
                        str(row["at"]),
                        f"deployment {row['state']}: {row.get('message') or ''}",
                        f"{row['platform']} api",
                    )
                )
    held = value_of(seen.api_secret) or {}
    if (held.get("process") or {}).get("started_at"):
        found.append(Change(str(held["process"]["started_at"]), "the API was started", "this machine"))
    if (held.get("file") or {}).get("changed_at"):
        found.append(Change(str(held["file"]["changed_at"]), f"{held['file']['name']} was changed", "this machine"))
    for each in scene.listens:
        if each["started_at"]:
            found.append(Change(str(each["started_at"]), "the Stripe CLI was started", "this machine"))
    return [each for each in found if since <= each.at <= to_iso(seen.now)]


def events_table(scene: Scene) -> dict[str, object]:
    """The window's events for a display."""
    names = ["at", "type", "customer", "pending", "status"]
    return {"columns": names, "rows": [[row.get(name) for name in names] for row in scene.events[:30]]}


def arrivals_table(scene: Scene) -> dict[str, object]:
    """What came to the webhook, for a display."""
    rows = [[each.at, each.status, each.ms, each.words or each.error] for each in arrivals_of(scene)[-30:]]
    return {"columns": ["at", "status", "ms", "words"], "rows": rows}
