"""What Supabase logs: the gateway's requests, PostgREST's failures and Auth's events, as lines in the world's log.

Each line's `attributes` carry `table` (edge_logs, postgrest_logs, auth_logs), by which the Management API's log query finds it.
What Postgres itself logs comes from the server's own log, as lines of the part `postgres`.
"""

from typing import Any

from runbook_lib.sandbox.world import LogLine, World


def edge_request(
    world: World, request_id: str, method: str, path: str, query: str, status: int, duration_ms: float, user_agent: str
) -> None:
    """One request through the gateway."""
    level = "error" if status >= 500 else "warning" if status >= 400 else "info"
    message = f"{method} | {status} | {path}{'?' + query if query else ''} | {user_agent}"
    attributes = {
        "table": "edge_logs",
        "method": method,
        "path": path,
        "search": f"?{query}" if query else "",
        "status_code": status,
        "origin_time": round(duration_ms, 1),
    }
    _add(world, level, message, request_id, attributes)


def rest_failure(world: World, message: str) -> None:
    """One failure of PostgREST's own: no connection, no place in the pool, no schema cache."""
    _add(world, "error", message, None, {"table": "postgrest_logs"})


def auth_event(world: World, message: str, status: int, request_id: str | None, level: str = "info") -> None:
    """One line of the Auth server."""
    _add(world, level, message, request_id, {"table": "auth_logs", "status": status})


def _add(world: World, level: str, message: str, request_id: str | None, attributes: dict[str, Any]) -> None:
    world.logs.append(LogLine("supabase", "supabase", world.now(), level, message, request_id, attributes=attributes))
