"""The Management API's log query, as far as a runbook asks: one table, a window, simple conditions, an order and a limit.

The vendor runs BigQuery SQL. Here a query is read by its parts; what is not understood is answered with an error in the vendor's
shape, never with rows that the query did not mean.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from runbook_lib.sandbox.facades.supabase.state import stable_uuid
from runbook_lib.sandbox.world import LogLine, World

TABLES = (
    "edge_logs",
    "postgres_logs",
    "auth_logs",
    "postgrest_logs",
    "auth_audit_logs",
    "function_logs",
    "function_edge_logs",
)
_MOST = 1000
_QUERY = re.compile(
    r"^\s*select\s+(?P<columns>.+?)\s+from\s+(?P<table>\w+)(?P<joins>(?:\s+(?:as\s+\w+|\w+)(?=\s+cross))?"
    r"(?:\s+cross\s+join\s+unnest\([\w.]+\)\s+(?:as\s+)?\w+)*)"
    r"(?:\s+(?:as\s+)?t)?(?:\s+where\s+(?P<where>.+?))?(?:\s+order\s+by\s+(?:t\.)?timestamp\s*(?P<order>asc|desc)?)?"
    r"(?:\s+limit\s+(?P<limit>\d+))?\s*;?\s*$",
    re.IGNORECASE | re.DOTALL,
)
_LIKE = re.compile(r"^(?:\w+\.)?event_message\s+(?P<not>not\s+)?(?P<how>i?like)\s+'(?P<text>[^']*)'$", re.IGNORECASE)
_MATCH = re.compile(r"^regexp_contains\((?:\w+\.)?event_message,\s*r?'(?P<text>[^']*)'\)$", re.IGNORECASE)
_COMPARE = re.compile(r"^(?P<name>[\w.]+)\s*(?P<op>>=|<=|<>|!=|=|>|<)\s*(?P<value>'[^']*'|-?\d+)$")


class LogQueryRefused(Exception):
    """A log query that is not understood, or a window that is not allowed."""


def run_log_query(
    world: World, sql: str | None, since: datetime | None, until: datetime | None
) -> list[dict[str, Any]]:
    """The lines of one table in the window, newest first unless ordered otherwise.

    Without SQL: edge_logs. Without times: the last minute. At most 24 hours.

    Raises:
        LogQueryRefused: see above.
    """
    now = world.now()
    if since is None and until is None:
        since, until = now - timedelta(minutes=1), now
    until = until or now
    since = since or until - timedelta(hours=24)
    if until - since > timedelta(hours=24, seconds=1):
        raise LogQueryRefused("The requested time range is larger than 24 hours")
    found = _QUERY.match(sql or "select id, timestamp, event_message, metadata from edge_logs")
    if found is None:
        raise LogQueryRefused("Syntax error: this query is not understood")
    table = found["table"].lower()
    if table not in TABLES:
        raise LogQueryRefused(f"Table not found: {found['table']}")
    tests = (
        [_condition(part) for part in re.split(r"\s+and\s+", found["where"].strip(), flags=re.IGNORECASE)]
        if found["where"]
        else []
    )
    lines = [
        line
        for line in world.logs
        if line.platform == "supabase" and _table(line) == table and since <= line.at <= until
    ]
    lines.sort(key=lambda line: line.at, reverse=(found["order"] or "desc").lower() == "desc")
    rows = [row for row in map(_row, lines) if all(test(row) for test in tests)]
    return rows[: min(int(found["limit"] or _MOST), _MOST)]


def _table(line: LogLine) -> str:
    """The table that holds a line: Postgres' own lines are known by their part."""
    return "postgres_logs" if line.part == "postgres" else str(line.attributes.get("table", ""))


def _row(line: LogLine) -> dict[str, Any]:
    micros = int(line.at.timestamp() * 1_000_000)
    return {
        "id": stable_uuid("log", str(micros), line.message),
        "timestamp": micros,
        "event_message": line.message,
        "metadata": [_metadata(line)],
    }


def _metadata(line: LogLine) -> dict[str, Any]:
    said = line.attributes
    if _table(line) == "edge_logs":
        request = {name: said[name] for name in ("method", "path", "search")}
        headers = [{"sb_request_id": line.request_id}]
        answer = {"status_code": said["status_code"], "origin_time": said["origin_time"], "headers": headers}
        return {"request": [request], "response": [answer]}
    if _table(line) == "postgres_logs":
        return {"host": "db", "parsed": [{"timestamp": line.at.isoformat(), **said}]}
    return {"level": line.level, "msg": line.message, **{k: v for k, v in said.items() if k != "table"}}


def _condition(text: str) -> Callable[[dict[str, Any]], bool]:
    text = text.strip()
    if like := _LIKE.match(text):
        pattern = ".*".join(map(re.escape, like["text"].split("%")))
        wanted = re.compile(f"^{pattern}$", re.DOTALL | (re.IGNORECASE if like["how"].lower() == "ilike" else 0))
        return lambda row: bool(wanted.match(row["event_message"])) != bool(like["not"])
    if match := _MATCH.match(text):
        found = re.compile(match["text"])
        return lambda row: bool(found.search(row["event_message"]))
    if compare := _COMPARE.match(text):
        name, value = compare["name"].split(".")[-1], compare["value"]
        right: Any = value[1:-1] if value.startswith("'") else int(value)
        return lambda row: _compare(_find(row, name), compare["op"], right)
    raise LogQueryRefused(f"Syntax error: this condition is not understood: {text}")


def _find(node: Any, name: str) -> Any:
    """The first value under this key, however deep: the vendor's queries unnest what is nested."""
    if isinstance(node, list):
        return next((v for item in node if (v := _find(item, name)) is not None), None)
    if isinstance(node, dict):
        return node[name] if name in node else _find(list(node.values()), name)
    return None


def _compare(left: Any, operator: str, right: Any) -> bool:
    if left is None or isinstance(left, str) != isinstance(right, str):
        return False
    outcomes = {"=": left == right, "!=": left != right, "<>": left != right}
    ordered = {">": left > right, "<": left < right, ">=": left >= right, "<=": left <= right}
    return bool({**outcomes, **ordered}[operator])
