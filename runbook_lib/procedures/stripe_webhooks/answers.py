"""What an answer of the API's webhook says: of the platform in front of it, of its handler, of the signature.

stripe-node checks the signature first and the time stamp then, so that "outside the tolerance zone" proves the secret right.
"""

from runbook_lib.core.model import Status
from runbook_lib.core.records.webhooks import SignedTest, WebhookAnswer, WebhookRoute
from runbook_lib.judging.answers import record_of
from runbook_lib.procedures.stripe_webhooks.evidence import Scene

MISSING = "missing webhook secret"
CONFIGURED = "configured"  # whose test events: the secret of the settings, as `webhook.signed` calls it
TOO_SLOW = ("FUNCTION_INVOCATION_TIMEOUT",)
_NOBODY = ("NO_RESPONSE_FROM_FUNCTION", "DEPLOYMENT_NOT_FOUND", "DEPLOYMENT_DISABLED", "DEPLOYMENT_PAUSED", "true")
_NO_MATCH = "no signatures found matching"
_USUAL_LIMIT_S = {"cli": 30.0, "endpoint": 10.0}


def limit_s(scene: Scene) -> float:
    """How long a delivery may take: Stripe waits 10 s, the CLI 30 s."""
    return (scene.api["timeout_s"] if scene.api else None) or _USUAL_LIMIT_S[scene.form or "endpoint"]


def words_of(answer: WebhookAnswer) -> str:
    """An answer for a sentence."""
    status = answer["status_code"]
    text = " ".join(answer["words"].split())[:120]
    return f"HTTP {status} {text}".strip() if status else text


def is_platforms_refusal(error: str | None) -> bool:
    """Whether an answer's `error` is the platform's word for there being nobody behind it."""
    return error in _NOBODY


def lacks_secret(answer: WebhookAnswer) -> bool:
    """Whether the handler says that it has no secret, or that the event has no signature."""
    return MISSING in answer["words"].lower()


def is_nexuscore(scene: Scene) -> bool:
    """Whether it is NexusCore's API that answers: by its health page, or by the words of its webhook."""
    answers = route_of(scene)
    if answers is None:
        return False
    return answers["health"].get("json") == {"status": "ok"} or lacks_secret(answers["unsigned"])


def route_of(scene: Scene) -> WebhookRoute | None:
    """What the API answers to what is not signed; None where the look did not come back whole."""
    route = scene.evidence.route
    return record_of(route, WebhookRoute) if route is not None and route.status is Status.ok else None


def of_configured(scene: Scene) -> SignedTest | None:
    """The answers to test events that are signed with the secret that the API was given; None where none were sent."""
    return next((row for row in scene.tests if row["secret"] == CONFIGURED), None)


def answers_to(row: SignedTest) -> list[WebhookAnswer]:
    """The answers to the signed test events of one secret."""
    return [answer for answer in (row["compact"], row["spaced"], row["old"], row["future"]) if answer is not None]


def is_decisive(row: SignedTest) -> bool:
    """Whether the answers tell if the signature matched: one did, or one was refused for it."""
    return any(verifies(answer) or is_no_match(answer) for answer in answers_to(row))


def refuses_signature(row: SignedTest) -> bool:
    """Whether the secret is refused in every form that was tried."""
    return not any(verifies(answer) for answer in answers_to(row))


def verifies(answer: WebhookAnswer | None) -> bool:
    """Whether an answer shows that the signature matched."""
    return answer is not None and (is_success(answer) or is_too_old(answer))


def is_success(answer: WebhookAnswer) -> bool:
    """A 2xx."""
    return answer["status_code"] is not None and 200 <= answer["status_code"] < 300


def is_too_old(answer: WebhookAnswer) -> bool:
    """Refused for its time stamp, and so with a signature that matches."""
    words = answer["words"].lower()
    return answer["status_code"] == 400 and "timestamp" in words and "tolerance" in words


def is_no_match(answer: WebhookAnswer) -> bool:
    """Refused for its signature."""
    return answer["status_code"] == 400 and _NO_MATCH in answer["words"].lower()
