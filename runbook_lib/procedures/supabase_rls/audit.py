"""The audit: what refuses everybody, table by table, and the access matrix."""

from collections.abc import Iterator, Mapping

from runbook_lib.core.model import Finding, Json, Observation
from runbook_lib.core.records.rights import OfferedTable, ProtectedTable, RestReadPastRls
from runbook_lib.judging.answers import rows_of, whole_record
from runbook_lib.procedures.supabase_rls.access import COMMANDS, ROLES
from runbook_lib.procedures.supabase_rls.barriers import circle_of, grant_finding, recursion_finding
from runbook_lib.procedures.supabase_rls.causes import CATALOGUE
from runbook_lib.procedures.supabase_rls.exposures import granted_to, open_to
from runbook_lib.procedures.supabase_rls.reading import Evidence, ids_of, tables_of


def audit_findings(evidence: Evidence) -> list[Finding]:
    """Recursion, grants that policies count on, RLS without any policy, and what PostgREST does not offer."""
    return [*_not_exposed(evidence), *_recursion(evidence), *_grants(evidence), *_no_policy(evidence)]


def _not_exposed(evidence: Evidence) -> list[Finding]:
    """PostgREST's word that it has not a table, held against the catalogue; of a whole schema it is one finding."""
    known, found = tables_of(evidence), []
    for look, table, code, message in _answers(evidence):
        words = f"PostgREST says {code}: {message}"
        if code == "PGRST106":
            return [CATALOGUE.finding("rls.not_exposed.schema", "schema public", words, [look])]
        if code == "PGRST205" and table in known:
            ids = [look.id, *ids_of(evidence.catalogue)]
            found.append(CATALOGUE.finding("rls.not_exposed.cache", table, f"{words}; Postgres has the table", ids))
    return found


def _answers(evidence: Evidence) -> Iterator[tuple[Observation, str, str, str]]:
    """(look, table, code, words) of every read over PostgREST."""
    for look in evidence.rows:
        if (read := whole_record(look, RestReadPastRls)) is not None:
            yield look, evidence.table, read["code"], read["message"]
    if evidence.offers is not None:
        for each in rows_of(evidence.offers, OfferedTable):
            yield evidence.offers, each["table"], each["code"], each["message"]


def _recursion(evidence: Evidence) -> list[Finding]:
    """One finding for each table that Postgres names, with all that it strikes; by the catalogue where nobody could ask."""
    struck: dict[tuple[str, str, str], set[str]] = {}
    strangers = evidence.strangers
    for each in strangers["tables"] if strangers is not None else ():
        if each["sqlstate"] in ("42P17", "54001"):
            found = recursion_finding(each["sqlstate"], each["message"], each["name"], ())
            struck.setdefault((found.code, found.subject, each["sqlstate"]), set()).add(each["name"])
    ids = ids_of(evidence.reach, evidence.catalogue)
    if struck:
        return [
            CATALOGUE.finding(
                code, subject, f"{state}: a policy of {subject} recurses; refused are {', '.join(sorted(tables))}", ids
            )
            for (code, subject, state), tables in struck.items()
        ]
    if strangers is not None:
        return []
    circles = {
        tuple(sorted(circle)): circle for name in tables_of(evidence) if (circle := circle_of(evidence, name, "select"))
    }
    return [
        CATALOGUE.finding(
            "rls.policy_recursion", circle[0], f"policies look into each other in a circle: {' → '.join(circle)}", ids
        )
        for circle in circles.values()
    ]


def _grants(evidence: Evidence) -> list[Finding]:
    """A policy that allows what no grant does: one finding for each object that is refused to signed-in users."""
    found: dict[tuple[str, str], Finding] = {}
    ids = ids_of(evidence.reach, evidence.catalogue)
    strangers = evidence.strangers
    for each in strangers["tables"] if strangers is not None else ():
        wanted = [
            rule
            for rule in evidence.policies
            if rule["table"] == each["name"] and rule["permissive"] and "authenticated" in rule["applies_to"]
            and rule["command"] in ("all", each["command"])
        ]  # fmt: skip
        if each["role"] == "authenticated" and each["sqlstate"] == "42501" and wanted:
            finding = grant_finding(evidence, each["name"], each["command"], each["message"], ids)
            found.setdefault((finding.code, finding.subject), finding)
    return list(found.values())


def _no_policy(evidence: Evidence) -> list[Finding]:
    """Tables that are granted to the API's roles and that no policy opens. Without a grant that is a lock, not a fault."""
    found = []
    for name, table in tables_of(evidence).items():
        policies = [rule for rule in evidence.policies if rule["table"] == name and rule["permissive"]]
        if table["rls"] and not policies and granted_to(table):
            words = "RLS is on, and no policy opens the table to anybody: only the service role reaches it"
            found.append(CATALOGUE.finding("rls.no_policy", name, words, ids_of(evidence.catalogue)))
    return found


def access_matrix(evidence: Evidence) -> Json:
    """Who may do what with which table: a matrix exhibit, a line a table, a column for each role and command."""
    strangers = evidence.strangers
    refused = {
        (each["name"], each["role"], each["command"]): each["sqlstate"]
        for each in (strangers["tables"] if strangers is not None else ())
    }
    columns = [f"{role} {command}" for role in ROLES for command in COMMANDS]
    rows, cells = [], []
    for name, table in tables_of(evidence).items():
        rows.append(name)
        line = [_cell(evidence, table, role, command, refused) for role in ROLES for command in COMMANDS]
        held = (table["grants"] or {}).get("service_role") or ()
        past = {"text": "past RLS" if len(held) == len(COMMANDS) else " ".join(held) or "no grant", "tone": "neutral"}
        cells.append([*line, past])
    return {"rows": rows, "columns": [*columns, "service_role"], "cells": cells}


def _cell(
    evidence: Evidence, table: ProtectedTable, role: str, command: str, refused: Mapping[tuple[str, str, str], str]
) -> dict[str, str]:
    name = table["name"]
    state = refused.get((name, role, command), "")
    if state in ("42P17", "54001"):
        return {"text": "recursion", "tone": "bad"}
    granted = command in ((table["grants"] or {}).get(role) or ())
    some = command in ((table["column_grants"] or {}).get(role) or ())
    if not granted and not some:
        return {"text": "no grant", "tone": "neutral"}
    if table["kind"] in ("v", "m", "f"):
        return {"text": "as reader", "tone": "good"} if table["invoker"] else {"text": "past RLS", "tone": "bad"}
    if not table["rls"]:
        return {"text": "open to all", "tone": "bad"}
    rules = [
        rule
        for rule in evidence.policies
        if rule["table"] == name
        and rule["permissive"]
        and rule["command"] in ("all", command)
        and role in rule["applies_to"]
    ]
    if any(open_to(evidence, rule) in (role, "anon") for rule in rules):
        return {"text": "always true", "tone": "bad"}
    if state == "42501":
        return {"text": "refused 42501", "tone": "bad" if rules else "neutral"}
    columns = "" if granted else ", some columns"
    return {"text": f"by policy{columns}", "tone": "good"} if rules else {"text": "no policy", "tone": "neutral"}
