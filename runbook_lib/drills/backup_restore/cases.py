"""The cases of 08: every fault in every variant, healthy systems, look-alikes, two faults at once."""

from datetime import datetime
from typing import Any

from runbook_lib.drills.backup_restore.faults import DUMP, NUMBERED, backups, dump
from runbook_lib.drills.kit import faults
from runbook_lib.drills.kit.asking import Ask, Parameters, as_audit, audit_again
from runbook_lib.drills.kit.case import Case, Injected
from runbook_lib.drills.kit.fault import Result, Step, no_action, use
from runbook_lib.drills.kit.fault_cases import case_of_fault, codes_of, narrower
from runbook_lib.sandbox import Sandbox

PROCEDURE = "08_backup_restore"
# The schema is compared where a case is about it: it takes a quarter of a second. Elsewhere the team says that it has none.
SETTINGS = {"RUNBOOK_MIGRATIONS": "", "RUNBOOK_NOT_USED": "dumps,migrations"}
FOLDER = "backups"


def asking(**parameters: Any) -> Ask:
    """With these parameters; {folder} in a value stands for the sandbox's own folder."""

    def ask(sandbox: Sandbox, _got: Result, _since: datetime) -> Parameters:
        folder = str(sandbox.status()["folder"])
        return {
            name: value.replace("{folder}", folder) if isinstance(value, str) else value
            for name, value in parameters.items()
        }

    return ask


REHEARSE = asking(rehearse=True)
OF_FOLDER = asking(backup_folder="{folder}/" + FOLDER)
OF_MIGRATIONS = asking(migrations="{folder}/repository/packages/database/sql")


def of_file(name: str = DUMP) -> Ask:
    """Try this dump of the team's."""
    return asking(backup_file="{folder}/" + f"{FOLDER}/{name}")


# How on-call asks, and what the verdict is where it is not simply the fault's own code.
_ASKED: dict[str, Ask] = {
    "backup.none.file": OF_FOLDER,
    "backup.too_old.file": OF_FOLDER,
    "backup.failed.truncated": OF_FOLDER,
    "backup.empty_file": OF_FOLDER,
    "backup.shrunk": OF_FOLDER,
    "pitr.not_recovered": asking(point_in_time=True),
    "restore.failed": of_file(),
    "restore.incomplete": REHEARSE,
    "restore.incomplete.objects": of_file(),
    "restore.incomplete.sql_copy": asking(tables="public.organizations"),
    "restore.incomplete.csv_copy": asking(tables="public.organizations,public.api_keys"),
    "restore.policies_lost": of_file("nightly.sql"),
    "restore.policies_lost.grants": of_file(),
    "restore.policies_lost.policies/left_out": of_file(),
    "restore.sequences_behind": of_file(),
    "restore.too_slow": asking(rehearse=True, rto="1.5s"),
    "schema.drift": OF_MIGRATIONS,
}
_CODES: dict[str, tuple[str, ...]] = {
    "restore.policies_lost.policies/left_out": ("restore.policies_lost.policies", "restore.policies_lost.rls_off"),
    "restore.incomplete.csv_copy": ("restore.incomplete.sql_copy", "restore.incomplete.csv_copy"),
}


def _of_code(table: dict[str, Any], code: str, variant: str, otherwise: Any) -> Any:
    """What a table says of a code in a variant, else of its cause."""
    for key in (f"{code}/{variant}", code, code.rpartition(".")[0]):
        if key in table:
            return table[key]
    return otherwise


# Nobody has to act, and nothing has to arrive.
_AT_REST: dict[str, Any] = {"exercise": no_action, "settle_s": 0.0, "ask": as_audit, "settings": SETTINGS}


def case(kind: str, name: str, status: str, codes: tuple[str, ...] = (), **more: Any) -> Case:
    """A case of 08: nobody has to act, and nothing has to arrive."""
    return Case(f"{PROCEDURE[:2]}/{kind}/{name}", PROCEDURE, kind, status, codes, **{**_AT_REST, **more})


def fault_case(code: str, variant: str = "", **more: Any) -> Case:
    """A fault in one variant; healed afterwards."""
    given: dict[str, Any] = {
        **_AT_REST,
        "codes": _of_code(_CODES, code, variant, (code,)),
        "ask": _of_code(_ASKED, code, variant, as_audit),
        "again": audit_again,
    }
    return case_of_fault(PROCEDURE, (PROCEDURE[:2], "fault"), code, variant, **{**given, **more})


def _every_fault() -> list[Case]:
    """Every code and sub-code in every variant; a cause whose narrower cases are listed is asked as its usual one is."""
    cases = []
    for code in codes_of("backup", "pitr", "restore", "schema"):
        below = narrower(code)
        if below and code != "backup.none":
            cases.append(fault_case(code, ask=_of_code(_ASKED, below[0], "", as_audit)))
            continue
        cases += [fault_case(code, variant) for variant in faults.find(code).variants]
    return cases


