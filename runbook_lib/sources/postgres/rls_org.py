"""Which organization is meant by an id or a name: the statement of it, and its reading, one for every way in."""

import re
from collections.abc import Mapping, Sequence

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.rights import NamedOrganization
from runbook_lib.sources.kit.asking import one_organization

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
# one row even where there is none, so that it is told whether row security would have hidden it
ORGANIZATION = """
select o.id::text as id, o.name, pg_catalog.row_security_active('public.organizations') as is_hidden
from (select 1) as one left join public.organizations o on o.id::text = pg_catalog.lower({0}) or o.name = {0}
order by o.created_at, o.id limit 3"""
_HELP = "a role that reads organizations past row security: BYPASSRLS, or the table's owner"


def read_organization(rows: Sequence[Mapping[str, Json]]) -> Answer[NamedOrganization]:
    """The organization that the rows of ORGANIZATION come to.

    not_found without one, denied where row security may hide it, partial (the oldest of them) where several are called so. Raises
    LookError(malformed) for rows of another shape.
    """
    try:
        found = [NamedOrganization(id=str(row["id"]), name=str(row["name"])) for row in rows if row["id"] is not None]
        is_hidden = any(row["is_hidden"] for row in rows)
    except (KeyError, TypeError) as error:
        raise LookError(Status.malformed, f"unexpected shape of an organization: {type(error).__name__}") from error
    if not found and is_hidden:
        return Answer(Status.denied, None, "row security may hide the organization from this role", _HELP)
    return one_organization(found, "id", "id or name")
