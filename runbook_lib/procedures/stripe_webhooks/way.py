"""Rules of 02 on the way to the API: does anything bring Stripe's events there, from the right place, and all of them?"""

from collections.abc import Iterable, Sequence

from runbook_lib.core.model import Finding, Status, Suspect
from runbook_lib.procedures.stripe_webhooks import commands
from runbook_lib.procedures.stripe_webhooks.commands import BILLING_EVENTS
from runbook_lib.procedures.stripe_webhooks.evidence import (
    LOOPBACK,
    PATH,
    V4,
    V6,
    Judged,
    Row,
    Scene,
    answered,
    finding,
    value_of,
)

CLI = "Stripe CLI"
_HOST_FROM_CONTAINER = ("host.docker.internal", "host.containers.internal", "gateway.docker.internal")
_BLOCKING = (
    "webhook.cli_not_forwarding",
    "webhook.cli_wrong_target",
    "webhook.cli_wrong_mode",
    "webhook.address_family",
)


def judge_cli(scene: Scene, judged: Judged) -> None:
    """The way of a developer's machine: one CLI that listens in the right mode and forwards to the API."""
    seen = scene.evidence
    listening, secret = seen.listening, seen.cli_secret
    if not scene.listens:
        if answered(listening):
            _nobody_listens(scene, judged)
        elif listening is not None:
            judged.suspects.append(
                Suspect(
                    "webhook.cli_not_running",
                    CLI,
                    "no Stripe CLI was seen, and not every process may be seen",
                    "as a user who may see every process of the API's machine: pgrep -af 'stripe.*listen'",
                )
            )
        return
    if secret is not None and secret.status == Status.denied:
        judged.also.append(_auth_expired(scene, "it listens still, and cannot connect again once it is cut off"))
    right = right_clis(scene)
    if not right:
        every = [_problems(scene, each) for each in scene.listens]
        judged.faults += every[min(range(len(every)), key=lambda n: len(every[n]))]
        return
    judged.faults += _missing_events(scene, right)
    judged.faults += _problems(scene, right[0])
    version = _account_version(scene)
    if version and scene.pinned_version and version != scene.pinned_version and not right[0]["latest"]:
        summary = f"the CLI takes events in the account's own version {version}, the API is written for {scene.pinned_version}"
        remedy = (
            "Make the pinned version the account's default in Stripe's dashboard, or write the API for the account's."
        )
        judged.faults.append(
            finding("webhook.api_version_mismatch", CLI, summary, seen.deliveries, seen.keys, remedy=remedy)
        )
    if len(right) + len(scene.enabled_endpoints) > 1:
        ways = f"{len(right)} Stripe CLIs" + (
            f" and {len(scene.enabled_endpoints)} endpoints" if scene.enabled_endpoints else ""
        )
        judged.faults.append(
            finding(
                "webhook.duplicate_endpoint", scene.where, f"{ways} forward to {scene.where}", listening, seen.endpoints
            )
        )


def _nobody_listens(scene: Scene, judged: Judged) -> None:
    seen = scene.evidence
    if seen.cli_secret is not None and seen.cli_secret.status == Status.denied:
        judged.faults.append(_auth_expired(scene, "so none listens"))
        return
    command = commands.listen(scene.where, scene.version)
    judged.faults.append(
        finding(
            "webhook.cli_not_running",
            CLI,
            f"no Stripe CLI listens on this machine, and no endpoint of the account points at {scene.where}",
            seen.listening,
            seen.endpoints,
            remedy=f"Start it and leave it running: {command}{commands.for_version(scene.version)}",
        )
    )


def _auth_expired(scene: Scene, consequence: str) -> Finding:
    look = scene.evidence.cli_secret
    assert look is not None
    words = look.why.split("https://")[0][:160].rstrip(' ",{')
    summary = f"Stripe refuses the CLI ({words}), {consequence}"
    return finding("webhook.cli_auth_expired", CLI, summary, look, scene.evidence.listening)


