"""What changed in the time before the trouble: deployments, variables, machines, vendors' incidents."""

from collections.abc import Iterable
from typing import Any

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Change, Observation
from runbook_lib.reading.request_rows import iso_before


def changes_of(observations: Iterable[Observation], window: Window) -> tuple[Change, ...]:
    """Everything that changed in the two hours before the window's end or within it, the newest first."""
    since, until = iso_before(window.since, 2), window.as_dict()["until"]
    found = set()
    for observation in observations:
        if not observation.status.has_content or not isinstance(observation.value, list):
            continue
        for item in observation.value:
            at = str(item.get("at") or item.get("updated_at") or "")
            if since <= at <= until:
                found.add(Change(at, _changed(item), str(item.get("url") or item.get("where") or observation.source)))
    return tuple(sorted(found, key=lambda change: change.at, reverse=True)[:20])


def _changed(item: dict[str, Any]) -> str:
    """One change in words: an incident or event in its own, a machine or a variable by name, a deployment by part and commit."""
    if item.get("what"):
        return str(item["what"])
    if "host_status" in item:
        return f"{item.get('part', '')} machine {item['name']} is {item.get('state')}".strip()
    if item.get("name") and "commit" not in item:
        return f"{item.get('part', '')} variable {item['name']} changed".strip()
    commit = str(item.get("commit") or "")[:9]
    return f"{item.get('part', '')} deployed {commit} {item.get('message') or ''}".strip()
