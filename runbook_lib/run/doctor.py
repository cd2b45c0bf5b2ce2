"""What this machine can see of a target: each source configured, reachable, permitted; least permission; keys that expire.

Every module of `sources` that offers `health()` is asked, all at once, through the same door as any procedure's look.
"""

import base64
import importlib
import json
import pkgutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from pydantic import SecretStr

from runbook_lib import sources
from runbook_lib.clock import from_epoch_s, from_iso, to_iso
from runbook_lib.model import Answer, Json, Observation, Status
from runbook_lib.observe import Door, Look, Observer
from runbook_lib.redact import Redactor
from runbook_lib.run.notebooks import Template
from runbook_lib.run.targets import Target
from runbook_lib.settings import Settings, variable_names

# The fields of Settings that a source stands on, by how their names begin; postgres is reached by the database's URL.
_FIELDS = {"postgres": ("database_url",), "status_pages": ("openai_status", "anthropic_status", "together_status")}
# What notebooks call the services that they need, where it is not the source's own name.
_CALLED = {"fly.io": "fly", "postgresql": "postgres", "gateway": "parts", "llm gateway": "parts"}
_REFUSED = frozenset({Status.denied, Status.rate_limited})
_NO_ANSWER = frozenset({Status.unreachable, Status.timed_out})


@dataclass(frozen=True)
class Check:
    """One source. `reachable` and `permitted` are None where it was not found out."""

    source: str
    status: str
    configured: bool
    reachable: bool | None
    permitted: bool | None
    why: str
    what_would_help: str
    needs: tuple[str, ...] = ()
    expires_at: str | None = None

    @property
    def usable(self) -> bool:
        """It answered."""
        return self.status in (Status.ok, Status.empty, Status.partial)


@dataclass(frozen=True)
class Report:
    """Every source's check, the keys that expire, and the services that the chosen procedures lack."""

    target: str
    checks: tuple[Check, ...]
    keys: tuple[dict[str, Json], ...] = ()
    missing: dict[str, list[str]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 all that the chosen procedures need is usable · 1 something is missing or refused."""
        expired = any(key["expired"] for key in self.keys)
        return 1 if self.missing or expired else 0

    def as_dict(self) -> dict[str, Json]:
        """What `doctor --json` prints."""
        return {
            "target": self.target,
            "sources": [{**asdict(check), "usable": check.usable} for check in self.checks],
            "keys": list(self.keys),
            "missing": self.missing,
            "warnings": list(self.warnings),
            "exit_code": self.exit_code,
        }


def examine(target: Target, procedures: Sequence[Template]) -> Report:
    """Ask every source how it is.

    Args:
        target: the system, with its settings.
        procedures: those whose services must be usable; a service written `Tempo or Jaeger` needs one of the two.
    """
    redactor = Redactor(target.settings.secret_values())
    observer = Observer(now=datetime.now(UTC), settings=target.settings, redactor=redactor)
    looks = [look for _, look in healths()]
    keys, *seen = observer.together(_keys_look(), *looks)
    checks = tuple(_check(each, target.settings) for each in seen)
    usable = {check.source for check in checks if check.usable}
    missing = {each.stem: lacking for each in procedures if (lacking := _lacking(each.services, usable, checks))}
    found = [dict(key) for key in keys.value or []]
    for key in found:
        key["expired"] = from_iso(key["expires_at"]) <= observer.now
    return Report(target.name, checks, tuple(found), missing, target.warnings)


def healths() -> list[tuple[str, Look]]:
    """Every source's health look, by source, in alphabetical order."""
    found = []
    for module in pkgutil.iter_modules(sources.__path__):
        if not module.name.startswith("_"):
            health = getattr(importlib.import_module(f"runbook_lib.sources.{module.name}"), "health", None)
            made = health() if health else ()
            found += [(each.source, each) for each in ([made] if isinstance(made, Look) else made)]
    return sorted(found, key=lambda each: each[0])


def _check(seen: Observation, settings: Settings) -> Check:
    status = seen.status
    value = seen.value if isinstance(seen.value, dict) else {}
    configured = status is not Status.not_configured
    answered = configured and status not in _NO_ANSWER
    return Check(
        source=seen.source,
        status=str(status),
        configured=configured,
        reachable=answered if configured else None,
        permitted=(status not in _REFUSED) if answered else None,
        why=seen.why,
        what_would_help=seen.help,
        needs=tuple(_needs(seen.source, settings)),
        expires_at=value.get("expires_at"),
    )


def _needs(source: str, settings: Settings) -> Iterator[str]:
    """The keys of a source with the least permission that each needs, and whether it is set."""
    beginnings = _FIELDS.get(source, (f"{source}_",))
    for name, description in Settings.model_fields.items():
        if name.startswith(beginnings) and "SecretStr" in str(description.annotation):
            state = "set" if getattr(settings, name) is not None else "not set"
            yield f"{variable_names(name)[0]} ({state}): {description.description}"


def _lacking(services: Iterable[str], usable: set[str], checks: Sequence[Check]) -> list[str]:
    """The services of which no alternative is usable; one that no source stands for is not held against anyone."""
    known = {check.source for check in checks}
    lacking = []
    for service in services:
        names = [_CALLED.get(word, word) for word in service.lower().split(" or ")]
        sources_of = {
            source for source in known if any(source == name or source.startswith(f"{name}_") for name in names)
        }
        if sources_of and not sources_of & usable:
            lacking.append(service)
    return lacking


def _keys_look() -> Look:
    """When the keys expire that say so themselves; the keys stay inside the look."""

    def fetch(door: Door) -> Answer:
        found = []
        for name, value in door.settings:
            claims = _claims(value.get_secret_value()) if isinstance(value, SecretStr) else {}
            if isinstance(claims.get("exp"), int | float):
                at = to_iso(from_epoch_s(claims["exp"]))
                found.append({"setting": variable_names(name)[0], "role": claims.get("role"), "expires_at": at})
        return Answer.of(found)

    return Look("settings", "keys", {}, fetch)


def _claims(token: str) -> dict[str, Json]:
    """What a JWT claims, unverified; empty for anything else."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}
