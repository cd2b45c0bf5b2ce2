"""The description at PostgREST's root: Swagger 2.0, a definition and a path for each table."""

from typing import Any

from runbook_lib.sandbox.facades.postgrest.cache import Snapshot


def describe(snapshot: Snapshot, schema: str, host: str) -> dict[str, Any]:
    """The document for one schema; `host` is the project's public one."""
    tables = [table for (owner, _), table in sorted(snapshot.tables.items()) if owner == schema]
    answer = {"responses": {"200": {"description": "OK"}}}
    return {
        "swagger": "2.0",
        "info": {"title": "standard public schema", "description": "", "version": "14.1"},
        "host": host,
        "basePath": "/rest/v1",
        "schemes": ["https"],
        "paths": {f"/{t.name}": {m: {"tags": [t.name], **answer} for m in ("get", "post", "patch")} for t in tables},
        "definitions": {
            t.name: {"type": "object", "properties": {c: {"format": kind} for c, kind in t.columns.items()}}
            for t in tables
        },
    }
