"""Rules of 02 on Stripe's events: which were not delivered and why, and whether those that were changed the database."""

from collections.abc import Sequence
from datetime import timedelta

from runbook_lib.core.clock import from_iso, to_iso
from runbook_lib.core.model import Finding, Observation, Status, Suspect
from runbook_lib.core.records.billing_records import BillingRecord
from runbook_lib.core.records.webhooks import BillingEvent
from runbook_lib.judging.findings import Findings
from runbook_lib.procedures.stripe_webhooks import commands
from runbook_lib.procedures.stripe_webhooks.answers import TOO_SLOW, is_platforms_refusal, limit_s, of_configured
from runbook_lib.procedures.stripe_webhooks.arrivals import Arrival
from runbook_lib.procedures.stripe_webhooks.causes import CATALOGUE
from runbook_lib.procedures.stripe_webhooks.delivery import ONCE_S, is_seen_to_come, was_wanted
from runbook_lib.procedures.stripe_webhooks.evidence import CLI, ENDPOINT, Scene, answered, made
from runbook_lib.procedures.stripe_webhooks.route import ROUTE
from runbook_lib.procedures.stripe_webhooks.secret import SECRET

_LAST_BEFORE_AN_ANSWER = "webhook.handler_slow"


def judge_events(scene: Scene, judged: Findings) -> None:
    """What Stripe says of the window's events."""
    look = scene.evidence.deliveries
    if look is None:
        return
    if scene.evidence.event_id and look.status == Status.not_found:
        summary = f"Stripe has no event {scene.evidence.event_id} in the account and mode of the runbook's key"
        judged.blind.append(CATALOGUE.finding("webhook.event_not_found", scene.evidence.event_id, summary, [look]))
        return
    if look.status == Status.empty:
        summary = "Stripe raised no billing event in the window"
        judged.states.append(CATALOGUE.finding("webhook.no_events", "Stripe", summary, [look]))
        return
    if scene.failing:
        _explain(scene, judged)
    _judge_applied(scene, judged)


def _explain(scene: Scene, judged: Findings) -> None:
    """Events wait for a 2xx: what the API's own logs and traces say of the time, and what may be so where they say nothing."""
    first = min(each["at"] for each in scene.failing)
    came = [each for each in scene.arrivals if each.at >= _a_moment_before(first) and each.failed]
    by_sign = [each for each in came if "no signatures found" in each.words.lower()]
    too_old = [each for each in came if "tolerance zone" in each.words.lower()]
    crashed = [each for each in came if each.crashed]
    count = f"{len(scene.failing)} of Stripe's events wait for a 2xx"
    found = _by_arrivals(scene, count, came, by_sign)
    if found is not None:
        judged.faults.append(found)
        return
    if _are_kept_away(judged):
        return
    if by_sign:
        look = "run again with --active: signed test events tell a wrong secret from an altered body"
        codes = ("webhook.secret_mismatch", "webhook.body_altered", *(["webhook.handler_failing"] if crashed else []))
        for code in codes:
            judged.suspects.append(Suspect(code, ROUTE, f"{count}; the API finds no matching signature on them", look))
    elif too_old:
        look = "run again with --active; compare the clock of the API's machine: date -u"
        judged.suspects.append(Suspect("webhook.clock_skew", ROUTE, f"{count}; the API finds them too old", look))
    else:
        newest = scene.failing[0]
        command = commands.resend(newest["id"], _endpoint_id(scene))
        look = f"{command} (needs a key that may write events), and look at what the API answers"
        why = f"{count}, the newest a {newest['type']}; everything that was asked now is well"
        for code in ("webhook.handler_failing", "webhook.secret_mismatch"):
            judged.suspects.append(Suspect(code, ROUTE, why, look))


def _are_kept_away(judged: Findings) -> bool:
    """Whether a fault is found that stands on an event's way before its 2xx."""
    last = CATALOGUE.place(_LAST_BEFORE_AN_ANSWER)
    return any(CATALOGUE.place(found.code) <= last for found in judged.faults)


def _by_arrivals(scene: Scene, count: str, came: Sequence[Arrival], by_sign: Sequence[Arrival]) -> Finding | None:
    """What arrivals that failed show by themselves.

    A crash before a refusal in the API's own words may be over: it was being restarted, or deployed. A log that is not whole may
    lack the refusal.
    """
    seen = scene.evidence
    slow = [each for each in came if each.error in TOO_SLOW or (each.ms or 0) > limit_s(scene) * 1000]
    if slow:
        summary = f"{count}; the handler took {max(each.ms or 0 for each in slow) / 1000:.1f} s or was ended"
        return _of_arrivals("webhook.handler_slow", ROUTE, summary, slow, seen.deliveries)
    refused_at = max((each.at for each in came if not each.crashed), default="")
    crashed = [each for each in came if each.crashed and each.at > refused_at and answered(each.look)]
    if unserved := [each for each in crashed if is_platforms_refusal(each.error)]:
        summary = f"{count}; its platform answered in its place: {unserved[-1].error}"
        where = scene.address or ROUTE
        return _of_arrivals("webhook.api_not_running.platform", where, summary, unserved, seen.deliveries)
    if crashed:
        words = next((each.words for each in crashed if each.words), crashed[0].error)
        summary = f"{count}; the handler answered 5xx" + (f": {words[:120]}" if words else "")
        return _of_arrivals("webhook.handler_failing", ROUTE, summary, crashed, seen.deliveries)
    if by_sign and _is_sound_with_ours(scene):
        summary = f"{count}; the API finds no matching signature on them, and verifies what is signed with its configured secret"
        return _of_arrivals("webhook.secret_mismatch", SECRET, summary, by_sign, seen.deliveries, seen.signed)
    return None


