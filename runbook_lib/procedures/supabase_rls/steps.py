"""03: a user may not see or write what they should. Token, user, membership, policies; without a user, an audit of every table.

Hardly anything here waits for anything else: whoever is asked finds the user in the token or by name itself. So every look is
foreseen, but for those about an organization of which only the name was given: its id is looked up first.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Conclusion, Json, Observation, Status
from runbook_lib.io.observe import Look
from runbook_lib.procedures.base import Exhibit, Procedure, Said, step
from runbook_lib.procedures.supabase_rls import rules
from runbook_lib.procedures.supabase_rls.audit import access_matrix
from runbook_lib.procedures.supabase_rls.drift import drift_findings
from runbook_lib.procedures.supabase_rls.reading import Evidence, value_of
from runbook_lib.procedures.supabase_rls.situation import situation_of
from runbook_lib.sources.postgres import rls as postgres_rls
from runbook_lib.sources.supabase import records as supabase
from runbook_lib.sources.supabase import rls as supabase_rls
from runbook_lib.sources.vercel import logs as vercel

_LONGEST = 256
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NAMES = ("jwt", "apikey", "user", "org", "table", "command", "row_id", "schema_file")
_CHANGES = timedelta(hours=2)
_TRAFFIC = timedelta(hours=1)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_OF_AN_ORG = ("as_user", "rest", "rest_past", "rows_api")
_CHANGED = ("migrations", "web_deployments", "api_deployments", "web_variables", "api_variables")


class SupabaseRls(Procedure):
    """Parameters: jwt and apikey (references), user, org (id or name), table, command, row_id, schema_file. Without a user it is
    the audit."""

    stem = "03_supabase_rls"

    def prepare(self) -> None:
        """Read who, what and where. Raises UsageError for a table's name that is none, for a value that can be no id, and for
        a question without a user."""
        given = {name: str(self.parameters.get(name) or "").strip() for name in _NAMES}
        for name, value in given.items():
            if (len(value) > _LONGEST and name != "schema_file") or _CONTROL.search(value):
                raise UsageError(
                    "Cannot look for this",
                    where=name,
                    came_back=f"{len(value)} characters" if len(value) > _LONGEST else "it holds control characters",
                    do_next="Give an id, an e-mail address or a name as it stands in the database.",
                )
        if given["table"] and not _TABLE.fullmatch(given["table"]):
            raise UsageError(
                "This is no table's name",
                where="table",
                came_back=given["table"][:60],
                do_next="Give the name alone, without a schema: memberships.",
            )
        is_audit = not (given["jwt"] or given["user"])
        lone = [name for name in ("org", "row_id", "table", "apikey") if given[name]]
        if is_audit and (lone or given["command"] not in ("", "select")):
            raise UsageError(
                "Whose access is it about?",
                where=", ".join(lone or ["command"]),
                came_back="neither a user nor a token was given",
                do_next="Give user=<id or e-mail> or jwt=env:NAME too; or nothing at all, for the audit of every table.",
            )
        self.jwt, self.apikey, self.path = given["jwt"], given["apikey"], given["schema_file"]
        self.evidence = Evidence(
            user=given["user"],
            org=given["org"],
            table=given["table"] or "memberships",
            command=given["command"] or "select",
            row_id=given["row_id"],
            is_audit=is_audit,
            is_file_asked=bool(self.path),
            changed_since=to_iso(self.look.now - _CHANGES),
        )
        self._seen: dict[str, Observation] = {}
        self._looks = self._all_looks(self._org_id)

    @property
    def window(self) -> Window:
        """Rights are of this moment; refusals and changes are looked for in the time before."""
        return Window(self.look.now - _TRAFFIC, self.look.now)

    def foresee(self) -> Sequence[Look]:
        """Every look but those that stand in where nobody else can tell who the user or the organization is, and those that wait
        for an organization's id."""
        waits = _OF_AN_ORG if self.evidence.org and not self._org_id else ()
        return tuple(look for key, look in self._looks.items() if key not in waits)

    @step("Does the token carry the user?")
    def judge_the_token(self) -> Said:
        """The token's form, signature, age, audience, project, role and subject."""
        self._ask("token")
        said = value_of(self.evidence.token)
        if not self.jwt:
            return Said("No token was given, so the session itself is not judged.")
        if not said:
            return Said("The token could not be read.")
        listed = {"columns": ["what", "says"], "rows": [[name, _shown(value)] for name, value in said.items()]}
        life = "expired" if said["expired"] else "in force"
        signed = ", ".join(f"{name}: {state}" for name, state in said["signature"].items()) or "none"
        words = f"A token of kind {said['kind']}, role {said['role']}, {life}; signature: {signed}."
        return Said(words, (Exhibit("table", "The token, judged", listed),))

    @step("Does memberships hold a row for this user and organization?")
    def find_the_membership(self) -> Said:
        """The user, the profile, memberships and open invitations, past RLS; and which organization is meant."""
        if self.evidence.is_audit:
            return Said("No user was named: this is the audit of every table.")
        self._ask("user_sql", "user_api", "org_sql", "org_api")
        standing_in = {}
        if not any(look.status.answered for look in self.evidence.people):
            standing_in["user_rest"] = supabase_rls.rest_user(self.evidence.user, self.jwt)
        if self.evidence.org and not any(
            look.status.has_content or look.status.answered for look in self.evidence.organizations
        ):
            standing_in["org_rest"] = supabase_rls.rest_organization(self.evidence.org)
        if standing_in:
            self._keep(dict(zip(standing_in, self.see(*standing_in.values()), strict=True)))
        self._looks = self._all_looks(self._org_id)
        look = self.evidence.person
        said = value_of(look)
        if not said:
            answered = look is not None and look.status.answered
            known = "There is no such user." if answered else "The user could not be looked up."
            return Said(f"{known}{self._told_org()}")
        belongs = said["memberships"]
        table = {"columns": ["organization", "role"], "rows": [[each["org"], each["role"]] for each in belongs]}
        words = (
            f"The user has {'a' if said['profile'] else 'no'} profile, {len(belongs)} memberships, "
            f"{len(said['invited'])} open invitations.{self._told_org()}"
        )
        return Said(words, (Exhibit("table", "Memberships", table),) if belongs else ())

    @step("What do the policies, grants and RLS flags say?")
    def read_the_policies(self) -> Said:
        """Everything that protects schema public, and who may do what with each table."""
        self._ask("policies_sql", "policies_api", "reach")
        said = value_of(self.evidence.catalogue)
        if not said:
            return Said("The policies could not be read.")
        matrix = Exhibit("matrix", "Who may do what with which table", access_matrix(self.evidence))
        mine = [rule for rule in said["policies"] if self.evidence.is_audit or rule["table"] == self.evidence.table]
        names = ["table", "name", "permissive", "command", "roles", "using", "check"]
        listed = {"columns": names, "rows": [[_shown(rule[name]) for name in names] for rule in mine]}
        words = f"{len(said['tables'])} tables, {len(said['policies'])} policies."
        return Said(words, (matrix, Exhibit("table", "Policies", listed)))

    @step("What happens to the same query as this user, and past RLS?")
    def ask_as_the_user(self) -> Said:
        """The query as the user in Postgres and over PostgREST, rolled back, and how many rows there are past RLS."""
        if self.evidence.is_audit:
            self._ask("rest_past")
            return Said("No user was named; every table was asked as a stranger and as nobody, above.")
        self._ask("as_user", "rest", "rest_past", "rows_api")
        seen, rest = value_of(self.evidence.as_user), value_of(self.evidence.rest)
        said = f"{rest['code'] or rest['status_code']}, {_shown(rest['count'])} rows" if rest else ""
        over = f" Over PostgREST as {rest['as']}: {said}." if rest else ""
        if not seen:
            return Said(f"Postgres could not be asked as the user.{over}")
        terms = [
            [each["name"], each["use"], each["clause"], _shown(each["result"]), term["term"], _shown(term["result"])]
            for each in seen["policies"]
            for term in each["terms"]
        ]
        columns = ["policy", "for", "clause", "policy is", "term", "term is"]
        refused = seen["statement"]
        aloud = f", refused with {refused['sqlstate']}: {refused['message']}" if refused["sqlstate"] else ""
        words = f"As {seen['role']}: {_shown(seen['visible'])} of {_shown(seen['past_rls'])} rows{aloud}.{over}"
        title = f"Each policy and term for {seen['judged']}"
        return Said(words, (Exhibit("table", title, {"columns": columns, "rows": terms}),) if terms else ())

    @step("Are the live policies those of the repository?")
    def compare_with_the_repository(self) -> Said:
        """What Postgres makes of the repository's schema file, beside what is live."""
        self._ask("schema_file")
        look = self.evidence.schema_file
        if look is None or not value_of(look):
            return Said(f"Not compared: {look.why if look is not None else 'nothing was looked at'}.")
        found = drift_findings(self.evidence)
        rows = [[each.subject, each.code.removeprefix("rls.drift."), each.summary] for each in found]
        table = Exhibit("table", "Differences", {"columns": ["what", "how", "in words"], "rows": rows})
        return Said(
            f"{len(found)} differences between the database and the repository's file.", (table,) if found else ()
        )

    @step("Since when, for how many, and what changed before?")
    def ask_since_when(self) -> Said:
        """Refusals in the API's log, and migrations, deployments and variables of the two hours before."""
        self._ask("refusals", *_CHANGED)
        told = situation_of(self.evidence, ())
        rows = [[change.at, change.what, change.where] for change in told.changes]
        table = Exhibit("table", "Changes", {"columns": ["at", "what", "where"], "rows": rows})
        return Said(f"{len(rows)} changes in the two hours before.", (table,) if rows else ())

    def diagnose(self) -> Conclusion:
        """See diagnose.supabase_rls."""
        return rules.diagnose(self.evidence)

    def _ask(self, *keys: str) -> None:
        """Make these looks, as far as the question takes them."""
        due = [key for key in keys if key in self._looks]
        self._seen |= zip(due, self.see(*(self._looks[key] for key in due)), strict=True)
        self._read()

    def _keep(self, seen: Mapping[str, Observation]) -> None:
        self._seen |= seen
        self._read()

    @property
    def _org_id(self) -> str:
        """The id of the organization that was asked about; empty as long as nothing but its name is known."""
        org = self.evidence.org_id.lower()
        return org if _UUID.fullmatch(org) else ""

    def _told_org(self) -> str:
        look = self.evidence.organization
        if look is None:
            return ""
        if look.status == Status.ok:
            return f" The organization is {look.value['name']} ({look.value['id']})."
        return f" The organization {self.evidence.org} is not known: {look.why}."

    def _read(self) -> None:
        """Put what was seen in its places."""
        seen = self._seen
        schema = seen.get("schema_file")
        has_file = schema is not None and (schema.status != Status.not_configured or bool(schema.value))
        self.evidence = replace(
            self.evidence,
            token=seen.get("token"),
            people=self._several("user_sql", "user_api", "user_rest"),
            organizations=self._several("org_sql", "org_api", "org_rest"),
            catalogues=self._several("policies_sql", "policies_api"),
            as_user=seen.get("as_user"),
            rest=seen.get("rest"),
            rows=self._several("rest_past", "rows_api"),
            reach=seen.get("reach"),
            schema_file=schema,
            needs_drift=has_file or self.evidence.is_file_asked,
            traffic=self._several("refusals"),
            changes=self._several(*_CHANGED),
        )

    def _several(self, *keys: str) -> tuple[Observation, ...]:
        return tuple(self._seen[key] for key in keys if key in self._seen)

    def _all_looks(self, org: str) -> dict[str, Look]:
        """Every look that this question takes, by name.

        Args:
            org: the organization's id; empty where it is not known, or none was named: the user's own then.
        """
        asked, before = self.evidence, Window(self.look.now - _CHANGES, self.look.now)
        looks = {
            "policies_sql": postgres_rls.policies(),
            "policies_api": supabase_rls.policies(),
            "rest_past": supabase_rls.rest_past_rls(asked.table, org, asked.row_id),
            "schema_file": postgres_rls.schema_file(self.path),
            "refusals": supabase_rls.refusals("" if asked.is_audit else asked.table, self.window),
            "migrations": supabase.migrations(),
            "web_deployments": vercel.deployments("web", before),
            "api_deployments": vercel.deployments("api", before),
            "web_variables": vercel.env_changes("web"),
            "api_variables": vercel.env_changes("api"),
        }
        if asked.is_audit:
            return {**looks, "reach": postgres_rls.reach()}
        mine = {
            "user_sql": postgres_rls.user(asked.user, self.jwt),
            "user_api": supabase_rls.user(asked.user, self.jwt),
            "as_user": postgres_rls.as_user(asked.user, org, asked.table, asked.command, asked.row_id, self.jwt),
            "rest": supabase_rls.rest_as_user(asked.table, org, asked.row_id, self.jwt, self.apikey),
            "rows_api": supabase_rls.rows(asked.table, org, asked.row_id),
        }
        if asked.org:
            mine |= {
                "org_sql": postgres_rls.organization(asked.org),
                "org_api": supabase_rls.organization(asked.org),
            }
        return {**looks, **mine, **({"token": supabase_rls.token(self.jwt, self.apikey)} if self.jwt else {})}


def _shown(value: Json) -> Any:
    """A value for a cell: lists and objects joined, booleans in words, nothing as a dash."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_shown(held)}" for name, held in value.items()) or "–"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(str(each) for each in value) or "–"
    return "–" if value is None else value
