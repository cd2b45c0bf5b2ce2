"""Names of incidents and runs: safe as folder names, unique under load."""

import re
import secrets
from datetime import UTC, datetime

from runbook_lib.core.errors import UsageError

_INCIDENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", re.ASCII)
_RUN = re.compile(r"\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{4}", re.ASCII)


def new_run_id(now: datetime | None = None) -> str:
    """`20261123T085400.123Z-7f3a`: the UTC time to the millisecond and four hex digits, safe in a file name.

    Two runs of one millisecond may draw the same digits; whoever makes the folder draws again when it exists.
    """
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    stamp = moment.strftime("%Y%m%dT%H%M%S.") + f"{moment.microsecond // 1000:03d}Z"
    return f"{stamp}-{secrets.token_hex(2)}"


def is_run_id(text: str) -> bool:
    """Whether a folder's name is a run's id."""
    return bool(_RUN.fullmatch(text))


def default_incident(now: datetime | None = None) -> str:
    """`adhoc-2026-11-23`, by UTC date."""
    return f"adhoc-{(now or datetime.now(UTC)).astimezone(UTC):%Y-%m-%d}"


def checked_incident(name: str) -> str:
    """The name itself where it is a safe one.

    Raises:
        UsageError: empty, longer than 64, beginning with a dot, or with another character than letters, digits, `.`, `_`, `-`.
    """
    if _INCIDENT.fullmatch(name):
        return name
    shown = name if len(name) <= 64 else name[:61] + "…"
    raise UsageError(
        "Cannot use this incident's name",
        where=f"--incident {shown!r}",
        came_back="it is empty, too long, begins with a dot, or holds another character than letters, digits, . _ -",
        do_next="Use for example INC-7: letters, digits, dot, underscore and hyphen, at most 64, not beginning with a dot.",
    )
