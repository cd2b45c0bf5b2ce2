"""What this machine can see of a target: each source configured, reachable, permitted; least permission; keys that expire.

Every module of `sources` that offers `health()` is asked, all at once, through the same door as any procedure's look.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from runbook_lib import sources
from runbook_lib.core.model import Json, Observation, Status
from runbook_lib.core.redact import Redactor
from runbook_lib.io.observe import Look, Observer
from runbook_lib.run.doctor_keys import keys_told, token_looks
from runbook_lib.run.notebooks import Template
from runbook_lib.run.targets import Target
from runbook_lib.settings import Settings, variable_names
from runbook_lib.settings.weak_secrets import weak_secrets
from runbook_lib.sources.this_machine import environment

# The fields of Settings that a source stands on, by how their names begin; postgres is reached by the database's URL.
_FIELDS = {"postgres": ("database_url",), "status_pages": ("openai_status", "anthropic_status", "together_status")}
# What notebooks call the services that they need, where it is not the source's own name.
_CALLED = {"fly.io": "fly", "postgresql": "postgres", "gateway": "parts", "llm gateway": "parts"}
_REFUSED = frozenset({Status.denied, Status.rate_limited})
_NO_ANSWER = frozenset({Status.unreachable, Status.timed_out})


@dataclass(frozen=True)
class Check:
    """One source, by one of its looks. `reachable` and `permitted` are None where it was not found out."""

    source: str
    call: str
    status: str
    configured: bool
    reachable: bool | None
    permitted: bool | None
    why: str
    what_would_help: str
    needs: tuple[str, ...] = ()
    expires_at: str | None = None

    @property
    def name(self) -> str:
        """The source's, and what of it is checked where that is not its health as a whole."""
        return (
            self.source if self.call in ("health", "engine") else f"{self.source} ({self.call.removesuffix('_health')})"
        )

    @property
    def usable(self) -> bool:
        """It answered."""
        return self.status in (Status.ok, Status.empty, Status.partial)


@dataclass(frozen=True)
class Report:
    """Every source's check, the keys that are set (`doctor_keys.keys_told`), and the services that the chosen procedures lack."""

    target: str
    checks: tuple[Check, ...]
    keys: tuple[dict[str, Json], ...] = ()
    missing: dict[str, list[str]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 all that the chosen procedures need is usable · 1 something is missing, refused or expired."""
        bad = any(key["expired"] or key["refused"] for key in self.keys)
        refused = any(check.status == Status.denied for check in self.checks)
        return 1 if self.missing or bad or refused else 0

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


def examine_sources(target: Target, procedures: Sequence[Template]) -> Report:
    """Ask every source how it is.

    Args:
        target: the system, with its settings.
        procedures: those whose services must be usable; a service written `Tempo or Jaeger` needs one of the two.
    """
    redactor = Redactor(target.settings.secret_values())
    observer = Observer(now=datetime.now(UTC), settings=target.settings, redactor=redactor)
    looks, asked = [look for _, look in health_looks()], token_looks()
    held, *seen = observer.together(environment.variables(), *looks, *asked)
    checks = tuple(_check(each, target.settings) for each in seen[: len(looks)])
    usable = {check.source for check in checks if check.usable}
    missing = {each.stem: lacking for each in procedures if (lacking := _lacking(each.services, usable, checks))}
    keys = tuple(keys_told(target.settings, held, seen[len(looks) :], observer.now))
    weak = [] if target.is_sandbox else weak_secrets(target.settings.places, _secret_names())  # its secrets are made up
    return Report(target.name, checks, keys, missing, (*target.warnings, *weak))


def _secret_names() -> frozenset[str]:
    """The variables that hold secrets."""
    fields = (name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation))
    return frozenset(variable for name in fields for variable in variable_names(name))


def health_looks() -> list[tuple[str, Look]]:
    """Every source's health look, by source, in alphabetical order."""
    found = []
    for module in pkgutil.walk_packages(sources.__path__, f"{sources.__name__}."):
        if module.ispkg:
            continue  # its `health` may be a module of that name
        health = getattr(importlib.import_module(module.name), "health", None)
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
        call=seen.call,
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
