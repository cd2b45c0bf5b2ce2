"""What 02's answer rests on: an event's way, each stretch of it with the looks that would have shown it broken.

Settings and lists show that everything stands ready; that it works is shown by traffic alone: an event of Stripe's that was
answered, or a signed test event of the runbook's own. A quiet window shows nothing of the handler.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from runbook_lib.core.model import Observation, Status
from runbook_lib.core.records.webhooks import BillingEvent, SignedTests, WebhookAnswer
from runbook_lib.judging.answers import record_of, rows_of
from runbook_lib.judging.witnesses import Proven, Seen, Topics, all_of, any_of, first_of, look, proof
from runbook_lib.procedures.stripe_webhooks.answers import (
    is_nexuscore,
    is_success,
    lacks_secret,
    limit_s,
    route_of,
    verifies,
)
from runbook_lib.procedures.stripe_webhooks.clis import accounts, literal_targets, mode_of_api, right_clis
from runbook_lib.procedures.stripe_webhooks.commands import BILLING_EVENTS
from runbook_lib.procedures.stripe_webhooks.delivery import delivered
from runbook_lib.procedures.stripe_webhooks.evidence import (
    ARRIVALS,
    ENDPOINT,
    LOOKS,
    Evidence,
    Scene,
    answered,
    made,
)
from runbook_lib.procedures.stripe_webhooks.known_secrets import is_secret_proven


@lru_cache(maxsize=1)
def scene_of(seen: Seen) -> Scene:
    """What was seen, as the rules read it; every witness of one verdict asks for the same."""
    return Scene(Evidence.of(seen))


def _right_cli(seen: Seen) -> Iterable[Observation]:
    scene = scene_of(seen)
    return made(scene.evidence.listening, scene.evidence.place) if scene.api and right_clis(scene) else ()


def _cli_hears_all(seen: Seen) -> Iterable[Observation]:
    """A CLI that brings everything: whatever else listens, nothing is missing."""
    scene = scene_of(seen)
    wanted = {*BILLING_EVENTS, *(each["type"] for each in scene.events)}
    whole = any(each["events"] is None or wanted <= set(each["events"]) for each in right_clis(scene))
    return made(scene.evidence.listening) if scene.api and whole else ()


def _own_endpoint(seen: Seen) -> Iterable[Observation]:
    scene = scene_of(seen)
    return made(scene.evidence.endpoints, scene.evidence.place) if scene.enabled_endpoints else ()


def _is_elsewhere(seen: Seen) -> Iterable[Observation]:
    scene = scene_of(seen)
    return made(scene.evidence.place) if scene.api and not scene.api["is_local"] else ()


def _same_account(seen: Seen) -> Iterable[Observation]:
    """The runbook's key sees what the API's does: by the keys, or because the database knows a customer of an event."""
    scene = scene_of(seen)
    keys = scene.keys
    own, api = (keys["runbook"], keys["api"]) if keys else (None, None)
    if keys and own and api and own["mode"] and own["mode"] == api["mode"]:
        is_one = keys["account"] and keys["account"] == keys["api_account"]
        if is_one or own["fingerprint"] == api["fingerprint"]:
            return made(scene.evidence.keys)
    known = any(each["customer"] in scene.records for each in rows_of(scene.evidence.deliveries, BillingEvent))
    return made(scene.evidence.deliveries, scene.evidence.records) if known else ()


def _cli_in_account(seen: Seen) -> Iterable[Observation]:
    """A CLI that listens in the mode and account of the API's key: by its login or key, or because events came through it."""
    scene = scene_of(seen)
    if not right_clis(scene) or mode_of_api(scene) is None:
        return ()
    looks = made(scene.evidence.listening, scene.evidence.keys)
    if accounts(scene) is not None:
        return [*looks, *made(scene.evidence.cli_secret)]
    return [*looks, *came] if (came := delivered(scene)) and scene.form != ENDPOINT else ()


