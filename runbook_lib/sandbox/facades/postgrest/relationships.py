"""Which tables can be embedded in which: read off the foreign keys, as PostgREST reads them.

Source: PostgREST docs/references/api/resource_embedding (read November 2026).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from runbook_lib.sandbox.facades.postgrest.errors import RestError
from runbook_lib.sandbox.facades.postgrest.hints import closest

Name = tuple[str, str]


@dataclass(frozen=True)
class Relationship:
    """One way from `table` to `foreign`. `kind`: m2o, o2m, o2o or m2m.

    `columns` pairs a column of ours with one of theirs; for m2m, `columns` pairs ours with the junction's and
    `far_columns` pairs the junction's with theirs.
    """

    table: Name
    foreign: Name
    kind: str
    constraint: str
    columns: tuple[tuple[str, str], ...]
    owns_key: bool
    junction: Name | None = None
    far_constraint: str = ""
    far_columns: tuple[tuple[str, str], ...] = ()

    @property
    def to_one(self) -> bool:
        """Whether at most one row is at the other end."""
        return self.kind in ("m2o", "o2o")


def relationships_of(
    foreign_keys: Iterable[tuple[Any, ...]], primary_keys: dict[Name, tuple[str, ...]]
) -> dict[Name, list[Relationship]]:
    """Every relationship, by the table it starts from."""
    found: list[Relationship] = []
    owners: dict[Name, list[Relationship]] = {}
    for constraint, schema, table, far_schema, far_table, ours, theirs, unique in foreign_keys:
        here, there, pairs = (schema, table), (far_schema, far_table), tuple(zip(ours, theirs, strict=True))
        back = tuple((b, a) for a, b in pairs)
        owner = Relationship(here, there, "o2o" if unique else "m2o", constraint, pairs, True)
        found += [owner, Relationship(there, here, "o2o" if unique else "o2m", constraint, back, False)]
        owners.setdefault(here, []).append(owner)
    for junction, keys in owners.items():
        found += _many_to_many(junction, keys, set(primary_keys.get(junction, ())))
    by_table: dict[Name, list[Relationship]] = {}
    for relationship in found:
        by_table.setdefault(relationship.table, []).append(relationship)
    return by_table


def _many_to_many(junction: Name, keys: list[Relationship], primary_key: set[str]) -> Iterable[Relationship]:
    """Two foreign keys that both lie in the junction's primary key tie the two tables together."""
    for near in keys:
        for far in keys:
            used = {ours for ours, _ in (*near.columns, *far.columns)}
            if near is far or not used <= primary_key:
                continue
            yield Relationship(
                near.foreign,
                far.foreign,
                "m2m",
                near.constraint,
                tuple((b, a) for a, b in near.columns),
                False,
                junction=junction,
                far_constraint=far.constraint,
                far_columns=far.columns,
            )


def find(known: dict[Name, list[Relationship]], origin: Name, target: str, hint: str | None) -> Relationship:
    """The one relationship that an embed means.

    Raises:
        RestError: PGRST200 when there is none, PGRST201 when there are several.
    """
    candidates = [r for r in known.get(origin, []) if r.foreign[0] == origin[0] and _matches(r, target, hint)]
    if not candidates:
        raise _none(known, origin, target, hint)
    if len(candidates) > 1:
        raise _several(origin, target, candidates)
    return candidates[0]


def _matches(relationship: Relationship, target: str, hint: str | None) -> bool:
    table_named = target == relationship.foreign[1]
    if relationship.table == relationship.foreign:
        # one foreign key makes two relationships here: the table's name means the many, the column's name the one
        if hint is None:
            single = _single_column(relationship, target)
            return (table_named and relationship.kind == "o2m") or (single and relationship.kind == "m2o")
        far_column = relationship.kind == "o2m" and [far for _, far in relationship.columns] == [hint]
        return table_named and (far_column or (relationship.kind == "m2m" and _hinted(relationship, hint)))
    if hint is None:
        return table_named or _constraint_named(relationship, target) or _single_column(relationship, target)
    return table_named and _hinted(relationship, hint)


def _hinted(relationship: Relationship, hint: str) -> bool:
    if relationship.kind == "m2m":
        return relationship.junction is not None and relationship.junction[1] == hint
    far_column = len(relationship.columns) == 1 and relationship.columns[0][1] == hint
    return relationship.constraint == hint or _single_column(relationship, hint) or far_column


def _constraint_named(relationship: Relationship, name: str) -> bool:
    return relationship.kind != "m2m" and relationship.constraint == name


def _single_column(relationship: Relationship, name: str) -> bool:
    owns_one = relationship.owns_key and len(relationship.columns) == 1
    return owns_one and relationship.columns[0][0] == name


def _none(known: dict[Name, list[Relationship]], origin: Name, target: str, hint: str | None) -> RestError:
    schema, table = origin
    using = f"' using the hint '{hint}" if hint else ""
    names = {r.foreign[1] for r in known.get(origin, [])}
    if origin in known:
        near = closest(target, sorted(names - {target}), 0.33)
        advice = f"Perhaps you meant '{near}' instead of '{target}'." if near else None
    else:
        near = closest(table, sorted(t for s, t in known if s == schema), 0.33)
        advice = f"Perhaps you meant '{near}' instead of '{table}'." if near else None
    return RestError(
        400,
        "PGRST200",
        f"Could not find a relationship between '{table}' and '{target}' in the schema cache",
        f"Searched for a foreign key relationship between '{table}' and '{target}{using}' in the schema '{schema}', "
        "but no matches were found.",
        advice,
    )


def _several(origin: Name, target: str, candidates: list[Relationship]) -> RestError:
    ways = ", ".join(f"'{r.foreign[1]}!{r.junction[1] if r.junction else r.constraint}'" for r in candidates)
    return RestError(
        300,
        "PGRST201",
        f"Could not embed because more than one relationship was found for '{origin[1]}' and '{target}'",
        [_described(r) for r in candidates],
        f"Try changing '{target}' to one of the following: {ways}. Find the desired relationship in the 'details' key.",
    )


_KINDS = {"m2o": "many-to-one", "o2m": "one-to-many", "o2o": "one-to-one", "m2m": "many-to-many"}


def _described(relationship: Relationship) -> dict[str, str]:
    def listed(columns: Iterable[str]) -> str:
        return f"({', '.join(columns)})"

    ours, theirs = listed(a for a, _ in relationship.columns), listed(b for _, b in relationship.columns)
    table, foreign = relationship.table[1], relationship.foreign[1]
    if relationship.junction:
        far = listed(a for a, _ in relationship.far_columns)
        how = (
            f"{relationship.junction[1]} using {relationship.constraint}{theirs} and {relationship.far_constraint}{far}"
        )
    else:
        how = f"{relationship.constraint} using {table}{ours} and {foreign}{theirs}"
    return {"cardinality": _KINDS[relationship.kind], "embedding": f"{table} with {foreign}", "relationship": how}
