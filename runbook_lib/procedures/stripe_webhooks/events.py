"""Rules of 02 on Stripe's events: which were not delivered and why, and whether those that were changed the database."""

from collections.abc import Sequence
from datetime import timedelta

from runbook_lib.core.clock import from_iso, to_iso
from runbook_lib.core.model import Finding, Observation, Status, Suspect
from runbook_lib.procedures.stripe_webhooks import commands
from runbook_lib.procedures.stripe_webhooks.arrivals import Arrival, arrivals_of
from runbook_lib.procedures.stripe_webhooks.evidence import Judged, Row, Scene, answered, finding, value_of
from runbook_lib.procedures.stripe_webhooks.route import ROUTE, limit_s
from runbook_lib.procedures.stripe_webhooks.way import right_clis

_TOO_SLOW = ("FUNCTION_INVOCATION_TIMEOUT",)
_SOON_S = 60.0
_ONCE_S = 2.0  # Stripe stamps events with whole seconds


def judge_events(scene: Scene, judged: Judged) -> None:
    """What Stripe says of the window's events."""
    look = scene.evidence.deliveries
    if look is None:
        return
    if scene.evidence.event_id and look.status == Status.not_found:
        summary = f"Stripe has no event {scene.evidence.event_id} in the account and mode of the runbook's key"
        judged.blind.append(finding("webhook.event_not_found", scene.evidence.event_id, summary, look))
        return
    if look.status == Status.empty:
        summary = "Stripe raised no billing event in the window"
        judged.states.append(finding("webhook.no_events", "Stripe", summary, look))
        return
    if scene.failing and not _explains_failing(judged):
        _explain(scene, judged)
    _judge_applied(scene, judged)


def _explains_failing(judged: Judged) -> bool:
    """Whether something is found that keeps events from being answered with a 2xx."""
    harmless = ("webhook.duplicate_endpoint", "webhook.api_version_mismatch", "webhook.received_not_applied")
    return any(not found.code.startswith(harmless) for found in judged.faults)


def _explain(scene: Scene, judged: Judged) -> None:
    """Events wait for a 2xx, and nothing that was asked now says why: what the API's own logs and traces say of the time."""
    seen = scene.evidence
    first = min(str(each["at"]) for each in scene.failing)
    came = [each for each in arrivals_of(scene) if each.at >= _a_moment_before(first) and each.failed]
    by_sign = [each for each in came if "no signatures found" in each.words.lower()]
    too_old = [each for each in came if "tolerance zone" in each.words.lower()]
    crashed = [each for each in came if each.status is None or each.status >= 500 or each.status < 0]
    refused_at = max((each.at for each in (*by_sign, *too_old)), default="")
    # a crash before a refusal in the API's own words may be over: it was being restarted, or deployed
    is_crashing = any(each.at > refused_at for each in crashed)
    slow = [each for each in came if each.error in _TOO_SLOW or (each.ms or 0) > limit_s(scene) * 1000]
    count = f"{len(scene.failing)} of Stripe's events wait for a 2xx"
    if slow:
        summary = f"{count}; the handler took {max(each.ms or 0 for each in slow) / 1000:.1f} s or was ended"
        judged.faults.append(_of_arrivals("webhook.handler_slow", summary, slow, seen.deliveries))
    elif is_crashing:
        words = next((each.words for each in crashed if each.words), crashed[0].error)
        summary = f"{count}; the handler answered 5xx" + (f": {words[:120]}" if words else "")
        judged.faults.append(_of_arrivals("webhook.handler_failing", summary, crashed, seen.deliveries))
    elif by_sign and _is_sound_with_ours(scene):
        summary = f"{count}; the API finds no matching signature on them, and verifies what is signed with its configured secret"
        judged.faults.append(_of_arrivals("webhook.secret_mismatch", summary, by_sign, seen.deliveries, seen.signed))
    elif by_sign:
        look = "run again with --active: signed test events tell a wrong secret from an altered body"
        codes = ("webhook.secret_mismatch", "webhook.body_altered", *(["webhook.handler_failing"] if crashed else []))
        for code in codes:
            judged.suspects.append(Suspect(code, ROUTE, f"{count}; the API finds no matching signature on them", look))
    elif too_old:
        look = "run again with --active; compare the clock of the API's machine: date -u"
        judged.suspects.append(Suspect("webhook.clock_skew", ROUTE, f"{count}; the API finds them too old", look))
    else:
        newest = scene.failing[0]
        command = commands.resend(str(newest["id"]), _endpoint_id(scene))
        look = f"{command} (needs a key that may write events), and look at what the API answers"
        why = f"{count}, the newest a {newest['type']}; everything that was asked now is well"
        for code in ("webhook.handler_failing", "webhook.secret_mismatch"):
            judged.suspects.append(Suspect(code, ROUTE, why, look))


def _of_arrivals(code: str, summary: str, came: Sequence[Arrival], *more: Observation | None) -> Finding:
    looks = {each.look.id: each.look for each in came}
    return finding(code, ROUTE, summary, *looks.values(), *more)


def _is_sound_with_ours(scene: Scene) -> bool:
    """Whether signed test events are accepted in every form."""
    tests = (value_of(scene.evidence.signed) or {}).get("tests", [])
    forms = [row[form] for row in tests for form in ("compact", "spaced")]
    return bool(forms) and all(each is not None and each["status_code"] == 200 for each in forms)


