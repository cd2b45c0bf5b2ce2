"""Files of the team's own: plan limits, service levels, `.env.example`. Read like any other source, so that a replay has them."""

import re
import tomllib

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.team_files import ServiceLevels
from runbook_lib.core.records.usage import PlanLimit, PlanLimits
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import require_setting
from runbook_lib.sources.team.service_levels_file import read_service_levels

_ASSIGNED = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=", re.MULTILINE)


def plan_limits() -> Look[PlanLimits]:
    """The plans' limits.

    The file is `plan_limits.toml` unless RUNBOOK_PLAN_LIMITS names another: a table for each plan under `[plans]`, with
    whole numbers `tokens` and `requests`. Anything else in it is malformed, with the plan and the key.
    """

    def fetch(door: Door) -> Answer[PlanLimits]:
        path = require_setting(door, "plan_limits_file")
        text = door.read_text(path)
        try:
            return Answer.of(_read(tomllib.loads(text)))
        except (tomllib.TOMLDecodeError, ValueError) as error:
            raise LookError(
                Status.malformed, f"{path}: {error}", do_next="correct the file; plan_limits.toml is an example"
            ) from error

    return Look("team", "plan_limits", {}, fetch)


def service_levels() -> Look[ServiceLevels]:
    """What the team promises and who must be told.

    The file is `service_levels.toml` unless RUNBOOK_SERVICE_LEVELS names another. A mistake in it is malformed, with the table,
    the key and what is wrong.
    """

    def fetch(door: Door) -> Answer[ServiceLevels]:
        path = require_setting(door, "service_levels_file")
        text = door.read_text(path)
        try:
            return Answer.of(read_service_levels(tomllib.loads(text), path))
        except (tomllib.TOMLDecodeError, ValueError) as error:
            raise LookError(
                Status.malformed, f"{path}: {error}", do_next="correct the file; service_levels.toml is an example"
            ) from error

    return Look("team", "service_levels", {}, fetch)


def _read(document: dict[str, Json]) -> PlanLimits:
    """The limits by plan. Raises ValueError for what is no limit."""
    plans = document.get("plans")
    if not isinstance(plans, dict) or not plans:
        raise ValueError("no table [plans.<name>]")
    limits: PlanLimits = {}
    for name, plan in plans.items():
        if not isinstance(plan, dict):
            raise ValueError(f"plans.{name} is no table")
        unknown = set(plan) - {"tokens", "requests"}
        if unknown:
            raise ValueError(f"plans.{name} has unknown keys: {', '.join(sorted(unknown))}; known are tokens, requests")
        for key, value in plan.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ValueError(f"plans.{name}.{key} is {value!r}, not a whole number of zero or more")
        limits[name] = PlanLimit(tokens=plan.get("tokens"), requests=plan.get("requests"))
    return limits


def variable_names(path: str) -> Look[list[str]]:
    """The names of the variables that a file such as NexusCore's `.env.example` assigns, sorted; never their values.

    A line that is commented out names nothing. A file without any is empty, one that is not there malformed: a wrong name of ours.
    """

    def fetch(door: Door) -> Answer[list[str]]:
        try:
            text = door.read_text(path, max_bytes=1024 * 1024)
        except LookError as error:
            if error.status != Status.not_found:
                raise
            raise LookError(
                Status.malformed, "no such file", where=error.where, do_next="correct env_example"
            ) from error
        return Answer.of(sorted({match[1] for match in _ASSIGNED.finditer(text)}))

    return Look("team", "variable_names", {"path": path}, fetch)
