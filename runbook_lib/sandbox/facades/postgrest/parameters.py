"""The query string of one request, sorted into what it asks: select, filters by embed path, order, ranges, arguments."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from runbook_lib.sandbox.facades.postgrest import grammar
from runbook_lib.sandbox.facades.postgrest.errors import RestError, parse_failed
from runbook_lib.sandbox.facades.postgrest.scanner import GrammarError, Scanner, whole

Path = tuple[str, ...]
T = TypeVar("T")
_RESERVED = ("select", "columns", "on_conflict")
_LEAVES = ("order", "limit", "offset", "and", "or")


@dataclass
class Parameters:
    """What the query string asks. Paths name embedded resources from the outside in; the root's path is empty."""

    select: tuple[grammar.SelectItem, ...] = ()
    conditions: dict[Path, list[grammar.Condition]] = field(default_factory=dict)
    order: dict[Path, list[grammar.OrderTerm]] = field(default_factory=dict)
    limit: dict[Path, int] = field(default_factory=dict)
    offset: dict[Path, int] = field(default_factory=dict)
    columns: list[str] | None = None
    on_conflict: list[str] | None = None
    arguments: list[tuple[str, str]] = field(default_factory=list)

    @property
    def root_conditions(self) -> list[grammar.Condition]:
        """The conditions on the table itself."""
        return self.conditions.get((), [])


def parse(pairs: list[tuple[str, str]], *, with_arguments: bool = False) -> Parameters:
    """Sort the query string's pairs; `with_arguments`: a pair that is no filter is an argument of a function.

    Raises:
        RestError: PGRST100 when a parameter does not follow the grammar.
    """
    first = dict(reversed(pairs))
    parameters = Parameters(select=_parsed("select parameter", first.get("select") or "*", grammar.select))
    if "columns" in first:
        parameters.columns = _parsed("columns parameter", first["columns"], grammar.columns)
    if "on_conflict" in first:
        parameters.on_conflict = _parsed("on_conflict parameter", first["on_conflict"], grammar.columns)
    for key, value in pairs:
        if key not in _RESERVED:
            _sort_in(parameters, key, value, with_arguments)
    return parameters


def _sort_in(parameters: Parameters, key: str, value: str, with_arguments: bool) -> None:
    leaf = key.rsplit(".", 1)[-1]
    path = tuple(key.split(".")[:-1])
    if leaf == "order":
        parameters.order[path] = _parsed("order", value, grammar.order)
    elif leaf in ("limit", "offset"):
        if value.lstrip("-").isdigit():
            (parameters.limit if leaf == "limit" else parameters.offset)[path] = int(value)
    elif leaf in ("and", "or"):
        negated = path[-1:] == ("not",)
        path = path[:-1] if negated else path
        tree = _parsed("logic tree", value, lambda text: grammar.logic(leaf, negated, text))
        parameters.conditions.setdefault(path, []).append(tree)
    elif with_arguments and not _looks_like_filter(key, value):
        parameters.arguments.append((key, value))
    else:
        path, target = _parsed("tree path", key, _tree_path)
        found = _parsed("filter", value, lambda text: grammar.filter_value(target, text))
        parameters.conditions.setdefault(path, []).append(found)


def _tree_path(text: str) -> tuple[Path, grammar.Field]:
    def rule(scanner: Scanner) -> tuple[Path, grammar.Field]:
        names: list[str] = []
        while True:
            target = grammar.field(scanner)
            if target.path or not scanner.take("."):
                return tuple(names), target
            names.append(target.name)

    return whole(text, rule)


def _looks_like_filter(key: str, value: str) -> bool:
    head = value.split(".", 1)[0].split("(", 1)[0]
    known = (*grammar.SIMPLE, *grammar.QUANTIFIED, *grammar.SEARCH, "in", "is", "isdistinct", "not")
    return "." in key or (head in known and "." in value)


def _parsed(what: str, text: str, rule: Callable[[str], T]) -> T:
    try:
        return rule(text)
    except GrammarError as error:
        raise parse_failed(what, text, str(error), error.column) from error


def check_ranges(parameters: Parameters) -> None:
    """Refuse a negative limit.

    Raises:
        RestError: PGRST103.
    """
    if any(limit < 0 for limit in parameters.limit.values()):
        raise RestError(
            416,
            "PGRST103",
            "Requested range not satisfiable",
            "Limit should be greater than or equal to zero.",
        )
