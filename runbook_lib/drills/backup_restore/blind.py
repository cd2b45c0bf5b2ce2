"""Blind spots of 08: each source in turn cannot be seen, and what was asked for cannot be done. Nothing is left behind then."""

from typing import Any

from runbook_lib.drills.backup_restore.cases import OF_FOLDER, OF_MIGRATIONS, REHEARSE, SETTINGS, asking, case, of_file
from runbook_lib.drills.backup_restore.faults import DUMP, backups
from runbook_lib.drills.kit.blind import deadline, hide
from runbook_lib.drills.kit.case import Case, Injected
from runbook_lib.drills.kit.fault import Step, use

_UNSEEN = Injected("backup.untested.never")
# What the case is called, and the way of the kit's table.
_WAYS = {
    "unreachable": "unreachable",
    "denied": "forbidden",
    "limited": "limited",
    "hanging": "hanging",
    "malformed": "malformed",
    "nothing": "nothing",
}
_QUICK = {**SETTINGS, **deadline(1.5)}


def _vendor() -> list[Case]:
    """Supabase's Management API: without it nobody knows whether there are backups; what else is wrong is still said."""
    cases: list[Case] = []
    for way, kits in _WAYS.items():
        step = hide("supabase-management", kits)
        given = {"after": (step,), "not_seen": ("supabase",), "settings": _QUICK if way == "hanging" else SETTINGS}
        cases.append(_blind(f"supabase/{way}/healthy", **given))
        if way in ("unreachable", "hanging"):
            cases.append(
                case("blind_spot", f"supabase/{way}/fault", "confirmed", (_UNSEEN.code,), faults=(_UNSEEN,), **given)
            )
    slow = hide("supabase-management", "slow", latency_s=0.5)
    cases.append(case("blind_spot", "supabase/slow/healthy", "ruled_out", after=(slow,)))
    cases.append(
        case(
            "blind_spot",
            "supabase/slow/fault",
            "confirmed",
            ("backup.none",),
            faults=(Injected("backup.none"),),
            after=(slow,),
        )
    )
    return cases


def _blind(name: str, *steps: Step, **more: Any) -> Case:
    return case("blind_spot", name, "could_not_tell", **{"before": steps, **more})


def _program(name: str, script: str) -> Step:
    return use("program", name=name, script=script)


_VERSION = '[ "$1" = --version ] && exec {real} --version; '
_CUT_OFF = (
    'for word in "$@"; do case "$word" in --file=*) file="${word#--file=}";; esac; done;'
    ' {real} "$@" --file=/dev/stdout | head -c 3000 > "$file"; kill -9 $$'
)
_WRONG_PASSWORD = hide("postgres", "denied")


def _work() -> list[Case]:
    """What was asked for and could not be done: a clear word, and no verdict on the backup."""
    unseen: dict[str, Any] = {"not_seen": ("restore",), "ask": REHEARSE}
    return [
        _blind("dump/wrong-password", _WRONG_PASSWORD, **unseen),
        _blind("dump/older-than-the-server", _program("pg_dump", "echo 'pg_dump (PostgreSQL) 15.8'"), **unseen),
        _blind("dump/cut-off", _program("pg_dump", _VERSION + _CUT_OFF), **unseen),
        _blind("dump/full-disk", _program("pg_dump", _VERSION + 'exec {real} "$@" --file=/dev/full'), **unseen),
        _blind("dump/refused", _program("pg_dump", _VERSION + "echo 'pg_dump: error: no' >&2; exit 1"), **unseen),
        _blind("dump/nothing-written", _program("pg_dump", _VERSION + "exit 0"), **unseen),
        _blind("restore/no-scratch", settings={**SETTINGS, "RUNBOOK_SCRATCH_DATABASE_URL": ""}, **unseen),
        _blind("restore/no-programs", settings={**SETTINGS, "RUNBOOK_PG_BIN": "/nonexistent"}, **unseen),
        _blind("restore/no-such-file", **{**unseen, "ask": of_file("no-such.dump")}),
        _blind(
            "restore/no-dump-at-all",
            use("dump_file", name=DUMP, script="echo this is no dump"),
            **{**unseen, "ask": of_file()},
        ),
        _blind("tables/no-such-table", **{**unseen, "ask": asking(tables="public.nothing")}),
        _blind(
            "point-in-time/no-server-programs",
            _program("initdb", "echo 'initdb: error: no' >&2; exit 1"),
            **{**unseen, "ask": asking(point_in_time=True)},
        ),
        case(
            "blind_spot", "dump/wrong-password/fault", "confirmed", ("backup.none",),
            **{**unseen, "faults": (Injected("backup.none"),), "before": (_WRONG_PASSWORD,)},
        ),
    ]  # fmt: skip


def _files() -> list[Case]:
    """The team's own files and folders."""
    broken = use(
        "team_file",
        name="repository/packages/database/sql/002_broken.sql",
        text="alter table public.no_such_table add column note text;",
    )
    return [
        _blind("team/objectives-malformed", use("team_file", name="recovery_objectives.toml", text="[objectives]\nrpo = 24"),
               not_seen=("team",)),
        _blind("team/ledger-malformed", use("team_file", name="restore_drills.jsonl", text="yesterday, it worked"),
               not_seen=("team",)),
        _blind("dumps/no-such-folder", not_seen=("dumps",), ask=asking(backup_folder="{folder}/no-such-folder")),
        _blind("dumps/packed-from-outside", use("dump_file", name="nightly.dump.gz", script="{dump} | gzip"),
               not_seen=("dumps",), ask=OF_FOLDER),
        _blind("schema/files-that-fail", broken, not_seen=("schema",), ask=OF_MIGRATIONS),
        _blind("schema/no-such-path", not_seen=("schema",), ask=asking(migrations="{folder}/no-such-path")),
        _blind("schema/no-scratch", not_seen=("schema",), ask=OF_MIGRATIONS,
               settings={**SETTINGS, "RUNBOOK_SCRATCH_DATABASE_URL": ""}),
        _blind("vendor/no-recovery-point", backups(pitr=True)),
        _blind(
            "file/older-than-what-it-lacks",
            use("dump_file", name=DUMP),
            use("sql", role="postgres", statement="create table public.younger (id int)", undo="drop table public.younger"),
            ask=of_file(),
        ),
    ]  # fmt: skip


CASES: tuple[Case, ...] = (*_vendor(), *_work(), *_files())
