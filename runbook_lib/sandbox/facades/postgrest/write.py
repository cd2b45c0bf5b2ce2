"""The write side of a request as SQL: insert (one, many, upsert), update, delete and PUT, with the rows they return."""

import json
from dataclasses import dataclass
from typing import Any

from runbook_lib.sandbox.facades.postgrest import grammar
from runbook_lib.sandbox.facades.postgrest.cache import Table
from runbook_lib.sandbox.facades.postgrest.errors import RestError, bad_body
from runbook_lib.sandbox.facades.postgrest.headers import Preferences
from runbook_lib.sandbox.facades.postgrest.parameters import Parameters
from runbook_lib.sandbox.facades.postgrest.sql import Values, condition_sql, ident, text_literal

# Counts the rows that were there already: an upsert that only updated answers 200, one that inserted 201.
_COUNT_CONFLICT = (
    "set_config('pgrst.conflicts', (coalesce(nullif(current_setting('pgrst.conflicts', true), ''), '0')::int + 1)::text, true)"
    " is not null"
)


@dataclass
class Payload:
    """A request's rows as JSON text, with the columns that they carry (the first row's decide)."""

    text: str
    columns: list[str]
    rows: int


def read_payload(body: bytes, content_type: str, parameters: Parameters) -> Payload:
    """The rows of a JSON, CSV or form body.

    Raises:
        RestError: PGRST102 for a body that is not JSON, whose rows differ in their keys, or of another kind.
    """
    media = content_type.split(";")[0].strip().lower() or "application/json"
    if media == "text/csv":
        value: Any = _csv_rows(body)
    elif media == "application/x-www-form-urlencoded":
        from urllib.parse import parse_qsl

        value = dict(parse_qsl(body.decode()))
    elif media in ("application/json", "application/vnd.pgrst.object+json", "application/vnd.pgrst.array+json"):
        value = _json(body)
    else:
        raise bad_body(f"Content-Type not acceptable: {media}")
    rows = value if isinstance(value, list) else [value]
    if not all(isinstance(row, dict) for row in rows):
        raise bad_body("All object keys must match" if isinstance(value, list) else "Empty or invalid json")
    keys = list(rows[0]) if rows else []
    if parameters.columns is not None:
        keys = list(dict.fromkeys(parameters.columns))
    elif any(set(row) != set(keys) for row in rows):
        raise bad_body("All object keys must match")
    return Payload(json.dumps(value), sorted(keys), len(rows))


def _json(body: bytes) -> Any:
    if not body:
        raise bad_body("Empty or invalid json")
    try:
        return json.loads(body)
    except ValueError:
        raise bad_body("Empty or invalid json") from None


def _csv_rows(body: bytes) -> list[dict[str, Any]]:
    import csv
    import io

    rows = list(csv.DictReader(io.StringIO(body.decode())))
    return [{k: None if v == "NULL" else v for k, v in row.items()} for row in rows]


