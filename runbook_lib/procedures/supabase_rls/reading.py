"""What procedure 03 has seen, in one place, and the questions that all its rules ask of it."""

import re
from dataclasses import dataclass
from datetime import datetime

from runbook_lib.core.model import Observation, Status
from runbook_lib.core.records.rights import (
    AppUser,
    CountedRows,
    NamedOrganization,
    ProtectedTable,
    QueryAsUser,
    RestReadAsUser,
    RestReadPastRls,
    RightsCatalogue,
    StrangersReach,
    TablePolicy,
    TokenJudgement,
)
from runbook_lib.judging.answers import whole_record
from runbook_lib.judging.evidence import Filed
from runbook_lib.judging.witnesses import Seen

Looks = tuple[Observation, ...]


@dataclass(frozen=True)
class Evidence(Filed):
    """The question and the looks. Where there are several ways to the same answer, the better one stands first.

    Attributes:
        user, org, table, command, row_id: what on-call asked; empty where not given. `table` always has a value; `org` is an id
            or a name.
        is_audit: nobody was named. is_file_asked: a schema file was named for this run, so that no answer is whole without it.
        catalogues: policies and grants, by SQL and by the Management API.
        people, organizations: the user and the organization, by SQL, Management API, REST.
        rows: counts past RLS, by REST as service_role and by the Management API.
        rest: the same read over PostgREST as the user. offers: whether PostgREST has each table, in an audit.
        traffic, changes: for the situation; changes count from two hours before `asked_at`, the run's own moment.
    """

    user: str = ""
    org: str = ""
    table: str = "memberships"
    command: str = "select"
    row_id: str = ""
    is_audit: bool = False
    is_file_asked: bool = False
    asked_at: datetime | None = None
    not_used: Observation | None = None
    token: Observation | None = None
    people: Looks = ()
    organizations: Looks = ()
    catalogues: Looks = ()
    as_user: Observation | None = None
    rest: Observation | None = None
    reach: Observation | None = None
    offers: Observation | None = None
    schema_file: Observation | None = None
    rows: Looks = ()
    traffic: Looks = ()
    changes: Looks = ()

    @property
    def seen(self) -> Seen:
        """Every look by its name."""
        return Seen(self.all())

    @property
    def catalogue(self) -> Observation | None:
        """The first of the catalogues that holds something, else the first that was looked for."""
        whole = (look for look in self.catalogues if whole_record(look, RightsCatalogue) is not None)
        return next(whole, self.catalogues[0] if self.catalogues else None)

    @property
    def rights(self) -> RightsCatalogue | None:
        """What the catalogue holds; None where it could not be read."""
        return whole_record(self.catalogue, RightsCatalogue)

    @property
    def policies(self) -> list[TablePolicy]:
        """Every policy of the catalogue; none where it could not be read."""
        rights = self.rights
        return rights["policies"] if rights is not None else []

    @property
    def person(self) -> Observation | None:
        """The first answer to who the user is, else the first look for it."""
        return _answer(self.people)

    @property
    def user_found(self) -> AppUser | None:
        """The user; None where nobody found one."""
        return whole_record(self.person, AppUser)

    @property
    def token_found(self) -> TokenJudgement | None:
        """The token, judged; None where none was given, or it could not be read."""
        return whole_record(self.token, TokenJudgement)

    @property
    def query(self) -> QueryAsUser | None:
        """The query as the user in Postgres; None where it could not be made."""
        return whole_record(self.as_user, QueryAsUser)

    @property
    def rest_read(self) -> RestReadAsUser | None:
        """The same read over PostgREST; None where it could not be made."""
        return whole_record(self.rest, RestReadAsUser)

    @property
    def strangers(self) -> StrangersReach | None:
        """What strangers may do; None where it could not be asked."""
        return whole_record(self.reach, StrangersReach)

    @property
    def organization(self) -> Observation | None:
        """The first answer to which organization it is, else the first look for it; None where none was named."""
        return _answer(self.organizations)

    @property
    def org_id(self) -> str:
        """The organization's id; where nobody found it, what was given."""
        look = self.organization
        found = whole_record(look, NamedOrganization)
        return found["id"] if found is not None and look is not None and look.status == Status.ok else self.org

    @property
    def table_facts(self) -> ProtectedTable | None:
        """The table in the catalogue; None where it is not there, or nothing is known."""
        return tables_of(self).get(self.table)

    @property
    def role(self) -> str:
        """The Postgres role that the query runs as."""
        token, query = self.token_found, self.query
        claimed = token["role"] if token is not None and token["kind"] == "user" else None
        return (query["role"] if query is not None else None) or claimed or "authenticated"

    @property
    def row_org(self) -> str:
        """The organization of the row in question, else the one that was asked for; empty where neither is known, or where any
        row of the table was judged, whosever it is."""
        query, judged = self.query, None
        if query is not None and query["judged"] and self.table != "organizations":
            judged = query["row_org"] if self.org or self.row_id or query["orgs"] else None
        return judged or (self.counted_org if self.row_id else None) or self.org_id

    @property
    def counted_org(self) -> str | None:
        """The organization of the rows that are meant, as they were counted past RLS; None where it is not one."""
        counts = [found for look in self.rows if (found := counted_in(look)) is not None]
        return next((found["row_org"] for found in counts if found["row_org"]), None)

    @property
    def has_no_membership(self) -> bool:
        """Whether the user is known, and known not to be in the organization in question (in none, where none is known)."""
        person = self.user_found
        if person is None:
            return False
        orgs = [each["org"] for each in person["memberships"]]
        return self.row_org not in orgs if self.row_org else not orgs

    def rules(self, command: str) -> list[TablePolicy]:
        """The table's policies that have a say in a command of the role."""
        return [
            each
            for each in self.policies
            if each["table"] == self.table
            and each["command"] in ("all", command)
            and ({"public", self.role} & set(each["roles"]) or self.role in each["applies_to"])
        ]


def tables_of(evidence: Evidence) -> dict[str, ProtectedTable]:
    """The catalogue's tables by name."""
    rights = evidence.rights
    return {each["name"]: each for each in rights["tables"]} if rights is not None else {}


def counted_in(look: Observation) -> RestReadPastRls | CountedRows | None:
    """What came of counting past RLS, by REST or by the Management API."""
    by_rest = look.call == "rest_past_rls"
    return whole_record(look, RestReadPastRls) if by_rest else whole_record(look, CountedRows)


def ids_of(*looks: Observation | None) -> list[str]:
    """The ids of the looks that have an answer."""
    return [look.id for look in looks if look is not None and look.status.answered]


def asked_text(evidence: Evidence, rule: TablePolicy | None, term: str = "") -> str:
    """What a policy (or one term of it) says, with the bodies of the functions that it calls, and that these call."""
    text = term or (f"{rule['using'] or ''} {rule['check'] or ''}" if rule else "")
    rights = evidence.rights
    functions = {each["name"]: each["body"] for each in rights["functions"]} if rights is not None else {}
    used: set[str] = set()
    grown = True
    while grown:
        grown = False
        for name, body in functions.items():
            bare = re.escape(name.rpartition(".")[2])
            if name not in used and re.search(rf"\b{bare}\s*\(", text):
                used.add(name)
                text += " " + body
                grown = True
    return text.lower()


def is_about_membership(text: str) -> bool:
    """Whether an expression (as `asked_text` gives it) asks memberships."""
    return re.search(r"\bmemberships\b", text) is not None


def _answer(looks: Looks) -> Observation | None:
    return next((look for look in looks if look.status.answered), looks[0] if looks else None)
