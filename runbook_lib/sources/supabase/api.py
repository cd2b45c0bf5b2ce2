"""Ways to Supabase: the `supabase` package over the look's own HTTP client, and the Management API.

The package gets an httpx client whose transport is ours, so deadline, size and statuses are those of every other source; its
own retries are off. The last reply is kept: the package's exceptions lose the HTTP status.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from runbook_lib.core.clock import Window, from_epoch_s, to_iso
from runbook_lib.core.errors import LookError, RunbookError
from runbook_lib.core.model import Json, Status
from runbook_lib.core.records.project import ProjectKey
from runbook_lib.io.http import Http, Reply
from runbook_lib.io.observe import Door
from runbook_lib.sources.kit.asking import require_reply, require_setting, rows_in

if TYPE_CHECKING:
    import supabase

SERVICE_HELP = "SUPABASE_SERVICE_ROLE_KEY must be the service-role or a secret key of this project"
MANAGEMENT_HELP = (
    "RUNBOOK_SUPABASE_ACCESS_TOKEN needs the read scopes of projects, database and analytics for this project"
)
_SCHEMA_HELP = "apply packages/database/sql to the project, or have PostgREST reload its schema cache"
_NO_SUCH_TABLE = ("PGRST205", "42P01")
_SPOKEN = re.compile(r"PGRST[0-9]{3}|[0-9A-Z]{5}")  # a code of PostgREST's own, or Postgres' SQLSTATE
_SQLSTATE = re.compile(r"ERROR:\s+([0-9A-Z]{5}):")


class _OurTransport(httpx.BaseTransport):
    """An httpx transport that sends through the look's own HTTP and keeps the last reply."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self.last: Reply | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; a read is retried as every read is."""
        dropped = ("host", "content-length", "transfer-encoding", "connection", "accept-encoding", "user-agent")
        headers = {name: value for name, value in request.headers.items() if name.lower() not in dropped}
        send = self._http.read if request.method in ("GET", "HEAD") else self._http.send
        self.last = reply = send(request.method, str(request.url), headers=headers, content=request.read())
        kept = {
            name: value for name, value in reply.headers.items() if name not in ("content-encoding", "content-length")
        }
        return httpx.Response(reply.status_code, headers=kept, content=reply.body, request=request)


@dataclass(frozen=True)
class RestAnswer:
    """What PostgREST answered to one query: its rows, or its refusal, which is an answer too (`code`: PostgREST's or SQLSTATE)."""

    status_code: int
    rows: list[dict[str, Any]] | None = None
    code: str = ""
    message: str = ""


class ProjectApi:
    """The project's own API (PostgREST) through the `supabase` package; as service role, past RLS, unless told otherwise.

    Args:
        key: another `apikey` in place of the service-role key.
        bearer: another token in Authorization, whose role and claims the query then runs under; by default the key itself.
    """

    def __init__(self, door: Door, *, key: str = "", bearer: str = "") -> None:
        url, key = require_setting(door, "supabase_url"), key or require_setting(door, "supabase_service_role_key")
        from supabase import ClientOptions, create_client  # here: it takes a second to import

        self._transport = _OurTransport(door.http)
        options = ClientOptions(httpx_client=httpx.Client(transport=self._transport), auto_refresh_token=False)
        options.postgrest_client_retry = False
        if bearer:
            options.headers["Authorization"] = f"Bearer {bearer}"
        self._client: supabase.Client = create_client(url, key, options)

    def rows(self, build: Callable[["supabase.Client"], Any]) -> list[dict[str, Any]]:
        """The rows of one query. Raises LookError for what the project answers instead."""
        from postgrest.exceptions import APIError

        try:
            found = build(self._client).retry(False).execute().data
        except APIError as error:
            raise self._as_look_error(error) from error
        except RunbookError:  # a look's own status, or a request that the source has not declared
            raise
        except Exception as error:  # the package raises whatever its parser met
            raise self.malformed(f"unexpected answer: {type(error).__name__}") from error
        if not isinstance(found, list) or any(not isinstance(row, dict) for row in found):
            raise self.malformed("unexpected shape: no list of rows")
        return found

    def ask(self, build: Callable[["supabase.Client"], Any]) -> RestAnswer:
        """The answer to one query where a refusal is one too. Raises LookError where it is not PostgREST that speaks: the
        gateway refuses the key, nothing answers, a web page."""
        from postgrest.exceptions import APIError

        try:
            rows = self.rows(build)
        except LookError as refused:
            said = refused.__cause__
            reply = self._transport.last
            if not isinstance(said, APIError) or reply is None or reply.status_code < 400 or not said.code:
                raise
            if not _SPOKEN.fullmatch(str(said.code)):
                raise
            return RestAnswer(reply.status_code, None, str(said.code), str(said.message or ""))
        assert self._transport.last is not None
        return RestAnswer(self._transport.last.status_code, rows)

    def _as_look_error(self, error: Any) -> LookError:
        reply = self._transport.last
        assert reply is not None
        if error.code in _NO_SUCH_TABLE:
            return LookError(
                Status.malformed, f"{error.code}: {error.message}", where=reply.where, do_next=_SCHEMA_HELP
            )
        if error.code == "22P02":
            return LookError(Status.not_found, f"{error.code}: {error.message}", where=reply.where)
        try:
            require_reply(reply, SERVICE_HELP)
        except LookError as refused:
            return refused
        return self.malformed("unexpected answer")

    def malformed(self, why: str) -> LookError:
        """The error for rows that are not what the tables hold."""
        reply = self._transport.last
        return reply.malformed(why) if reply else LookError(Status.malformed, why)


