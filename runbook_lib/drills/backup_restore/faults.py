"""Faults of 08: backups that are missing, old, spoilt or untried, restores that lose something, and a schema that has drifted."""

from runbook_lib.drills.kit.fault import Fault, Step, Variant, alias, fault, no_action, use

DUMP = "nightly.dump"
_CUSTOM = "--format=custom"
_AIMS = '[objectives]\nrpo = "24h"\nrto = "4h"\nrehearsed = "90d"\npitr_window = "7d"\n'


def backups(*hours_ago: float, statuses: tuple[str, ...] = (), **more: object) -> Step:
    """What Supabase tells of its backups."""
    return use("vendor_backups", hours_ago=list(hours_ago), statuses=list(statuses) or None, **more)


def dump(*options: str, **more: object) -> Step:
    """The team's nightly dump."""
    return use("dump_file", **{"name": DUMP, "options": [_CUSTOM, *options], **more})


def piped_dump(through: str) -> Step:
    """The same as plain SQL, through a filter that the team's job has."""
    return use("dump_file", name="nightly.sql", options=["--format=plain"], script="{dump} | " + through)


def _fault(code: str, *steps: Step, **others: Variant) -> Fault:
    return fault(code, *steps, by=no_action, **others)


# A check that reads another table by its bare name: it holds in the database, and refuses every row of a restore.
_BARE_NAME = use(
    "sql",
    role="postgres",
    statement="create function public.org_known(org uuid) returns boolean language plpgsql stable as"
    " $$ begin return exists (select 1 from organizations where id = org); end $$;"
    " alter table public.api_keys add constraint api_keys_org_known check (public.org_known(org_id))",
    undo="alter table public.api_keys drop constraint api_keys_org_known; drop function public.org_known(uuid)",
)
NUMBERED = use(
    "sql",
    role="postgres",
    statement="create table public.tickets (id bigserial primary key, subject text, extra json, price numeric);"
    " insert into public.tickets (subject, extra, price) select 'ticket ' || i, '{}', i / 4.0 from generate_series(1, 40) i",
    undo="drop table public.tickets",
)
_MANY = use(
    "sql",
    role="postgres",
    statement="create table public.journal as"
    " select i, md5(i::text) || md5((i * 7)::text) as entry from generate_series(1, 6000) i",
    undo="drop table public.journal",
)
_FEW = use("sql", role="postgres", statement="truncate public.journal", undo="select 1")

