"""Hand-made sites for the rules of 06 and 07: a part on a platform with which nothing is wrong, and ways to change it."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from support.evidence import look

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.procedures.deployments.evidence import Evidence
from runbook_lib.procedures.deployments.reading import Site, read

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
HEAD, OLD = "b" * 40, "a" * 40
VARIABLES = {
    "web": ("NEXT_PUBLIC_SUPABASE_URL", "NEXT_PUBLIC_SUPABASE_ANON_KEY", "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY"),
    "api": ("NEXT_PUBLIC_SUPABASE_URL", "NEXT_PUBLIC_SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY", "STRIPE_SECRET_KEY",
            "STRIPE_WEBHOOK_SECRET"),
    "gateway": ("SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "TOGETHER_API_KEY"),
}  # fmt: skip


def ago(**how: float) -> str:
    """ISO text of so long before NOW."""
    return to_iso(NOW - timedelta(**how))


def deployment(id: str, at: str, commit: str | None = HEAD, state: str = "READY", **more: Any) -> dict[str, Any]:
    """A deployment on Vercel, whole; a list's row has some of it."""
    base = {
        "id": id, "at": at, "state": state, "commit": commit, "branch": "main", "message": "Change", "url": f"{id}.vercel.app",
        "target": "production", "part": "api", "platform": "vercel", "error": None,
        "ready_at": to_iso(datetime.fromisoformat(at) + timedelta(seconds=40)), "can_roll_back": id != "dpl_new", "image": None,
        "inspect_url": None, "reason": None, "error_code": None, "error_step": None, "aliases": [], "alias_error": None,
        "substate": None, "checks_state": None, "checks_conclusion": None, "out_of_memory": None, "project": None,
    }  # fmt: skip
    return {**base, **more}


def project(**more: Any) -> dict[str, Any]:
    """How a healthy project on Vercel is set up; `dpl_new` serves."""
    base: dict[str, Any] = {
        "id": "prj_api", "name": "nexuscore-api", "team": "team_1", "repository": "nexuscore/nexuscore", "branch": "main",
        "root": "apps/api", "serving": "dpl_new", "aliases": ["api.nexuscore.example"], "alias_error": None,
        "assigns_domains": True, "rolled_back_to": None, "alias_job": None, "protection": "preview", "password": False,
        "trusted_ips": None, "previews_disabled": False, "skips": None, "paused": False, "part": "api", "platform": "vercel",
    }  # fmt: skip
    return {**base, **more}


def variable(name: str, part: str = "api", **more: Any) -> dict[str, Any]:
    """A variable's name as Vercel lists it."""
    base = {
        "name": name, "targets": ["preview", "production"], "branch": None, "updated_at": ago(days=20), "part": part,
        "type": "encrypted", "created_at": ago(days=20), "platform": "vercel",
    }  # fmt: skip
    return {**base, **more}


def variables(part: str, without: str = "", **more: Any) -> list[dict[str, Any]]:
    """What a platform lists for a part; one may be missing."""
    return [variable(name, part, **more) for name in VARIABLES[part] if name != without]


def answered(source: str, call: str, value: Any, **arguments: Any) -> Observation:
    """A look with content, or empty without."""
    return look(source, call, value, Status.ok if value else Status.empty, **arguments)


def unseen(source: str, call: str, status: Status = Status.unreachable) -> Observation:
    """A look that has no answer."""
    return look(source, call, None, status)


def probe(status_code: int = 200, text: str = '{"status":"ok"}', json: Any = "same") -> Observation:
    """What the part's health route answers."""
    held = {"status": "ok"} if json == "same" else json
    return look("parts", "probe", {"status_code": status_code, "text": text, "json": held}, part="api")


def evidence(*sites: Site, kind: type[Evidence] = Evidence, **more: Any) -> Any:
    """These sites as a procedure files them: each look under its topic, with the arguments that tell whose it is."""
    topics: dict[str, list[Observation]] = defaultdict(list)
    for one in sites:
        reading, part = read(one), {"part": one.part}
        serving, judged = (row.commit if row else None for row in (reading.serving, reading.judged))
        asked = {"repository": reading.repository} if reading.repository else {}
        for topic, looks, arguments in (
            ("projects", [one.project], part),
            ("variables", [one.variables], part),
            ("deployments", [one.deployments], part),
            ("details", [one.detail], part),
            ("served", [one.served], part),
            ("build_logs", [one.build_log], part),
            ("branch", [one.compare], {"commit": serving}),
            ("checks", [one.checks], {"commit": judged}),
            ("pulls", [one.pulls], asked),
            ("previews", [one.previews], part),
            ("probes", [one.probe], part),
            ("after", one.after, {**part, "until": ago()}),
            ("before", one.before, {**part, "until": ago(hours=1)}),
            ("traces", one.traces, {}),
            ("schema", one.schema, {}),
        ):
            topics[topic] += [
                replace(look, arguments={**look.arguments, **arguments}) for look in looks if look is not None
            ]
    places = tuple(Site(one.part, one.platform, one.target, one.asked, one.commit) for one in sites)
    return kind(places, **{**{name: tuple(looks) for name, looks in topics.items()}, **more})