class WriteQuery:
    """Builds one write. `returning` lists the columns that the read after it needs; empty: none."""

    def __init__(
        self, table: Table, parameters: Parameters, preferences: Preferences, values: Values, returning: list[str]
    ) -> None:
        self._table = table
        self._parameters = parameters
        self._preferences = preferences
        self._values = values
        self._name = ident(table.schema, table.name)
        self._returning = returning

    def insert(self, payload: Payload) -> str:
        """Insert the payload's rows; with a resolution, rows that are there already are merged or left alone."""
        columns = self._known(payload.columns)
        listed = ", ".join(ident(c) for c in columns)
        target = f"insert into {self._name}{f'({listed})' if columns else ''}"
        source = f"select {listed or ''} from {self._rows(payload, columns)}" if columns else "default values"
        if not columns and payload.rows == 0:
            source = f"select from {self._name} where false"
        if not columns and payload.text.strip().startswith("["):
            source = f"select null from {self._name} where false"
        return f"{target} {source}{self._on_conflict(columns)}{self._return()}"

    def put(self, payload: Payload, conditions: list[grammar.Condition]) -> str:
        """PUT: upsert the one row whose key the URL names."""
        keys = {
            c.field.name: c.values[0]
            for c in conditions
            if isinstance(c, grammar.Filter) and c.operator == "eq" and not c.negated and not c.quantifier
        }
        if len(keys) != len(conditions) or set(keys) != set(self._table.primary_key):
            message = "Filters must include all and only primary key columns with 'eq' operators"
            raise RestError(405, "PGRST105", message)
        columns = self._known(payload.columns)
        listed = ", ".join(ident(c) for c in columns)
        where = " and ".join(f"{ident(name)} = {self._values.bind(value)}" for name, value in keys.items())
        key = ", ".join(ident(k) for k in self._table.primary_key)
        changed = ", ".join(f"{ident(c)} = excluded.{ident(c)}" for c in columns)
        return (
            f"insert into {self._name}({listed}) select {listed} from {self._rows(payload, columns)} where {where} "
            f"on conflict({key}) do update set {changed} where {_COUNT_CONFLICT}{self._return()}"
        )

    def update(self, payload: Payload) -> str:
        """Set the payload's columns on the rows that the conditions name."""
        columns = self._known(payload.columns)
        if not columns:
            nothing = ", ".join(self._returned()) or "null"
            return f"select {nothing} from {self._name} where false"
        changed = ", ".join(f"{ident(c)} = pgrst_body.{ident(c)}" for c in columns)
        body = self._rows(payload, columns)
        return (
            f"update {self._name} set {changed} from (select * from {body}) pgrst_body{self._where()}{self._return()}"
        )

    def delete(self) -> str:
        """Delete the rows that the conditions name."""
        return f"delete from {self._name}{self._where()}{self._return()}"

    def _known(self, columns: list[str]) -> list[str]:
        for column in columns:
            if column not in self._table.columns:
                raise RestError(
                    400,
                    "PGRST204",
                    f"Could not find the '{column}' column of '{self._table.name}' in the schema cache",
                )
        return columns

    def _rows(self, payload: Payload, columns: list[str]) -> str:
        """The payload as a row source with typed columns."""
        typed = ", ".join(f"{ident(c)} {self._table.columns[c].type}" for c in columns)
        kind = "jsonb" if self._preferences.get("missing") == "default" else "json"
        text = f"{self._values.bind(payload.text)}::{kind}"
        if not payload.text.lstrip().startswith("["):
            text = f"{kind}_build_array({text})"
        if kind == "jsonb":
            text = f"({self._with_defaults(text, columns)})"
        return f"{kind}_to_recordset({text}) as _({typed})"

    def _with_defaults(self, rows: str, columns: list[str]) -> str:
        defaults = [
            f"{text_literal(c)}, {default}" for c in columns if (default := self._table.columns[c].default) is not None
        ]
        base = f"jsonb_build_object({', '.join(defaults)})".replace("%", "%%").replace("%%(", "%(")
        return f"select jsonb_agg({base} || pgrst_row) from jsonb_array_elements({rows}) pgrst_row"

    def _on_conflict(self, columns: list[str]) -> str:
        resolution = self._preferences.get("resolution")
        target = self._parameters.on_conflict or list(self._table.primary_key)
        if resolution is None or not target:
            return ""
        named = f" on conflict({', '.join(ident(c) for c in target)})"
        if resolution == "ignore-duplicates" or not columns:
            return f"{named} do nothing"
        changed = ", ".join(f"{ident(c)} = excluded.{ident(c)}" for c in columns)
        return f"{named} do update set {changed} where {_COUNT_CONFLICT}"

    def _where(self) -> str:
        conditions = self._parameters.root_conditions
        texts = [condition_sql(c, self._name, self._table, self._values, {}) for c in conditions]
        return f" where {' and '.join(texts)}" if texts else ""

    def _returned(self) -> list[str]:
        return [f"{self._name}.*" if c == "*" else f"{self._name}.{ident(c)}" for c in self._returning]

    def _return(self) -> str:
        return f" returning {', '.join(self._returned()) or '1'}"
