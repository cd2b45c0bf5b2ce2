"""Rules of 02 on the way to the API: does anything bring Stripe's events there, from the right place, and all of them?"""

from collections.abc import Sequence

from runbook_lib.core.model import Finding, Status, Suspect
from runbook_lib.core.records.webhooks import ListeningCli
from runbook_lib.judging.findings import Findings
from runbook_lib.procedures.stripe_webhooks import commands
from runbook_lib.procedures.stripe_webhooks.causes import CATALOGUE
from runbook_lib.procedures.stripe_webhooks.clis import SUBJECT, Trouble, right_clis, troubles
from runbook_lib.procedures.stripe_webhooks.commands import BILLING_EVENTS
from runbook_lib.procedures.stripe_webhooks.delivery import asks_for
from runbook_lib.procedures.stripe_webhooks.evidence import CLI, ENDPOINT, Scene, answered, made

_SEE_ALL = "as a user who may see every process of the API's machine: pgrep -af 'stripe.*listen'"


def judge_way(scene: Scene, judged: Findings) -> None:
    """The way that events take to this API."""
    if scene.form == CLI:
        judge_cli(scene, judged)
    elif scene.form == ENDPOINT:
        judge_endpoints(scene, judged)
    elif answered(scene.evidence.listening) and not scene.listens:
        # a local API, no CLI, and Stripe's endpoints unseen: an endpoint may point here through a tunnel
        why = "no Stripe CLI listens here, and whether an endpoint brings the events could not be seen"
        look = "list the endpoints with a key that has Webhook endpoints: read; or run with -p via=cli"
        judged.suspects.append(Suspect("webhook.cli_not_running", SUBJECT, why, look))


def judge_cli(scene: Scene, judged: Findings) -> None:
    """The way of a developer's machine: one CLI that listens in the right mode and forwards to the API."""
    seen = scene.evidence
    is_whole = answered(seen.listening)
    if seen.cli_secret is not None and seen.cli_secret.status is Status.denied:
        if is_whole and not scene.listens:
            judged.faults.append(_auth_expired(scene, "so none listens"))
        else:
            judged.also.append(_auth_expired(scene, "it listens still, and cannot connect again once it is cut off"))
    if not scene.listens:
        if is_whole:
            judged.faults.append(_nobody_listens(scene))
        elif seen.listening is not None:
            why = "no Stripe CLI was seen, and not every process may be seen"
            judged.suspects.append(Suspect("webhook.cli_not_running", SUBJECT, why, _SEE_ALL))
        return
    right = right_clis(scene)
    if right:
        _judge_right_clis(scene, judged, right)
        return
    nearest = min((troubles(scene, each) for each in scene.listens), key=len)
    if is_whole:
        judged.faults += [_named(each) for each in nearest]
    else:
        why = "none of the Stripe CLIs that were seen brings events here, and not every process may be seen"
        judged.suspects += [Suspect(each.code, each.subject, f"{why}: {each.summary}", _SEE_ALL) for each in nearest]


def _judge_right_clis(scene: Scene, judged: Findings, right: Sequence[ListeningCli]) -> None:
    seen = scene.evidence
    judged.faults += _missing_events(scene, right) if answered(seen.listening) else []
    judged.faults += [_named(each) for each in troubles(scene, right[0])]
    version = scene.account_version
    if version and scene.pinned_version and version != scene.pinned_version and not right[0]["latest"]:
        summary = f"the CLI takes events in the account's own version {version}, the API is written for {scene.pinned_version}"
        remedy = (
            "Make the pinned version the account's default in Stripe's dashboard, or write the API for the account's."
        )
        looks = made(seen.deliveries, seen.last_delivered, seen.keys)
        judged.faults.append(CATALOGUE.finding("webhook.api_version_mismatch", SUBJECT, summary, looks, remedy))
    if len(right) + len(scene.enabled_endpoints) > 1:
        ways = f"{len(right)} Stripe CLIs" + (
            f" and {len(scene.enabled_endpoints)} endpoints" if scene.enabled_endpoints else ""
        )
        summary = f"{ways} forward to {scene.where}"
        looks = made(seen.listening, seen.endpoints)
        judged.faults.append(CATALOGUE.finding("webhook.duplicate_endpoint", scene.where, summary, looks))


def _named(trouble: Trouble) -> Finding:
    return CATALOGUE.finding(trouble.code, trouble.subject, trouble.summary, trouble.looks, trouble.remedy)


def _nobody_listens(scene: Scene) -> Finding:
    seen = scene.evidence
    command = commands.listen(scene.where, scene.version)
    summary = "no Stripe CLI listens on this machine"
    if answered(seen.endpoints):
        summary += f", and no endpoint of the account points at {scene.where}"
    remedy = f"Start it and leave it running: {command}{commands.for_version(scene.version)}"
    return CATALOGUE.finding("webhook.cli_not_running", SUBJECT, summary, made(seen.listening, seen.endpoints), remedy)