def unanswered(one: Site, name: str, status: Status) -> Site:
    """The site with one of its looks, or all of one of its topics, that had no answer."""
    held = getattr(one, name)
    if isinstance(held, tuple):
        return one.seen(**{name: tuple(replace(look, status=status, value=None, why="no answer") for look in held)})
    return one.seen(**{name: replace(held, status=status, value=None, why="no answer")})


def site(part: str = "api", **more: Any) -> Site:
    """A part on Vercel with which nothing is wrong: deployments of two days and of two weeks ago, requests that were answered."""
    rows = more.pop("rows", None)
    if rows is None:
        rows = [deployment("dpl_new", ago(days=2)), deployment("dpl_old", ago(days=14), OLD)]
    held = more.pop("project", project())
    given: dict[str, Any] = {
        "project": held if isinstance(held, Observation) else look("vercel", "project", held, part=part),
        "variables": answered("vercel", "env_changes", more.pop("variables", variables(part)), part=part),
        "deployments": answered("vercel", "recent", rows, part=part),
        "detail": look("vercel", "detail", rows[0], part=part) if rows else None,
        "pulls": look("github", "pulls", None, Status.empty),
        "previews": answered("vercel", "deployments", rows, part=part),
        "after": (answered("vercel", "request_log", [request_row(n) for n in range(12)], part=part),),
        "compare": look("github", "compare", compared()),
        "checks": look("github", "checks", [check("build-and-test"), check("lint")]),
        "probe": probe(),
        **more,
    }
    return Site(part, "vercel", **given)


def compared(status: str = "identical", files: tuple[str, ...] = (), head: str = HEAD, **more: Any) -> dict[str, Any]:
    """The branch against the commit that serves."""
    base = {
        "status": status, "ahead_by": 2 if files else 0, "behind_by": 0, "head": head, "head_at": ago(hours=1),
        "files": list(files), "files_cut": False, "commit": HEAD, "branch": "main",
    }  # fmt: skip
    return {**base, **more}


def check(name: str, state: str = "passed", by: str = "GitHub Actions") -> dict[str, Any]:
    """A check on a commit."""
    conclusion = {"passed": "success", "failed": "failure", "running": None, "skipped": "skipped"}[state]
    return {"name": name, "state": state, "conclusion": conclusion, "by": by, "url": None, "ended_at": ago(days=2)}


def request_row(n: int, status: int = 200, deployment_id: str = "dpl_new", **more: Any) -> dict[str, Any]:
    """One request as the platform's log tells it."""
    base = {
        "request_id": f"{deployment_id}-{n}", "at": ago(minutes=50 - n if deployment_id == "dpl_new" else 90 - n),
        "method": "GET", "path": "/api/usage", "status": status, "duration_ms": None, "trace_id": None,
        "deployment_id": deployment_id, "error": None, "part": "api", "platform": "vercel", "logs": [],
        "host": None, "region": None,
    }  # fmt: skip
    return {**base, **more}


def traffic(after: list[dict[str, Any]], before: list[dict[str, Any]]) -> dict[str, Any]:
    """Request logs on both sides, for a site whose serving deployment is fresh."""
    return {
        "rows": [deployment("dpl_new", ago(hours=1)), deployment("dpl_old", ago(days=14), OLD)],
        "after": (answered("vercel", "request_log", after, part="api", window="after"),),
        "before": (answered("vercel", "request_log", before, part="api", window="before"),),
    }


def raised(
    n: int, message: str = "TypeError: Cannot read properties of undefined (reading 'plan')", **more: Any
) -> dict[str, Any]:
    """A request that failed with an exception of the part's own, as its log tells it."""
    return request_row(n, 500, logs=[{"at": ago(minutes=40), "level": "error", "message": message}], **more)
