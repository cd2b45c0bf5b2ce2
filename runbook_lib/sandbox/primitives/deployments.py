"""More general ways of breaking the sandbox: what is pushed, what a platform says of a deployment, a project, a machine.

Like those of `primitives`, each leaves behind how it is undone.
"""

import copy
import hashlib
import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Any

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox.facades.fly import state as fly_state
from runbook_lib.sandbox.facades.fly.state import Check, Event, FlyState
from runbook_lib.sandbox.facades.github.state import Commit, GithubState
from runbook_lib.sandbox.facades.railway.state import active_of
from runbook_lib.sandbox.facades.vercel.state import VercelState, deployments_of, point_production, production_of
from runbook_lib.sandbox.primitives.breakage import Breakage
from runbook_lib.sandbox.primitives.registry import primitive
from runbook_lib.sandbox.world import Deployment

_WHICH = ("serving", "newest", "previous", "preview")


@primitive
async def push(
    breakage: Breakage,
    branch: str = "main",
    paths: list[str] | None = None,
    message: str = "Tidy up",
    commit_sha: str = "",
    pull: bool = False,
    minutes_ago: float = 0.0,
) -> str:
    """A commit arrives on a branch of the repository; nothing is deployed from it.

    paths: the files that it touches. pull: a pull request of the branch is open. Returns the commit's sha.
    """
    world = breakage.system.world
    state = world.state(GithubState)
    at = world.now() - timedelta(minutes=minutes_ago)
    made = Commit(commit_sha or secrets.token_hex(20), branch, at, message, tuple(paths or ("README.md",)))
    await breakage.replace_attribute(state, "pushed", [*state.pushed, made])
    if pull:
        await breakage.replace_attribute(state, "pulls", {**state.pulls, branch: message})
    return made.sha


@primitive
async def says(
    breakage: Breakage,
    part: str,
    of: str = "serving",
    state: str = "",
    error: str | None = None,
    instances: list[str] | None = None,
    commit_sha: str = "",
    minutes_ago: float | None = None,
    fields: dict[str, Any] | None = None,
) -> None:
    """A platform says something else of a deployment of web, api or gateway that is there already.

    of: serving, newest, previous, or preview (the newest that is not of main). state: in the platform's words (CRASHED,
    BUILDING …). error: why. instances: the state of each (Railway). minutes_ago: when it was made. fields: of Vercel's
    answer, laid over it (readySubstate, aliasError …).
    """
    found = _deployment(breakage, part, of)
    told = {"state": state, "commit_sha": commit_sha, "error": error, "instances": instances}
    for name, value in told.items():
        if value:
            await breakage.replace_attribute(found, name, value)
    if minutes_ago is not None:
        at = breakage.system.world.now() - timedelta(minutes=minutes_ago)
        await breakage.replace_attribute(found, "created_at", at)
    if fields:
        vercel = breakage.system.world.state(VercelState)
        extras = {**vercel.deployment_extras, found.id: {**vercel.deployment_extras.get(found.id, {}), **fields}}
        await breakage.replace_attribute(vercel, "deployment_extras", extras)


@primitive
async def hand_over(breakage: Breakage, part: str, to: str = "previous", by: str = "rollback") -> None:
    """Vercel gives production of web or api to another deployment, without a new build.

    to: newest or previous. by: rollback (newer ones no longer take over) or promote. The part runs from it.
    """
    if by not in ("rollback", "promote"):
        raise UsageError("by is rollback or promote", came_back=by)
    world, found = breakage.system.world, _deployment(breakage, part, to)
    if found.platform != "vercel":
        raise UsageError(f"{part} does not run on Vercel")
    state = world.state(VercelState)
    for name in ("pointers", "alias_jobs"):
        await breakage.replace_attribute(state, name, dict(getattr(state, name)))
    point_production(world, part, found, "rollback" if by == "rollback" else "promote")
    await breakage.run_from(part, found)


