"""What a Stripe key or signing secret is, without its value: its mode, its kind, and a print by which two can be compared."""

from runbook_lib.core.model import Json
from runbook_lib.io.observe import Door


def key_facts(door: Door, key: str | None) -> dict[str, Json] | None:
    """{"mode": test, live or None, "kind": secret, restricted, publishable or None, "fingerprint"}; None without a key."""
    if not key or not key.strip():
        return None
    beginning = key.strip()[:8]
    mode = "live" if "_live_" in beginning else "test" if "_test_" in beginning else None
    kind = {"sk": "secret", "rk": "restricted", "pk": "publishable"}.get(beginning[:2])
    return {"mode": mode, "kind": kind if mode else None, "fingerprint": door.fingerprint(key.strip())}


def secret_facts(door: Door, secret: str | None) -> dict[str, Json] | None:
    """{"fingerprint", "is_signing_secret": whether it looks like whsec_…, "is_padded": white space around it}; None without."""
    if secret is None or not secret.strip():
        return None
    is_own = secret.strip().startswith("whsec_")
    return {
        "fingerprint": door.fingerprint(secret.strip()),
        "is_signing_secret": is_own,
        "is_padded": secret != secret.strip(),
    }
