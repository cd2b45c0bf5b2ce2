"""What stands in the way before any policy is asked: PostgREST, the grants, and policies that Postgres refuses to run at all."""

import re
from collections.abc import Sequence

from runbook_lib.core.model import Finding, Observation, Status
from runbook_lib.core.records.rights import RestRead
from runbook_lib.judging.answers import whole_record
from runbook_lib.procedures.supabase_rls.causes import CATALOGUE
from runbook_lib.procedures.supabase_rls.reading import Evidence, ids_of, tables_of

_DENIED = re.compile(
    r"permission denied for (function|schema|table|relation|view|materialized view|foreign table) (\S+)"
)
_SUBS = {"function": "function", "schema": "schema"}


def barrier_findings(evidence: Evidence) -> list[Finding]:
    """What refuses this user as it refuses every other: not exposed, not granted, recursion. The first explains the symptom."""
    return [*_exposure(evidence), *_grants(evidence), *recursion(evidence)]


def _exposure(evidence: Evidence) -> list[Finding]:
    """PostgREST's word that it does not have the table, held against Postgres'."""
    known = tables_of(evidence)
    for look in (evidence.rest, *(each for each in evidence.rows if each.call == "rest_past_rls")):
        read = whole_record(look, RestRead)
        if look is None or read is None or read["code"] not in ("PGRST106", "PGRST205", "42P01"):
            continue
        code, words = read["code"], f"PostgREST says {read['code']}: {read['message']}"
        ids = [look.id, *ids_of(evidence.catalogue)]
        if code == "PGRST106":
            return [CATALOGUE.finding("rls.not_exposed.schema", "schema public", words, ids)]
        if evidence.table in known:
            return [CATALOGUE.finding("rls.not_exposed.cache", evidence.table, f"{words}; Postgres has the table", ids)]
        sub = ".no_table" if known else ""
        return [
            CATALOGUE.finding(
                f"rls.not_exposed{sub}", evidence.table, f"{words}; Postgres has none either" if known else words, ids
            )
        ]
    gone = evidence.as_user is not None and evidence.as_user.status == Status.not_found
    if known and evidence.table not in known and gone:
        words = f"schema public has no table {evidence.table}"
        return [
            CATALOGUE.finding(
                "rls.not_exposed.no_table", evidence.table, words, ids_of(evidence.catalogue, evidence.as_user)
            )
        ]
    return []


def _grants(evidence: Evidence) -> list[Finding]:
    """A grant that the role lacks: by Postgres' or PostgREST's refusal, else by the catalogue."""
    for look, state, message in _refusals(evidence):
        if state == "42501" and "row-level security" not in message:
            return [
                grant_finding(
                    evidence, evidence.table, evidence.command, message, [look.id, *ids_of(evidence.catalogue)]
                )
            ]
    rights = evidence.rights
    if evidence.query is not None or rights is None:
        return []  # asked as the user, Postgres did not refuse; or nothing is known
    roles = {each["name"]: each for each in rights["roles"]}
    facts, role, ids = evidence.table_facts, evidence.role, ids_of(evidence.catalogue)
    if role in roles and not roles[role]["schema"]:
        return [
            CATALOGUE.finding(
                "rls.grant_missing.schema", f"{role}: schema public", f"{role} has no usage on schema public", ids
            )
        ]
    if facts is not None and role in roles and evidence.command not in ((facts["grants"] or {}).get(role) or ()):
        sub = _sub_of_table(evidence, evidence.table, evidence.command)
        subject = f"{role}: {evidence.command} on {evidence.table}"
        return [
            CATALOGUE.finding(f"rls.grant_missing.{sub}", subject, f"{evidence.command} is not granted to {role}", ids)
        ]
    return []


