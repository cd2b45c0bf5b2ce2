"""How a source goes blind: one table, source by way. The procedures' blind spots draw their cases from it.

What a vendor says when it refuses or has nothing is what it really says: a look has to tell the one from the other.
"""

from collections.abc import Mapping
from typing import Any

from runbook_lib.drills.kit.fault import Step, use
from runbook_lib.sandbox import Sandbox

UNSEEN = ("unreachable", "denied", "hanging", "malformed")
"""The ways in which a source shows nothing: the verdict must name it as not seen."""
WAYS = (*UNSEEN, "empty", "slow")
"""The ways in which most sources are drilled; an empty and a slow source have been seen."""

SIGN_IN_PAGE = "<!doctype html><html><title>Sign in</title><body>Sign in to continue</body></html>"
_HTML = {"content-type": "text/html"}
_STRIPE_REFUSAL = '{"error":{"type":"invalid_request_error","message":"does not have the required permissions"}}'
_OVERLOADED = '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'


def answer(status: int, body: str, **more: Any) -> dict[str, Any]:
    """How a source answers instead: arguments of the primitive `http`."""
    return {"status": status, "body": body, **more}


def no_rows(url: str) -> str:
    """Stripe's list of nothing."""
    return f'{{"object":"list","data":[],"has_more":false,"url":"{url}"}}'


# What any source does, where the table below does not say otherwise.
_ANY: dict[str, Mapping[str, Any]] = {
    "unreachable": {"refuse": True},
    "hanging": {"hang": True},
    "malformed": answer(200, SIGN_IN_PAGE, headers=_HTML),
    "mislabelled": answer(200, SIGN_IN_PAGE),  # a page that does not say that it is one
    "slow": {"latency_s": 1.0},
}
_OF: dict[str, dict[str, Mapping[str, Any]]] = {
    "vercel": {
        "denied": answer(403, '{"error":{"code":"forbidden","message":"Not authorized","invalidToken":true}}'),
        "empty": answer(200, '{"rows":[],"hasMoreRows":false,"deployments":[],"envs":[],"pagination":{"next":null}}'),
    },
    "railway": {
        "denied": answer(200, '{"errors":[{"message":"Not Authorized"}],"data":null}'),
        "empty": answer(
            200,
            '{"data":{"environmentLogs":[],"httpLogs":[],'
            '"deployments":{"edges":[],"pageInfo":{"hasNextPage":false,"endCursor":null}}}}',
        ),
    },
    "fly": {
        "denied": answer(403, '{"error":"not authorized"}'),
        "empty": answer(200, '{"data":[],"releases":[]}'),
    },
    "github": {
        "denied": answer(401, '{"message":"Bad credentials"}'),
        "malformed": answer(200, "<!doctype html><title>Sign in to GitHub</title>", headers=_HTML),
        "empty": answer(200, '{"total_count":0,"check_runs":[]}', path="*/check-runs"),
        "slow": {"latency_s": 0.5},
    },
    "tempo": {
        "denied": answer(401, "no credentials provided"),
        "no-series": answer(200, '{"series":[],"metrics":{},"status":"COMPLETE"}'),
    },
    "jaeger": {"denied": answer(403, "forbidden")},  # it shows the store that Tempo shows: empty as that is
    "prometheus": {"denied": answer(403, "forbidden")},
    "alertmanager": {"denied": answer(401, "unauthorized")},
    "supabase": {  # of the project's host, the runbook reads REST; the sandbox's users sign in there as well
        "unreachable": {"path": "/rest/*", "reset": True},
        "denied": answer(401, '{"message":"Invalid API key"}', path="/rest/*"),
        "hanging": {"path": "/rest/*", "hang": True},
        "malformed": answer(200, SIGN_IN_PAGE, headers=_HTML, path="/rest/*"),
        "empty": answer(200, "[]", path="/rest/*"),
        "slow": {"path": "/rest/*", "latency_s": 1.0},
        "down": answer(500, '{"message":"upstream"}'),
    },
    "supabase-management": {
        "reset": {"reset": True},
        "denied": answer(401, '{"message":"Unauthorized"}'),
        "forbidden": answer(403, '{"message":"Forbidden resource"}'),
        "limited": answer(429, '{"message":"ThrottlerException: Too Many Requests"}'),
        "empty": answer(200, "[]"),
        "nothing": answer(200, "{}"),
    },
    "stripe": {
        "denied": answer(403, _STRIPE_REFUSAL),
        "empty": answer(200, no_rows("/v1/subscriptions")),
    },
    "openai": {"down": answer(503, "<html>busy</html>")},
    "anthropic": {"down": answer(529, _OVERLOADED)},
    "status": {"malformed": answer(200, "<!doctype html><title>Sign in</title>", headers=_HTML)},
}


def _the_known_password(sandbox: Sandbox) -> str:
    """SQL that gives the role back the password that the runbook's settings hold."""
    held = sandbox.env["RUNBOOK_DATABASE_URL"].partition("://")[2].partition("@")[0].partition(":")[2]
    return f"alter role postgres password '{held}'"


def hide(source: str, way: str, **other: Any) -> Step:
    """What happens to a source once the user has acted; `other` arguments where a case needs its own: a path, how slow."""
    if way == "stopped" or (source, way) == ("postgres", "unreachable"):
        return use("process", part=source, action="stop")
    if (source, way) == ("postgres", "denied"):
        return use("sql", statement="alter role postgres password 'rotated-since'", undo=_the_known_password)
    if (source, way) == ("tempo", "empty"):
        return use("store", forget="all")
    return use("http", part=source, **{**(_OF.get(source, {}).get(way) or _ANY[way]), **other})


def deadline(seconds: float) -> dict[str, str]:
    """The setting under which a look is given up after so long: short where something hangs, long where nothing may be missed."""
    return {"RUNBOOK_LOOK_DEADLINE_S": f"{seconds:g}"}


def blind_fields(
    source: str, way: str, *, named: str = "", gives_up_after_s: float = 2.0, **other: Any
) -> dict[str, Any]:
    """The fields of a case in which a source goes blind after the user acted: `after`, `not_seen` and `settings`.

    Args:
        named: how the verdict calls the source, where not by the part's name without what follows a hyphen.
        gives_up_after_s: the deadline of a look, where the source hangs.
    """
    return {
        "after": (hide(source, way, **other),),
        "not_seen": (named or source.partition("-")[0],) if way in UNSEEN else (),
        "settings": deadline(gives_up_after_s) if way == "hanging" else {},
    }