def _reached(seen: Seen) -> Iterable[Observation]:
    """The API answers at the address to which events are sent."""
    scene = scene_of(seen)
    if not route_of(scene):
        return ()
    own, by_number = scene.api["host"] if scene.api else None, literal_targets(scene)
    if all(host == own or scene.accepts.get(host) == "accepted" for host in by_number):
        return made(scene.evidence.route, *((scene.evidence.listening, scene.evidence.listeners) if by_number else ()))
    return ()


def _tested(seen: Seen) -> list[WebhookAnswer]:
    """The test events that the API verified with the secret that it was given."""
    answers = [row["compact"] for row in scene_of(seen).tests]
    return [answer for answer in answers if answer is not None and verifies(answer)]


def _is_nexuscore(seen: Seen) -> Iterable[Observation]:
    scene = scene_of(seen)
    if is_nexuscore(scene):
        return made(scene.evidence.route)
    return made(scene.evidence.signed) if _tested(seen) else ()


def _handler_answers(seen: Seen) -> Iterable[Observation]:
    """Nothing stands before the handler: it refuses what is not signed."""
    scene = scene_of(seen)
    answers = route_of(scene)
    return made(scene.evidence.route) if answers and answers["unsigned"]["status_code"] == 400 else ()


def _secret_is_there(seen: Seen) -> Iterable[Observation]:
    """The handler judges a signature, which it does with a secret alone."""
    scene = scene_of(seen)
    answers = route_of(scene)
    if answers and answers["badly_signed"]["status_code"] == 400 and not lacks_secret(answers["badly_signed"]):
        return made(scene.evidence.route)
    return made(scene.evidence.signed) if _tested(seen) else ()


def _secret_is_right(seen: Seen) -> Iterable[Observation]:
    return is_secret_proven(scene_of(seen))


def _body_is_raw(seen: Seen) -> Iterable[Observation]:
    scene = scene_of(seen)
    both = any(verifies(row["compact"]) and verifies(row["spaced"]) for row in scene.tests)
    return made(scene.evidence.signed) if both else ()


def _clock_is_right(seen: Seen) -> Iterable[Observation]:
    """A test event that was stamped by Stripe's clock is accepted."""
    scene = scene_of(seen)
    tests = record_of(scene.evidence.signed, SignedTests)
    is_stripes = tests is not None and tests["reference"] == "stripe"
    accepted = any(is_success(answer) for answer in _tested(seen))
    return made(scene.evidence.signed) if is_stripes and accepted else ()


def _accepted_in_time(seen: Seen) -> Iterable[Observation]:
    scene = scene_of(seen)
    limit_ms = limit_s(scene) * 1000
    good = any(is_success(answer) and (answer.get("ms") or 0) <= limit_ms for answer in _tested(seen))
    return made(scene.evidence.signed) if good else ()


def _delivered(seen: Seen) -> Iterable[Observation]:
    return delivered(scene_of(seen))


def _versions_known(seen: Seen) -> Iterable[Observation]:
    """In which version the events come, and for which one the API is written."""
    scene = scene_of(seen)
    if not scene.pinned_version:
        return ()
    told = made(scene.evidence.keys, scene.evidence.deliveries, scene.evidence.last_delivered)
    if enabled := scene.enabled_endpoints:
        known = all(each["api_version"] or scene.account_version for each in enabled)
        return [*made(scene.evidence.endpoints), *told] if known else ()
    return [*made(scene.evidence.listening), *told] if right_clis(scene) and scene.account_version else ()


def _nothing_to_apply(seen: Seen) -> Iterable[Observation]:
    deliveries = scene_of(seen).evidence.deliveries
    if not answered(deliveries) or any(each["customer"] for each in rows_of(deliveries, BillingEvent)):
        return ()
    return made(deliveries)


def _held_against_records(seen: Seen) -> Iterable[Observation]:
    scene = scene_of(seen)
    deliveries, records = scene.evidence.deliveries, scene.evidence.records
    is_whole = answered(deliveries) and answered(records)
    return made(deliveries, records) if is_whole and any(each["customer"] for each in scene.events) else ()


