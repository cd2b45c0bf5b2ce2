"""The variables that the runbook itself was given: `.env`, a named file, the process environment; and what it takes from them."""

from urllib.parse import urlsplit

from runbook_lib.model import Answer, Json
from runbook_lib.observe import Door, Look
from runbook_lib.settings import Settings, variable_names
from runbook_lib.sources._variable_facts import NEXUSCORE, RUNBOOKS, facts_of

_ADDRESSES = {"web": "web_url", "api": "api_url", "gateway": "gateway_url"}


def variables() -> Look:
    """What is set here, by place, never its value: {"rows": [{"name", "place", "facts" (see `_variable_facts`)}], "parts": {part:
    {"is_local", "is_given"}}, "service_name", "project_ref", "trace_delay_s"}.

    place: `.env`, `environment`, or the file that was read. is_given: the part's address was set, not taken from the default.
    service_name is what the runbook expects spans under, project_ref the Supabase project that it looks at.
    """

    def fetch(door: Door) -> Answer:
        settings = door.settings
        rows = [
            {"name": name, "place": place, "facts": facts_of(door, name, value)}
            for place, held in settings.places.items()
            for name, value in held.items()
            if _is_judged(name)
        ]
        parts = {
            part: {"is_local": _is_local(getattr(settings, field)), "is_given": _is_given(settings, field)}
            for part, field in _ADDRESSES.items()
        }
        told: dict[str, Json] = {
            "service_name": settings.otel_service_name,
            "project_ref": settings.supabase_project_ref,
            "trace_delay_s": settings.trace_delay_s,
        }
        return Answer.of({"rows": sorted(rows, key=lambda row: (row["place"], row["name"])), "parts": parts, **told})

    return Look("environment", "variables", {}, fetch)


def _is_judged(name: str) -> bool:
    return name in NEXUSCORE or name in RUNBOOKS or name.startswith("NEXT_PUBLIC_")


def _is_local(address: str | None) -> bool:
    host = urlsplit(address or "").hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def _is_given(settings: Settings, field: str) -> bool:
    names = set(variable_names(field))
    return any(value.strip() for held in settings.places.values() for name, value in held.items() if name in names)
