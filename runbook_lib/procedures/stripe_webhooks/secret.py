"""Rules of 02 on verification: the secret, the body, the clock; and what the handler does with a signed event.

What the API answers to signed test events outweighs what files and settings say. stripe-node checks the signature first and
the time stamp then, so that "outside the tolerance zone" proves that the secret is right.
"""

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Status, Suspect
from runbook_lib.procedures.stripe_webhooks.evidence import Judged, Row, Scene, answered, finding, value_of
from runbook_lib.procedures.stripe_webhooks.route import ROUTE, TIME_IT, limit_s

SECRET = "STRIPE_WEBHOOK_SECRET"  # noqa: S105 - a variable's name
_FORMS = ("compact", "spaced", "old", "future")
_JIFFY_S = 3.0  # start times of processes are known to a jiffy, and the machine's own start to a second
_NO_MATCH = "no signatures found matching"


def judge_verification(scene: Scene, judged: Judged) -> None:
    """Secret, body and clock, from signed test events where there are some, else from what is configured."""
    tests = {str(row["secret"]): row for row in (value_of(scene.evidence.signed) or {}).get("tests", [])}
    if judged.has("webhook.secret_missing", "webhook.port_taken", "webhook.auth_in_front", "webhook.route_missing"):
        tests = {}
    for row in tests.values():
        _judge_handler(scene, judged, row)
    if scene.form == "cli":
        _judge_cli_secret(scene, judged, tests)
    elif scene.form == "endpoint":
        _judge_endpoint_secret(scene, judged, tests)
    for row in tests.values():
        _judge_body_and_clock(scene, judged, row)


def _judge_handler(scene: Scene, judged: Judged, row: Row) -> None:
    """What became of a test event that should have been accepted."""
    look = scene.evidence.signed
    if judged.has("webhook.handler_failing", "webhook.handler_slow", "webhook.api_not_running"):
        return
    answer = row["compact"]
    if answer is None:
        return
    status, ms = answer["status_code"], answer.get("ms") or 0
    if status is None and answer.get("failed") == Status.timed_out:
        waited = f"a signed test event gets no answer in {ms / 1000:.1f} s"
        if ms >= limit_s(scene) * 1000:
            judged.faults.append(finding("webhook.handler_slow", ROUTE, waited, look))
        else:
            judged.suspects.append(Suspect("webhook.handler_slow", ROUTE, waited, TIME_IT))
    elif status is not None and ms > limit_s(scene) * 1000:
        summary = f"a signed test event is answered after {ms / 1000:.1f} s, and a delivery waits {limit_s(scene):g} s"
        judged.faults.append(finding("webhook.handler_slow", ROUTE, summary, look))
    elif status is not None and status >= 500:
        words = " ".join(str(answer.get("words") or "").split())[:100]
        summary = f"a signed test event is answered with {status}: {words}"
        judged.faults.append(finding("webhook.handler_failing", ROUTE, summary, look))


def _judge_cli_secret(scene: Scene, judged: Judged, tests: dict[str, Row]) -> None:
    """Does the API verify with the secret that the CLI's events are signed with?"""
    seen = scene.evidence
    look = seen.cli_secret
    signs = (value_of(look) or {}).get("fingerprint")
    if look is None or not signs or judged.has("webhook.secret_missing"):
        return
    row = next((row for row in tests.values() if row["fingerprint"] == signs), None)
    if row is not None and is_decisive(row):
        if refuses_signature(row):
            _name_mismatch(scene, judged, str(signs))
        return
    held = value_of(seen.api_secret) or {}
    process, file = held.get("process") or {}, held.get("file") or {}
    of_process = (process.get("secret") or {}).get("fingerprint")
    of_file = (file.get("secret") or {}).get("fingerprint")
    of_setting = (held.get("setting") or {}).get("fingerprint")
    if of_process or of_file:
        if (of_process or of_file) != signs:
            _name_mismatch(scene, judged, str(signs))
        elif not of_process and _is_older(process, file):
            _suspect(judged, "webhook.secret_stale_process", "the API started before its .env file was last changed")
    elif of_setting and of_setting != signs:
        _suspect(judged, "webhook.secret_mismatch", f"{SECRET} of the runbook's settings is not the CLI's")


def _name_mismatch(scene: Scene, judged: Judged, signs: str) -> None:
    """The API's secret is another one: because it was never given the right one, or because it has not read it yet."""
    seen = scene.evidence
    held = value_of(seen.api_secret) or {}
    process, file = held.get("process") or {}, held.get("file") or {}
    of_process = (process.get("secret") or {}).get("fingerprint")
    of_file = (file.get("secret") or {}).get("fingerprint")
    looks = (seen.cli_secret, seen.signed, seen.api_secret)
    if of_file == signs and ((of_process and of_process != signs) or _is_older(process, file)):
        summary = f"{file['name']} holds the secret that signs, and the running API was started with another one"
        judged.faults.append(finding("webhook.secret_stale_process", SECRET, summary, *looks))
        return
    where = f" ({file['name']} has another one)" if of_file and of_file != signs else ""
    summary = f"the CLI's events are signed with a secret that the API does not verify with{where}"
    if (held.get("setting") or {}).get("is_signing_secret") is False or (file.get("secret") or {}).get(
        "is_signing_secret"
    ) is False:
        summary += "; what is configured is no signing secret (whsec_…) at all"
    remedy = f"Put what `stripe listen --print-secret` prints into {SECRET} of the API, and restart it."
    judged.faults.append(finding("webhook.secret_mismatch", SECRET, summary, *looks, remedy=remedy))


