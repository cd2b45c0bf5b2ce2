"""Which signing secrets are known where, and whether it is shown that the API verifies with the one that signs."""

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Observation
from runbook_lib.core.records.webhooks import ApiSecret, BillingEvent, FileSecret, ProcessSecret
from runbook_lib.judging.answers import record_of, rows_of
from runbook_lib.procedures.stripe_webhooks.answers import of_configured, verifies
from runbook_lib.procedures.stripe_webhooks.evidence import Scene, answered, made

_JIFFY_S = 3.0  # start times of processes are known to a jiffy, and the machine's own start to a second


def secret_of_cli(scene: Scene) -> str:
    """The print of the secret with which the CLI's events are signed; empty where it is not known."""
    return scene.cli.get("fingerprint", "") if scene.cli else ""


def secret_of_api(scene: Scene) -> ApiSecret:
    """What is known of the API's process, its file and the setting; nothing of any where the look brought nothing."""
    return record_of(scene.evidence.api_secret, ApiSecret) or {"process": None, "file": None, "setting": None}


def print_in(held: ProcessSecret | FileSecret | None) -> str:
    """The print of the secret that a process or a file holds; empty where it has none."""
    return held["secret"]["fingerprint"] if held and held["secret"] else ""


def is_older(process: ProcessSecret | None, file: FileSecret | None) -> bool:
    """Whether the process started clearly before the file was changed."""
    started, changed = process and process["started_at"], file and file["changed_at"]
    if not started or not changed:
        return False
    return (from_iso(changed) - from_iso(started)).total_seconds() > _JIFFY_S


def is_secret_proven(scene: Scene) -> list[Observation]:
    """The looks that show that the API verifies with the secret that signs Stripe's events; none where it is not shown.

    The CLI's: by a test event signed with it, or because the API's process or file has the same. An endpoint's is shown once, when
    it is made, so that only a delivery tells: one of the last days, while the API still verifies with what it was given.
    """
    seen = scene.evidence
    if enabled := scene.enabled_endpoints:
        last = next(iter(rows_of(seen.last_delivered, BillingEvent)), None)
        configured = of_configured(scene)
        is_verified = configured is not None and verifies(configured["compact"])
        made_at = min(each["created_at"] or "" for each in enabled)
        is_shown = last is not None and is_verified and answered(seen.deliveries) and last["at"] >= made_at
        return made(seen.last_delivered, seen.signed, seen.deliveries) if is_shown else []
    signs = secret_of_cli(scene)
    if not signs:
        return []
    if any(row["fingerprint"] == signs and verifies(row["compact"]) for row in scene.tests):
        return made(seen.cli_secret, seen.signed)
    api = secret_of_api(scene)
    process, file = api["process"], api["file"]
    known = print_in(process) or print_in(file)
    is_read = bool(print_in(process)) or not is_older(process, file)
    return made(seen.cli_secret, seen.api_secret) if answered(seen.api_secret) and known == signs and is_read else []
