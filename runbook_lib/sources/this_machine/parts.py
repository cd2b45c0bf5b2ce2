"""NexusCore's own parts as they answer from here: web, API, gateway.

The HTTP status is data, not the look's status: a part that says 500 was reached. Only where there was no connection, no
complete answer, or no HTTP does the look itself fail. What answers here may not be what the system's users reach.
"""

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Status
from runbook_lib.core.records.parts import GatewayDescription, PartAnswer
from runbook_lib.io.http import Reply
from runbook_lib.io.observe import Door, Look
from runbook_lib.settings import variable_names
from runbook_lib.sources.kit.asking import require_setting
from runbook_lib.sources.kit.hosting import ADDRESSES, is_address_given, platforms_of

_PATHS = {"web": "/", "api": "/api/health", "gateway": "/"}
_SHOWN = 2000


def probe(part: str, path: str | None = None) -> Look[PartAnswer]:
    """One GET of `web`, `api` or `gateway`, never retried and never redirected.

    Args:
        path: by default the part's own page: `/`, `/api/health`, `/`.
    """
    wanted = path if path is not None else _PATHS[part]

    def fetch(door: Door) -> Answer[PartAnswer]:
        reply = door.http.get(_address(door, part) + wanted, retry=False)
        return Answer(Status.ok, _answered(reply))

    return Look("parts", "probe", {"part": part, "path": wanted}, fetch, deadline_s=8)


def gateway_openapi() -> Look[GatewayDescription]:
    """What the gateway says of itself at `/openapi.json`, which FastAPI offers by itself."""

    def fetch(door: Door) -> Answer[GatewayDescription]:
        reply = door.http.get(_address(door, "gateway") + "/openapi.json", retry=False)
        document = reply.json_or_none()
        info = document.get("info") if isinstance(document, dict) else None
        paths = document.get("paths") if isinstance(document, dict) else None
        return Answer(
            Status.ok,
            {
                "status_code": reply.status_code,
                "ms": round(reply.elapsed_ms, 1),
                "title": str(info.get("title")) if isinstance(info, dict) else None,
                "version": str(info.get("version")) if isinstance(info, dict) else None,
                "paths": sorted(map(str, paths)) if isinstance(paths, dict) else [],
            },
        )

    return Look("parts", "gateway_openapi", {}, fetch, deadline_s=8)


def _address(door: Door, part: str) -> str:
    """The part's address. Raises LookError(not_configured) also where none was set and the part runs on a platform: the default is
    this machine, and that nothing answers here says nothing of it."""
    address = require_setting(door, ADDRESSES[part])
    if hosted := [] if is_address_given(door.settings, part) else platforms_of(door.settings, part):
        name = variable_names(ADDRESSES[part])[0]
        why = f"{name} is not set, and {part} runs on {' and '.join(hosted)}, not on this machine"
        raise LookError(Status.not_configured, why, do_next=f"set {name}: the address that its users reach")
    return address


def _answered(reply: Reply) -> PartAnswer:
    document = reply.json_or_none()
    return {
        "status_code": reply.status_code,
        "ms": round(reply.elapsed_ms, 1),
        "content_type": reply.headers.get("content-type"),
        "server": reply.headers.get("server"),
        "location": reply.headers.get("location"),
        "request_id": reply.request_id or None,
        "date": reply.headers.get("date"),
        "json": document if len(reply.body) <= _SHOWN else None,
        "text": reply.beginning(_SHOWN),
    }
