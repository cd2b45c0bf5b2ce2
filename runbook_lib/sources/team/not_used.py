"""What this system does not have, as the team has said: the one reason for which a cause need not be examined."""

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Status
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import require_setting

KNOWN = (
    "alertmanager",
    "api",
    "dumps",
    "fly",
    "gateway",
    "github",
    "migrations",
    "prometheus",
    "railway",
    "stripe",
    "vercel",
    "web",
)


def not_used() -> Look[list[str]]:
    """The names in RUNBOOK_NOT_USED: ["dumps", …]; not_configured where nobody has said anything.

    malformed: a name that means nothing here; the known ones are told.
    """

    def fetch(door: Door) -> Answer[list[str]]:
        names = [name.strip() for name in require_setting(door, "not_used").split(",") if name.strip()]
        if wrong := [name for name in names if name not in KNOWN]:
            raise LookError(
                Status.malformed,
                f"RUNBOOK_NOT_USED names {', '.join(wrong)[:80]}",
                do_next=f"name what this system does not have, of: {', '.join(KNOWN)}",
            )
        return Answer.of(sorted(set(names)))

    return Look("team", "not_used", {}, fetch)
