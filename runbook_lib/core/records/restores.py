"""Rehearsals: a dump restored, a recovery to a moment, chosen tables copied; and how what came back differs."""

from typing import NotRequired

from typing_extensions import TypedDict

from runbook_lib.core.records.schema import SchemaDifference


class SequenceBehind(TypedDict):
    """A sequence that would hand out numbers again. `last`: its last value, None where it was never used."""

    sequence: str
    last: int | None
    highest: int


class TableDifference(TypedDict):
    """A table's rows as they should be and as they are. `got_rows`: None where the table did not come back."""

    table: str
    wanted_rows: int
    got_rows: int | None


class ComparedTable(TypedDict):
    """A table after a restore; `same`: count and checksum agree.

    Of a dump that somebody made earlier only less can be said: `wanted_rows` is None, and `left_out` (there only for such a dump)
    says whether it does not hold the table's rows.
    """

    table: str
    wanted_rows: int | None
    got_rows: int | None
    same: bool
    left_out: NotRequired[bool]


class RestoredBackup(TypedDict):
    """The dump that was tried: `fresh` where it was made for this. `tables_with_data`: None for plain SQL, or unreadable.

    `dump_s` and `pg_dump` (its version): None for a dump that was there. `kept_as`: where it lies, None where it was removed.
    """

    fresh: bool
    file: str
    bytes: int
    tables_with_data: int | None
    dump_s: float | None
    kept_as: str | None
    pg_dump: str | None


class RestoreSource(TypedDict):
    """The database that the dump is held against. `version`: server_version_num. `left_out`: schemas that are never compared."""

    database: str
    version: int
    bytes: int
    tables: int
    left_out: list[str]


class RestoreError(TypedDict):
    """An error that the restore went on after: in which entry of the dump (empty for plain SQL), in Postgres' words."""

    about: str
    message: str


class RestoreOutcome(TypedDict):
    """How the restore itself ended. `gave_up`: why it could not go on to the end, else empty. `errors`: at most 50 of
    `error_count`. `left_out`: extensions that the scratch server does not have."""

    seconds: float
    gave_up: str
    error_count: int
    errors: list[RestoreError]
    left_out: list[str]


class RestoreComparison(TypedDict):
    """What came back, held against the source. `policies`, `rls`, `grants`: how many there should be, and are.

    `schema`: at most 200 of `schema_count`. `tables`: those that are not the same. `exact`: the dump is of the very moment that it
    is compared with.
    """

    schema: list[SchemaDifference]
    schema_count: int
    tables: list[ComparedTable]
    tables_same: int
    rows: int
    sequences: list[SequenceBehind]
    policies: list[int]
    rls: list[int]
    grants: list[int]
    source_has_rows: bool
    exact: bool
    seconds: float


class RestoreRehearsal(TypedDict):
    """Whether a backup comes back whole. `restored_s`: from the file to a database that stands. `compared`: None where the
    restore gave up."""

    backup: RestoredBackup
    source: RestoreSource
    restore: RestoreOutcome
    compared: RestoreComparison | None
    restored_s: float
    at: str


class PointInTimeRehearsal(TypedDict):
    """Whether the moment before a damage (`damaged`: the table that was dropped) comes back; `why` it did not, else empty.

    `target_at` as Postgres writes it. `tables`: those, of `compared`, that did not come back as they were.
    """

    recovered: bool
    why: str
    target_at: str
    damaged: str
    tables: list[TableDifference]
    compared: int
    rows: int
    base_backup_s: float
    recovered_s: float
    at: str


class CopiedTables(TypedDict):
    """Chosen tables, exported in one form and imported again. `files`: those that were kept. `why`: what was refused, or empty."""

    tables: list[ComparedTable]
    sequences: list[SequenceBehind]
    bytes: int
    files: list[str]
    why: str


class TableCopies(TypedDict):
    """Chosen tables, copied in each form: sql, csv."""

    forms: dict[str, CopiedTables]


class RestoreTools(TypedDict):
    """What a rehearsal would use: the programs' versions, the source's major version, the scratch database's name."""

    pg_dump: str
    pg_restore: str
    server: int
    scratch: str
