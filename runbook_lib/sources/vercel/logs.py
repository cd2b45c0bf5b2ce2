"""Vercel: which requests came and how they ended, what was deployed, which variables changed.

Vercel has no documented history of requests. It is read in one of three ways, behind one look: lines that somebody pasted,
a file of log-drain entries (RUNBOOK_VERCEL_LOG_DRAIN_FILE), or the route that the vendor's own command line uses. Routes: Vercel's
OpenAPI document, `@vercel/sdk` 1.28, vercel/vercel packages/cli.
"""

from urllib.parse import quote

from runbook_lib.core.clock import Window
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.deployments import VercelDeployment
from runbook_lib.core.records.hosting import VercelAccess
from runbook_lib.core.records.requests import VercelRequest
from runbook_lib.core.records.variables import VercelVariableName
from runbook_lib.io.http import Http
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import (
    answer_with_rows,
    beyond_retention,
    is_within,
    iso_of_ms,
    judge_absence,
    number_of,
    read_pages,
    require_list,
    require_reply,
    require_setting,
    rows_in,
    text_of,
    window_arguments,
)
from runbook_lib.sources.kit.hosting import VERCEL_PROJECTS
from runbook_lib.sources.kit.ids import VercelId, not_an_id, parse_traceparent, parse_vercel_id, trace_id_hex
from runbook_lib.sources.vercel.api import HELP, VercelApi, deployment_row, missing, ms, project_of
from runbook_lib.sources.vercel.lines import from_request_log, from_text

__all__ = [
    "VercelId",
    "deployments",
    "env_changes",
    "health",
    "parse_traceparent",
    "parse_vercel_id",
    "request_log",
    "trace_id_hex",
]

_PAGE = 100
_MOST_DEPLOYMENTS = 200


def request_log(
    part: str,
    window: Window,
    *,
    request_id: str | None = None,
    status: str | None = None,
    search: str | None = None,
    pasted: str | None = None,
    limit: int = 500,
) -> Look[list[VercelRequest]]:
    """The requests of `web` or `api` in a window, newest first where the vendor's route answers.

    Args:
        request_id: only this one; a bare id or a whole `x-vercel-id`. Its absence is judged by the time inside it.
        status: only these: "502" or "5xx".
        search: only those whose path or messages hold this text.
        pasted: log lines that somebody has at hand; then nothing else is asked.
        limit: at most so many rows; more there: partial.
    """
    wanted = parse_vercel_id(request_id) if request_id is not None else None

    def fetch(door: Door) -> Answer[list[VercelRequest]]:
        if wanted is not None and (why_not := not_an_id(wanted.request_id)):
            return Answer(Status.not_found, None, why_not, "copy it from the x-vercel-id header")
        if pasted is not None:
            return _from_lines(door, pasted, "the pasted lines")
        if file := door.settings.vercel_log_drain_file:
            return _from_lines(door, _drained(door, file), "the log drain file")
        rows, more = _request_log(door, part, window, wanted, status, search, limit)
        kept_h = door.settings.vercel_log_retention_h
        lost = beyond_retention(door, window, kept_h) if wanted is None else ""
        return answer_with_rows(rows, more, "requests", lambda: _none(door), lost)

    def _from_lines(door: Door, text: str, where: str) -> Answer[list[VercelRequest]]:
        try:
            rows, unread = from_text(text, part, may_be_plain=pasted is not None)
        except (KeyError, TypeError, ValueError) as error:
            why = f"{where} hold something else than Vercel's log: {type(error).__name__} {error}; begins {text[:80]!r}"
            raise LookError(Status.malformed, why[:400]) from error
        if unread and not rows:
            raise LookError(Status.malformed, f"no line of {where} could be read; begins {text[:80]!r}")
        kept = [row for row in rows if _is_wanted(row, window if pasted is None else None, wanted, status, search)]
        if unread:
            return Answer(Status.partial, kept[:limit], f"{unread} lines of {where} could not be read")
        if pasted is not None and not kept:
            return Answer(Status.partial, [], "the pasted lines do not hold it, and they are not the whole log")
        return answer_with_rows(kept[:limit], len(kept) > limit, "requests", lambda: _none(door))

    def _none(door: Door) -> Answer[list[VercelRequest]]:
        what = "such request in the log" if request_id is None else "request of this id in the log"
        return judge_absence(
            door,
            what,
            delay_s=door.settings.log_delay_s,
            retention_h=door.settings.vercel_log_retention_h,
            window=window,
            at=wanted.at if wanted else None,
            one=request_id is not None,
            delay_setting="RUNBOOK_LOG_DELAY_S",
            retention_setting="RUNBOOK_VERCEL_LOG_RETENTION_H",
        )

    asked = {"request_id": request_id, "status": status, "search": search, "pasted": pasted, "limit": limit}
    arguments = {
        "part": part,
        **window_arguments(window),
        **{key: value for key, value in asked.items() if value is not None},
    }
    return Look("vercel", "request_log", arguments, fetch, deadline_s=20)


