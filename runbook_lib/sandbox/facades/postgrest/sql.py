"""Pieces of SQL: quoted names, bound values, conditions and order terms.

Values never enter the text: each becomes a named parameter of unknown type, so that Postgres infers its type from the other side,
as it does for PostgREST.
"""

from runbook_lib.sandbox.facades.postgrest.query import Filter, OrderTerm

_OPERATORS = {
    "eq": "=",
    "neq": "<>",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "like": "like",
    "ilike": "ilike",
}


class Values:
    """The parameters of one statement."""

    def __init__(self) -> None:
        self.bound: dict[str, str] = {}

    def bind(self, value: str) -> str:
        """A placeholder for this value."""
        name = f"v{len(self.bound)}"
        self.bound[name] = value
        return f"%({name})s"


def ident(*names: str) -> str:
    """A quoted, qualified name."""
    return ".".join('"' + name.replace('"', '""').replace("%", "%%") + '"' for name in names)


def array_literal(values: tuple[str, ...]) -> str:
    """A Postgres array as text, every element quoted."""
    return "{" + ",".join('"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"' for v in values) + "}"


def where_sql(filters: list[Filter], table: str, values: Values) -> str:
    """` where …` with every filter, empty without one. `table` is a quoted name."""
    texts = [f"not {_comparison(f, table, values)}" if f.negated else _comparison(f, table, values) for f in filters]
    return f" where {' and '.join(texts)}" if texts else ""


def _comparison(one: Filter, table: str, values: Values) -> str:
    column = f"{table}.{ident(one.column)}"
    if one.operator == "in":
        return f"{column} = any ({values.bind(array_literal(one.values))})"
    if one.operator == "is":
        return f"{column} is {one.values[0].replace('_', ' ')}"
    value = one.values[0].replace("*", "%") if one.operator in ("like", "ilike") else one.values[0]
    return f"{column} {_OPERATORS[one.operator]} {values.bind(value)}"


def order_sql(terms: list[OrderTerm], table: str) -> str:
    """` order by …`, empty without a term."""
    nulls = {"nullsfirst": " nulls first", "nullslast": " nulls last", None: ""}
    texts = [f"{table}.{ident(t.column)}{f' {t.direction}' if t.direction else ''}{nulls[t.nulls]}" for t in terms]
    return f" order by {', '.join(texts)}" if texts else ""


def range_sql(limit: int | None, offset: int, values: Values) -> str:
    """` limit … offset …`, empty where there is neither."""
    parts = []
    if limit is not None:
        parts.append(f" limit {values.bind(str(limit))}::bigint")
    if offset:
        parts.append(f" offset {values.bind(str(offset))}::bigint")
    return "".join(parts)
