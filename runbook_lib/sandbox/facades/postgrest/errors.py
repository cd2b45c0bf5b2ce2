"""PostgREST's errors: one record with status and body, and how Postgres's own errors become one.

Source: PostgREST src/PostgREST/Error.hs and docs/references/errors (read November 2026); specs of the project's own collection.
"""

import json
from dataclasses import dataclass, field

import psycopg
from starlette.responses import Response


@dataclass(eq=False)
class RestError(Exception):
    """An answer that is an error; `headers` come on top."""

    status: int
    code: str
    message: str
    details: str | None = None
    hint: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """The HTTP answer, with PostgREST's `Proxy-Status` header."""
        body = {"code": self.code, "details": self.details, "hint": self.hint, "message": self.message}
        headers = {"Proxy-Status": f"PostgREST; error={self.code}", **self.headers}
        return Response(
            json.dumps(body, ensure_ascii=False, separators=(",", ":")),
            status_code=self.status,
            media_type="application/json; charset=utf-8",
            headers=headers,
        )


def token_refused(code: str, message: str, details: str | None = None) -> RestError:
    """401 for a token, with the WWW-Authenticate header that says why."""
    why = f'Bearer error="invalid_token", error_description="{message}"'
    return RestError(401, code, message, details, headers={"WWW-Authenticate": why})


def parse_failed(what: str, text: str, details: str, column: int) -> RestError:
    """PGRST100: a query parameter that does not follow the grammar."""
    return RestError(400, "PGRST100", f'"failed to parse {what} ({text})" (line 1, column {column})', details)


def bad_body(message: str) -> RestError:
    """PGRST102: the request's body cannot be used."""
    return RestError(400, "PGRST102", message)


def connection_failed(error: Exception) -> RestError:
    """PGRST000: the database could not be reached."""
    return RestError(503, "PGRST000", "Database connection error. Retrying the connection.", str(error).strip() or None)


def no_schema_cache() -> RestError:
    """PGRST002: the schema cache was never loaded."""
    return RestError(503, "PGRST002", "Could not query the database for the schema cache. Retrying.")


def pool_timed_out() -> RestError:
    """PGRST003: every connection was taken for too long."""
    return RestError(504, "PGRST003", "Timed out acquiring connection from connection pool.")


def unsupported(what: str) -> RestError:
    """501 for what PostgREST does and the sandbox's does not; the code is none of PostgREST's, so that nobody takes it for one."""
    return RestError(
        501,
        "SANDBOX",
        f"The sandbox's PostgREST does not do this: {what}",
        hint="It does what NexusCore and the runbook ask; see runbook_lib/sandbox/facades/postgrest/query.py",
    )


def from_postgres(error: psycopg.Error, authenticated: bool) -> RestError:
    """What PostgREST makes of a Postgres error; `authenticated` False means the anonymous role."""
    diagnosis = error.diag
    code = error.sqlstate
    if code is None:
        return RestError(503, "PGRST001", "Database client error. Retrying the connection.", str(error).strip())
    if code == "PGRST":
        return unsupported("answers that a function writes itself (raise sqlstate 'PGRST')")
    status = status_of(code, diagnosis.message_primary or "", authenticated)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return RestError(
        status,
        code,
        diagnosis.message_primary or "",
        diagnosis.message_detail,
        diagnosis.message_hint,
        headers,
    )


_EXACT = {
    "23503": 409,
    "23505": 409,
    "25006": 405,
    "53400": 500,
    "57P01": 503,
    "P0001": 400,
    "42883": 404,
    "42P01": 404,
    "42P17": 500,
}
_BY_PREFIX = {
    "08": 503,
    "09": 500,
    "0L": 403,
    "0P": 403,
    "25": 500,
    "28": 403,
    "2D": 500,
    "38": 500,
    "39": 500,
    "3B": 500,
    "40": 500,
    "53": 503,
    "54": 500,
    "55": 500,
    "57": 500,
    "58": 500,
    "F0": 500,
    "HV": 500,
    "P0": 500,
    "XX": 500,
}


def status_of(code: str, message: str, authenticated: bool) -> int:
    """The HTTP status of a SQLSTATE."""
    if code == "42501":
        return 403 if authenticated else 401
    if code == "21000":
        return 400 if message.endswith("requires a WHERE clause") else 500
    if code == "22023":
        return 401 if message.startswith("role") and message.endswith("does not exist") else 400
    if code.startswith("PT"):
        return int(code[2:]) if code[2:].isdigit() else 500
    return _EXACT.get(code) or _BY_PREFIX.get(code[:2]) or 400