_NONE = (
    _fault("backup.none", backups()),
    _fault("backup.none.file", use("dump_file", name=f"{DUMP}.partial", keep_bytes=2000)),
)
_OLD = (
    _fault("backup.too_old.daily", backups(30, 54, 78)),
    _fault("backup.too_old.pitr_lags", backups(pitr=True, reaches_back_h=200.0, lags_h=6.0)),
    _fault("backup.too_old.file", dump(hours_ago=40.0)),
)
_FAILED = (
    _fault(
        "backup.failed.last",
        backups(5, 29, 53, statuses=("FAILED", "COMPLETED", "COMPLETED")),
        cancelled=Variant((backups(2, 20, 44, statuses=("CANCELLED", "COMPLETED", "COMPLETED")),), no_action),
        ever=Variant((backups(5, 29, statuses=("FAILED", "FAILED")),), no_action),
    ),
    _fault("backup.failed.stuck", backups(14, 23, statuses=("PENDING", "COMPLETED"))),
    _fault("backup.failed.truncated", dump(keep_bytes=20_000), plain=Variant((piped_dump("head -n 200"),), no_action)),
)
_EMPTY = (
    _fault("backup.empty_file.no_bytes", use("dump_file", name=DUMP, script="true")),
    _fault("backup.empty_file.no_data", dump("--schema-only")),
)
_UNTESTED = (
    _fault(
        "backup.untested.never",
        use("team_file", name="restore_drills.jsonl"),
    ),
    _fault("backup.untested.long_ago", use("team_file", name="restore_drills.jsonl", days_ago=200.0)),
)
_UNRESTORABLE = (
    _fault("restore.failed.unreadable", dump(spoil_at=0.9)),
    _fault(
        "restore.failed.newer_format",
        use(
            "dump_file",
            name=DUMP,
            options=[_CUSTOM],
            script="printf 'PGDMP\\001\\143\\000'; {dump} | tail -c +9",
        ),
    ),
)
_INCOMPLETE = (
    _fault("restore.incomplete.rows", _BARE_NAME),
    _fault("restore.incomplete.objects", dump("--schema=public")),
    _fault("restore.incomplete.sql_copy", use("program", name="psql", script='head -c 600 | {real} "$@"')),
    _fault("restore.incomplete.csv_copy", _BARE_NAME),
)
_LOST = (
    _fault(
        "restore.policies_lost.policies",
        piped_dump("grep -v '^CREATE POLICY'"),
        left_out=Variant((dump("--no-policies"),), no_action),
    ),
    _fault("restore.policies_lost.rls_off", piped_dump("grep -v 'ENABLE ROW LEVEL SECURITY'")),
    _fault("restore.policies_lost.grants", dump("--no-acl")),
)
_DRIFTED = (
    _fault(
        "schema.drift.not_applied",
        use(
            "sql",
            role="postgres",
            statement="drop index public.usage_records_org_at",
            undo="create index usage_records_org_at on public.usage_records (org_id, at)",
        ),
        file=Variant(
            (
                use(
                    "team_file",
                    name="repository/packages/database/sql/002_notes.sql",
                    text="create table public.notes (id uuid primary key, org_id uuid references public.organizations (id));",
                ),
            ),
            no_action,
        ),
    ),
    _fault(
        "schema.drift.only_in_database",
        use(
            "sql",
            role="postgres",
            statement="create table public.hotfix (id int primary key, note text)",
            undo="drop table public.hotfix",
        ),
    ),
    _fault(
        "schema.drift.differs",
        use(
            "sql",
            role="postgres",
            statement="alter policy api_keys_select_member on public.api_keys using (true)",
            undo="alter policy api_keys_select_member on public.api_keys using (private.is_member(org_id))",
        ),
    ),
)

FAULTS: tuple[Fault, ...] = (
    *_NONE,
    alias("backup.too_old", _OLD[0]),
    *_OLD,
    alias("backup.failed", _FAILED[0]),
    *_FAILED,
    alias("backup.empty_file", _EMPTY[0]),
    *_EMPTY,
    _fault(
        "backup.shrunk",
        _MANY,
        *(dump(name=f"nightly-{age}.dump", hours_ago=float(age)) for age in (72, 48, 24)),
        _FEW,
        dump(name="nightly-0.dump"),
    ),
    alias("backup.untested", _UNTESTED[0]),
    *_UNTESTED,
    _fault(
        "pitr.off",
        use("team_file", name="recovery_objectives.toml", text=_AIMS),
        short_rpo=Variant(
            (use("team_file", name="recovery_objectives.toml", text='[objectives]\nrpo = "23h"\n'), backups(1, 25)),
            no_action,
        ),
    ),
    _fault("pitr.window_short", backups(pitr=True, reaches_back_h=30.0, lags_h=0.05)),
    _fault(
        "pitr.not_recovered", use("program", name="postgres", script='exec {real} "$@" -c archive_command=/bin/true')
    ),
    alias("restore.failed", _UNRESTORABLE[0]),
    *_UNRESTORABLE,
    alias("restore.incomplete", _INCOMPLETE[0]),
    *_INCOMPLETE,
    alias("restore.policies_lost", _LOST[0]),
    *_LOST,
    _fault("restore.sequences_behind", NUMBERED, dump("--exclude-table-data=public.tickets_id_seq")),
    _fault(
        "restore.too_slow",
        use("program", name="pg_restore", script='[ "$1" = --no-password ] && sleep 1.6; exec {real} "$@"'),
    ),
    alias("schema.drift", _DRIFTED[0]),
    *_DRIFTED,
)
