"""Stripe's events beside what came here: who asks for one, and whether it was seen to come."""

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Observation
from runbook_lib.core.records.webhooks import BillingEvent, WebhookEndpoint
from runbook_lib.procedures.stripe_webhooks.clis import right_clis
from runbook_lib.procedures.stripe_webhooks.evidence import ENDPOINT, Scene, made

ONCE_S = 2.0  # Stripe stamps events with whole seconds
_SOON_S = 60.0


def asks_for(endpoint: WebhookEndpoint, event_type: str) -> bool:
    """Whether an endpoint is to have events of this type."""
    return bool({"*", event_type} & set(endpoint["enabled_events"]))


def was_wanted(scene: Scene, event: BillingEvent) -> bool:
    """Whether a receiver of today asks for this event."""
    if scene.form == ENDPOINT:
        return any(asks_for(each, event["type"]) for each in scene.enabled_endpoints)
    return any(each["events"] is None or event["type"] in each["events"] for each in right_clis(scene))


def is_seen_to_come(scene: Scene, event: BillingEvent) -> bool:
    """Whether an event was seen to be answered with a 2xx here, by its id or (where arrivals show no ids) by its time.

    Of an endpoint Stripe counts that. Of a CLI it does so only while the CLI is connected: an event that was raised in between
    waits for nobody, as one that was answered does.
    """
    came = [each for each in scene.arrivals if not each.failed]
    if any(each.events for each in came):
        return any(event["id"] in each.events for each in came)
    at = from_iso(event["at"])
    return any(-ONCE_S <= (from_iso(each.at) - at).total_seconds() <= _SOON_S for each in came)


def delivered(scene: Scene) -> list[Observation]:
    """The looks that show that the newest event of the window that is wanted here was answered with a 2xx; none where none does."""
    if enabled := scene.enabled_endpoints:
        wanted = [event for event in scene.events if any(asks_for(each, event["type"]) for each in enabled)]
        made_at = min(each["created_at"] or "" for each in enabled)
        good = wanted and scene.was_answered(wanted[0]) and wanted[0]["at"] >= made_at
        return made(scene.evidence.deliveries, scene.evidence.endpoints) if good else []
    newest = next(iter(scene.events), None)
    if newest is None or not was_wanted(scene, newest) or not is_seen_to_come(scene, newest):
        return []
    looks = {each.look.id: each.look for each in scene.arrivals if not each.failed}
    return [*made(scene.evidence.deliveries), *looks.values()]
