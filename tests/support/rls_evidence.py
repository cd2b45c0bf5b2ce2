"""Hand-made observations for the rules of 03: one member, one organization, a table that members read; then one thing changes."""

import copy
from dataclasses import replace
from typing import Any

from support.evidence import look

from runbook_lib.core.model import Conclusion, Observation, Status
from runbook_lib.procedures.supabase_rls.reading import Evidence

ADA = "11111111-1111-4111-8111-111111111111"
BOB = "22222222-2222-4222-8222-222222222222"
ACME = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
OTHER = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
ROW = "cccccccc-cccc-4ccc-8ccc-cccccccccccc"
ALL = ["select", "insert", "update", "delete"]
ROLES = ["anon", "authenticated", "service_role"]
MEMBER = "private.is_member(org_id)"
BODY = "select exists (select 1 from public.memberships where org_id = org and user_id = auth.uid())"


def table(name: str = "usage_records", **changes: Any) -> dict[str, Any]:
    """A table with RLS on, granted to everybody."""
    grants = {role: list(ALL) for role in ROLES}
    facts = {
        "name": name, "kind": "r", "rls": True, "forced": False, "owner": "postgres", "invoker": False, "grants": grants,
        "column_grants": dict.fromkeys(ROLES, ALL[:3]), "columns": ["id", "org_id", "tokens"],
    }  # fmt: skip
    return {**facts, **changes}


def policy(on: str = "usage_records", name: str = "read", **changes: Any) -> dict[str, Any]:
    """A permissive policy for everybody's reads, by membership."""
    facts = {
        "table": on, "name": name, "permissive": True, "command": "select", "roles": ["public"], "applies_to": list(ROLES),
        "using": MEMBER, "check": None, "refs": [], "helpers": ["private.is_member"],
    }  # fmt: skip
    return {**facts, **changes}


def judged(
    name: str = "read", result: bool | None = True, *terms: tuple[str, bool | None], **changes: Any
) -> dict[str, Any]:
    """What one policy says of the row."""
    held = [{"term": text, "result": said, "open": False} for text, said in (terms or ((MEMBER, result),))]
    facts = {
        "name": name, "permissive": True, "command": "select", "use": "select", "clause": "using", "result": result,
        "now": result, "sqlstate": "", "message": "", "terms": held,
    }  # fmt: skip
    return {**facts, **changes}


