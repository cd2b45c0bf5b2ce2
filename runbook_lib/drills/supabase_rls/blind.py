"""Blind spots of 03: each way to the database in turn cannot be used, while a fault is on and while all is well; and questions
about an organization or a row that cannot be.

The verdict is still right from what remains, with the blind spot named; or could_not_tell. Never wrong.
"""

from typing import Any

from runbook_lib.drills.kit.blind import UNSEEN, blind_fields, deadline, hide
from runbook_lib.drills.kit.case import Case, Injected
from runbook_lib.drills.kit.fault import Exercise, Result, use
from runbook_lib.drills.supabase_rls.cases import rls_case
from runbook_lib.drills.supabase_rls.faults_database import audit
from runbook_lib.drills.supabase_rls.faults_session import access, ask_with_own_token
from runbook_lib.sandbox import Sandbox

_NOWHERE = "postgresql://runbook:x@127.0.0.1:1/postgres"
_NO_SQL = {"RUNBOOK_DATABASE_URL": ""}
_NO_API = {"RUNBOOK_SUPABASE_ACCESS_TOKEN": ""}
_SQL_ALONE = {
    **_NO_API,
    "NEXT_PUBLIC_SUPABASE_URL": "",
    "SUPABASE_SERVICE_ROLE_KEY": "",
    "NEXT_PUBLIC_SUPABASE_ANON_KEY": "",
}
_NOBODYS_ID = "0f0e0d0c-0b0a-4908-8706-050403020100"
_MEMBERSHIP, _RECURSION = Injected("rls.no_membership"), Injected("rls.policy_recursion")
_GRANT, _OPEN = Injected("rls.grant_missing.table"), Injected("rls.policy_always_true")


_LOCKED = use("sql", statement="lock table public.usage_records in access exclusive mode", hold=True)
_WAYS = (*UNSEEN, "slow", "empty")
_REST = "supabase"


def _with_old_token(sandbox: Sandbox) -> Result:
    """The session is older than the fault: the user was signed in, and still is."""
    return ask_with_own_token(sandbox)


def _recursing(sandbox: Sandbox) -> Result:
    got = ask_with_own_token(sandbox)
    return {**got, "asked": {"table": "memberships"}}


def _case(name: str, status: str, codes: tuple[str, ...], exercise: Exercise, *faults: Injected, **more: Any) -> Case:
    kind = "fault" if faults else "healthy"
    return rls_case(f"blind/03/{name}/{kind}", "blind_spot", status, codes, exercise=exercise, faults=faults, **more)


def _without_sql() -> list[Case]:
    """No connection to Postgres: the catalogue by the Management API, the user's view by PostgREST with the user's token."""
    away: dict[str, dict[str, Any]] = {
        "unreachable": {"settings": {"RUNBOOK_DATABASE_URL": _NOWHERE}},
        "denied": {"after": (hide("postgres", "denied"),)},
        "not-configured": {"settings": _NO_SQL},
    }
    cases = []
    for way, how in away.items():
        named = {"not_seen": ("postgres",), **how}
        cases += [
            _case(f"sql/{way}/token", "confirmed", (_MEMBERSHIP.code,), _with_old_token, _MEMBERSHIP, **named),
            _case(f"sql/{way}/by-name", "could_not_tell", (), access(), **named),
            _case(
                f"sql/{way}/recursion",
                "confirmed",
                (_RECURSION.code,),
                access(table="memberships"),
                _RECURSION,
                **named,
            ),
        ]
    named = {"not_seen": ("postgres",), "settings": _NO_SQL}
    return [
        *cases,
        _case("sql/token", "ruled_out", (), ask_with_own_token, **named),
        _case("sql/by-name", "could_not_tell", (), access(), _MEMBERSHIP, **named),
        _case("sql/grant", "confirmed", (_GRANT.code,), access(), _GRANT, **named),
        _case("sql/no-policy", "confirmed", ("rls.no_policy",), access(), Injected("rls.no_policy"), **named),
        _case("sql/row-absent", "could_not_tell", (), access(), Injected("rls.policy_false"), **named),
        _case("sql/token/false", "could_not_tell", (), _with_old_token, Injected("rls.policy_false"), **named),
        _case("sql/audit", "confirmed", (_OPEN.code,), audit, _OPEN, **named),
        _case("sql/audit", "could_not_tell", (), audit, **named),
        _case(
            "sql/locked", "could_not_tell", (), access(), after=(_LOCKED,), settings=deadline(2), not_seen=("postgres",)
        ),
    ]


def _without_rest() -> list[Case]:
    """PostgREST cannot be asked: Postgres says what the policies do, and nobody says whether the table is offered at all."""
    cases = []
    for way in _WAYS:
        seen = way in ("slow", "empty")
        how = blind_fields(_REST, way)
        cases += [
            _case(f"rest/{way}", "confirmed", (_MEMBERSHIP.code,), access(), _MEMBERSHIP, **how),
            _case(f"rest/{way}", "ruled_out" if seen else "could_not_tell", (), access(), **how),
        ]
    empty = (hide(_REST, "empty"),)
    return [
        *cases,
        # an honest empty list for a user who should see rows: the two ways contradict each other
        _case("rest/empty/token", "could_not_tell", (), ask_with_own_token, after=empty),
        _case("rest/unreachable/recursion", "confirmed", (_RECURSION.code,), _recursing, _RECURSION,
              after=(hide(_REST, "unreachable"),), not_seen=(_REST,)),
    ]  # fmt: skip


def _management(way: str) -> dict[str, Any]:
    """The Management API: its connections are cut, where it is away."""
    how = blind_fields("supabase-management", way)
    return {**how, "after": (hide("supabase-management", "reset"),)} if way == "unreachable" else how


