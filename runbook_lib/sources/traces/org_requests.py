"""Requests by organization, as spans tell of them: one row a request, whatever trace backend it comes from."""

from runbook_lib.core.clock import from_epoch_s, to_iso
from runbook_lib.core.records.traces import Attributes, OrgRequest

ORG_ATTRIBUTES = ("nexuscore.org_id", "app.org_id", "org_id", "enduser.org_id", "tenant.id")
STATUS_ATTRIBUTES = ("http.response.status_code", "http.status_code")
USER_ATTRIBUTES = ("enduser.id", "user.id")
ROUTE_ATTRIBUTES = ("http.route", "url.path", "http.target")
REFUSALS = (402, 429)


def row_of(trace: str, start_ns: int, ms: float, attributes: Attributes) -> OrgRequest | None:
    """A span as a request; None without organization."""
    org = _first(attributes, ORG_ATTRIBUTES)
    if org is None:
        return None
    status = _first(attributes, STATUS_ATTRIBUTES)
    return {
        "trace": trace,
        "at": to_iso(from_epoch_s(start_ns / 1e9)),
        "ms": round(ms, 1),
        "status": int(status) if status is not None and status.isdigit() else None,
        "route": _first(attributes, ROUTE_ATTRIBUTES),
        "org": org,
        "user": _first(attributes, USER_ATTRIBUTES),
    }


def _first(attributes: Attributes, names: tuple[str, ...]) -> str | None:
    for name in names:
        if name in attributes:
            value = attributes[name]
            return str(value[0] if isinstance(value, list) and value else value)
    return None