class World:
    """What every look brings; a test changes a part and asks for the verdict."""

    def __init__(self, **asked: Any) -> None:
        self.asked = {"user": ADA, "org": ACME, "table": "usage_records", "command": "select", **asked}
        self.tables = [table(), table("memberships")]
        self.policies = [policy(), policy("memberships", "members")]
        self.functions = [{"name": "private.is_member", "security_definer": True, "body": BODY}]
        self.roles = [
            {"name": role, "bypass": role == "service_role", "super": False, "schema": True} for role in ROLES
        ]
        self.person: dict[str, Any] | None = {
            "id": ADA, "deleted": False, "profile": True, "memberships": [{"org": ACME, "role": "admin"}], "invited": [],
        }  # fmt: skip
        self.seen: dict[str, Any] = {
            "role": "authenticated", "subject": ADA, "claims_from": "auth", "sees_past_rls": True, "past_rls": 3, "visible": 3,
            "hidden": 0, "orgs": [ACME], "row_org": ACME, "statement": {"sqlstate": "", "message": ""}, "id_refused": "",
            "key": {"column": "id", "type": "uuid"}, "judged": "a row that the user sees", "policies": [judged()],
        }  # fmt: skip
        self.rest: dict[str, Any] = {"as": "anon", "status_code": 200, "code": "", "message": "", "count": 0}
        self.past: dict[str, Any] = {"status_code": 200, "code": "", "message": "", "count": 3, "row_org": ACME}
        self.organization: dict[str, Any] | Observation | None = {"id": ACME, "name": "Acme"}
        self.token: dict[str, Any] | None = None
        self.reach: dict[str, Any] = {"tables": [], "rows": [], "policies": []}
        self.unoffered: dict[str, str] = {}
        self.file: dict[str, Any] | None = None
        self.missing: dict[str, Status] = {}

    def deny(self, *policies: dict[str, Any]) -> "World":
        """The user sees none of the three rows."""
        self.seen |= {
            "visible": 0,
            "hidden": 3,
            "judged": "a row that is hidden from the user",
            "policies": list(policies),
        }
        return self

    def without(self, **missing: Status) -> "World":
        """Looks that proved nothing: sql, api, rest, reach, file, as_user, user, organization."""
        self.missing |= missing
        return self

    def with_token(self, **changes: Any) -> "World":
        """The user's own token, in force, which PostgREST takes; and what is otherwise about it."""
        said = {
            "kind": "user", "role": "authenticated", "sub": ADA, "expires_at": "2026-11-23T10:00:00.000Z", "expired": False,
            "not_yet": False, "aud_ok": True, "iss_ok": True, "project_ok": True, "is_anonymous": False, "algorithm": "HS256",
            "claims": [], "signature": {"legacy_secret": "valid", "secret_is_projects": True}, "apikey_role": None,
        }  # fmt: skip
        self.token = {**said, **changes}
        self.rest |= {"as": "user", "count": self.seen["visible"]}
        self.asked["user"] = self.asked["user"] if "user" in changes else ""
        return self

    def refused_by_rest(self, code: str, message: str) -> "World":
        """PostgREST's refusal."""
        self.rest |= {"status_code": 401, "code": code, "message": message, "count": None}
        return self

    def catalogue(self) -> dict[str, Any]:
        """The catalogue as it stands."""
        return copy.deepcopy(
            {
                "version": 180006,
                "tables": self.tables,
                "policies": self.policies,
                "functions": self.functions,
                "roles": self.roles,
            }
        )

    def evidence(self) -> Evidence:
        """Everything as the procedure would hold it."""
        missing = self.missing
        sql, api = missing.get("sql"), missing.get("api", Status.not_configured)

        def seen(source: str, call: str, value: Any, status: Status | None, **arguments: Any) -> Observation:
            return look(source, call, value if status is None else None, status or Status.ok, **arguments)

        def user(source: str, status: Status | None) -> Observation:
            found = Status.not_found if self.person is None and status is None else status
            return seen(source, "user", self.person, found)

        def organization(source: str, status: Status | None) -> Observation:
            if isinstance(self.organization, Observation):
                return self.organization
            if self.organization is None and status is None:
                return seen(source, "organization", None, Status.not_found)
            return seen(source, "organization", self.organization, status)

        org = missing.get("organization", sql)
        return Evidence(
            **self.asked,
            organizations=(organization("postgres", org), organization("supabase", api)) if self.asked["org"] else (),
            token=None if self.token is None else seen("supabase", "token", self.token, None),
            catalogues=(
                seen("postgres", "policies", self.catalogue(), sql),
                seen("supabase", "policies", self.catalogue(), api),
            ),
            people=(user("postgres", missing.get("user", sql)), user("supabase", api)),
            as_user=seen("postgres", "as_user", self.seen, missing.get("as_user", sql), **self.as_asked()),
            rest=seen("supabase", "rest_as_user", self.rest, missing.get("rest")),
            rows=(seen("supabase", "rest_past_rls", self.past, missing.get("rest")),),
            schema_file=None if self.file is None else seen("postgres", "schema_file", self.file, missing.get("file")),
        )

    def table_names(self) -> list[str]:
        """The tables that Postgres has."""
        return [str(each["name"]) for each in self.tables]

    def offers(self) -> Observation:
        """What PostgREST says of each table."""
        rows = [
            {"table": name, "status_code": 404 if code else 200, "code": code, "message": "" if not code else "no such table"}
            for name in self.table_names()
            for code in [self.unoffered.get(name, "")]
        ]  # fmt: skip
        status = self.missing.get("offers") or self.missing.get("rest") or Status.ok
        return look("supabase", "rest_offers", rows if status is Status.ok else None, status, tables=self.table_names())

    def as_asked(self) -> dict[str, str]:
        """The arguments of the query as the user."""
        return {name: str(self.asked.get(name, "")) for name in ("user", "org", "table", "command", "row_id")}

    def audit(self) -> Evidence:
        """The same, asked about nobody. Without a file of the repository there is none, the team says."""
        said = {(each["name"], each["role"], each["command"]) for each in self.reach["tables"]}
        passing = [
            {"name": name, "role": role, "command": command, "sqlstate": "", "message": ""}
            for name in self.table_names()
            for role in ROLES[:2]
            for command in ALL
            if (name, role, command) not in said
        ]
        asked = {**self.reach, "tables": [*passing, *self.reach["tables"]]}
        reach = look(
            "postgres", "reach", None if "reach" in self.missing else asked, self.missing.get("reach", Status.ok)
        )
        return replace(
            self.evidence(), user="", org="", table="memberships",
            is_audit=True, people=(), organizations=(), as_user=None, rest=None,
            token=None, reach=reach, offers=self.offers(), not_used=look("team", "not_used", [] if self.file else ["migrations"]),
        )  # fmt: skip


def codes(conclusion: Conclusion) -> list[str]:
    """What a verdict names: causes, states or blind codes."""
    found = {"confirmed": conclusion.causes, "ruled_out": conclusion.states, "could_not_tell": conclusion.blind}
    return [finding.code for finding in found[str(conclusion.status)]]
