"""What a Stripe key or signing secret is, without its value: its mode, its kind, and a print by which two can be compared."""

from runbook_lib.core.records.webhooks import SigningSecretFacts, StripeKeyFacts
from runbook_lib.io.observe import Door


def key_facts(door: Door, key: str | None) -> StripeKeyFacts | None:
    """What a key is; None without one."""
    if not key or not key.strip():
        return None
    beginning = key.strip()[:8]
    mode = "live" if "_live_" in beginning else "test" if "_test_" in beginning else None
    kind = {"sk": "secret", "rk": "restricted", "pk": "publishable"}.get(beginning[:2])
    return {"mode": mode, "kind": kind if mode else None, "fingerprint": door.fingerprint(key.strip())}


def secret_facts(door: Door, secret: str | None) -> SigningSecretFacts | None:
    """What a signing secret is; None without one."""
    if secret is None or not secret.strip():
        return None
    is_own = secret.strip().startswith("whsec_")
    return {
        "fingerprint": door.fingerprint(secret.strip()),
        "is_signing_secret": is_own,
        "is_padded": secret != secret.strip(),
    }
