"""Which system a run looks at: `sandbox`, `live`, or NAME by `.env.NAME`; never a mixture, and never a guess between two.

Asked for by `--target`, else RUNBOOK_TARGET, else the only one there is. With a sandbox up and live settings present, and
nothing said, it is an error that asks.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from runbook_lib.core.errors import ConfigError, UsageError
from runbook_lib.run.home import Home
from runbook_lib.settings import (
    Settings,
    is_of_interest,
    live_variables,
    read_env_file,
    readable_by_others,
    variable_names,
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", re.ASCII)
_RESERVED = frozenset({"sandbox", "live", "example"})
# Settings that say nothing about whether a live system is meant: they have defaults, or belong to no system.
_NOT_TELLING = frozenset(
    {
        "otel_service_name",
        "stripe_api_version",
        "plan_limits_file",
        "trace_delay_s",
        "log_delay_s",
        "look_deadline_s",
        "host_processes",
        "stripe_cli",
        "stripe_cli_config",
        "webhook_timeout_s",
        "webhook_delay_s",
        "pg_bin",
        "work_folder",
        "work_deadline_s",
        "keep_content",
        "keep_days",
        "backup_folder",
        "migrations_path",
        "recovery_objectives_file",
        "restore_ledger_file",
    }
)


@dataclass(frozen=True)
class Target:
    """A system with its settings; `origin` says where they were read, `warnings` what is unsafe about that."""

    name: str
    settings: Settings
    origin: str
    variables: Mapping[str, str]
    warnings: tuple[str, ...] = ()

    @property
    def is_sandbox(self) -> bool:
        """Whether looks that leave a mark may be made without asking."""
        return self.name == "sandbox"


def resolve_target(home: Home, asked: str | None = None, environ: Mapping[str, str] | None = None) -> Target:
    """The target that is meant, with its settings.

    Raises:
        UsageError: an unknown name, none to be found, or more than one and nothing said.
        ConfigError: its file cannot be read, or holds a value that is not what its name says.
    """
    variables = os.environ if environ is None else environ
    name = asked or variables.get("RUNBOOK_TARGET", "").strip() or _only_one(home, variables)
    if name == "sandbox":
        return _sandbox(variables)
    if name == "live":
        return _live(home, variables)
    return _named(home, name)


def refuse_unconfigured(home: Home, target: Target, environ: Mapping[str, str] | None = None) -> None:
    """Raise UsageError for a live system of which not one setting is there: every default would be judged as if it were meant."""
    if target.name == "live" and not _has_live_settings(home, os.environ if environ is None else environ):
        raise UsageError(
            "There is no live system to look at",
            where="--target live",
            came_back=f"neither the environment nor {home.root / '.env'} sets any of its variables",
            do_next="Copy .env.example to .env and fill in what you have; `runbook doctor --target live` tells what is missing.",
        )


def target_names(home: Home, environ: Mapping[str, str]) -> list[str]:
    """The targets there are: a sandbox that is up, live settings, and every `.env.NAME`."""
    found = []
    if _sandbox_files(environ):
        found.append("sandbox")
    if _has_live_settings(home, environ):
        found.append("live")
    names = (path.name.removeprefix(".env.") for path in sorted(home.root.glob(".env.*")) if path.is_file())
    return found + [name for name in names if name not in _RESERVED and _NAME.fullmatch(name)]


def _only_one(home: Home, environ: Mapping[str, str]) -> str:
    from_file = _env_file_of(home).get("RUNBOOK_TARGET", "").strip()
    if from_file:
        return from_file
    names = target_names(home, environ)
    if len(names) == 1:
        return names[0]
    if not names:
        raise UsageError(
            "There is nothing to look at",
            came_back=f"no sandbox is up, and neither the environment nor {home.root / '.env'} names a system",
            do_next="Start one with `runbook sandbox up`, or copy .env.example to .env and fill in what you have.",
        )
    raise UsageError(
        "Which system is meant?",
        came_back=f"there is more than one: {', '.join(names)}",
        do_next=f"Say --target {names[0]} or set RUNBOOK_TARGET.",
    )


def _env_file_of(home: Home) -> dict[str, str]:
    path = home.root / ".env"
    return read_env_file(path) if path.exists() else {}


def _has_live_settings(home: Home, environ: Mapping[str, str]) -> bool:
    present = live_variables(home.root, environ)
    telling = [field for field in Settings.model_fields if field not in _NOT_TELLING]
    return any(present.get(name, "").strip() for field in telling for name in variable_names(field))


def _sandbox_files(environ: Mapping[str, str]) -> dict[str, Path]:
    """The settings files of the sandboxes that may be meant: the one that RUNBOOK_SANDBOX names, else all that are up."""
    from runbook_lib.sandbox.home import homes

    named = environ.get("RUNBOOK_SANDBOX", "")
    if os.sep in named:
        return {named: Path(named)}
    up = {each.name: each.env_file for each in homes() if each.is_alive() and each.state_file.exists()}
    return {name: path for name, path in up.items() if name == named} if named else up


def _sandbox(environ: Mapping[str, str]) -> Target:
    up = _sandbox_files(environ)
    if not up:
        raise UsageError("No sandbox is up", do_next="Start one with `runbook sandbox up`.")
    if len(up) > 1 and "default" not in up:
        raise UsageError(
            "Which sandbox is meant?",
            came_back=f"{len(up)} are up: {', '.join(up)}",
            do_next="Set RUNBOOK_SANDBOX to the name of the one that is meant.",
        )
    path = up["default"] if len(up) > 1 else next(iter(up.values()))
    if not path.exists():
        raise ConfigError(
            "The sandbox's settings cannot be found",
            where=str(path),
            came_back="no such file; the sandbox may be down",
            do_next="Start one with `runbook sandbox up`.",
        )
    variables = read_env_file(path)
    return Target("sandbox", Settings.from_mapping(variables, origin="the sandbox"), str(path), variables)


def _live(home: Home, environ: Mapping[str, str]) -> Target:
    variables = live_variables(home.root, environ)
    places = {".env": _env_file_of(home), "environment": {k: v for k, v in environ.items() if is_of_interest(k)}}
    settings = Settings.from_mapping(
        variables, origin="the environment and .env", places={place: held for place, held in places.items() if held}
    )
    return Target("live", settings, "the environment and .env", variables, _warnings(home.root / ".env"))


def _named(home: Home, name: str) -> Target:
    path = home.root / f".env.{name}"
    if not _NAME.fullmatch(name) or name in _RESERVED or not path.is_file():
        known = [path.name.removeprefix(".env.") for path in sorted(home.root.glob(".env.*"))]
        names = ["sandbox", "live", *(each for each in known if each not in _RESERVED)]
        near = get_close_matches(name, names, n=1)
        raise UsageError(
            "There is no such target",
            where=repr(name[:60]),
            came_back=f"known are {', '.join(names)}",
            do_next=f"Did you mean {near[0]}?" if near else "Make a file .env.NAME beside .env.example.",
        )
    variables = read_env_file(path)
    return Target(name, Settings.from_mapping(variables, origin=path.name), path.name, variables, _warnings(path))


def _warnings(path: Path) -> tuple[str, ...]:
    if readable_by_others(path):
        return (f"{path.name} can be read by other users of this machine; run: chmod 600 {path.name}",)
    return ()
