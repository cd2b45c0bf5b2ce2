"""What `runbook doctor` reports, as an audit counts it: with findings that have fingerprints, so that nights can be compared."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Json, VerdictStatus, fingerprint
from runbook_lib.run.audits.jobs import DOCTOR

SOON = timedelta(days=14)  # a key that expires later than this is no news yet


def verdict_of_report(report: Mapping[str, Any]) -> dict[str, Any]:
    """What doctor reported, as a verdict: a key that is or will soon be expired, a service that is needed and unusable."""
    soon = datetime.now(UTC) + SOON
    causes = [
        _finding("doctor.key_expired" if key["expired"] else "doctor.key_expires", key["setting"], _expiry(key))
        for key in report["keys"]
        if key["expired"] or (key["expires_at"] and from_iso(key["expires_at"]) <= soon)
    ]
    causes += [
        _finding("doctor.unusable", service, f"{service} is not usable, and {stem} needs it")
        for stem, services in report["missing"].items()
        for service in services
    ]
    unique = {each["fingerprint"]: each for each in causes}
    status = VerdictStatus.confirmed if causes else VerdictStatus.ruled_out
    return {"status": str(status), "causes": list(unique.values())}


def _expiry(key: Mapping[str, Any]) -> str:
    """When, as far as it is known: for some keys the vendor says only that they have expired, or that they never do."""
    verb = "expired" if key["expired"] else "expires"
    return f"{key['setting']} {verb} at {key['expires_at']}" if key["expires_at"] else f"{key['setting']} {verb}"


def _finding(code: str, subject: str, summary: str) -> dict[str, Json]:
    return {"code": code, "subject": subject, "summary": summary, "fingerprint": fingerprint(DOCTOR, code, subject)}