def _healthy() -> list[Case]:
    ways: dict[str, tuple[Ask, tuple[Step, ...]]] = {
        "audit": (as_audit, ()),
        "rehearsed": (REHEARSE, (NUMBERED,)),
        "file": (of_file(), (NUMBERED, dump())),
        "folder": (OF_FOLDER, (dump(),)),
        "schema": (OF_MIGRATIONS, ()),
        "tables": (asking(tables="public.tickets,public.organizations"), (NUMBERED,)),
        "point-in-time": (asking(point_in_time=True), ()),
    }
    return [case("healthy", name, "ruled_out", ask=ask, before=steps) for name, (ask, steps) in ways.items()]


_ODD_TABLE = use(
    "sql",
    role="postgres",
    statement="create type public.mood as enum ('fine', 'odd'); create table public.\"Odd table\" (id int generated always as"
    " identity, m public.mood default 'odd', a text[], j jsonb, k json, n numeric, twice int generated always as (1 + 1) stored,"
    ' "quoted ""name""" text); insert into public."Odd table" (a, j, k, n) select array[\'x\', null], \'{"b": 1}\', \'{ }\', 1.50'
    " from generate_series(1, 20); create table public.parts (id int, at date) partition by range (at);"
    " create table public.parts_2026 partition of public.parts for values from ('2026-01-01') to ('2027-01-01');"
    " insert into public.parts values (1, '2026-05-05');"
    " create materialized view public.counted as select count(*) as n from public.parts",
    undo='drop materialized view public.counted; drop table public.parts; drop table public."Odd table"; drop type public.mood',
)
_NOT_OF_THE_REPOSITORY = use(
    "sql",
    statement="comment on table public.organizations is 'who pays'; grant select on public.organizations to pg_monitor;"
    " create schema supabase_migrations; create table supabase_migrations.schema_migrations (version text primary key);"
    " create extension citext",
    undo="comment on table public.organizations is null; revoke select on public.organizations from pg_monitor;"
    " drop schema supabase_migrations cascade; drop extension citext",
)


def _decoys() -> list[Case]:
    good = "COMPLETED"
    ways: dict[str, tuple[Ask, tuple[Step, ...]]] = {
        "an-older-attempt-failed": (as_audit, (backups(3, 27, 51, statuses=(good, "FAILED", good)),)),
        "a-backup-is-being-made": (as_audit, (backups(0.2, 20, statuses=("PENDING", good)),)),
        "older-ones-were-removed": (as_audit, (backups(6, 30, 54, statuses=(good, "REMOVED", "ARCHIVED")),)),
        "point-in-time-needs-no-daily-list": (as_audit, (backups(pitr=True, reaches_back_h=200.0, lags_h=0.05),)),
        "almost-a-day-old": (as_audit, (backups(23.5, 47.5),)),
        "a-longer-rpo-is-agreed-on": (asking(rpo="48h"), (backups(30, 54),)),
        "rehearsed-two-months-ago": (
            as_audit,
            (use("team_file", name="restore_drills.jsonl", days_ago=60.0),),
        ),
        "no-file-of-objectives": (as_audit, (use("team_file", name="recovery_objectives.toml"),)),
        "an-unfinished-dump-beside-a-whole-one": (
            OF_FOLDER,
            (dump(), use("dump_file", name="nightly-2.dump.partial", keep_bytes=100)),
        ),
        "dumps-of-plain-sql": (
            OF_FOLDER,
            (use("dump_file", name="nightly.sql", options=["--format=plain"]),),
        ),
        "odd-tables-come-back-as-they-are": (REHEARSE, (_ODD_TABLE,)),
        "what-is-not-the-repositorys": (OF_MIGRATIONS, (_NOT_OF_THE_REPOSITORY,)),
        "a-plain-dump-restored": (
            of_file("nightly.sql"),
            (use("dump_file", name="nightly.sql", options=["--format=plain"]),),
        ),
    }
    return [case("decoy", name, "ruled_out", ask=ask, before=steps) for name, (ask, steps) in ways.items()]


def _double(codes: tuple[str, str], ask: Ask = as_audit, **more: Any) -> Case:
    """Two faults at once; the one that explains the symptom first."""
    given = {"faults": tuple(map(Injected, codes)), "ask": ask, "again": audit_again, **more}
    return case("double", "+".join(codes), "confirmed", codes, **given)


def _doubles() -> list[Case]:
    return [
        _double(("backup.too_old.daily", "backup.untested.never")),
        _double(("backup.none", "pitr.off")),
        _double(("backup.failed.stuck", "schema.drift.only_in_database"), OF_MIGRATIONS),
        _double(("backup.failed.truncated", "backup.untested.long_ago"), OF_FOLDER),
        _double(("restore.incomplete.rows", "restore.too_slow"), asking(rehearse=True, rto="1.5s")),
    ]


CASES: tuple[Case, ...] = (*_every_fault(), *_healthy(), *_decoys(), *_doubles())
