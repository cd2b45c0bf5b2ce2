"""Exports of spans for the sandbox's store, and the vendors' samples of what comes out again."""

import json
from pathlib import Path
from typing import Any

SPECS = Path(__file__).parent.parent / "specs"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
AT_S = 1795396000  # when the samples' incident was


def sample(name: str) -> Any:
    """A vendor's sample."""
    return json.loads((SPECS / name).read_text())


def one(trace_id: str, number: int = 1, **fields: Any) -> dict[str, Any]:
    """An OTLP/JSON export of one span that began `at_s` (default: at the incident) and took 2 s."""
    at_ns = int(fields.pop("at_s", AT_S) * 10**9)
    service = fields.pop("service", "svc")
    scope = fields.pop("scope", {})
    span = {
        "traceId": trace_id.rjust(32, "0"),
        "spanId": f"{number:016x}",
        "name": f"op{number}",
        "startTimeUnixNano": str(at_ns),
        "endTimeUnixNano": str(at_ns + 2 * 10**9),
        **fields,
    }
    attributes = [{"key": "service.name", "value": {"stringValue": service}}] if service else []
    return {
        "resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": [{"scope": scope, "spans": [span]}]}]
    }


def text(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}
