"""Pieces of SQL: quoted names, bound values, fields with JSON paths, conditions and order terms.

Values never enter the text: each becomes a named parameter of unknown type, so that Postgres infers its type from the other side,
as it does for PostgREST.
"""

from collections.abc import Mapping

from runbook_lib.sandbox.facades.postgrest import grammar
from runbook_lib.sandbox.facades.postgrest.cache import Table
from runbook_lib.sandbox.facades.postgrest.errors import RestError

_OPERATORS = {
    "eq": "=",
    "neq": "<>",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "like": "like",
    "ilike": "ilike",
    "match": "~",
    "imatch": "~*",
    "cs": "@>",
    "cd": "<@",
    "ov": "&&",
    "sl": "<<",
    "sr": ">>",
    "nxr": "&<",
    "nxl": "&>",
    "adj": "-|-",
}
_SEARCH = {"fts": "to_tsquery", "plfts": "plainto_tsquery", "phfts": "phraseto_tsquery", "wfts": "websearch_to_tsquery"}
_TRILEAN = {"null": "null", "not_null": "not null", "true": "true", "false": "false", "unknown": "unknown"}


class Values:
    """The parameters of one statement."""

    def __init__(self) -> None:
        self.bound: dict[str, str | None] = {}

    def bind(self, value: str | None) -> str:
        """A placeholder for this value."""
        name = f"v{len(self.bound)}"
        self.bound[name] = value
        return f"%({name})s"


def ident(*names: str) -> str:
    """A quoted, qualified name."""
    return ".".join('"' + name.replace('"', '""').replace("%", "%%") + '"' for name in names)


def text_literal(text: str) -> str:
    """A quoted text constant, for names that stand in the statement itself."""
    return "'" + text.replace("'", "''").replace("%", "%%") + "'"


def array_literal(values: tuple[str, ...]) -> str:
    """A Postgres array as text, every element quoted."""
    return "{" + ",".join('"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"' for v in values) + "}"


def field_sql(qualifier: str, field: grammar.Field, table: Table | None, *, as_json: bool = False) -> str:
    """A column with its JSON path. A column that is neither json nor jsonb is turned into jsonb first."""
    if field.name == "*":
        return f"{qualifier}.*"
    column = f"{qualifier}.{ident(field.name)}"
    if not field.path:
        return column
    known = table.columns.get(field.name) if table else None
    if known is None or known.type not in ("json", "jsonb"):
        column = f"to_jsonb({column})"
    steps = "".join(f"{arrow}{key if _is_index(key) else text_literal(key)}" for arrow, key in field.path)
    return f"({column}{steps})" if not as_json else f"{column}{steps}"


def _is_index(key: str) -> bool:
    return key.removeprefix("-").isdigit()


def condition_sql(
    condition: grammar.Condition, qualifier: str, table: Table | None, values: Values, embeds: Mapping[str, str]
) -> str:
    """One condition as SQL. `embeds` maps an embedded resource's name to the expression that is null when it is absent."""
    if isinstance(condition, grammar.Logic):
        inner = f" {condition.operator} ".join(
            condition_sql(child, qualifier, table, values, embeds) for child in condition.children
        )
        return f"not ({inner})" if condition.negated else f"({inner})"
    if condition.field.name in embeds and not condition.field.path and condition.operator == "is":
        return _embed_condition(condition, embeds[condition.field.name])
    text = _comparison(condition, field_sql(qualifier, condition.field, table), table, values)
    return f"not {text}" if condition.negated else text


def _embed_condition(condition: grammar.Filter, expression: str) -> str:
    word = condition.values[0].lower()
    if word not in ("null", "not_null"):
        raise RestError(
            400,
            "PGRST120",
            f"Bad operator on the '{condition.field.name}' embedded resource",
            "Only is null or not is null filters are allowed on embedded resources",
        )
    absent = (word == "null") != condition.negated
    return f"{expression} is {'not ' if absent else ''}distinct from null"


def _comparison(condition: grammar.Filter, field: str, table: Table | None, values: Values) -> str:
    name = condition.operator
    if name == "in":
        return f"{field} = any ({values.bind(array_literal(condition.values))})"
    if name == "is":
        return f"{field} is {_TRILEAN[condition.values[0].lower()]}"
    if name == "isdistinct":
        return f"{field} is distinct from {values.bind(condition.values[0])}"
    if name in _SEARCH:
        return _search(condition, field, table, values)
    found = tuple(v.replace("*", "%") for v in condition.values) if name in ("like", "ilike") else condition.values
    if condition.quantifier:
        return f"{field} {_OPERATORS[name]} {condition.quantifier} ({values.bind(array_literal(found))})"
    return f"{field} {_OPERATORS[name]} {values.bind(found[0])}"


def _search(condition: grammar.Filter, field: str, table: Table | None, values: Values) -> str:
    known = table.columns.get(condition.field.name) if table else None
    language = f"{values.bind(condition.language)}::regconfig, " if condition.language else ""
    if known is not None and known.type not in ("tsvector",) and not condition.field.path:
        field = f"to_tsvector({language}{field})"
    return f"{field} @@ {_SEARCH[condition.operator]}({language}{values.bind(condition.values[0])})"


def order_sql(term: grammar.OrderTerm, qualifier: str, table: Table | None) -> str:
    """One term of an order."""
    direction = f" {term.direction}" if term.direction else ""
    nulls = {"nullsfirst": " nulls first", "nullslast": " nulls last", None: ""}[term.nulls]
    return f"{field_sql(qualifier, term.field, table)}{direction}{nulls}"


def range_sql(limit: int | None, offset: int | None, values: Values) -> str:
    """`limit … offset …`, empty where there is neither."""
    parts = []
    if limit is not None:
        parts.append(f" limit {values.bind(str(limit))}::bigint")
    if offset:
        parts.append(f" offset {values.bind(str(offset))}::bigint")
    return "".join(parts)