def _without_management() -> list[Case]:
    """The Management API cannot be asked: SQL has told everything."""
    cases = []
    for way in _WAYS:
        how = _management(way)
        cases.append(_case(f"management/{way}", "ruled_out", (), access(), **how))
    how = _management("unreachable")
    return [*cases, _case("management/unreachable", "confirmed", (_MEMBERSHIP.code,), access(), _MEMBERSHIP, **how)]


def _one_way_alone() -> list[Case]:
    """With only one of the ways set up it does what it can."""
    rest_alone = {**_NO_SQL, **_NO_API}
    return [
        _case("rest-alone/token", "ruled_out", (), ask_with_own_token, settings=rest_alone),
        _case("rest-alone/recursion", "confirmed", (_RECURSION.code,), _recursing, _RECURSION, settings=rest_alone),
        _case("rest-alone/grant", "confirmed", ("rls.grant_missing",), ask_with_own_token, _GRANT, settings=rest_alone,
              never=("rls.grant_missing.table", "rls.grant_missing.column")),
        _case("rest-alone/membership", "could_not_tell", (), _with_old_token, _MEMBERSHIP, settings=rest_alone),
        _case("rest-alone/user-unknown", "confirmed", ("rls.user_unknown",),
              access(user=_NOBODYS_ID), settings=rest_alone),
        _case("sql-alone", "confirmed", (_MEMBERSHIP.code,), access(), _MEMBERSHIP, settings=_SQL_ALONE),
        _case("sql-alone", "could_not_tell", (), access(), settings=_SQL_ALONE, not_seen=("supabase",)),
        _case("management-alone/recursion", "confirmed", (_RECURSION.code,), access(table="memberships"), _RECURSION,
              settings={**_NO_SQL, "NEXT_PUBLIC_SUPABASE_ANON_KEY": "", "SUPABASE_SERVICE_ROLE_KEY": ""}),
        _case("nothing", "could_not_tell", (), access(), settings={**_SQL_ALONE, **_NO_SQL},
              not_seen=("postgres", "supabase")),
        _case("nothing/audit", "could_not_tell", (), audit, settings={**_SQL_ALONE, **_NO_SQL},
              not_seen=("postgres", "supabase")),
    ]  # fmt: skip


def _asked_amiss() -> list[Case]:
    """An organization that nobody knows, and an id that is none: nobody is missing a membership there, and no row is absent."""
    management_alone = {**_NO_SQL, "NEXT_PUBLIC_SUPABASE_ANON_KEY": "", "SUPABASE_SERVICE_ROLE_KEY": ""}
    rest_alone = {**_NO_SQL, **_NO_API}
    cases = []
    for name, settings in (("every-way", {}), ("management-alone", management_alone), ("rest-alone", rest_alone)):
        cases += [
            _case(f"org/{name}/no-such-name", "could_not_tell", (), access(org="Foo Inc"), settings=settings),
            _case(f"org/{name}/no-such-id", "could_not_tell", (), access(org=_NOBODYS_ID), settings=settings),
            _case(f"row-id/{name}/of-another-type", "could_not_tell", (), access(row_id="42"), settings=settings),
        ]
    named = access(org="Acme Rockets", table="memberships")
    return [
        *cases,
        _case("org/management-alone/by-name", "confirmed", (_RECURSION.code,), named, _RECURSION, settings=management_alone),
        _case("org/no-such-name/recursion", "confirmed", (_RECURSION.code,), access(org="Foo Inc", table="memberships"),
              _RECURSION),
        _case("org/nobody-looked", "could_not_tell", (), access(org="Acme Rockets"), _MEMBERSHIP,
              settings={**_SQL_ALONE, **_NO_SQL}, not_seen=("postgres", "supabase")),
    ]  # fmt: skip


def _without_comparison() -> list[Case]:
    """The repository's file, or a place to load it, is lacking: what is open is told all the same, "no drift" is not."""
    no_place = {"RUNBOOK_SCRATCH_DATABASE_URL": _NOWHERE}
    not_set = {"RUNBOOK_SCRATCH_DATABASE_URL": ""}
    no_sql = {"RUNBOOK_MIGRATIONS": "pyproject.toml"}
    gone = {"RUNBOOK_MIGRATIONS": "no/such/001_init.sql"}
    drift = Injected("rls.drift.policy_extra")
    cases = [
        _case(f"drift/{name}", "could_not_tell", (), audit, drift, settings=settings, not_seen=("postgres",))
        for name, settings in (("no-place", no_place), ("not-set", not_set), ("no-sql", no_sql), ("gone", gone))
    ]
    return [
        *cases,
        _case(
            "drift/no-place/exposed",
            "confirmed",
            (_OPEN.code,),
            audit,
            _OPEN,
            settings=no_place,
            not_seen=("postgres",),
        ),
        _case("drift/no-place/member", "ruled_out", (), access(), settings=no_place, not_seen=("postgres",)),
        # that no file is set says nothing; that there is no such thing, only the team can
        _case("drift/no-file", "could_not_tell", (), audit, settings={"RUNBOOK_MIGRATIONS": ""}, not_seen=("postgres",)),
        _case("drift/no-repository", "ruled_out", (), audit,
              settings={"RUNBOOK_MIGRATIONS": "", "RUNBOOK_NOT_USED": "migrations"}),
    ]  # fmt: skip


CASES: tuple[Case, ...] = (
    *_without_sql(),
    *_without_rest(),
    *_without_management(),
    *_one_way_alone(),
    *_asked_amiss(),
    *_without_comparison(),
)