class ManagementApi:
    """The Management API of one project."""

    def __init__(self, door: Door) -> None:
        self._http = door.http
        self._url = require_setting(door, "supabase_api_url")
        self._headers = {"Authorization": f"Bearer {require_setting(door, 'supabase_access_token')}"}
        ref = door.settings.supabase_project_ref
        if not ref:
            why = "the project's ref is not known: its address does not hold it"
            raise LookError(Status.not_configured, why, do_next="set RUNBOOK_SUPABASE_PROJECT_REF")
        self.ref = ref

    def ask(self, path: str, params: Any = None) -> Reply:
        """The reply to `/v1/projects/<ref><path>`, whatever its status."""
        return self._http.get(f"{self._url}/v1/projects/{self.ref}{path}", params=params, headers=self._headers)

    def get(self, path: str, params: Any = None) -> Reply:
        """The reply to `/v1/projects/<ref><path>`. Raises LookError: denied also where the project is hidden from the token."""
        reply = self.ask(path, params)
        if reply.status_code == 404:
            raise LookError(Status.denied, reply.complaint(), where=reply.where, do_next=MANAGEMENT_HELP)
        return reply.raise_for_status(MANAGEMENT_HELP)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows of one read-only statement with $1, $2 …, run as supabase_read_only_user, which sees past row security; names
        must be qualified.

        Raises LookError: denied (also where Postgres denies it), or malformed with the database's own words where it refuses.
        """
        url = f"{self._url}/v1/projects/{self.ref}/database/query/read-only"
        body: dict[str, Json] = {"query": sql, **({"parameters": list(parameters)} if parameters else {})}
        reply = self._http.read("POST", url, json=body, headers=self._headers)
        state = _SQLSTATE.search(reply.beginning(10_000)) if reply.status_code in (400, 500) else None
        if reply.status_code == 404 or (state and state[1] == "42501"):
            raise LookError(Status.denied, reply.complaint(), where=reply.where, do_next=MANAGEMENT_HELP)
        return reply.raise_for_status(MANAGEMENT_HELP).parsed(rows_in)

    def log_rows(self, sql: str, window: Window) -> list[dict[str, Any]]:
        """Rows of a log query; the window must not be longer than 24 h. Raises LookError: malformed where the query is refused."""
        params = {
            "sql": sql,
            "iso_timestamp_start": to_iso(window.since),
            "iso_timestamp_end": to_iso(window.until),
        }
        reply = self.get("/analytics/endpoints/logs.all", params)
        document = reply.json()
        if not isinstance(document, dict):
            raise reply.malformed("unexpected shape: no object")
        if error := document.get("error"):
            words = error.get("message") if isinstance(error, dict) else error
            raise LookError(Status.malformed, f"the log query was refused: {words}"[:300], where=reply.where)
        rows = document.get("result")
        if not isinstance(rows, list) or any(not isinstance(row, dict) for row in rows):
            raise reply.malformed("unexpected shape: no rows under `result`")
        return rows


def key_facts(key: str | None) -> ProjectKey | None:
    """What a key says about itself; None without a key. The JWT is read, not verified."""
    if not key:
        return None
    for prefix, kind, role in (("sb_publishable_", "publishable", "anon"), ("sb_secret_", "secret", "service_role")):
        if key.startswith(prefix):
            return {"kind": kind, "role": role, "ref": None, "expires_at": None}
    try:
        payload = key.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        expires = claims.get("exp")
        return {
            "kind": "jwt",
            "role": claims.get("role"),
            "ref": claims.get("ref"),
            "expires_at": to_iso(from_epoch_s(expires)) if expires is not None else None,
        }
    except (IndexError, ValueError, binascii.Error, AttributeError, TypeError, OverflowError, OSError):
        return {"kind": "unknown", "role": None, "ref": None, "expires_at": None}
