"""Primitives of the alerting: silences that somebody set, alerts that somebody sent. Undone like all others."""

from datetime import timedelta
from typing import Any

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox.primitives.breakage import Breakage
from runbook_lib.sandbox.primitives.registry import primitive


@primitive
async def silence(
    breakage: Breakage,
    matchers: list[dict[str, Any]],
    hours: float = 2.0,
    begins_in_hours: float = 0.0,
    by: str = "oncall@nexuscore.example",
    comment: str = "",
) -> None:
    """A silence in Alertmanager.

    matchers: [{"name", "value", "isRegex", "isEqual"}], the last two as in the API. hours: how long; a negative one is over.
    begins_in_hours: when it begins, from now.
    """
    from runbook_lib.sandbox.facades.alertmanager.state import AlertmanagerState, new_silence

    if not matchers or any(not isinstance(each, dict) or not each.get("name") for each in matchers):
        raise UsageError("A silence needs matchers with a name and a value", where="matchers")
    world = breakage.system.world
    now = world.now()
    starts = now + timedelta(hours=begins_in_hours if hours >= 0 else 2 * hours)
    made = new_silence(matchers, starts, starts + timedelta(hours=abs(hours)), by, comment, now)
    state = world.state(AlertmanagerState)
    await breakage.replace_attribute(state, "silences", [*state.silences, made])


@primitive
async def alert(breakage: Breakage, labels: dict[str, str], hours: float = 2.0) -> None:
    """An alert that somebody else sent to Alertmanager, and that is firing."""
    from runbook_lib.sandbox.facades.alertmanager.state import AlertmanagerState, PostedAlert, fingerprint

    if not labels.get("alertname"):
        raise UsageError("An alert needs a label alertname", where="labels")
    world = breakage.system.world
    now = world.now()
    state = world.state(AlertmanagerState)
    posted = PostedAlert(dict(labels), {}, now, now + timedelta(hours=hours), now)
    await breakage.replace_attribute(state, "alerts", {**state.alerts, fingerprint(dict(labels)): posted})
