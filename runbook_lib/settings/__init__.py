"""Where everything is and which key opens it: NexusCore's own variable names plus `RUNBOOK_…`, read once, never at import.

A target is a place to look at. `live` reads the environment and `.env`; any other NAME reads `.env.NAME` alone, so that a
variable of one system never completes another's; `sandbox` reads the file its sandbox wrote. (A plain pydantic model, for
pydantic-settings reads the environment beside the file for every target, and only logs a line that it cannot read.)

The settings of each vendor stand in a module of their own; a new one goes there, and `make docs` writes .env.example.
"""

import re
from collections.abc import Mapping
from functools import cached_property
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, PrivateAttr, SecretStr, ValidationError

from runbook_lib.core.errors import ConfigError
from runbook_lib.settings.alerts import Alerts
from runbook_lib.settings.env_file import live_variables, read_env_file, readable_by_others
from runbook_lib.settings.github import Github
from runbook_lib.settings.keeping import Keeping
from runbook_lib.settings.nexuscore import NexusCore
from runbook_lib.settings.platforms import Platforms
from runbook_lib.settings.recovery import Recovery
from runbook_lib.settings.stripe import Stripe
from runbook_lib.settings.supabase import Supabase
from runbook_lib.settings.team import TeamFiles
from runbook_lib.settings.this_machine import ThisMachine
from runbook_lib.settings.traces import Traces
from runbook_lib.settings.vendors import Vendors

__all__ = [
    "Settings",
    "env_example",
    "is_of_interest",
    "live_variables",
    "read_env_file",
    "readable_by_others",
    "reveal",
    "variable_names",
]

PARTS: tuple[type[BaseModel], ...] = (
    NexusCore,
    Traces,
    Alerts,
    Platforms,
    Github,
    Supabase,
    Stripe,
    Vendors,
    Recovery,
    TeamFiles,
    ThisMachine,
    Keeping,
)
_HOST_OF_REF = re.compile(r"^([a-z]{20})\.supabase\.(?:co|in)$")
_SAYS_SECRET = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|DATABASE_URL")
# NexusCore's own addresses: one that is not a URL is a finding of the checklist (00), not a reason to look at nothing at all.
_JUDGED_LATER = {"supabase_url", "otel_endpoint"}


class Settings(
    NexusCore, Traces, Alerts, Platforms, Github, Supabase, Stripe, Vendors, Recovery, TeamFiles, ThisMachine, Keeping
):
    """Every setting of the runbook. A source whose settings are None answers `not_configured`."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    _places: dict[str, dict[str, str]] = PrivateAttr(default_factory=dict)
    _unusable: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def from_mapping(
        cls,
        variables: Mapping[str, str],
        *,
        origin: str = "the environment",
        places: Mapping[str, Mapping[str, str]] | None = None,
    ) -> "Settings":
        """Settings from variables; unknown ones are ignored, blank ones count as not set.

        Args:
            origin: where they were read, for a message.
            places: the same by the place that each stands in, where there is more than one (`.env`, the process environment).

        Raises:
            ConfigError: a variable that is set and is not what its name says. The value is never shown. An address of
                NexusCore's own that is not a URL is not used, and `unusable` says so: procedure 00 judges it.
        """
        given = {name: value for name, value in variables.items() if value.strip()}
        unusable = _unusable_addresses(given)
        try:
            settings = cls.model_validate({name: value for name, value in given.items() if name not in unusable})
        except ValidationError as error:
            names = sorted({str(problem["loc"][0]) for problem in error.errors()})
            reasons = "; ".join(sorted({problem["msg"] for problem in error.errors()}))
            raise ConfigError(
                f"Cannot use {', '.join(names)}",
                where=origin,
                came_back=reasons,
                do_next="Correct the variable; .env.example says what each one is.",
            ) from None
        settings._places.update({place: dict(held) for place, held in (places or {origin: variables}).items()})
        settings._unusable.update(unusable)
        return settings

    @classmethod
    def empty(cls) -> "Settings":
        """No keys and no trace backend: every vendor's source answers not_configured."""
        return cls()

    @property
    def places(self) -> Mapping[str, Mapping[str, str]]:
        """Where the target's variables stand, and what they hold there as it was written: values included, so it is read
        inside a look alone, and what leaves the look is a judgement."""
        return self._places

    @property
    def unusable(self) -> Mapping[str, str]:
        """Variables that are set and cannot be used, with why."""
        return self._unusable

    @cached_property
    def supabase_project_ref(self) -> str | None:
        """The project's ref: set by hand, or the first label of its address."""
        if self.supabase_ref:
            return self.supabase_ref
        match = _HOST_OF_REF.match(urlsplit(self.supabase_url or "").hostname or "")
        return match[1] if match else None

    def secret_values(self) -> list[str]:
        """Every secret's value, for the redactor; of a URL also its password, written as it is there and as it is.

        A password that is also user, host, database or scheme of such a URL is not among them: it would mask those wherever they
        stand. It is masked where it stands as a secret, in a URL and under a telling name.
        """
        values = [value.get_secret_value() for _, value in self if isinstance(value, SecretStr)]
        values += [value for held in self._places.values() for name, value in held.items() if _SAYS_SECRET.search(name)]
        urls = [parts for value in values if "://" in value and (parts := _split(value)) is not None]
        open_parts = {part for url in urls for part in (url.scheme, url.username, url.hostname, url.path.strip("/"))}
        passwords = [spelling for url in urls if url.password for spelling in (url.password, unquote(url.password))]
        return [value for value in (*values, *passwords) if value not in open_parts]


def _split(address: str) -> SplitResult | None:
    """An address in its parts; None where it is none."""
    try:
        return urlsplit(address)
    except ValueError:
        return None


def _unusable_addresses(given: Mapping[str, str]) -> dict[str, str]:
    """NexusCore's own addresses that are not URLs, with why."""
    found = {}
    for name in (name for field in _JUDGED_LATER for name in variable_names(field)):
        parts = urlsplit(given.get(name, "http://unset.invalid").strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            found[name] = f"{name} is set, and is not an http(s) address"
    return found


def is_of_interest(name: str) -> bool:
    """Whether a variable of that name may be the system's or the runbook's: what else an environment holds is nobody's business."""
    return name in _KNOWN or name.startswith("NEXT_PUBLIC_")


def reveal(secret: SecretStr | None) -> str | None:
    """A secret's value, asked for by name; None where it is not set."""
    return None if secret is None else secret.get_secret_value()


def variable_names(field_name: str) -> list[str]:
    """The environment variables a setting is read from, the preferred one first."""
    extra = Settings.model_fields[field_name].json_schema_extra
    assert isinstance(extra, dict)
    names = extra["names"]
    assert isinstance(names, list)
    return [str(name) for name in names]


def env_example() -> str:
    """The text of .env.example: every setting by group, what it is for, its default; generated, never edited."""
    lines = [
        "# Generated from runbook_lib/settings by `make docs`; do not edit. Copy to .env and fill in what you have."
    ]
    group = ""
    for name, field in [each for part in PARTS for each in part.model_fields.items()]:
        extra = field.json_schema_extra
        assert isinstance(extra, dict)
        if extra["group"] != group:
            group = str(extra["group"])
            lines += ["", f"# {group}"]
        names = variable_names(name)
        also = f" Also read: {', '.join(names[1:])}." if names[1:] else ""
        default = "" if field.default is None else str(field.default)
        lines += [f"# {field.description}{also}", f"{'# ' if default else ''}{names[0]}={default}"]
    return "\n".join(lines) + "\n"


_KNOWN = frozenset(name for field in Settings.model_fields for name in variable_names(field))
