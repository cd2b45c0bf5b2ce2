"""Rules of 02 on the API itself: is it there, is it NexusCore's, and does its webhook let an event through to its handler?"""

from runbook_lib.core.model import Status, Suspect
from runbook_lib.procedures.stripe_webhooks.evidence import PATH, Judged, Row, Scene, answered, finding, value_of

ROUTE = f"POST {PATH}"
MISSING = "missing webhook secret"
_NOBODY = ("NO_RESPONSE_FROM_FUNCTION", "DEPLOYMENT_NOT_FOUND", "DEPLOYMENT_DISABLED", "DEPLOYMENT_PAUSED", "true")
_TOO_SLOW = ("FUNCTION_INVOCATION_TIMEOUT",)
TIME_IT = f"time it by hand: curl -m 40 -w '%{{time_total}}' -X POST <the API>{PATH}"
_LONG_ENOUGH_MS = (
    8000.0  # an API that has not answered its health page for so long hangs; a busy machine answers before
)
DEFAULT_LIMIT_S = {"cli": 30.0, "endpoint": 10.0}


def judge_route(scene: Scene, judged: Judged) -> None:
    """Where the API should be, and what its webhook answers to what is not signed."""
    route = scene.evidence.route
    if route is None or judged.has("webhook.address_family"):
        return
    if route.status == Status.ok:
        _judge_answers(scene, judged)
    elif route.status in (Status.unreachable, Status.timed_out):
        _judge_silence(scene, judged)


def _judge_silence(scene: Scene, judged: Judged) -> None:
    """Nothing came back. On this machine that is the API's own doing; from afar it may be the way."""
    seen = scene.evidence
    route, listeners = seen.route, seen.listeners
    assert route is not None
    where = str(scene.api.get("address") or "the API's address")
    if listeners is not None and listeners.status == Status.empty:
        summary = f"nothing listens on port {listeners.value['port']} of this machine"
        judged.faults.append(finding("webhook.api_not_running", where, summary, listeners, route))
        return
    accepts = (value_of(listeners) or {}).get("accepts") or {}
    own = {"localhost": "127.0.0.1"}.get(str(scene.api.get("host")), str(scene.api.get("host")))
    if accepts.get(own) == "refused" and "accepted" in accepts.values():
        other = next(address for address, answer in accepts.items() if answer == "accepted")
        summary = f"events are sent to {own}, and what has the port listens on {other} only"
        judged.faults.append(finding("webhook.address_family", scene.where, summary, listeners, route))
    elif accepts.get(own) == "accepted" and route.status == Status.timed_out and route.elapsed_ms >= _LONG_ENOUGH_MS:
        summary = f"something takes connections at {where} and answers nothing"
        judged.faults.append(finding("webhook.api_not_running.silent", where, summary, route, listeners))
    else:
        judged.suspects.append(
            Suspect(
                "webhook.api_not_running",
                where,
                f"it does not answer from here ({route.status}): {route.why}",
                f"from a machine that is meant to reach it: curl -i {where}/api/health; its platform's own status",
            )
        )


def _judge_answers(scene: Scene, judged: Judged) -> None:
    route = scene.evidence.route
    assert route is not None
    value = route.value
    health, unsigned, badly = value["health"], value["unsigned"], value["badly_signed"]
    where = str(value["address"])
    is_own = health.get("json") == {"status": "ok"}
    status = unsigned["status_code"]
    listeners = scene.evidence.listeners
    if _is_platforms_refusal(health) or _is_platforms_refusal(unsigned):
        words = _words(unsigned if _is_platforms_refusal(unsigned) else health)
        summary = f"its platform answers in its place: {words}"
        judged.faults.append(finding("webhook.api_not_running.platform", where, summary, route))
    elif status is None:
        waited_s = max(float(each.get("ms") or 0) for each in (unsigned, badly)) / 1000
        if Status.timed_out not in (unsigned.get("failed"), badly.get("failed")):
            summary = f"the connection is cut without an answer: {unsigned.get('words')}"
            judged.faults.append(finding("webhook.handler_failing", ROUTE, summary, route))
        elif waited_s >= limit_s(scene):
            summary = f"the webhook gives no answer in {waited_s:.1f} s, while {where}/api/health does"
            judged.faults.append(finding("webhook.handler_slow", ROUTE, summary, route))
        else:
            why = f"the webhook gave no answer in the {waited_s:.1f} s that were waited, while {where}/api/health did"
            judged.suspects.append(Suspect("webhook.handler_slow", ROUTE, why, TIME_IT))
    elif 200 <= status < 300:
        summary = f"{_who(scene)} accepts an event without a signature ({status}), which NexusCore's API never does"
        judged.faults.append(finding("webhook.port_taken", where, summary, route, listeners))
    elif 300 <= status < 400 or status in (401, 403):
        to = f" to {unsigned['location']}" if unsigned.get("location") else ""
        summary = f"an event is answered with {status}{to} before any handler"
        judged.faults.append(finding("webhook.auth_in_front", ROUTE, summary, route))
    elif status in (404, 405):
        if is_own:
            summary = f"{where} is NexusCore's API, and {ROUTE} is answered with {status}"
            judged.faults.append(finding("webhook.route_missing", ROUTE, summary, route))
        else:
            summary = f"{_who(scene)} answers, and it is not NexusCore's API: /api/health says {_words(health)}"
            judged.faults.append(finding("webhook.port_taken", where, summary, route, listeners))
    elif unsigned.get("error") in _TOO_SLOW:
        judged.faults.append(
            finding("webhook.handler_slow", ROUTE, f"its platform ended it: {_words(unsigned)}", route)
        )
    elif status >= 500:
        summary = f"an event without a signature is answered with {status}: {_words(unsigned)}"
        judged.faults.append(finding("webhook.handler_failing", ROUTE, summary, route))
    elif MISSING in str(badly.get("words")).lower():
        summary = "an event with a signature header is answered with: Missing webhook secret or signature"
        judged.faults.append(finding("webhook.secret_missing", ROUTE, summary, route, scene.evidence.api_secret))
    elif not is_own and MISSING not in str(unsigned.get("words")).lower() and status != 400:
        judged.suspects.append(
            Suspect(
                "webhook.port_taken",
                where,
                f"{_who(scene)} answers {status}, as NexusCore's API does not: {_words(unsigned)}",
                "look at what has the port: lsof -nP -iTCP -sTCP:LISTEN",
            )
        )


def limit_s(scene: Scene) -> float:
    """How long a delivery may take."""
    return float(scene.api.get("timeout_s") or DEFAULT_LIMIT_S[scene.form or "endpoint"])


def _is_platforms_refusal(answer: Row) -> bool:
    return answer.get("error") in _NOBODY


def _who(scene: Scene) -> str:
    """What has the port, where the machine tells it."""
    listeners = scene.evidence.listeners
    if answered(listeners) and listeners is not None:
        names = sorted({str(row["name"]) for row in (listeners.value or {}).get("listeners", []) if row.get("name")})
        if names:
            return f"{' and '.join(names)} on port {listeners.value['port']}"
    return str(scene.api.get("address") or "what is there")


def _words(answer: Row) -> str:
    status = answer.get("status_code")
    text = " ".join(str(answer.get("words") or "").split())[:120]
    return f"HTTP {status} {text}".strip() if status else text
