"""What is wrong with a Stripe CLI that listens, and which of them bring events to the API."""

from dataclasses import dataclass

from runbook_lib.core.model import Observation
from runbook_lib.core.records.webhooks import ListeningCli
from runbook_lib.procedures.stripe_webhooks import commands
from runbook_lib.procedures.stripe_webhooks.arrivals import PATH
from runbook_lib.procedures.stripe_webhooks.evidence import LOOPBACK, V4, V6, Scene, made

SUBJECT = "Stripe CLI"
_HOST_FROM_CONTAINER = ("host.docker.internal", "host.containers.internal", "gateway.docker.internal")


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong with a CLI, with what a finding needs; `keeps_events`: its events do not reach the API."""

    code: str
    subject: str
    summary: str
    looks: list[Observation]
    remedy: str = ""
    keeps_events: bool = True


def right_clis(scene: Scene) -> list[ListeningCli]:
    """The CLIs that listen where the API's events are raised and forward to it."""
    return [each for each in scene.listens if not any(found.keeps_events for found in troubles(scene, each))]


def troubles(scene: Scene, cli: ListeningCli) -> list[Trouble]:
    """What is wrong with one CLI, in the order of an event's way."""
    seen = scene.evidence
    found: list[Trouble] = []
    correct = commands.listen(scene.where, scene.version) + commands.for_version(scene.version)
    mode, wanted = cli["mode"], mode_of_api(scene)
    if wanted and mode and mode != wanted:
        summary = f"the CLI listens to {mode} mode, and the API's key is a {wanted} key"
        found.append(Trouble("webhook.cli_wrong_mode.live", SUBJECT, summary, made(seen.listening, seen.keys)))
    else:
        found += _other_account(scene)
    if cli["target"] is None:
        if not cli["configured_webhooks"]:
            summary = "the CLI listens and forwards to nobody"
            remedy = f"Start it again with a target: {correct}"
            found.append(Trouble("webhook.cli_not_forwarding", SUBJECT, summary, made(seen.listening), remedy))
        return found
    found += _wrong_target(scene, cli, correct)
    if cli["latest"]:
        summary = f"the CLI takes events in the latest API version (--latest), and the API is written for {scene.pinned_version}"
        looks = made(seen.listening, seen.keys)
        found.append(Trouble("webhook.api_version_mismatch", SUBJECT, summary, looks, keeps_events=False))
    return found


def mode_of_api(scene: Scene) -> str | None:
    """The mode of the API's key; where that is not known, of the runbook's."""
    keys = (scene.keys["api"], scene.keys["runbook"]) if scene.keys else ()
    return next((key["mode"] for key in keys if key and key["mode"]), None)


def accounts(scene: Scene) -> tuple[str, str] | None:
    """The accounts of the CLI and of the API's key; None where not both are known."""
    of_cli = scene.cli.get("account") if scene.cli else None
    of_api = scene.keys["api_account"] if scene.keys else None
    return (of_cli, of_api) if of_cli and of_api else None


def literal_targets(scene: Scene) -> list[str]:
    """The loopback addresses that CLIs forward to by their number: there a server of the other family is not found."""
    hosts = [each["target"]["host"] for each in right_clis(scene) if each["target"]]
    return [host for host in hosts if host in (V4, V6)]


def _other_account(scene: Scene) -> list[Trouble]:
    seen, both = scene.evidence, accounts(scene)
    if both is None or both[0] == both[1]:
        return []
    summary = f"the CLI is in account {both[0]}, and the API's key belongs to {both[1]}"
    return [Trouble("webhook.cli_wrong_mode.account", SUBJECT, summary, made(seen.cli_secret, seen.keys))]


def _wrong_target(scene: Scene, cli: ListeningCli, correct: str) -> list[Trouble]:
    seen, target, api = scene.evidence, cli["target"], scene.api
    if api is None or target is None:
        return []
    host, port, path = target["host"], target["port"], target["path"].rstrip("/") or "/"
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
        looks = made(seen.listening, seen.place)
        code = f"webhook.cli_wrong_target.{part}"
        return [Trouble(code, str(cli["forward_to"]), summary, looks, f"Start it again: {correct}")]
    other = {V4: V6, V6: V4}.get(host)
    if other and scene.accepts.get(host) == "refused" and scene.accepts.get(other) == "accepted":
        summary = f"the CLI forwards to {host}:{port}, and the API listens on {other} only"
        remedy = f"Forward to localhost, which tries both: {commands.listen(f'localhost:{port}{PATH}', scene.version)}"
        looks = made(seen.listening, seen.listeners)
        return [Trouble("webhook.address_family", scene.where, summary, looks, remedy)]
    return []