@primitive
async def machine(
    breakage: Breakage,
    nth: int = 0,
    region: str = "",
    state: str = "",
    host_status: str = "",
    image: str = "",
    autostop: str = "",
    autostart: bool = True,
    primary_region: str = "",
    internal_port: int = 0,
    check: str = "",
    exits: int = 0,
    exit_code: int = 1,
    out_of_memory: bool = False,
    every_s: float = 20.0,
) -> None:
    """A machine of the gateway's on Fly; one that is not there yet (nth) is added, like the first one.

    state, host_status, image, autostop, autostart, internal_port, primary_region: what is so of it. check: passing, warning
    or critical. exits: it ended so often, `every_s` seconds apart until now, and was started again; out_of_memory: and the
    platform says why.
    """
    world = breakage.system.world
    held = world.state(FlyState)
    fly_state.machines(world)
    rows = copy.deepcopy(held.machines)
    while len(rows) <= nth:
        id_ = hashlib.sha256(f"{rows[0].id}{len(rows)}".encode()).hexdigest()[:14]
        rows.append(replace(copy.deepcopy(rows[0]), id=id_))
    one = rows[nth]
    told = {"region": region, "state": state, "host_status": host_status, "image": image, "autostop": autostop}
    more = {"internal_port": internal_port, "primary_region": primary_region}
    one.autostart = autostart
    for name, value in {**told, **more}.items():
        if value:
            setattr(one, name, value)
    now = world.now()
    if state and not exits:
        one.events.append(Event("stop" if state == "stopped" else state, state, now))
    for back in range(exits, 0, -1):
        at = now - timedelta(seconds=every_s * back)
        one.events.append(Event("exit", "stopped", at, exit_code=exit_code, oom_killed=out_of_memory))
        one.events.append(Event("start", "started", at + timedelta(seconds=1)))
    if check:
        output = "200 OK" if check == "passing" else "connect: connection refused"
        one.checks = [replace(each, status=check, output=output, updated_at=now) for each in one.checks] or [
            Check("servicecheck-00-http-8000", check, output, now)
        ]
        await breakage.replace_attribute(held, "check_url", None)
    await breakage.replace_attribute(held, "machines", rows)


@primitive
async def repository_file(breakage: Breakage, path: str, text: str | None = None) -> None:
    """A file of the repository's checkout beside the runbook holds something else, or (no text) is not there."""
    root = (breakage.system.folder / "repository").resolve()
    file = (root / path).resolve()
    if not file.is_relative_to(root):
        raise UsageError("The file must lie in the repository", came_back=path)
    before = file.read_text("utf-8") if file.is_file() else None

    async def undo() -> None:
        if before is None:
            file.unlink(missing_ok=True)
        else:
            file.write_text(before, "utf-8")

    breakage.on_heal(undo)
    if text is None:
        file.unlink(missing_ok=True)
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")


def _deployment(breakage: Breakage, part: str, of: str) -> Deployment:
    """The deployment that serves, the newest of all, or the good one before the one that serves."""
    if of not in _WHICH:
        raise UsageError(f"of is one of: {', '.join(_WHICH)}", came_back=of)
    world, platform = breakage.system.world, breakage.part(part).platform
    if platform == "vercel":
        found, serving = deployments_of(world, part), production_of(world, part)
    else:
        found = sorted(
            (d for d in world.deployments if (d.platform, d.part) == (platform, part)),
            key=lambda d: d.created_at,
            reverse=True,
        )
        serving = active_of(world, part) if platform == "railway" else world.current_deployment(platform, part)
    if of == "newest" and found:
        return found[0]
    if of == "serving" and serving:
        return serving
    if of == "preview" and (previews := [d for d in found if d.branch != "main"]):
        return previews[0]
    older = [d for d in found if serving and d.created_at < serving.created_at and d.branch == serving.branch]
    if of == "previous" and older:
        return older[0]
    raise UsageError(f"{part} has no {of} deployment")
