"""Functions over /rpc: which overload is meant, and the SQL that calls it."""

import json
from typing import Any

from runbook_lib.sandbox.facades.postgrest.cache import Function, Snapshot
from runbook_lib.sandbox.facades.postgrest.errors import RestError, bad_body
from runbook_lib.sandbox.facades.postgrest.hints import closest
from runbook_lib.sandbox.facades.postgrest.sql import Values, ident


def read_arguments(body: bytes) -> Any:
    """The JSON body of a POST: an object of arguments, or anything else for a function with one unnamed parameter.

    Raises:
        RestError: PGRST102.
    """
    if not body.strip():
        return {}
    try:
        value = json.loads(body)
    except ValueError:
        raise bad_body("Empty or invalid json") from None
    if isinstance(value, list) and not all(isinstance(item, dict) for item in value):
        raise bad_body("All object keys must match")
    return value


def choose(snapshot: Snapshot, schema: str, name: str, arguments: Any, posted: bool) -> Function:
    """The one function that takes these arguments.

    Raises:
        RestError: PGRST202 when there is none, PGRST203 when there are several.
    """
    overloads = snapshot.functions.get((schema, name), [])
    keys = set(arguments) if isinstance(arguments, dict) else set()
    fitting = [f for f in overloads if isinstance(arguments, dict) and _fits(f, keys)]
    if not fitting and posted:
        fitting = [f for f in overloads if _takes_whole_body(f)]
    if not fitting:
        raise _none(snapshot, schema, name, sorted(keys), overloads, posted)
    if len(fitting) > 1:
        raise _several(fitting)
    return fitting[0]


def _fits(function: Function, keys: set[str]) -> bool:
    named = {p.name for p in function.parameters}
    required = {p.name for p in function.parameters if p.required and not p.variadic}
    return required <= keys <= named


def _takes_whole_body(function: Function) -> bool:
    return (
        len(function.parameters) == 1
        and function.parameters[0].name == ""
        and function.parameters[0].type
        in (
            "json",
            "jsonb",
        )
    )


def call_sql(function: Function, arguments: Any, values: Values) -> str:
    """`select … from function(…)`; a scalar comes back as the column `pgrst_scalar`."""
    name = ident(function.schema, function.name)
    given = [p for p in function.parameters if isinstance(arguments, dict) and p.name in arguments and p.name]
    column = "pgrst_call.*" if function.returns == "composite" else "pgrst_call as pgrst_scalar"
    if function.returns == "void":
        column = "pgrst_call::text as pgrst_scalar"
    if _takes_whole_body(function):
        call = f"{name}({values.bind(json.dumps(arguments))}::{function.parameters[0].type})"
        return f"select {column} from {call} pgrst_call"
    if not given:
        return f"select {column} from {name}() pgrst_call"
    typed = ", ".join(f"{ident(p.name)} {p.type}" for p in given)
    passed = ", ".join(
        f"{'variadic ' if p.variadic else ''}{ident(p.name)} := pgrst_args.{ident(p.name)}" for p in given
    )
    record = f"json_to_record({values.bind(json.dumps({p.name: arguments[p.name] for p in given}))}::json)"
    return (
        f"select {column} from (select * from {record} as _({typed})) pgrst_args, lateral {name}({passed}) pgrst_call"
    )


def arguments_of_query(function_arguments: list[tuple[str, str]], overloads: list[Function]) -> dict[str, Any]:
    """The arguments of a GET: text each; a variadic parameter collects all its values."""
    variadic = {p.name for f in overloads for p in f.parameters if p.variadic}
    arguments: dict[str, Any] = {}
    for name, value in function_arguments:
        if name in variadic:
            arguments.setdefault(name, []).append(value)
        else:
            arguments[name] = value
    return arguments


def _none(
    snapshot: Snapshot, schema: str, name: str, keys: list[str], overloads: list[Function], posted: bool
) -> RestError:
    shown = f"({', '.join(keys)})" if keys else " without parameters"
    searched = f" with parameter{'s' if len(keys) > 1 else ''} {', '.join(keys)}" if keys else " without parameters"
    whole_body = " or with a single unnamed json/jsonb parameter" if posted else ""
    return RestError(
        404,
        "PGRST202",
        f"Could not find the function {schema}.{name}{shown} in the schema cache",
        f"Searched for the function {schema}.{name}{searched}{whole_body}, but no matches were found in the schema cache.",
        _advice(snapshot, schema, name, keys, overloads),
    )


def _advice(snapshot: Snapshot, schema: str, name: str, keys: list[str], overloads: list[Function]) -> str | None:
    if overloads:
        ways = [f"({', '.join(sorted(p.name for p in f.parameters))})" for f in overloads]
        near = closest(f"({', '.join(keys)})", ways, 0.33)
        return f"Perhaps you meant to call the function {schema}.{name}{near}" if near else None
    names = [n for s, n in snapshot.functions if s == schema]
    near = closest(name, names)
    return f"Perhaps you meant to call the function {schema}.{near}" if near else None


def _several(found: list[Function]) -> RestError:
    def shown(function: Function) -> str:
        typed = ", ".join(f"{p.name} => {p.type}" for p in function.parameters)
        return f"{function.schema}.{function.name}({typed})"

    return RestError(
        300,
        "PGRST203",
        f"Could not choose the best candidate function between: {', '.join(shown(f) for f in found)}",
        hint="Try renaming the parameters or the function itself in the database so function overloading can be resolved",
    )
