"""The way back and the way forward as plans: the exact request on each platform, and what it does not undo."""

import json
from collections.abc import Sequence

from runbook_lib.judging.plan import Plan, PlanStep
from runbook_lib.procedures.deployments.deployed import Deployed
from runbook_lib.procedures.deployments.reading import NAMES, Reading

NOT_UNDONE = (
    "Database migrations that came with the newer deployment stay applied, rows it wrote stay written, and events it sent "
    "(Stripe, e-mail) stay sent."
)
ROLLBACK_MUTATION = "mutation Rollback($id: String!) { deploymentRollback(id: $id) }"
REDEPLOY_MUTATION = "mutation Redeploy($id: String!) { deploymentRedeploy(id: $id) { id status } }"
_RAILWAY = "https://backboard.railway.com/graphql/v2"
_VERCEL = "https://api.vercel.com"


def way_back(reading: Reading) -> Plan | None:
    """Give production to the deployment before; None where there is none to go back to."""
    site, serving, back = reading.site, reading.serving, reading.back
    if serving is None or back is None:
        return None
    now, then = _named(serving), _named(back)
    where, title = f"{NAMES[site.platform]}, {site.part}", f"Roll {site.part} back to {_short(back)}"
    if site.platform == "vercel":
        step = PlanStep(where, _vercel_post(reading, "v1", "rollback", back), now, then)
        undo = f"promote {serving.id}: that also lets new deployments take over again, which a rollback stops"
        return Plan(title, (step,), undo, NOT_UNDONE)
    if site.platform == "railway":
        step = PlanStep(where, _railway(ROLLBACK_MUTATION, back.id), now, then)
        undo = f"deploymentRollback of {serving.id}, once Railway says that it can"
        return Plan(title, (step,), undo, f"{NOT_UNDONE} Railway brings back the variables of that time too.")
    image = back.image or ""
    command = f"fly deploy --app {_app(image)} --image {image}"
    undo = f"the same command with the image {serving.image}"
    return Plan(title, (PlanStep(where, command, now, then),), undo, f"{NOT_UNDONE} Secrets keep what they hold now.")


def way_forward(reading: Reading) -> Plan | None:
    """Give production to the newest good deployment that does not have it; Vercel's alone."""
    site, serving = reading.site, reading.serving
    newest = next((row for row in reading.rows if row.state == "READY"), None)
    if site.platform != "vercel" or site.target != "production" or newest is None:
        return None
    if serving is not None and newest.id == serving.id:
        return None
    step = PlanStep(
        f"Vercel, {site.part}",
        _vercel_post(reading, "v10", "promote", newest),
        _named(serving) if serving else None,
        _named(newest),
    )
    undo = f"roll back to {serving.id}" if serving else ""
    return Plan(
        f"Promote {_short(newest)} of {site.part}", (step,), undo, "What it changes in the database stays changed."
    )


def redeploy(reading: Reading) -> Plan | None:
    """Deploy the serving commit again, so that changed variables reach it; None where nothing serves, or on Fly."""
    site, serving = reading.site, reading.serving
    if serving is None or site.platform == "fly":
        return None
    if site.platform == "railway":
        request = _railway(REDEPLOY_MUTATION, serving.id)
    else:
        project = reading.vercel_project
        body = {"name": project["name"] if project else None, "deploymentId": serving.id, "target": site.target}
        request = f"POST {_VERCEL}/v13/deployments?forceNew=1{_team(reading, '&')}\n{json.dumps(body)}"
    now = _named(serving)
    then = f"{_short(serving)} with the variables of now"
    step = PlanStep(f"{NAMES[site.platform]}, {site.part}", request, now, then)
    return Plan(f"Redeploy {site.part} with its variables of now", (step,), f"go back to {serving.id}", "")


def plans_for(reading: Reading, codes: Sequence[str]) -> list[Plan]:
    """The plans that answer what was found: a way back where what serves is at fault, forward where it is not served."""
    wanted = {".".join(code.split(".")[:2]) for code in codes}
    found: list[Plan | None] = []
    if wanted & {"deploy.error_rate_up", "deploy.migration_missing", "deploy.health_failing", "deploy.not_ready"}:
        found.append(way_back(reading))
    if wanted & {"deploy.alias_stale", "deploy.wrong_commit", "deploy.rolled_back"}:
        found.append(way_forward(reading))
    if "deploy.env_stale" in wanted:
        found.append(redeploy(reading))
    return [plan for plan in found if plan is not None]


def _vercel_post(reading: Reading, version: str, verb: str, row: Deployed) -> str:
    seen = reading.vercel_project
    project = (seen["id"] if seen else None) or row.project or "{project}"
    return f"POST {_VERCEL}/{version}/projects/{project}/{verb}/{row.id}{_team(reading, '?')}"


def _team(reading: Reading, mark: str) -> str:
    team = reading.vercel_project["team"] if reading.vercel_project else None
    return f"{mark}teamId={team}" if team else ""


def _railway(mutation: str, id_: str) -> str:
    return f"POST {_RAILWAY}\n{json.dumps({'query': mutation, 'variables': {'id': id_}})}"


def _app(image: str) -> str:
    """The app's name from its image in Fly's registry: registry.fly.io/<app>:<tag>."""
    return image.rsplit("/", 1)[-1].partition(":")[0]


def _named(row: Deployed) -> str:
    return f"{row.id} ({_short(row)}, {row.at})"


def _short(row: Deployed) -> str:
    return row.short_commit or row.id
