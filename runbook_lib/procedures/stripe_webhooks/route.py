"""Rules of 02 on the API itself: is it there, is it NexusCore's, and does its webhook let an event through to its handler?"""

from runbook_lib.core.model import Observation, Status, Suspect
from runbook_lib.core.records.webhooks import PortListeners, WebhookRoute
from runbook_lib.judging.answers import whole_record
from runbook_lib.judging.findings import Findings
from runbook_lib.procedures.stripe_webhooks.answers import (
    TOO_SLOW,
    is_nexuscore,
    is_platforms_refusal,
    lacks_secret,
    limit_s,
    route_of,
    words_of,
)
from runbook_lib.procedures.stripe_webhooks.arrivals import PATH
from runbook_lib.procedures.stripe_webhooks.causes import CATALOGUE
from runbook_lib.procedures.stripe_webhooks.evidence import Scene, made

ROUTE = f"POST {PATH}"
TIME_IT = f"time it by hand: curl -m 40 -w '%{{time_total}}' -X POST <the API>{PATH}"
_WHO_HAS_IT = "look at what has the port: lsof -nP -iTCP -sTCP:LISTEN"
_LONG_ENOUGH_MS = 8000.0  # an API without an answer of its health page for so long hangs; a busy machine answers before


def judge_route(scene: Scene, judged: Findings) -> None:
    """Where the API should be, and what its webhook answers to what is not signed."""
    route = scene.evidence.route
    if answers := route_of(scene):
        _judge_answers(scene, judged, answers)
    elif route is not None and route.status in (Status.unreachable, Status.timed_out):
        _judge_silence(scene, judged)


def _judge_silence(scene: Scene, judged: Findings) -> None:
    """Nothing came back. On this machine that is the API's own doing; from afar it may be the way."""
    route, listeners = scene.evidence.route, scene.evidence.listeners
    assert route is not None
    looks = made(route, listeners)
    where = scene.address or "the API's address"
    if listeners is not None and listeners.status is Status.empty:
        port = (whole_record(listeners, PortListeners) or scene.api or {"port": None})["port"]
        summary = f"nothing listens on port {port} of this machine"
        judged.faults.append(CATALOGUE.finding("webhook.api_not_running", where, summary, looks))
        return
    host = scene.api["host"] if scene.api else ""
    own = "127.0.0.1" if host == "localhost" else host
    others = [address for address, answer in scene.accepts.items() if answer == "accepted" and address != own]
    if scene.accepts.get(own) == "refused" and others:
        summary = f"events are sent to {own}, and what has the port listens on {others[0]} only"
        judged.faults.append(CATALOGUE.finding("webhook.address_family", scene.where, summary, looks))
    elif (
        scene.accepts.get(own) == "accepted"
        and route.status is Status.timed_out
        and route.elapsed_ms >= _LONG_ENOUGH_MS
    ):
        summary = f"something takes connections at {where} and answers nothing"
        judged.faults.append(CATALOGUE.finding("webhook.api_not_running.silent", where, summary, looks))
    else:
        judged.suspects.append(
            Suspect(
                "webhook.api_not_running",
                where,
                f"it does not answer from here ({route.status}): {route.why}",
                f"from a machine that is meant to reach it: curl -i {where}/api/health; its platform's own status",
            )
        )


def _judge_answers(scene: Scene, judged: Findings, answers: WebhookRoute) -> None:
    health, unsigned, badly = answers["health"], answers["unsigned"], answers["badly_signed"]
    where = answers["address"]
    status = unsigned["status_code"]
    listeners, api_secret = scene.evidence.listeners, scene.evidence.api_secret

    def name(code: str, subject: str, summary: str, *more: Observation | None) -> None:
        judged.faults.append(CATALOGUE.finding(code, subject, summary, made(scene.evidence.route, *more)))

    refused = next((each for each in (unsigned, health) if is_platforms_refusal(each.get("error"))), None)
    if refused is not None:
        name("webhook.api_not_running.platform", where, f"its platform answers in its place: {words_of(refused)}")
    elif status is None:
        _judge_no_answer(scene, judged, answers)
    elif 200 <= status < 300:
        summary = f"{_who(scene)} accepts an event without a signature ({status}), which NexusCore's API never does"
        name("webhook.port_taken", where, summary, listeners)
    elif 300 <= status < 400 or status in (401, 403):
        to = f" to {unsigned['location']}" if unsigned.get("location") else ""
        name("webhook.auth_in_front", ROUTE, f"an event is answered with {status}{to} before any handler")
    elif status in (404, 405):
        if is_nexuscore(scene):
            name("webhook.route_missing", ROUTE, f"{where} is NexusCore's API, and {ROUTE} is answered with {status}")
        else:
            summary = f"{_who(scene)} answers, and it is not NexusCore's API: /api/health says {words_of(health)}"
            name("webhook.port_taken", where, summary, listeners)
    elif unsigned.get("error") in TOO_SLOW:
        name("webhook.handler_slow", ROUTE, f"its platform ended it: {words_of(unsigned)}")
    elif status >= 500:
        name(
            "webhook.handler_failing",
            ROUTE,
            f"an event without a signature is answered with {status}: {words_of(unsigned)}",
        )
    elif lacks_secret(badly):
        summary = "an event with a signature header is answered with: Missing webhook secret or signature"
        name("webhook.secret_missing", ROUTE, summary, api_secret)
    elif status != 400 and not is_nexuscore(scene):
        why = f"{_who(scene)} answers {status}, as NexusCore's API does not: {words_of(unsigned)}"
        judged.suspects.append(Suspect("webhook.port_taken", where, why, _WHO_HAS_IT))
    elif status != 400:
        why = f"an event without a signature is answered with {status}, and the handler says 400: {words_of(unsigned)}"
        look = f"look at what stands before the handler: curl -i -X POST {where}{PATH}"
        judged.suspects.append(Suspect("webhook.auth_in_front", ROUTE, why, look))


def _judge_no_answer(scene: Scene, judged: Findings, answers: WebhookRoute) -> None:
    """The health page answers, and the webhook does not."""
    unsigned, badly = answers["unsigned"], answers["badly_signed"]
    looks, where = made(scene.evidence.route), answers["address"]
    waited_s = max(each["ms"] for each in (unsigned, badly)) / 1000
    if Status.timed_out not in (unsigned.get("failed"), badly.get("failed")):
        summary = f"the connection is cut without an answer: {unsigned['words']}"
        judged.faults.append(CATALOGUE.finding("webhook.handler_failing", ROUTE, summary, looks))
    elif waited_s >= limit_s(scene):
        summary = f"the webhook gives no answer in {waited_s:.1f} s, while {where}/api/health does"
        judged.faults.append(CATALOGUE.finding("webhook.handler_slow", ROUTE, summary, looks))
    else:
        why = f"the webhook gave no answer in the {waited_s:.1f} s that were waited, while {where}/api/health did"
        judged.suspects.append(Suspect("webhook.handler_slow", ROUTE, why, TIME_IT))


def _who(scene: Scene) -> str:
    """What has the port, where the machine tells it."""
    seen = whole_record(scene.evidence.listeners, PortListeners)
    names = sorted({row["name"] for row in seen["listeners"] if row["name"]}) if seen else []
    if seen and names:
        return f"{' and '.join(names)} on port {seen['port']}"
    return scene.address or "what is there"