def _judge_endpoint_secret(scene: Scene, judged: Judged, tests: dict[str, Row]) -> None:
    """An endpoint's secret is shown once, when it is made: only what the API refuses tells whether it matches."""
    seen = scene.evidence
    row = tests.get("configured")
    if row is None or not is_decisive(row) or not refuses_signature(row):
        return
    if scene.failing:
        if stale := _changed_since_deployment(scene):
            summary = f"{SECRET} was changed at {stale[0]}, after the deployment that serves was made ({stale[1]})"
            judged.faults.append(
                finding("webhook.secret_stale_process", SECRET, summary, seen.signed, seen.deliveries, *seen.changes)
            )
            return
        summary = (
            f"the API refuses what is signed with {SECRET}, and {len(scene.failing)} of Stripe's events wait for a 2xx"
        )
        judged.faults.append(
            finding("webhook.secret_mismatch", SECRET, summary, seen.signed, seen.deliveries, *seen.arrivals)
        )
        return
    _suspect(
        judged, "webhook.secret_mismatch", f"the API refuses what is signed with {SECRET} of the runbook's settings"
    )


def _changed_since_deployment(scene: Scene) -> tuple[str, str] | None:
    """When the secret was changed and when the serving deployment was made, where the change came later."""
    changed, deployed = "", ""
    for look in scene.evidence.changes:
        rows = look.value if look.status.has_content and isinstance(look.value, list) else []
        if look.call == "env_changes":
            changed = max((str(r["updated_at"] or "") for r in rows if r.get("name") == SECRET), default=changed)
        elif look.call == "deployments" and look.source == "vercel":
            ready = [
                str(r["at"]) for r in rows if r.get("state") == "READY" and r.get("target") in (None, "production")
            ]
            deployed = max(ready, default=deployed)
    return (changed, deployed) if changed and deployed and changed > deployed else None


def _judge_body_and_clock(scene: Scene, judged: Judged, row: Row) -> None:
    look = scene.evidence.signed
    compact, spaced, future = row["compact"], row["spaced"], row["future"]
    is_skewed = compact is not None and _is_too_old(compact) and future is not None and _is_success(future)
    if verifies(compact) and spaced is not None and _is_no_match(spaced) and not judged.has("webhook.body_altered"):
        summary = "a signed event as compact JSON verifies, and the same one with spaces does not"
        judged.faults.append(finding("webhook.body_altered", ROUTE, summary, look))
    if is_skewed and not judged.has("webhook.clock_skew"):
        if (value_of(look) or {}).get("reference") == "stripe":
            summary = "an event stamped by Stripe's clock is refused as too old, and one stamped ahead is accepted"
            judged.faults.append(finding("webhook.clock_skew", ROUTE, summary, look))
        else:
            why = "an event stamped by this machine's clock is refused as too old; Stripe's clock could not be seen"
            _suspect(judged, "webhook.clock_skew", why)


def is_decisive(row: Row) -> bool:
    """Whether the answers tell if the signature matched: one did, or one was refused for it."""
    given = [row[form] for form in _FORMS if row[form] is not None]
    return any(verifies(answer) or _is_no_match(answer) for answer in given)


def refuses_signature(row: Row) -> bool:
    """Whether the secret is refused in every form that was tried."""
    given = [row[form] for form in _FORMS if row[form] is not None]
    return not any(verifies(answer) for answer in given)


def verifies(answer: Row | None) -> bool:
    """Whether an answer shows that the signature matched."""
    return answer is not None and (_is_success(answer) or _is_too_old(answer))


def _is_success(answer: Row) -> bool:
    return answer["status_code"] is not None and 200 <= answer["status_code"] < 300


def _is_too_old(answer: Row) -> bool:
    words = str(answer.get("words") or "").lower()
    return answer["status_code"] == 400 and "timestamp" in words and "tolerance" in words


def _is_no_match(answer: Row) -> bool:
    return answer["status_code"] == 400 and _NO_MATCH in str(answer.get("words") or "").lower()


def _is_older(process: Row, file: Row) -> bool:
    """Whether the process started clearly before the file was changed."""
    started, changed = process.get("started_at"), file.get("changed_at")
    if not started or not changed:
        return False
    return (from_iso(str(changed)) - from_iso(str(started))).total_seconds() > _JIFFY_S


def _suspect(judged: Judged, code: str, why: str) -> None:
    look = "run again with --active on this machine: signed test events decide (they leave a log line)"
    judged.suspects.append(Suspect(code, SECRET, why, look))


def is_secret_proven(scene: Scene) -> bool:
    """Whether it is shown that the API verifies with the secret that signs Stripe's events.

    The CLI's: by a test event signed with it, or because the API's process or file has the same. An endpoint's: by an event of
    Stripe's that was delivered.
    """
    seen = scene.evidence
    tests = (value_of(seen.signed) or {}).get("tests", [])
    if scene.form == "endpoint":
        return any(row["pending"] == 0 for row in scene.events) or (
            seen.last_delivered is not None and seen.last_delivered.status == Status.ok
        )
    signs = (value_of(seen.cli_secret) or {}).get("fingerprint")
    if not signs:
        return False
    if any(row["fingerprint"] == signs and verifies(row["compact"]) for row in tests):
        return True
    held = value_of(seen.api_secret) or {}
    known = [(held.get(name) or {}).get("secret") or {} for name in ("process", "file")]
    return answered(seen.api_secret) and signs in [each.get("fingerprint") for each in known]