def _judge_applied(scene: Scene, judged: Judged) -> None:
    """Whether the database says what the newest event of each customer says."""
    records = scene.evidence.records
    if records is None or not answered(records):
        return
    by_customer = {str(row["stripe_customer_id"]): row for row in (records.value or {}).get("found", [])}
    unknown: set[str] = set()
    for customer in dict.fromkeys(str(each["customer"]) for each in scene.events if each["customer"]):
        mine = [each for each in scene.events if each["customer"] == customer and each["status"]]
        if not mine:
            continue
        if customer not in by_customer:
            unknown.add(customer)
        else:
            _judge_customer(scene, judged, mine, by_customer[customer])
    if unknown:
        summary = f"events of {len(unknown)} customers came whom no organization has"
        judged.states.append(finding("webhook.customer_unknown", "Stripe", summary, scene.evidence.deliveries, records))


def _judge_customer(scene: Scene, judged: Judged, mine: Sequence[Row], record: Row) -> None:
    """One customer's events, newest first, against its record."""
    newest = mine[0]
    said = {str(each["status"]) for each in mine if each["at"] == newest["at"]}
    if record["status"] in said or newest["pending"] > 0:
        return
    seen, org = scene.evidence, f"organization {record['org_id']}"
    told = f"{newest['type']} says {newest['status']}, and billing_customers says {record['status']}"
    looks = (seen.deliveries, seen.records)
    again = f"Resend it: {commands.resend(str(newest['id']), _endpoint_id(scene))}"
    if not _was_wanted(scene, newest):
        return  # who did not ask for it did not get it: that is another finding
    if _is_before_cli(scene, newest):
        summary = f"{told}; it was raised before the CLI listened"
        judged.faults.append(finding("webhook.missed", org, summary, *looks, seen.listening, remedy=again))
        return
    if not _is_seen_to_arrive(scene, newest):
        for code in ("webhook.received_not_applied", "webhook.missed"):
            why = f"{told}; whether it ever came here was not seen"
            judged.suspects.append(
                Suspect(code, org, why, f"{again.removeprefix('Resend it: ')}, and look whether it comes")
            )
        return
    order = _order(scene, mine)
    older = [each for each in mine[1:] if each["status"] == record["status"] and each["at"] < newest["at"]]
    if older and order and order[-1] in {each["id"] for each in older} and newest["id"] in order:
        summary = f"{told}, as the older event of the same customer does that arrived after it"
        judged.faults.append(finding("webhook.out_of_order", org, summary, *looks, *seen.arrivals))
    elif older and not (order and order[-1] == newest["id"]):
        look = f"{commands.resend(str(newest['id']), _endpoint_id(scene))}: if the record is right then, they came out of order"
        for code in ("webhook.out_of_order", "webhook.received_not_applied"):
            judged.suspects.append(Suspect(code, org, f"{told}, as an older event does", look))
    else:
        remedy = (
            f"Let the handler act on {newest['type']}. Then: {commands.resend(str(newest['id']), _endpoint_id(scene))}"
        )
        judged.faults.append(
            finding("webhook.received_not_applied", org, told, *looks, *_tellers(scene, order), remedy=remedy)
        )


def _is_seen_to_arrive(scene: Scene, event: Row) -> bool:
    """Whether an event was answered with a 2xx here.

    Of an endpoint Stripe counts that. Of a CLI it does so only while the CLI is connected: an event that was raised in between
    waits for nobody, as one that was answered does; then an arrival must have been seen, by its id or (where arrivals show no
    ids) by its time.
    """
    if scene.form == "endpoint":
        return True
    came = [each for each in arrivals_of(scene) if not each.failed]
    if any(each.events for each in came):
        return any(event["id"] in each.events for each in came)
    at = from_iso(str(event["at"]))
    return any(-_ONCE_S <= (from_iso(each.at) - at).total_seconds() <= _SOON_S for each in came)


def _order(scene: Scene, mine: Sequence[Row]) -> list[str]:
    """The ids of these events in the order in which they last arrived and were answered with a 2xx; those that were seen."""
    known = {str(each["id"]) for each in mine}
    order: list[str] = []
    for each in arrivals_of(scene):
        for event in each.events:
            if event in known and not each.failed:
                order = [*(other for other in order if other != event), event]
    return order


def _tellers(scene: Scene, order: Sequence[str]) -> list[Observation]:
    """The looks that told of the order, where there is one."""
    return list({each.look.id: each.look for each in arrivals_of(scene) if set(each.events) & set(order)}.values())


def _was_wanted(scene: Scene, event: Row) -> bool:
    """Whether a receiver of today asks for this event."""
    if scene.form == "endpoint":
        return any({"*", event["type"]} & set(each["enabled_events"]) for each in scene.enabled_endpoints)
    return any(each["events"] is None or event["type"] in each["events"] for each in right_clis(scene))


def _is_before_cli(scene: Scene, event: Row) -> bool:
    """Whether an event was raised before any CLI of today listened."""
    if scene.form != "cli":
        return False
    started = [str(each["started_at"]) for each in scene.listens if each["started_at"]]
    if not started:
        return False
    return (from_iso(min(started)) - from_iso(str(event["at"]))).total_seconds() > _ONCE_S


def _endpoint_id(scene: Scene) -> str | None:
    return str(scene.own_endpoints[0]["id"]) if scene.form == "endpoint" and scene.own_endpoints else None


def _a_moment_before(at: str) -> str:
    return to_iso(from_iso(at) - timedelta(seconds=_ONCE_S))
