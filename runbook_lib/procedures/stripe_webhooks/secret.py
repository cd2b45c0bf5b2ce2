"""Rules of 02 on verification: the secret, the body, the clock; and what the handler does with a signed event.

What the API answers to signed test events outweighs what files and settings say.
"""

from runbook_lib.core.model import Observation, Status, Suspect
from runbook_lib.core.records.deployments import DeploymentRow
from runbook_lib.core.records.variables import VariableName
from runbook_lib.core.records.webhooks import BillingEvent, SignedTest, SignedTests
from runbook_lib.judging.answers import record_of, rows_of
from runbook_lib.judging.findings import Findings
from runbook_lib.procedures.stripe_webhooks.answers import (
    TOO_SLOW,
    is_decisive,
    is_no_match,
    is_platforms_refusal,
    is_success,
    is_too_old,
    limit_s,
    of_configured,
    refuses_signature,
    verifies,
    words_of,
)
from runbook_lib.procedures.stripe_webhooks.causes import CATALOGUE
from runbook_lib.procedures.stripe_webhooks.delivery import delivered
from runbook_lib.procedures.stripe_webhooks.evidence import CLI, ENDPOINT, Scene, answered, made
from runbook_lib.procedures.stripe_webhooks.known_secrets import (
    is_older,
    is_secret_proven,
    print_in,
    secret_of_api,
    secret_of_cli,
)
from runbook_lib.procedures.stripe_webhooks.route import ROUTE, TIME_IT

SECRET = "STRIPE_WEBHOOK_SECRET"  # noqa: S105 - a variable's name
_TRY_IT = "run again with --active on this machine: signed test events decide (they leave a log line)"


def judge_verification(scene: Scene, judged: Findings) -> None:
    """Secret, body and clock, from signed test events where there are some, else from what is configured."""
    for row in scene.tests:
        _judge_handler(scene, judged, row)
    if scene.form == CLI:
        _judge_cli_secret(scene, judged)
    elif scene.form == ENDPOINT:
        _judge_endpoint_secret(scene, judged)
    for row in scene.tests:
        _judge_body_and_clock(scene, judged, row)


def _judge_handler(scene: Scene, judged: Findings, row: SignedTest) -> None:
    """What became of a test event that should have been accepted."""
    answer, looks = row["compact"], made(scene.evidence.signed)
    if answer is None:
        return
    status, ms = answer["status_code"], answer["ms"]
    waited = f"a signed test event gets no answer in {ms / 1000:.1f} s"
    code, subject, summary = "", ROUTE, ""
    if status is None and answer.get("failed") == Status.timed_out:
        if ms < limit_s(scene) * 1000:
            judged.suspects.append(Suspect("webhook.handler_slow", ROUTE, waited, TIME_IT))
            return
        code, summary = "webhook.handler_slow", waited
    elif status is None:
        return
    elif is_platforms_refusal(answer.get("error")):
        code, subject = "webhook.api_not_running.platform", scene.address or ROUTE
        summary = f"its platform answers in its place: {words_of(answer)}"
    elif answer.get("error") in TOO_SLOW:
        code, summary = "webhook.handler_slow", f"its platform ended it: {words_of(answer)}"
    elif ms > limit_s(scene) * 1000:
        code = "webhook.handler_slow"
        summary = f"a signed test event is answered after {ms / 1000:.1f} s, and a delivery waits {limit_s(scene):g} s"
    elif status >= 500:
        code, summary = "webhook.handler_failing", f"a signed test event is answered with {words_of(answer)}"
    if code:
        judged.faults.append(CATALOGUE.finding(code, subject, summary, looks))


def _judge_cli_secret(scene: Scene, judged: Findings) -> None:
    """Does the API verify with the secret that the CLI's events are signed with?"""
    signs = secret_of_cli(scene)
    if not signs:
        return
    row = next((row for row in scene.tests if row["fingerprint"] == signs), None)
    if row is not None and is_decisive(row):
        if refuses_signature(row):
            _name_mismatch(scene, judged, signs)
        return
    api = secret_of_api(scene)
    process, file, setting = api["process"], api["file"], api["setting"]
    of_process, of_file = print_in(process), print_in(file)
    if of_process or of_file:
        if (of_process or of_file) != signs:
            _name_mismatch(scene, judged, signs)
        elif not of_process and is_older(process, file):
            _suspect(judged, "webhook.secret_stale_process", "the API started before its .env file was last changed")
    elif setting and setting["fingerprint"] != signs:
        _suspect(judged, "webhook.secret_mismatch", f"{SECRET} of the runbook's settings is not the CLI's")