def deployments(part: str, window: Window) -> Look[list[VercelDeployment]]:
    """The deployments of `web` or `api` that were made in the window, newest first."""

    def fetch(door: Door) -> Answer[list[VercelDeployment]]:
        vercel, project = VercelApi(door), project_of(door, part)
        since, until = ms(window.since) - 1, ms(window.until) + 1

        def page(before: float) -> tuple[list[VercelDeployment], float | None]:
            params: dict[str, str | int] = {"projectId": project, "since": since, "until": int(before), "limit": _PAGE}
            reply = vercel.get("/v7/deployments", **params)
            if reply.status_code == 404:
                reply = vercel.get("/v6/deployments", **params)
            return require_list(reply, HELP).parsed(
                lambda document: (
                    [deployment_row(row, part) for row in rows_in(document, "deployments")],
                    number_of((document.get("pagination") or {}).get("next")),
                )
            )

        rows, more = read_pages(page, float(until), _MOST_DEPLOYMENTS)
        return answer_with_rows(
            rows, more, "deployments", lambda: Answer(Status.empty, None, "no deployment in the window")
        )

    return Look("vercel", "deployments", {"part": part, **window_arguments(window)}, fetch)


def env_changes(part: str) -> Look[list[VercelVariableName]]:
    """The variables of `web` or `api`, last changed first, never their values. A changed variable reaches
    deployments made after it, no earlier ones."""

    def fetch(door: Door) -> Answer[list[VercelVariableName]]:
        vercel, project = VercelApi(door), project_of(door, part)
        reply = require_list(vercel.get(f"/v10/projects/{quote(project, safe='')}/env"), HELP)
        rows = reply.parsed(lambda document: [_variable(row, part) for row in rows_in(document, "envs")])
        rows.sort(key=lambda row: (row["updated_at"] or "", row["name"]), reverse=True)
        return Answer.of(rows)

    return Look("vercel", "env_changes", {"part": part}, fetch)


def health() -> Look[VercelAccess]:
    """Who the token is and what it sees."""

    def fetch(door: Door) -> Answer[VercelAccess]:
        vercel = VercelApi(door)
        user = require_reply(vercel.get_own("/v2/user"), HELP).parsed(
            lambda document: text_of(document["user"], "username", "email")
        )
        projects = {}
        for part, field in VERCEL_PROJECTS.items():
            if project := getattr(door.settings, field):
                reply = require_list(vercel.get(f"/v9/projects/{quote(project, safe='')}"), HELP)
                projects[part] = reply.parsed(lambda document: text_of(document, "name"))
        token = vercel.get_own("/v5/user/tokens/current")
        expires_at = None
        if token.status_code == 200:
            expires_at = token.parsed(lambda document: iso_of_ms(document["token"].get("expiresAt")))
        return Answer(Status.ok, {"user": user, "team": vercel.team, "projects": projects, "expires_at": expires_at})

    return Look("vercel", "health", {}, fetch)


def _drained(door: Door, file: str) -> str:
    """The log drain file's text. A file that is not there is a wrong setting, no empty log."""
    try:
        return door.read_text(file)
    except LookError as error:
        if error.status != Status.not_found:
            raise
        help_text = "correct RUNBOOK_VERCEL_LOG_DRAIN_FILE, or take it away to ask Vercel"
        raise LookError(
            Status.not_configured, "no such log drain file", where=error.where, do_next=help_text
        ) from error


def _request_log(
    door: Door, part: str, window: Window, wanted: VercelId | None, status: str | None, search: str | None, limit: int
) -> tuple[list[VercelRequest], bool]:
    """Rows of the route that the vendor's command line uses, and whether there are more."""
    headers = {"Authorization": f"Bearer {require_setting(door, 'vercel_token')}"}
    url = f"{require_setting(door, 'vercel_logs_url')}/api/logs/request-logs"
    params: dict[str, str | int] = {
        "projectId": project_of(door, part),
        "ownerId": require_setting(door, "vercel_team_id"),
        "startDate": ms(window.since),
        "endDate": ms(window.until),
    }
    filters = {"requestId": wanted.request_id if wanted else None, "statusCode": status, "search": search}
    params |= {name: value for name, value in filters.items() if value}
    http: Http = door.http

    def page(number: int) -> tuple[list[VercelRequest], int | None]:
        reply = require_list(http.get(url, params={**params, "page": number}, headers=headers), HELP)

        def parse(document: Json) -> tuple[list[VercelRequest], int | None]:
            rows = [from_request_log(row, part) for row in rows_in(document, "rows")]
            return rows, number + 1 if rows and document["hasMoreRows"] else None

        return reply.parsed(parse)

    return read_pages(page, 0, limit)


def _is_wanted(
    row: VercelRequest, window: Window | None, wanted: VercelId | None, status: str | None, search: str | None
) -> bool:
    """The filters of the vendor's route, for rows that come from elsewhere."""
    if window and row["at"] and not is_within(row["at"], window):
        return False
    if wanted and row["request_id"] != wanted.request_id:
        return False
    if status and not _is_status(row["status"], status):
        return False
    texts = [row["path"] or "", row["request_id"], *(log["message"] for log in row["logs"])]
    return not search or any(search.lower() in text.lower() for text in texts)


def _is_status(code: int | None, wanted: str) -> bool:
    text = str(code)
    return text == wanted or (wanted.lower().endswith("xx") and text[:1] == wanted[:1])


def _variable(row: dict[str, Json], part: str) -> VercelVariableName:
    target = row.get("target") or []
    return {
        "name": text_of(row, "key") or missing("key"),
        "targets": sorted(map(str, target)) if isinstance(target, list) else [str(target)],
        "type": text_of(row, "type"),
        "updated_at": iso_of_ms(row.get("updatedAt")),
        "created_at": iso_of_ms(row.get("createdAt")),
        "branch": text_of(row, "gitBranch"),
        "part": part,
        "platform": "vercel",
    }
