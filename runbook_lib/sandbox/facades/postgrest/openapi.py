"""The description at PostgREST's root: Swagger 2.0, a definition for each table, a path for each table and function."""

from typing import Any

from runbook_lib.sandbox.facades.postgrest.cache import Snapshot


def describe(snapshot: Snapshot, schema: str, host: str) -> dict[str, Any]:
    """The document for one schema; `host` is the project's public one."""
    definitions = {
        table.name: {
            "type": "object",
            "properties": {c.name: {"format": c.type, "type": _json_type(c.type)} for c in table.columns.values()},
        }
        for (owner, _), table in sorted(snapshot.tables.items())
        if owner == schema
    }
    answer = {"responses": {"200": {"description": "OK"}}}
    paths: dict[str, Any] = {"/": {"get": {"tags": ["Introspection"], **answer}}}
    for name in definitions:
        paths[f"/{name}"] = {method: {"tags": [name], **answer} for method in ("get", "post", "delete", "patch")}
    for owner, name in sorted(snapshot.functions):
        if owner == schema:
            paths[f"/rpc/{name}"] = {method: {"tags": [f"(rpc) {name}"], **answer} for method in ("get", "post")}
    return {
        "swagger": "2.0",
        "info": {"title": "standard public schema", "description": "", "version": "14.1"},
        "host": host,
        "basePath": "/rest/v1",
        "schemes": ["https"],
        "consumes": ["application/json", "application/vnd.pgrst.object+json", "text/csv"],
        "produces": ["application/json", "application/vnd.pgrst.object+json", "text/csv"],
        "paths": paths,
        "definitions": definitions,
    }


def _json_type(type_name: str) -> str:
    if type_name.endswith("[]"):
        return "array"
    if type_name in ("integer", "bigint", "smallint"):
        return "integer"
    if type_name == "boolean":
        return "boolean"
    return "number" if type_name in ("numeric", "real", "double precision") else "string"