def _problems(scene: Scene, cli: Row) -> list[Finding]:
    """What is wrong with one CLI, in the order of an event's way."""
    seen = scene.evidence
    found: list[Finding] = []
    correct = commands.listen(scene.where, scene.version) + commands.for_version(scene.version)
    mode, wanted = cli["mode"], _mode_of_api(scene)
    if wanted and mode and mode != wanted:
        summary = f"the CLI listens to {mode} mode, and the API's key is a {wanted} key"
        found.append(finding("webhook.cli_wrong_mode.live", CLI, summary, seen.listening, seen.keys))
    else:
        found += _other_account(scene)
    if cli["target"] is None:
        if not cli["configured_webhooks"]:
            summary = "the CLI listens and forwards to nobody"
            remedy = f"Start it again with a target: {correct}"
            found.append(finding("webhook.cli_not_forwarding", CLI, summary, seen.listening, remedy=remedy))
        return found
    found += _wrong_target(scene, cli, correct)
    if cli["latest"]:
        summary = f"the CLI takes events in the latest API version (--latest), and the API is written for {scene.pinned_version}"
        found.append(finding("webhook.api_version_mismatch", CLI, summary, seen.listening, seen.keys))
    return found


def _wrong_target(scene: Scene, cli: Row, correct: str) -> list[Finding]:
    seen, target, api = scene.evidence, cli["target"], scene.api
    if not api:
        return []
    host, port, path = target["host"], target["port"], str(target["path"]).rstrip("/") or "/"
    inside = cli["own_network"] is False  # its localhost is its container's
    same_host = host in LOOPBACK and api["host"] in LOOPBACK and not inside
    part = ""
    reaches = same_host or (inside and host in _HOST_FROM_CONTAINER) or (host == api["host"] and not inside)
    if not reaches:
        part = "host"
    elif port != api["port"]:
        part = "port"
    elif path != PATH:
        part = "path"
    if part:
        where = "from its container " if inside else ""
        summary = f"the CLI forwards {where}to {cli['forward_to']}, and the API's webhook is {scene.where}"
        remedy = f"Start it again: {correct}"
        code = f"webhook.cli_wrong_target.{part}"
        return [finding(code, str(cli["forward_to"]), summary, seen.listening, seen.place, remedy=remedy)]
    accepts = (value_of(seen.listeners) or {}).get("accepts") or {}
    other = {V4: V6, V6: V4}.get(host)
    if other and accepts.get(host) == "refused" and accepts.get(other) == "accepted":
        summary = f"the CLI forwards to {host}:{port}, and the API listens on {other} only"
        remedy = f"Forward to localhost, which tries both: {commands.listen(f'localhost:{port}{PATH}', scene.version)}"
        return [finding("webhook.address_family", scene.where, summary, seen.listening, seen.listeners, remedy=remedy)]
    return []


def _mode_of_api(scene: Scene) -> str | None:
    """The mode of the API's key; where that is not known, of the runbook's."""
    keys = value_of(scene.evidence.keys) or {}
    for name in ("api", "runbook"):
        if keys.get(name) and keys[name].get("mode"):
            return str(keys[name]["mode"])
    return None


def _other_account(scene: Scene) -> list[Finding]:
    seen = scene.evidence
    of_cli = (value_of(seen.cli_secret) or {}).get("account")
    of_api = (value_of(seen.keys) or {}).get("api_account")
    if of_cli and of_api and of_cli != of_api:
        summary = f"the CLI is in account {of_cli}, and the API's key belongs to {of_api}"
        return [finding("webhook.cli_wrong_mode.account", CLI, summary, seen.cli_secret, seen.keys)]
    return []


def _blocks(found: Iterable[Finding]) -> bool:
    return any(each.code.startswith(_BLOCKING) for each in found)


def right_clis(scene: Scene) -> list[Row]:
    """The CLIs that listen where the API's events are raised and forward to it."""
    return [each for each in scene.listens if not _blocks(_problems(scene, each))]


