"""What Supabase logs: the gateway's requests, Postgres's errors and Auth's events, as lines in the world's log.

Each line's `attributes` carry `table` (edge_logs, postgres_logs, auth_logs), by which the Management API's log query finds it.
"""

import psycopg

from runbook_lib.sandbox.world import LogLine, World


def edge_request(
    world: World, request_id: str, method: str, path: str, query: str, status: int, duration_ms: float, user_agent: str
) -> None:
    """One request through the gateway."""
    level = "error" if status >= 500 else "warning" if status >= 400 else "info"
    message = f"{method} | {status} | {path}{'?' + query if query else ''} | {user_agent}"
    world.logs.append(
        LogLine(
            platform="supabase",
            part="supabase",
            at=world.now(),
            level=level,
            message=message,
            request_id=request_id,
            attributes={
                "table": "edge_logs",
                "method": method,
                "path": path,
                "search": f"?{query}" if query else "",
                "status_code": status,
                "origin_time": round(duration_ms, 1),
            },
        )
    )


def postgres_error(world: World, error: psycopg.Error, role: str) -> None:
    """One error that Postgres raised for this role."""
    diagnosis = error.diag
    world.logs.append(
        LogLine(
            platform="supabase",
            part="supabase",
            at=world.now(),
            level="error",
            message=diagnosis.message_primary or str(error).strip(),
            attributes={
                "table": "postgres_logs",
                "error_severity": diagnosis.severity_nonlocalized or "FATAL",
                "sql_state_code": error.sqlstate or "08006",
                "user_name": role,
                "detail": diagnosis.message_detail,
                "hint": diagnosis.message_hint,
            },
        )
    )


def auth_event(world: World, message: str, status: int, request_id: str | None, level: str = "info") -> None:
    """One line of the Auth server."""
    attributes = {"table": "auth_logs", "status": status}
    line = LogLine("supabase", "supabase", world.now(), level, message, request_id, attributes=attributes)
    world.logs.append(line)
