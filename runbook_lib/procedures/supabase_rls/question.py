"""Whether the question is clear: the organization is one that there is, and the row's id is of the type of an id.

About an organization that nobody knows, or an id that is none, nothing can be confirmed and nothing ruled out: a membership in it
is missing for everybody, and no row has it.
"""

from runbook_lib.core.model import Status, Suspect
from runbook_lib.judging.answers import whole_object
from runbook_lib.procedures.supabase_rls.reading import Evidence

_NO_VALUE = ("22P02", "22007", "22008", "22003")  # SQLSTATEs of a text that is no value of the column's type
_OTHER_ORG = "the same question with org=<the id or name of an organization as it stands in organizations>"


def unclear(evidence: Evidence) -> list[Suspect]:
    """What must be asked differently before the policies can be judged; empty where the question is clear."""
    return [*_organization(evidence), *_row(evidence)]


def _organization(evidence: Evidence) -> list[Suspect]:
    look, org = evidence.organization, evidence.org
    if not org or _is_known(evidence):
        return []
    if look is not None and look.status == Status.not_found:
        own = [str(each["org"]) for each in whole_object(evidence.person).get("memberships", ())]
        theirs = f"; the user is in {', '.join(own[:3])}" if own else ""
        return [Suspect("", org, "no organization has this id or name", f"{_OTHER_ORG}{theirs}")]
    if look is not None and look.status == Status.partial:
        return [Suspect("", org, look.why, "the same question with org=<the id of the one that is meant>")]
    why = f"whether there is such an organization could not be looked up ({look.why if look else 'nothing was asked'})"
    ask = "RUNBOOK_DATABASE_URL of a role that reads organizations past RLS, the Management API's token, or the service-role key"
    if evidence.has_no_membership:
        why = f"memberships holds no row for this user and organization, and {why}"
        return [Suspect("rls.no_membership", f"{whole_object(evidence.person)['id']} in {org}", why, ask)]
    return [Suspect("", org, why, ask)]


def _is_known(evidence: Evidence) -> bool:
    """Whether the organization was found, or a row past RLS, a membership or an invitation names it; or the row's own counts."""
    look, person, seen = evidence.organization, whole_object(evidence.person), whole_object(evidence.as_user)
    of_row = None if evidence.command == "insert" or not seen.get("judged") else seen.get("row_org")
    if look is not None and look.status == Status.ok:
        return True
    if evidence.row_id and (of_row or evidence.told_org):
        return True
    named = [str(each["org"]) for each in person.get("memberships", ())]
    return evidence.org in (*named, *person.get("invited", ()), of_row, evidence.told_org)


def _row(evidence: Evidence) -> list[Suspect]:
    """The row's id (or the organization's, in a column of another type) is none: in Postgres' or PostgREST's words."""
    words = _refused(evidence)
    if not words:
        return []
    key = whole_object(evidence.as_user).get("key")
    column = f"{evidence.table}.{key['column']} ({key['type']})" if key else f"the key column of {evidence.table}"
    if not evidence.row_id:
        why = f"Postgres cannot compare this with a row's organization: {words}"
        return [
            Suspect(
                "", f"{evidence.table} org {evidence.org}", why, f"the same question with row_id=<a value of {column}>"
            )
        ]
    why = f"Postgres says {words}: no row was looked for"
    ask = f"the same question with row_id=<a value of {column}>, or with table=<the table that it is a row of>"
    return [Suspect("", f"{evidence.table} row_id {evidence.row_id}", why, ask)]


def _refused(evidence: Evidence) -> str:
    """Why the id could not be compared with any row's; empty where it could. A policy's own refusals are none of the id's."""
    if words := whole_object(evidence.as_user).get("id_refused"):
        return str(words)
    for look in evidence.rows:  # past RLS
        said = whole_object(look)
        if said.get("id_refused"):
            return str(said["id_refused"])
        if evidence.row_id and said.get("code") in _NO_VALUE:
            return str(said.get("message") or said["code"])
    return ""
