"""Looks at backups, dumps and restores."""

from runbook_lib.core.permissions import permit

_TOOLS = (
    "pg_dump",
    "pg_restore",
    "pg_basebackup",
    "pg_verifybackup",
    "psql",
    "initdb",
    "postgres",
    "sh",
)

permit("dumps", programs=("pg_restore",))
permit("restore", programs=_TOOLS)
