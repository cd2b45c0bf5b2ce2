"""03 about one user: token, user, membership, policies, and the query itself as that user.

Hardly anything here waits for anything else: whoever is asked finds the user in the token or by name itself. Only what is about
an organization of which nothing but the name was given waits until its id was looked up.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Conclusion, Json, Status
from runbook_lib.core.records.rights import NamedOrganization
from runbook_lib.io.observe import Look
from runbook_lib.judging.answers import record_of
from runbook_lib.procedures.base import Exhibit, Said, Topic
from runbook_lib.procedures.supabase_rls import rules
from runbook_lib.procedures.supabase_rls.access import UUID
from runbook_lib.procedures.supabase_rls.rights import Rights, cell_text, is_about_one
from runbook_lib.sources.postgres import rls as postgres_rls
from runbook_lib.sources.supabase import rls as supabase_rls

_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}", re.ASCII)


class OneUser(Rights):
    """A user is named, or a token is given."""

    topics: ClassVar[Mapping[str, Topic]] = {
        **Rights.topics,
        "token": Topic(lambda run: [supabase_rls.token(run.jwt, run.apikey)] if run.jwt else [], is_one=True),
        "people": Topic(
            lambda run: [postgres_rls.user(run.who, run.jwt), supabase_rls.user(run.who, run.jwt)],
            otherwise=lambda run: [supabase_rls.rest_user(run.who, run.jwt)],
        ),
        "organizations": Topic(
            lambda run: run.if_named([postgres_rls.organization(run.org), supabase_rls.organization(run.org)]),
            otherwise=lambda run: run.if_named([supabase_rls.rest_organization(run.org)]),
        ),
        "as_user": Topic(
            lambda run: run.about_org(
                lambda org: [postgres_rls.as_user(run.who, org, run.table, run.command, run.row_id, run.jwt)]
            ),
            is_one=True,
        ),
        "rest": Topic(
            lambda run: run.about_org(
                lambda org: [supabase_rls.rest_as_user(run.table, org, run.row_id, run.jwt, run.apikey)]
            ),
            is_one=True,
        ),
        "rows": Topic(
            lambda run: run.about_org(
                lambda org: [
                    supabase_rls.rest_past_rls(run.table, org, run.row_id),
                    supabase_rls.rows(run.table, org, run.row_id),
                ]
            )
        ),
    }

    @classmethod
    def is_for(cls, parameters: Mapping[str, Json]) -> bool:
        """Whether it is about one."""
        return is_about_one(parameters)

    def prepare(self) -> None:
        """Read who, what and where. Raises UsageError for a table's name that is none, and for a value that can be no id."""
        super().prepare()
        given = self.given
        if given["table"] and not _TABLE.fullmatch(given["table"]):
            raise UsageError(
                "This is no table's name",
                where="table",
                came_back=given["table"][:60],
                do_next="Give the name alone, without a schema: memberships.",
            )
        self.jwt, self.apikey, self.who, self.org = (given[name] for name in ("jwt", "apikey", "user", "org"))
        self.evidence = replace(
            self.evidence,
            user=self.who,
            org=self.org,
            table=given["table"] or self.evidence.table,
            command=given["command"] or self.evidence.command,
            row_id=given["row_id"],
        )
        self.table, self.command, self.row_id = self.evidence.table, self.evidence.command, given["row_id"]

    def if_named(self, looks: Sequence[Look]) -> Sequence[Look]:
        """These looks where an organization was named."""
        return looks if self.org else ()

    def about_org(self, looks: Callable[[str], Sequence[Look]]) -> Sequence[Look]:
        """Looks about the organization with this id; none yet as long as it was named and nobody has looked it up.

        Where nobody found it, or none was named, they are about the user's own.
        """
        known = self.evidence.org_id.lower()
        org = known if UUID.fullmatch(known) else ""
        return () if self.org and not org and not self.evidence.organizations else looks(org)

    def judge_the_token(self) -> Said:
        """The token's form, signature, age, audience, project, role and subject."""
        self.ask("token")
        said = self.evidence.token_found
        if not self.jwt:
            return Said("No token was given, so the session itself is not judged.")
        if said is None:
            return Said("The token could not be read.")
        listed = {"columns": ["what", "says"], "rows": [[name, cell_text(value)] for name, value in said.items()]}
        life = "expired" if said["expired"] else "in force"
        signed = ", ".join(f"{name}: {state}" for name, state in said["signature"].items()) or "none"
        words = f"A token of kind {said['kind']}, role {said['role']}, {life}; signature: {signed}."
        return Said(words, (Exhibit("table", "The token, judged", listed),))

    def find_the_membership(self) -> Said:
        """The user, the profile, memberships and open invitations, past RLS; and which organization is meant."""
        self.ask("people", "organizations")
        look, user = self.evidence.person, self.evidence.user_found
        if user is None:
            answered = look is not None and look.status.answered
            known = "There is no such user." if answered else "The user could not be looked up."
            return Said(f"{known}{self._organization_in_words()}")
        belongs = user["memberships"]
        table = {"columns": ["organization", "role"], "rows": [[each["org"], each["role"]] for each in belongs]}
        words = (
            f"The user has {'a' if user['profile'] else 'no'} profile, {len(belongs)} memberships, "
            f"{len(user['invited'])} open invitations.{self._organization_in_words()}"
        )
        return Said(words, (Exhibit("table", "Memberships", table),) if belongs else ())

    def ask_as_the_user(self) -> Said:
        """The query as the user in Postgres and over PostgREST, rolled back, and how many rows there are past RLS."""
        self.ask("as_user", "rest", "rows")
        seen, rest, over = self.evidence.query, self.evidence.rest_read, ""
        if rest is not None:
            said = f"{rest['code'] or rest['status_code']}, {cell_text(rest['count'])} rows"
            over = f" Over PostgREST as {rest['as']}: {said}."
        if seen is None:
            return Said(f"Postgres could not be asked as the user.{over}")
        terms = [
            [
                each["name"],
                each["use"],
                each["clause"],
                cell_text(each["result"]),
                term["term"],
                cell_text(term["result"]),
            ]
            for each in seen["policies"]
            for term in each["terms"]
        ]
        columns = ["policy", "for", "clause", "policy is", "term", "term is"]
        refused = seen["statement"]
        aloud = f", refused with {refused['sqlstate']}: {refused['message']}" if refused["sqlstate"] else ""
        words = f"As {seen['role']}: {cell_text(seen['visible'])} of {cell_text(seen['past_rls'])} rows{aloud}.{over}"
        title = f"Each policy and term for {seen['judged']}"
        return Said(words, (Exhibit("table", title, {"columns": columns, "rows": terms}),) if terms else ())

    def diagnose(self) -> Conclusion:
        """The verdict on the user's access."""
        return rules.one_user(self.evidence)

    def _organization_in_words(self) -> str:
        look = self.evidence.organization
        if look is None:
            return ""
        found = record_of(look, NamedOrganization)
        if found is not None and look.status == Status.ok:
            return f" The organization is {found['name']} ({found['id']})."
        return f" The organization {self.org} is not known: {look.why}."