def _missing_events(scene: Scene, right: Sequence[Row]) -> list[Finding]:
    """Events of billing that none of the CLIs asks for, nor the one event that is looked for."""
    if any(each["events"] is None for each in right):
        return []
    asked = {event for each in right for event in each["events"]}
    missing = [event for event in _wanted(scene) if event not in asked]
    if not missing:
        return []
    summary = f"the CLI does not ask for {', '.join(missing)}"
    every = sorted({*asked, *missing})
    remedy = f"Start it again: {commands.listen(scene.where, scene.version, events=every)}"
    return [finding("webhook.event_not_enabled", CLI, summary, scene.evidence.listening, remedy=remedy)]


def _wanted(scene: Scene) -> list[str]:
    one = [str(each["type"]) for each in scene.events] if scene.evidence.event_id else []
    return list(dict.fromkeys([*BILLING_EVENTS, *one]))


def judge_endpoints(scene: Scene, judged: Judged) -> None:
    """The way of a deployed API: one enabled endpoint that points at the webhook and asks for billing's events."""
    seen = scene.evidence
    look = seen.endpoints
    if not answered(look):
        return
    if not scene.own_endpoints:
        if scene.near_endpoints:
            urls = ", ".join(sorted(str(each["url"]) for each in scene.near_endpoints))
            summary = f"the endpoint points at {urls}, and the webhook is {scene.where}"
            subject = str(scene.near_endpoints[0]["id"])
            judged.faults.append(finding("webhook.endpoint_missing.wrong_url", subject, summary, look, seen.place))
        else:
            summary = f"none of the account's {len(scene.all_endpoints)} endpoints points at {scene.where}"
            judged.faults.append(finding("webhook.endpoint_missing", scene.where, summary, look, seen.place))
        return
    enabled = scene.enabled_endpoints
    if not enabled:
        one = scene.own_endpoints[0]
        summary = f"the endpoint {one['url']} is {one['status']}"
        judged.faults.append(finding("webhook.endpoint_disabled", str(one["id"]), summary, look))
        return
    missing = [event for event in _wanted(scene) if not any(_asks(each, event) for each in enabled)]
    if missing:
        summary = f"no endpoint at {scene.where} asks for {', '.join(missing)}"
        judged.faults.append(finding("webhook.event_not_enabled", str(enabled[0]["id"]), summary, look))
    twice = [event for event in _wanted(scene) if sum(_asks(each, event) for each in enabled) > 1]
    forwarding = [each for each in right_clis(scene) if each["target"]]
    if twice or forwarding:
        others = f"{len(enabled)} enabled endpoints" + (" and a Stripe CLI" if forwarding else "")
        summary = f"{others} bring {', '.join(twice) or 'events'} to {scene.where}"
        judged.faults.append(finding("webhook.duplicate_endpoint", scene.where, summary, look, seen.listening))
    for each in enabled:
        version = each["api_version"] or _account_version(scene)
        if version and scene.pinned_version and version != scene.pinned_version:
            summary = f"the endpoint sends API version {version}, and the API is written for {scene.pinned_version}"
            judged.faults.append(finding("webhook.api_version_mismatch", str(each["id"]), summary, look, seen.keys))


def judge_keys(scene: Scene, judged: Judged) -> None:
    """Whether what the runbook's key sees is what the API lives in."""
    keys = value_of(scene.evidence.keys) or {}
    own, api = keys.get("runbook"), keys.get("api")
    if not own or not api:
        return
    differs = ""
    if own.get("mode") and api.get("mode") and own["mode"] != api["mode"]:
        differs = f"the runbook's key is a {own['mode']} key, and the API's a {api['mode']} key"
    elif keys.get("account") and keys.get("api_account") and keys["account"] != keys["api_account"]:
        differs = f"the runbook's key belongs to {keys['account']}, and the API's to {keys['api_account']}"
    if differs:
        judged.blind.append(finding("webhook.other_mode", "RUNBOOK_STRIPE_KEY", differs, scene.evidence.keys))


def _asks(endpoint: Row, event: str) -> bool:
    return bool({"*", event} & set(endpoint["enabled_events"]))


def _account_version(scene: Scene) -> str | None:
    """The account's own API version, as its events carry it."""
    return next((str(each["api_version"]) for each in scene.events if each["api_version"]), None)