def grant_finding(evidence: Evidence, table: str, command: str, message: str, ids: Sequence[str]) -> Finding:
    """The finding of a 42501 that is no policy's: which object it names."""
    found, role = _DENIED.search(message), evidence.role
    words = f"42501: {message}"
    if found is None:
        return CATALOGUE.finding("rls.grant_missing", f"{role}: {command} on {table}", words, ids)
    kind, name = found[1], found[2].strip('"')
    if kind in _SUBS:
        return CATALOGUE.finding(f"rls.grant_missing.{_SUBS[kind]}", f"{role}: {kind} {name}", words, ids)
    asked = command if name == table else "select"
    subject = f"{role}: {asked} on {name}"
    if not tables_of(evidence):
        return CATALOGUE.finding(
            "rls.grant_missing", subject, words, ids
        )  # table or some of its columns: the catalogue would tell
    return CATALOGUE.finding(f"rls.grant_missing.{_sub_of_table(evidence, name, asked)}", subject, words, ids)


def _sub_of_table(evidence: Evidence, table: str, command: str) -> str:
    """column, where the role has the command on some columns only; else table."""
    facts = tables_of(evidence).get(table)
    some = facts is not None and command in ((facts["column_grants"] or {}).get(evidence.role) or ())
    return "column" if some else "table"


def recursion(evidence: Evidence) -> list[Finding]:
    """42P17 (or 54001 by way of a function) on the query, in a policy, or over PostgREST; else a circle in the catalogue."""
    for look, state, message in _refusals(evidence):
        if state in ("42P17", "54001"):
            return [recursion_finding(state, message, evidence.table, ids_of(look, evidence.catalogue))]
    if evidence.query is not None or evidence.rights is None:
        return []
    circle = circle_of(evidence, evidence.table, evidence.command)
    if not circle:
        return []
    way = " → ".join([*circle, circle[0]])
    words = f"the policies look into each other in a circle ({way}), which Postgres refuses with 42P17"
    return [CATALOGUE.finding("rls.policy_recursion", circle[0], words, ids_of(evidence.catalogue))]


def recursion_finding(state: str, message: str, table: str, ids: Sequence[str]) -> Finding:
    """The finding of a recursion, about the table that Postgres names."""
    named = re.search(r'relation "([^"]+)"', message)
    if state == "54001":
        words = f"54001 on {table}: {message}: a policy's function reads the table with the caller's rights"
        return CATALOGUE.finding("rls.policy_recursion.function", table, words, ids)
    return CATALOGUE.finding(
        "rls.policy_recursion", named[1] if named else table, f"42P17 on {table}: {message or 'recursion'}", ids
    )


def circle_of(evidence: Evidence, table: str, command: str) -> list[str]:
    """The tables on a circle of policies that a command on a table runs into, by the catalogue alone; empty without one.

    Postgres expands the SELECT policies of every table that a policy's subquery names; tables without RLS end the way.
    """
    known = tables_of(evidence)

    def next_of(name: str, what: Sequence[str]) -> set[str]:
        if name not in known or not known[name]["rls"]:
            return set()
        return {
            ref
            for rule in evidence.policies
            if rule["table"] == name and rule["command"] in what and evidence.role in rule["applies_to"]
            for ref in rule["refs"]
        }

    dead_ends: set[str] = set()

    def walk(name: str, way: list[str], what: Sequence[str]) -> list[str]:
        for other in sorted(next_of(name, what) - dead_ends):
            if other in way:
                return way[way.index(other) :]
            if found := walk(other, [*way, other], ("all", "select")):
                return found
            dead_ends.add(other)
        return []

    return walk(table, [table], ("all", command, "select"))


def _refusals(evidence: Evidence) -> list[tuple[Observation, str, str]]:
    """(look, SQLSTATE, words) of everything that refused the user: the statement, a policy, PostgREST."""
    found: list[tuple[Observation, str, str]] = []
    query, rest = evidence.query, evidence.rest_read
    if evidence.as_user is not None and query is not None and not query.get("role_refused"):
        statement = query["statement"]
        found.append((evidence.as_user, statement["sqlstate"], statement["message"]))
        found += [(evidence.as_user, each["sqlstate"], each["message"]) for each in query["policies"]]
    if evidence.rest is not None and rest is not None and rest["as"] == "user":
        found.append((evidence.rest, rest["code"], rest["message"]))
    return [each for each in found if each[1]]