def _name_mismatch(scene: Scene, judged: Findings, signs: str) -> None:
    """The API's secret is another one: because it was never given the right one, or because it has not read it yet."""
    seen = scene.evidence
    api = secret_of_api(scene)
    process, file, setting = api["process"], api["file"], api["setting"]
    of_process, of_file = print_in(process), print_in(file)
    looks = made(seen.cli_secret, seen.signed, seen.api_secret)
    if file and of_file == signs and ((of_process and of_process != signs) or is_older(process, file)):
        summary = f"{file['name']} holds the secret that signs, and the running API was started with another one"
        judged.faults.append(CATALOGUE.finding("webhook.secret_stale_process", SECRET, summary, looks))
    where = f" ({file['name']} has another one)" if file and of_file and of_file != signs else ""
    summary = f"the CLI's events are signed with a secret that the API does not verify with{where}"
    if any(each and not each["is_signing_secret"] for each in (setting, file and file["secret"])):
        summary += "; what is configured is no signing secret (whsec_…) at all"
    remedy = f"Put what `stripe listen --print-secret` prints into {SECRET} of the API, and restart it."
    judged.faults.append(CATALOGUE.finding("webhook.secret_mismatch", SECRET, summary, looks, remedy))


def _judge_endpoint_secret(scene: Scene, judged: Findings) -> None:
    """An endpoint's secret is shown once, when it is made: only what the API refuses tells whether it matches."""
    seen = scene.evidence
    row = of_configured(scene)
    if row is None or not is_decisive(row) or not refuses_signature(row):
        return
    if not scene.failing:
        why = f"the API refuses what is signed with {SECRET} of the runbook's settings"
        _suspect(judged, "webhook.secret_mismatch", why)
        return
    if stale := _changed_since_deployment(scene):
        summary = f"{SECRET} was changed at {stale[0]}, after the deployment that serves was made ({stale[1]})"
        looks = made(seen.signed, seen.deliveries, *seen.changes)
        judged.faults.append(CATALOGUE.finding("webhook.secret_stale_process", SECRET, summary, looks))
    summary = (
        f"the API refuses what is signed with {SECRET}, and {len(scene.failing)} of Stripe's events wait for a 2xx"
    )
    looks = made(seen.signed, seen.deliveries, *seen.arrivals)
    judged.faults.append(CATALOGUE.finding("webhook.secret_mismatch", SECRET, summary, looks))


def _changed_since_deployment(scene: Scene) -> tuple[str, str] | None:
    """When the secret was changed and when the serving deployment was made, where the change came later."""
    changed, deployed = "", ""
    for look in filter(answered, scene.evidence.changes):
        if look.call == "env_changes":
            variables = rows_of(look, VariableName)
            changed = max((each["updated_at"] or "" for each in variables if each["name"] == SECRET), default=changed)
        elif look.call == "deployments" and look.source == "vercel":
            made_at = [
                each["at"]
                for each in rows_of(look, DeploymentRow)
                if each["state"] == "READY" and each["target"] in (None, "production")
            ]
            deployed = max(made_at, default=deployed)
    return (changed, deployed) if changed and deployed and changed > deployed else None


def _judge_body_and_clock(scene: Scene, judged: Findings, row: SignedTest) -> None:
    looks: list[Observation] = made(scene.evidence.signed)
    compact, spaced, future = row["compact"], row["spaced"], row["future"]
    is_skewed = compact is not None and is_too_old(compact) and future is not None and is_success(future)
    if verifies(compact) and spaced is not None and is_no_match(spaced):
        summary = "a signed event as compact JSON verifies, and the same one with spaces does not"
        judged.faults.append(CATALOGUE.finding("webhook.body_altered", ROUTE, summary, looks))
    tests = record_of(scene.evidence.signed, SignedTests)
    if is_skewed and tests and tests["reference"] == "stripe":
        summary = "an event stamped by Stripe's clock is refused as too old, and one stamped ahead is accepted"
        judged.faults.append(CATALOGUE.finding("webhook.clock_skew", ROUTE, summary, looks))
    elif is_skewed:
        why = "an event stamped by this machine's clock is refused as too old; Stripe's clock could not be seen"
        _suspect(judged, "webhook.clock_skew", why)


def doubt_secret(scene: Scene, judged: Findings) -> None:
    """Nothing is found to be broken, and it has not been shown that the secret is right: what would show it."""
    seen = scene.evidence
    if scene.form is None or delivered(scene) or is_secret_proven(scene):
        return
    if scene.form == ENDPOINT:
        if answered(seen.deliveries) and answered(seen.last_delivered):
            last = next(iter(rows_of(seen.last_delivered, BillingEvent)), None)
            told = f"no billing event since {last['at']}" if last else "no billing event in 30 days"
            why = f"Stripe has delivered {told}, and an endpoint's secret is shown only when it is made"
            look = "have Stripe raise one: stripe trigger invoice.paid (needs a key that may write), then run again"
            judged.suspects.append(Suspect("webhook.secret_mismatch", SECRET, why, look))
    elif answered(seen.cli_secret) and answered(seen.route):
        _suspect(judged, "webhook.secret_mismatch", "the CLI's secret is known, and the API's is not")


def _suspect(judged: Findings, code: str, why: str) -> None:
    judged.suspects.append(Suspect(code, SECRET, why, _TRY_IT))
