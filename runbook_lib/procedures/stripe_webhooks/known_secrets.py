"""Which signing secrets are known where, and whether it is shown that the API verifies with the one that signs."""

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Observation
from runbook_lib.procedures.stripe_webhooks.answers import of_configured, verifies
from runbook_lib.procedures.stripe_webhooks.evidence import Row, Scene, answered, made, rows_of, value_of

_JIFFY_S = 3.0  # start times of processes are known to a jiffy, and the machine's own start to a second


def secret_of_cli(scene: Scene) -> str:
    """The print of the secret with which the CLI's events are signed; empty where it is not known."""
    return str(value_of(scene.evidence.cli_secret).get("fingerprint") or "")


def holder(scene: Scene, name: str) -> Row:
    """What is known of the API's `process` or `file`, or of the `setting`; empty where nothing is."""
    return value_of(scene.evidence.api_secret).get(name) or {}


def print_in(held: Row) -> str:
    """The print of the secret that a process or a file holds; empty where it has none."""
    return str((held.get("secret") or {}).get("fingerprint") or "")


def is_older(process: Row, file: Row) -> bool:
    """Whether the process started clearly before the file was changed."""
    started, changed = process.get("started_at"), file.get("changed_at")
    if not started or not changed:
        return False
    return (from_iso(str(changed)) - from_iso(str(started))).total_seconds() > _JIFFY_S


def is_secret_proven(scene: Scene) -> list[Observation]:
    """The looks that show that the API verifies with the secret that signs Stripe's events; none where it is not shown.

    The CLI's: by a test event signed with it, or because the API's process or file has the same. An endpoint's is shown once, when
    it is made, so that only a delivery tells: one of the last days, while the API still verifies with what it was given.
    """
    seen = scene.evidence
    if enabled := scene.enabled_endpoints:
        last = next(rows_of(seen.last_delivered), None)
        configured = verifies((of_configured(scene) or {}).get("compact"))
        made_at = min(str(each["created_at"] or "") for each in enabled)
        is_shown = last is not None and configured and answered(seen.deliveries) and str(last["at"]) >= made_at
        return made(seen.last_delivered, seen.signed, seen.deliveries) if is_shown else []
    signs = secret_of_cli(scene)
    if not signs:
        return []
    if any(row["fingerprint"] == signs and verifies(row["compact"]) for row in scene.tests):
        return made(seen.cli_secret, seen.signed)
    process, file = holder(scene, "process"), holder(scene, "file")
    known = print_in(process) or print_in(file)
    is_read = bool(print_in(process)) or not is_older(process, file)
    return made(seen.cli_secret, seen.api_secret) if answered(seen.api_secret) and known == signs and is_read else []