def _auth_expired(scene: Scene, consequence: str) -> Finding:
    looks = made(scene.evidence.cli_secret, scene.evidence.listening)
    words = looks[0].why.split("https://")[0][:160].rstrip(' ",{')
    return CATALOGUE.finding(
        "webhook.cli_auth_expired", SUBJECT, f"Stripe refuses the CLI ({words}), {consequence}", looks
    )


def _missing_events(scene: Scene, right: Sequence[ListeningCli]) -> list[Finding]:
    """Events of billing that none of the CLIs asks for, nor the one event that is looked for."""
    if any(each["events"] is None for each in right):
        return []
    asked = {event for each in right for event in each["events"] or ()}
    missing = [event for event in _wanted(scene) if event not in asked]
    if not missing:
        return []
    summary = f"the CLI does not ask for {', '.join(missing)}"
    every = sorted({*asked, *missing})
    remedy = f"Start it again: {commands.listen(scene.where, scene.version, events=every)}"
    looks = made(scene.evidence.listening)
    return [CATALOGUE.finding("webhook.event_not_enabled", SUBJECT, summary, looks, remedy)]


def _wanted(scene: Scene) -> list[str]:
    one = [each["type"] for each in scene.events] if scene.evidence.event_id else []
    return list(dict.fromkeys([*BILLING_EVENTS, *one]))


def judge_endpoints(scene: Scene, judged: Findings) -> None:
    """The way of a deployed API: one enabled endpoint that points at the webhook and asks for billing's events."""
    seen = scene.evidence
    if not answered(seen.endpoints) or not scene.api:
        return
    looks = made(seen.endpoints)
    if not scene.own_endpoints:
        judged.faults.append(_no_endpoint(scene))
        return
    enabled = scene.enabled_endpoints
    if not enabled:
        one = scene.own_endpoints[0]
        summary = f"the endpoint {one['url']} is {one['status']}"
        judged.faults.append(CATALOGUE.finding("webhook.endpoint_disabled", one["id"], summary, looks))
        return
    wanted = _wanted(scene)
    times = {event: sum(asks_for(each, event) for each in enabled) for event in wanted}
    if missing := [event for event in wanted if not times[event]]:
        summary = f"no endpoint at {scene.where} asks for {', '.join(missing)}"
        judged.faults.append(CATALOGUE.finding("webhook.event_not_enabled", enabled[0]["id"], summary, looks))
    twice = [event for event in wanted if times[event] > 1]
    forwarding = [each for each in right_clis(scene) if each["target"]]
    if twice or forwarding:
        others = f"{len(enabled)} enabled endpoints" + (" and a Stripe CLI" if forwarding else "")
        summary = f"{others} bring {', '.join(twice) or 'events'} to {scene.where}"
        both = made(seen.endpoints, seen.listening)
        judged.faults.append(CATALOGUE.finding("webhook.duplicate_endpoint", scene.where, summary, both))
    for each in enabled:
        version = each["api_version"] or scene.account_version
        if version and scene.pinned_version and version != scene.pinned_version:
            summary = f"the endpoint sends API version {version}, and the API is written for {scene.pinned_version}"
            known = made(seen.endpoints, seen.keys)
            judged.faults.append(CATALOGUE.finding("webhook.api_version_mismatch", each["id"], summary, known))


def _no_endpoint(scene: Scene) -> Finding:
    looks = made(scene.evidence.endpoints, scene.evidence.place)
    if near := scene.near_endpoints:
        urls = ", ".join(sorted(each["url"] for each in near))
        summary = f"the endpoint points at {urls}, and the webhook is {scene.where}"
        return CATALOGUE.finding("webhook.endpoint_missing.wrong_url", near[0]["id"], summary, looks)
    summary = f"none of the account's {len(scene.all_endpoints)} endpoints points at {scene.where}"
    return CATALOGUE.finding("webhook.endpoint_missing", scene.where, summary, looks)


def judge_keys(scene: Scene, judged: Findings) -> None:
    """Whether what the runbook's key sees is what the API lives in."""
    keys = scene.keys
    own, api = (keys["runbook"], keys["api"]) if keys else (None, None)
    if keys is None or own is None or api is None:
        return
    differs = ""
    if own["mode"] and api["mode"] and own["mode"] != api["mode"]:
        differs = f"the runbook's key is a {own['mode']} key, and the API's a {api['mode']} key"
    elif keys["account"] and keys["api_account"] and keys["account"] != keys["api_account"]:
        differs = f"the runbook's key belongs to {keys['account']}, and the API's to {keys['api_account']}"
    if differs:
        looks = made(scene.evidence.keys)
        judged.blind.append(CATALOGUE.finding("webhook.other_mode", "RUNBOOK_STRIPE_KEY", differs, looks))
