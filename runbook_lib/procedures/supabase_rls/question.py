"""Whether the question is clear: the organization is one that there is, and the row's id is of the type of an id.

About an organization that nobody knows, or an id that is none, nothing can be confirmed and nothing ruled out: a membership in it
is missing for everybody, and no row has it.
"""

from runbook_lib.core.model import Status, Suspect
from runbook_lib.core.records.rights import CountedRows, RestReadPastRls
from runbook_lib.judging.answers import whole_record
from runbook_lib.procedures.supabase_rls.reading import Evidence

_NO_VALUE = ("22P02", "22007", "22008", "22003")  # SQLSTATEs of a text that is no value of the column's type
_OTHER_ORG = "the same question with org=<the id or name of an organization as it stands in organizations>"


def unclear_parts(evidence: Evidence) -> list[Suspect]:
    """What must be asked differently before the policies can be judged; empty where the question is clear."""
    return [*_organization(evidence), *_row(evidence)]


def _organization(evidence: Evidence) -> list[Suspect]:
    look, org, user = evidence.organization, evidence.org, evidence.user_found
    if not org or _is_known(evidence):
        return []
    if look is not None and look.status == Status.not_found:
        own = [each["org"] for each in user["memberships"]] if user is not None else []
        theirs = f"; the user is in {', '.join(own[:3])}" if own else ""
        return [Suspect("", org, "no organization has this id or name", f"{_OTHER_ORG}{theirs}")]
    if look is not None and look.status == Status.partial:
        return [Suspect("", org, look.why, "the same question with org=<the id of the one that is meant>")]
    why = f"whether there is such an organization could not be looked up ({look.why if look else 'nothing was asked'})"
    ask = "RUNBOOK_DATABASE_URL of a role that reads organizations past RLS, the Management API's token, or the service-role key"
    if user is not None and evidence.has_no_membership:
        why = f"memberships holds no row for this user and organization, and {why}"
        return [Suspect("rls.no_membership", f"{user['id']} in {org}", why, ask)]
    return [Suspect("", org, why, ask)]


def _is_known(evidence: Evidence) -> bool:
    """Whether the organization was found, or a row past RLS, a membership or an invitation names it; or the row's own counts."""
    look, user, query = evidence.organization, evidence.user_found, evidence.query
    is_of_a_row = query is not None and query["judged"] and evidence.command != "insert"
    of_row = query["row_org"] if query is not None and is_of_a_row else None
    if look is not None and look.status == Status.ok:
        return True
    if evidence.row_id and (of_row or evidence.counted_org):
        return True
    own = [*(each["org"] for each in user["memberships"]), *user["invited"]] if user is not None else []
    return evidence.org in (*own, of_row, evidence.counted_org)


def _row(evidence: Evidence) -> list[Suspect]:
    """The row's id (or the organization's, in a column of another type) is none: in Postgres' or PostgREST's words."""
    words = _refused(evidence)
    if not words:
        return []
    query, column = evidence.query, f"the key column of {evidence.table}"
    if query is not None:
        column = f"{evidence.table}.{query['key']['column']} ({query['key']['type']})"
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
    query = evidence.query
    if query is not None and query["id_refused"]:
        return query["id_refused"]
    for look in evidence.rows:  # past RLS
        if look.call == "rest_past_rls":
            read = whole_record(look, RestReadPastRls)
            if evidence.row_id and read is not None and read["code"] in _NO_VALUE:
                return read["message"] or read["code"]
        elif (counted := whole_record(look, CountedRows)) is not None and counted["id_refused"]:
            return counted["id_refused"]
    return ""
