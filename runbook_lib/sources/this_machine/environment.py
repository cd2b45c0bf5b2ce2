"""The variables that the runbook itself was given: `.env`, a named file, the process environment; and what it takes from them."""

from urllib.parse import urlsplit

from runbook_lib.core.keys import VARIABLES, is_nexuscores
from runbook_lib.core.model import Answer
from runbook_lib.core.records.variables import LocalVariable, PartAddress, RunbookSettings
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.hosting import ADDRESSES, is_address_given, platforms_of
from runbook_lib.sources.this_machine.variable_facts import facts_of


def variables() -> Look[RunbookSettings]:
    """What is set here, by place, never its value."""

    def fetch(door: Door) -> Answer[RunbookSettings]:
        settings = door.settings
        rows = [
            LocalVariable(name=name, place=place, facts=facts_of(door, name, value))
            for place, held in settings.places.items()
            for name, value in held.items()
            if _is_judged(name)
        ]
        parts = {
            part: PartAddress(
                is_local=_is_local(getattr(settings, field)),
                is_given=is_address_given(settings, part),
                hosts=platforms_of(settings, part),
            )
            for part, field in ADDRESSES.items()
        }
        return Answer.of(
            RunbookSettings(
                rows=sorted(rows, key=lambda row: (row["place"], row["name"])),
                parts=parts,
                service_name=settings.otel_service_name,
                project_ref=settings.supabase_project_ref,
                trace_delay_s=settings.trace_delay_s,
            )
        )

    return Look("environment", "variables", {}, fetch)


def _is_judged(name: str) -> bool:
    return name in VARIABLES or is_nexuscores(name)


def _is_local(address: str | None) -> bool:
    host = urlsplit(address or "").hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
