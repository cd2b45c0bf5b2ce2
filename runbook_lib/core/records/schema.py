"""What a database's schema is made of, and how it differs from another's."""

from typing import Literal

from typing_extensions import TypedDict


class SchemaDifference(TypedDict):
    """One object that differs; `wanted` and `got` are definitions for reading, None where the object is not there.

    `how` it differs: missing (from what is examined), added (only there), or differs.
    """

    kind: str
    name: str
    how: Literal["missing", "added", "differs"]
    wanted: str | None
    got: str | None


class SchemaDrift(TypedDict):
    """What the database has and the repository's SQL does not make, and the reverse: at most 200 of `count` differences.

    `path`: of the SQL. `compared`: how many objects of each kind the SQL makes.
    """

    path: str
    files: list[str]
    differences: list[SchemaDifference]
    count: int
    compared: dict[str, int]


class SchemaNames(TypedDict):
    """What schema public holds, by name: the columns of each table or view, and its functions."""

    tables: dict[str, list[str]]
    functions: list[str]
