"""What doctor says of each key that is set: until when it lives, whether it can write, and what it opens.

From three sides: what the key says itself, what its vendor says when it is shown the key, and what is known of its kind.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Json, Observation
from runbook_lib.io.observe import Look
from runbook_lib.settings import Settings
from runbook_lib.settings.key_rights import KEY_RIGHTS, in_words, rights_of
from runbook_lib.sources.fly import env as fly_env
from runbook_lib.sources.fly.token import can_write as fly_can_write
from runbook_lib.sources.railway import env as railway_env
from runbook_lib.sources.supabase import keys as supabase_keys
from runbook_lib.sources.vercel import env as vercel_env

_OF_KEYS = ("_KEY", "_TOKEN", "_SECRET")
_HELD = frozenset(row.variable for row in KEY_RIGHTS)


def token_looks() -> list[Look]:
    """The looks that ask vendors about the runbook's own tokens: whether they are taken, and until when."""
    return [vercel_env.token(), railway_env.token(), fly_env.token(), supabase_keys.access_token()]


def keys_told(
    settings: Settings, held: Observation, judged: Sequence[Observation], now: datetime
) -> list[dict[str, Json]]:
    """A row for each key that is set, those that end first before the others; keys of which nothing is known are there too.

    Args:
        settings: what the keys' kinds are read from; no value leaves.
        held: the look at this machine's variables: what a key says of itself.
        judged: the looks of `token_looks`, as they were answered.
        now: what "expired" means.

    Each row: `setting`, `role` (Supabase's), `expires_at`, `said_by` (itself, or its vendor), `expired`, `refused`, `can_write`
    (yes, no, cannot be told), `opens`, `lives`, `least`; of a key that the runbook does not know the last four are None.
    """
    found: dict[str, dict[str, Json]] = {}
    rows = held.value["rows"] if isinstance(held.value, dict) else []
    for row in rows:
        facts = row["facts"]
        if row["name"].endswith(_OF_KEYS) and "empty" not in facts["flaws"]:
            said_by = "itself" if facts["expires_at"] else None
            found[row["name"]] = _life(row["name"], facts["expires_at"], said_by, None, now) | {"role": facts["role"]}
    for name, value in _values(settings):
        known = found.setdefault(name, _life(name, None, None, None, now))
        known |= _rights(name, value)
    for look in judged:
        if look.status.answered and isinstance(look.value, dict):
            name, before = look.value["name"], found.get(look.value["name"], {})
            at = look.value["expires_at"] or before.get("expires_at")
            said_by = f"{look.source}" if look.value["expires_at"] else before.get("said_by")
            told = _life(name, at, said_by, look.value["refusal"], now)
            found[name] = {**_NOTHING, **before, **told, "role": before.get("role")}
    every = [{**_NOTHING, **key} for key in found.values()]
    return sorted(every, key=lambda key: (key["expires_at"] or "9", str(key["setting"])))


_NOTHING: dict[str, Json] = {"can_write": None, "opens": None, "lives": None, "least": None}


def _values(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every key with its value, of the place that is read last where it stands in more than one."""
    values = {name: value for held in settings.places.values() for name, value in held.items() if name in _HELD}
    yield from ((name, value) for name, value in values.items() if value.strip())


def _rights(name: str, value: str) -> dict[str, Json]:
    rights = rights_of(name, value)
    if rights is None:
        return {}
    can_write = rights.can_write
    if name == "RUNBOOK_FLY_TOKEN" and can_write is None:
        can_write = fly_can_write(value.strip())
    return {
        "can_write": in_words(can_write),
        "opens": rights.opens,
        "lives": rights.lives,
        "least": rights.least,
    }


def _life(name: str, at: str | None, said_by: str | None, refusal: str | None, now: datetime) -> dict[str, Json]:
    expired = refusal == "expired" or (at is not None and from_iso(at) <= now)
    return {"setting": name, "role": None, "expires_at": at, "said_by": said_by, "expired": expired, "refused": refusal}
