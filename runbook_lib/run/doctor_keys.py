"""What doctor says of each key that is set: until when it lives, whether it can write, and what it opens.

From three sides: what the key says itself, what its vendor says when it is shown the key, and what is known of its kind.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Json, Observation
from runbook_lib.io.observe import Look
from runbook_lib.settings import Settings
from runbook_lib.settings.key_rights import KEY_VARIABLES, in_words, rights_of
from runbook_lib.sources.fly import env as fly_env
from runbook_lib.sources.fly.token import can_write as fly_can_write
from runbook_lib.sources.github import reach as github_reach
from runbook_lib.sources.postgres import reach as postgres_reach
from runbook_lib.sources.railway import env as railway_env
from runbook_lib.sources.supabase import keys as supabase_keys
from runbook_lib.sources.vercel import env as vercel_env
from runbook_lib.sources.vercel import reach as vercel_reach

_OF_KEYS = ("_KEY", "_TOKEN", "_SECRET")


def token_looks() -> list[Look]:
    """The looks that ask vendors about the runbook's own keys: whether they are taken, until when, and what they reach."""
    taken = [vercel_env.token(), railway_env.token(), fly_env.token(), supabase_keys.access_token()]
    return [*taken, vercel_reach.reach(), github_reach.reach(), postgres_reach.reach()]


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
    found = {row["setting"]: row for row in _said_by_themselves(held, now)}
    for name, value in _values(settings):
        found[name] = {**found.get(name, _life(name, None, None, None, now)), **_rights(name, value)}
    told = [look for look in judged if look.status.answered and isinstance(look.value, dict)]
    for look in told:
        before = found.get(look.value["name"], _life(look.value["name"], None, None, None, now))
        tells = _reached if "can_write" in look.value else _taken
        found[look.value["name"]] = {**before, **tells(before, look, now)}
    every = [{**_NOTHING, **key} for key in found.values()]
    return sorted(every, key=lambda key: (key["expires_at"] or "9", str(key["setting"])))


_NOTHING: dict[str, Json] = {"can_write": None, "opens": None, "lives": None, "least": None}


def _values(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every key with its value, of the place that is read last where it stands in more than one."""
    values = {name: value for held in settings.places.values() for name, value in held.items() if name in KEY_VARIABLES}
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


def _said_by_themselves(held: Observation, now: datetime) -> Iterator[dict[str, Json]]:
    """The keys that this machine holds, by what each says of itself."""
    for row in held.value["rows"] if isinstance(held.value, dict) else []:
        facts = row["facts"]
        if row["name"].endswith(_OF_KEYS) and "empty" not in facts["flaws"]:
            said_by = "itself" if facts["expires_at"] else None
            yield {**_life(row["name"], facts["expires_at"], said_by, None, now), "role": facts["role"]}


def _taken(before: dict[str, Json], look: Observation, now: datetime) -> dict[str, Json]:
    """What its vendor says to whether it takes a key (KeyJudgement)."""
    said = look.value
    at = said["expires_at"] or before["expires_at"]
    said_by = look.source if said["expires_at"] else before["said_by"]
    return {**_life(said["name"], at, said_by, said["refusal"], now), "role": before["role"]}


def _reached(before: dict[str, Json], look: Observation, now: datetime) -> dict[str, Json]:
    """What its vendor tells of a key's rights (KeyReach), over what is known of its kind."""
    reach = look.value
    told: dict[str, Json] = {}
    if reach["can_write"] is not None:
        told["can_write"] = in_words(reach["can_write"])
    if reach["opens"]:
        told["opens"] = reach["opens"]
    if reach["expires_at"]:
        told |= _life(reach["name"], reach["expires_at"], look.source, before["refused"], now) | {
            "role": before["role"]
        }
    return told


def _life(name: str, at: str | None, said_by: str | None, refusal: str | None, now: datetime) -> dict[str, Json]:
    expired = refusal == "expired" or (at is not None and from_iso(at) <= now)
    return {"setting": name, "role": None, "expires_at": at, "said_by": said_by, "expired": expired, "refused": refusal}
