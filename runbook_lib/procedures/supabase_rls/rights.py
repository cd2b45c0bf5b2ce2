"""What 03 asks in both of its forms, about one user and about every table: the policies, the repository's file, what changed.

A user may not see or write what they should; or, where nobody is named, an audit of who may do what.
"""

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar

from runbook_lib.core.clock import Window
from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Json
from runbook_lib.core.records.rights import RightsCatalogue, TablePolicy
from runbook_lib.judging.answers import whole_record
from runbook_lib.procedures.base import Exhibit, Procedure, Said, Topic, step
from runbook_lib.procedures.supabase_rls.audit import access_matrix
from runbook_lib.procedures.supabase_rls.drift import drift_findings
from runbook_lib.procedures.supabase_rls.reading import Evidence
from runbook_lib.procedures.supabase_rls.situation import situation_of
from runbook_lib.sources.postgres import rls as postgres_rls
from runbook_lib.sources.supabase import records as supabase
from runbook_lib.sources.supabase import rls as supabase_rls
from runbook_lib.sources.vercel import logs as vercel

_LONGEST = 256
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NAMES = ("jwt", "apikey", "user", "org", "table", "command", "row_id", "schema_file")
_CHANGES = timedelta(hours=2)
_TRAFFIC = timedelta(hours=1)


class Rights(Procedure):
    """Parameters: jwt and apikey (references), user, org (id or name), table, command, row_id, schema_file."""

    stem = "03_supabase_rls"
    protecting: ClassVar[tuple[str, ...]] = ("catalogues",)  # the topics that say what protects the tables
    evidence: Evidence
    topics: ClassVar[Mapping[str, Topic]] = {
        "catalogues": Topic(lambda _: [postgres_rls.policies(), supabase_rls.policies()]),
        "schema_file": Topic(lambda run: [postgres_rls.schema_file(run.given["schema_file"])], is_one=True),
        "traffic": Topic(
            lambda run: [supabase_rls.refusals("" if run.evidence.is_audit else run.evidence.table, run.window)]
        ),
        "changes": Topic(
            lambda run: [
                supabase.migrations(),
                *(vercel.deployments(part, run.before) for part in ("web", "api")),
                *(vercel.env_changes(part) for part in ("web", "api")),
            ]
        ),
    }

    def prepare(self) -> None:
        """Read who, what and where. Raises UsageError for a value that can be no id."""
        self.given = {name: str(self.parameters.get(name) or "").strip() for name in _NAMES}
        self.before = Window(self.look.now - _CHANGES, self.look.now)
        for name, value in self.given.items():
            if (len(value) > _LONGEST and name != "schema_file") or _CONTROL.search(value):
                raise UsageError(
                    "Cannot look for this",
                    where=name,
                    came_back=f"{len(value)} characters" if len(value) > _LONGEST else "it holds control characters",
                    do_next="Give an id, an e-mail address or a name as it stands in the database.",
                )
        self.evidence = Evidence(is_file_asked=bool(self.given["schema_file"]), asked_at=self.look.now)

    @property
    def window(self) -> Window:
        """Rights are of this moment; refusals and changes are looked for in the time before."""
        return Window(self.look.now - _TRAFFIC, self.look.now)

    @abstractmethod
    @step("Does the token carry the user?")
    def judge_the_token(self) -> Said:
        """The token's form, signature, age, audience, project, role and subject."""

    @abstractmethod
    @step("Does memberships hold a row for this user and organization?")
    def find_the_membership(self) -> Said:
        """The user, the profile, memberships and open invitations, past RLS; and which organization is meant."""

    @step("What do the policies, grants and RLS flags say?")
    def read_the_policies(self) -> Said:
        """Everything that protects schema public, and who may do what with each table."""
        self.ask(*self.protecting)
        rights = self.evidence.rights
        if rights is None:
            return Said("The policies could not be read.")
        matrix = Exhibit("matrix", "Who may do what with which table", access_matrix(self.evidence))
        mine = [rule for rule in rights["policies"] if self.evidence.is_audit or rule["table"] == self.evidence.table]
        words = f"{len(rights['tables'])} tables, {len(rights['policies'])} policies."
        return Said(words, (matrix, Exhibit("table", "Policies", _policies_table(mine))))

    @abstractmethod
    @step("What happens to the same query as this user, and past RLS?")
    def ask_as_the_user(self) -> Said:
        """The query as the user in Postgres and over PostgREST, rolled back, and how many rows there are past RLS."""

    @step("Are the live policies those of the repository?")
    def compare_with_the_repository(self) -> Said:
        """What Postgres makes of the repository's schema file, beside what is live."""
        self.ask("schema_file")
        look = self.evidence.schema_file
        if look is None or whole_record(look, RightsCatalogue) is None:
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
        self.ask("traffic", "changes")
        told = situation_of(self.evidence, ())
        rows = [[change.at, change.what, change.where] for change in told.changes]
        table = Exhibit("table", "Changes", {"columns": ["at", "what", "where"], "rows": rows})
        return Said(f"{len(rows)} changes in the two hours before.", (table,) if rows else ())


def _policies_table(policies: Sequence[TablePolicy]) -> Json:
    rows = [
        [
            rule["table"],
            rule["name"],
            cell_text(rule["permissive"]),
            rule["command"],
            cell_text(rule["roles"]),
            cell_text(rule["using"]),
            cell_text(rule["check"]),
        ]
        for rule in policies
    ]
    return {"columns": ["table", "name", "permissive", "command", "roles", "using", "check"], "rows": rows}


def is_about_one(parameters: Mapping[str, Json]) -> bool:
    """Whether a user is named, or a token is given that names one."""
    return any(str(parameters.get(name) or "").strip() for name in ("jwt", "user"))


def cell_text(value: Json) -> Json:
    """A value for a cell: lists and objects joined, booleans in words, nothing as a dash."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {cell_text(held)}" for name, held in value.items()) or "–"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(str(each) for each in value) or "–"
    return "–" if value is None else value