@dataclass(frozen=True)
class _NoCliNeeded(Proven):
    """Events come by an endpoint: what only the machine of a Stripe CLI has is then no gap."""

    def excuses(self, observation: Observation, seen: Seen) -> bool:
        """Where the CLI is not at hand, or the API's machine is another one."""
        if observation.status is not Status.not_configured or observation.source != "host":
            return False
        scene = scene_of(seen)
        return scene.form == ENDPOINT and (
            observation.call == "cli_secret" or (scene.api is not None and not scene.api["is_local"])
        )


def _whole(observation: Observation) -> bool:
    return observation.status is Status.ok


_ONE = {
    topic: look(
        name,
        holding=_whole if topic in ("place", "cli_secret", "keys", "route", "signed") else None,
        despite_partial=topic == "listeners",
        is_helpful=topic == "api_secret",
        else_why="it holds nothing",
    )
    for topic, name in LOOKS.items()
}

TOPICS = Topics(
    {
        **_ONE,
        "arrivals": first_of(*ARRIVALS),
        "changes": any_of(
            *(
                look(name, is_helpful=True)
                for name in ("vercel.deployments", "vercel.env_changes", "railway.deployments")
            )
        ),
        "elsewhere": proof("the API's machine is another one", _is_elsewhere, LOOKS["place"]),
        "own_endpoint": _NoCliNeeded("an endpoint points at the API's webhook", _own_endpoint, (LOOKS["endpoints"],)),
        "right_cli": proof("a CLI forwards to the API's webhook", _right_cli, LOOKS["listening"], LOOKS["place"]),
        "clis": all_of("place", any_of("listening", "right_cli")),
        "account": proof(
            "the runbook's key is of the API's account and mode", _same_account, LOOKS["keys"], LOOKS["records"]
        ),
        "all_endpoints": all_of("place", "endpoints", "account"),
        "events": all_of("deliveries", "account"),
        "cli_in_account": proof(
            "the CLI listens in the API's account and mode", _cli_in_account, LOOKS["keys"], LOOKS["cli_secret"]
        ),
        "wanted": any_of(
            all_of("right_cli", "listening"),
            all_of("own_endpoint", "all_endpoints"),
            proof("a CLI asks for every event", _cli_hears_all, LOOKS["listening"]),
        ),
        "each_once": all_of("place", "endpoints", any_of("listening", "elsewhere")),
        "reached": proof("the API answers where events are sent", _reached, LOOKS["route"], LOOKS["listeners"]),
        "is_nexuscore": proof("NexusCore's API answers", _is_nexuscore, LOOKS["route"]),
        "handler": proof("the handler answers what is not signed", _handler_answers, LOOKS["route"]),
        "has_secret": proof("the handler judges signatures", _secret_is_there, LOOKS["route"], LOOKS["signed"]),
        "delivered": proof("an event of the window was answered", _delivered, LOOKS["deliveries"]),
        "right_secret": any_of(
            "delivered",
            proof(
                "the API verifies with the secret that signs",
                _secret_is_right,
                LOOKS["signed"],
                LOOKS["last_delivered"],
            ),
        ),
        "raw_body": any_of("delivered", proof("spaced JSON verifies", _body_is_raw, LOOKS["signed"])),
        "right_clock": any_of("delivered", proof("Stripe's time is accepted", _clock_is_right, LOOKS["signed"])),
        "handled": all_of(
            "events",
            any_of("delivered", proof("a test event was accepted in time", _accepted_in_time, LOOKS["signed"])),
        ),
        "versions": proof(
            "the versions of events and API are known", _versions_known, LOOKS["keys"], LOOKS["last_delivered"]
        ),
        "applied": any_of(
            all_of("events", proof("no event is about a customer", _nothing_to_apply, LOOKS["deliveries"])),
            all_of(
                "account",
                proof(
                    "events were held against the billing records",
                    _held_against_records,
                    LOOKS["deliveries"],
                    LOOKS["records"],
                ),
            ),
        ),
    }
)
