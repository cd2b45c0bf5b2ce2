"""More general ways of breaking the sandbox: how a platform lists a variable, keys made anew, a second home, an incident.

Like those of `primitives`, each leaves behind how it is undone.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox import environment
from runbook_lib.sandbox.facades.vendors.status_pages import Incident, StatusPages
from runbook_lib.sandbox.facades.vercel.state import VercelState
from runbook_lib.sandbox.primitives.breakage import Breakage
from runbook_lib.sandbox.primitives.registry import primitive

_ROLES = ("anon", "service_role")
_ENVIRONMENTS = {"production", "preview", "development"}


@primitive
async def variable(
    breakage: Breakage,
    part: str,
    name: str,
    targets: list[str] | None = None,
    kind: str = "",
    minutes_ago: float | None = None,
) -> None:
    """How the platform of web, api or gateway lists a variable that it has; nothing restarts.

    targets: the environments that have it (Vercel). kind: encrypted, plain, or sensitive (its value never comes back).
    minutes_ago: when it was last changed.
    """
    world, platform = breakage.system.world, breakage.part(part).platform
    if not any((v.platform, v.part, v.key) == (platform, part, name) for v in world.variables):
        raise UsageError(f"{part} has no variable {name} on {platform}")
    if targets is not None and not set(targets) <= _ENVIRONMENTS:
        raise UsageError(f"targets are of: {', '.join(sorted(_ENVIRONMENTS))}", came_back=", ".join(targets))
    changes: dict[str, Any] = {"targets": tuple(targets)} if targets is not None else {}
    changes |= {"kind": kind} if kind else {}
    changes |= {} if minutes_ago is None else {"updated_at": world.now() - timedelta(minutes=minutes_ago)}
    if not changes:
        raise UsageError("A fault of variable needs something to do", do_next="Give targets, kind or minutes_ago.")
    rows = [
        replace(v, **changes) if (v.platform, v.part, v.key) == (platform, part, name) else v for v in world.variables
    ]
    await breakage.replace_attribute(world, "variables", rows)


@primitive
async def supabase_key(
    breakage: Breakage,
    part: str,
    name: str,
    role: str = "service_role",
    expires_in_s: float = 315_360_000.0,
    ref: str = "",
    secret: str = "",
    restart: bool = True,
) -> None:
    """A variable of web, api or gateway gets another of Supabase's legacy keys (a JWT).

    role: anon or service_role. expires_in_s: how long it still holds; negative has passed. ref: another project's.
    secret: signed with another secret than the project's. restart: the part is deployed again with it.
    """
    if role not in _ROLES:
        raise UsageError("role is anon or service_role", came_back=role)
    world = breakage.system.world
    now = int(world.now().timestamp())
    claims = {
        "iss": "supabase",
        "ref": ref or world.ids.supabase_ref,
        "role": role,
        "iat": now - 86_400 * 365,
        "exp": now + int(expires_in_s),
    }
    made = jwt.encode(claims, secret or world.keys.supabase_jwt_secret, algorithm="HS256")
    await breakage.set_variable(part, name, made, restart)


@primitive
async def token_expiry(breakage: Breakage, in_s: float) -> None:
    """Vercel's token of the runbook expires so many seconds from now; negative has passed."""
    state = breakage.system.world.state(VercelState)
    await breakage.replace_attribute(state, "token_expires_at", breakage.system.world.now() + timedelta(seconds=in_s))


@primitive
async def second_home(breakage: Breakage, part: str, platform: str, days_ago: float = 3.0) -> str:
    """web, api or gateway is live on another platform too (vercel, railway or fly). Returns that deployment's id."""
    world, own = breakage.system.world, breakage.part(part).platform
    if platform not in ("vercel", "railway", "fly") or platform == own:
        raise UsageError(f"{part} runs on {own}; the other platform is vercel, railway or fly", came_back=platform)
    made = environment.new_deployment(world, platform, part, at=world.now() - timedelta(days=days_ago))
    await breakage.replace_attribute(world, "deployments", [*world.deployments, made])
    return made.id


@primitive
async def incident(breakage: Breakage, vendor: str, name: str = "Elevated error rates", impact: str = "major") -> None:
    """A vendor's status page tells of an incident that goes on; nothing else breaks.

    vendor: openai, anthropic, together, vercel, railway, fly, supabase or stripe. impact: minor, major or critical.
    """
    pages = breakage.system.world.state(StatusPages)
    at = breakage.system.world.now() - timedelta(minutes=10)
    told = Incident(f"incident-{len(pages.incidents.get(vendor, [])) + 1}", name, impact, at)  # type: ignore[arg-type]
    await breakage.replace_attribute(
        pages, "incidents", {**pages.incidents, vendor: [*pages.incidents.get(vendor, []), told]}
    )