def _of_arrivals(code: str, subject: str, summary: str, came: Sequence[Arrival], *more: Observation | None) -> Finding:
    return CATALOGUE.finding(code, subject, summary, [*(each.look for each in came), *made(*more)])


def _is_sound_with_ours(scene: Scene) -> bool:
    """Whether test events that are signed with the configured secret are accepted in every form."""
    row = of_configured(scene)
    answers = (row["compact"], row["spaced"]) if row else ()
    return bool(answers) and all(answer is not None and answer["status_code"] == 200 for answer in answers)


def _judge_applied(scene: Scene, judged: Findings) -> None:
    """Whether the database says what the newest event of each customer says; what is not whole tells no order."""
    seen = scene.evidence
    if not answered(seen.records) or not answered(seen.deliveries):
        return
    unknown: set[str] = set()
    for customer in dict.fromkeys(each["customer"] for each in scene.events if each["customer"]):
        mine = [each for each in scene.events if each["customer"] == customer and each["status"]]
        if not mine:
            continue
        if customer not in scene.records:
            unknown.add(customer)
        else:
            _judge_customer(scene, judged, mine, scene.records[customer])
    if unknown:
        summary = f"events of {len(unknown)} customers came whom no organization has"
        looks = made(seen.deliveries, seen.records)
        judged.states.append(CATALOGUE.finding("webhook.customer_unknown", "Stripe", summary, looks))


def _judge_customer(scene: Scene, judged: Findings, mine: Sequence[BillingEvent], record: BillingRecord) -> None:
    """One customer's events, newest first, against its record."""
    newest = mine[0]
    said = {each["status"] for each in mine if each["at"] == newest["at"]}
    if record["status"] in said or newest["pending"] > 0:
        return
    seen, org = scene.evidence, f"organization {record['org_id']}"
    told = f"{newest['type']} says {newest['status']}, and billing_customers says {record['status']}"
    looks = made(seen.deliveries, seen.records)
    again = commands.resend(newest["id"], _endpoint_id(scene))
    if not was_wanted(scene, newest):
        return  # who did not ask for it did not get it: that is another finding
    if _is_before_cli(scene, newest):
        summary = f"{told}; it was raised before the CLI listened"
        both = [*looks, *made(seen.listening)]
        judged.faults.append(CATALOGUE.finding("webhook.missed", org, summary, both, f"Resend it: {again}"))
        return
    if scene.form != ENDPOINT and not is_seen_to_come(scene, newest):
        for code in ("webhook.received_not_applied", "webhook.missed"):
            why = f"{told}; whether it ever came here was not seen"
            judged.suspects.append(Suspect(code, org, why, f"{again}, and look whether it comes"))
        return
    order = _order(scene, mine)
    older = [each for each in mine[1:] if each["status"] == record["status"] and each["at"] < newest["at"]]
    if older and order and order[-1] in {each["id"] for each in older} and newest["id"] in order:
        summary = f"{told}, as the older event of the same customer does that arrived after it"
        both = [*looks, *seen.arrivals]
        judged.faults.append(CATALOGUE.finding("webhook.out_of_order", org, summary, both))
    elif older and not (order and order[-1] == newest["id"]):
        look = f"{again}: if the record is right then, they came out of order"
        for code in ("webhook.out_of_order", "webhook.received_not_applied"):
            judged.suspects.append(Suspect(code, org, f"{told}, as an older event does", look))
    else:
        remedy = f"Let the handler act on {newest['type']}. Then: {again}"
        both = [*looks, *_tellers(scene, order)]
        judged.faults.append(CATALOGUE.finding("webhook.received_not_applied", org, told, both, remedy))


def _order(scene: Scene, mine: Sequence[BillingEvent]) -> list[str]:
    """The ids of these events in the order in which they last arrived and were answered with a 2xx, as logs that are whole tell."""
    known = {each["id"] for each in mine}
    order: list[str] = []
    for each in scene.arrivals:
        for event in each.events:
            if event in known and not each.failed and answered(each.look):
                order = [*(other for other in order if other != event), event]
    return order


def _tellers(scene: Scene, order: Sequence[str]) -> list[Observation]:
    """The looks that told of the order, where there is one."""
    return list({each.look.id: each.look for each in scene.arrivals if set(each.events) & set(order)}.values())


def _is_before_cli(scene: Scene, event: BillingEvent) -> bool:
    """Whether an event was raised before any CLI of today listened."""
    if scene.form != CLI or not answered(scene.evidence.listening):
        return False
    started = [each["started_at"] for each in scene.listens if each["started_at"]]
    if not started:
        return False
    return (from_iso(min(started)) - from_iso(event["at"])).total_seconds() > ONCE_S


def _endpoint_id(scene: Scene) -> str | None:
    return scene.own_endpoints[0]["id"] if scene.form == ENDPOINT and scene.own_endpoints else None


def _a_moment_before(at: str) -> str:
    return to_iso(from_iso(at) - timedelta(seconds=ONCE_S))
