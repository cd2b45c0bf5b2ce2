"""What is open that should not be: tables without RLS, policies that never refuse, views past RLS, trust in user_metadata."""

import re
from collections.abc import Sequence

from runbook_lib.core.model import Finding
from runbook_lib.core.records.rights import ProtectedTable, TablePolicy
from runbook_lib.procedures.supabase_rls.access import ROLES
from runbook_lib.procedures.supabase_rls.causes import CATALOGUE
from runbook_lib.procedures.supabase_rls.reading import Evidence, ids_of, tables_of

_ALWAYS = re.compile(r"\(*\s*(?:true|1 = 1)\s*\)*")
_WHO = {"anon": "everybody who has the anon key", "authenticated": "everybody who is signed in"}


def exposures(evidence: Evidence) -> list[Finding]:
    """Of the table in question, or of all in an audit."""
    return [*_open_roles(evidence), *_open_tables(evidence), *_open_policies(evidence), *_trusting(evidence)]


def _open_roles(evidence: Evidence) -> list[Finding]:
    """The API's own roles that no policy binds."""
    ids, rights = ids_of(evidence.catalogue), evidence.rights
    return [
        CATALOGUE.finding("rls.disabled.role", role["name"], f"{role['name']} has BYPASSRLS: no policy binds it", ids)
        for role in (rights["roles"] if rights is not None else ())
        if role["name"] in ROLES and (role["bypass"] or role["super"])
    ]


def _open_tables(evidence: Evidence) -> list[Finding]:
    found = []
    ids = ids_of(evidence.catalogue)
    for name, table in tables_of(evidence).items():
        granted = granted_to(table)
        if not _in_question(evidence, name) or not granted:
            continue
        held = f"{' and '.join(granted)} hold{'s' if len(granted) == 1 else ''} grants"
        if table["kind"] in ("r", "p") and not table["rls"]:
            policies = [rule for rule in evidence.policies if rule["table"] == name]
            sub = ".policies_unused" if policies else ""
            unused = f", its {len(policies)} policies are not asked" if policies else ""
            found.append(CATALOGUE.finding(f"rls.disabled{sub}", name, f"RLS is off, and {held}{unused}", ids))
        elif table["kind"] in ("v", "m", "f") and not table["invoker"] and not _reads_nothing_protected(evidence):
            words = f"it reads with the rights of {table['owner']}, past the policies of the tables below, and {held}"
            found.append(CATALOGUE.finding("rls.disabled.view", name, words, ids))
    return found


def _reads_nothing_protected(evidence: Evidence) -> bool:
    """Whether no table has RLS at all, so that there is nothing to be got round."""
    return not any(table["rls"] for table in tables_of(evidence).values())


def granted_to(table: ProtectedTable) -> list[str]:
    """The API's unprivileged roles that hold any grant on a table."""
    return [role for role in ROLES if (table["grants"] or {}).get(role) or (table["column_grants"] or {}).get(role)]


def _open_policies(evidence: Evidence) -> list[Finding]:
    found = []
    off = {name for name, table in tables_of(evidence).items() if not table["rls"]}
    for rule in evidence.policies:
        if not _in_question(evidence, rule["table"]) or rule["table"] in off:
            continue
        if who := open_to(evidence, rule):
            words = f"`{rule['name']}` allows {rule['command']} to {_WHO[who]}, whatever the row"
            ids = ids_of(evidence.catalogue, evidence.reach)
            found.append(CATALOGUE.finding("rls.policy_always_true", f"{rule['table']}: {rule['name']}", words, ids))
    return found


def open_to(evidence: Evidence, rule: TablePolicy) -> str:
    """For whom a policy never refuses: anon (everybody), authenticated, or "" for nobody. A restrictive `true` allows nothing.

    By what Postgres' planner made of it, and by what it said for a stranger; where that was not seen, by its text.
    """
    meant = [role for role in ROLES if role in rule["applies_to"]]
    if not rule["permissive"] or not meant:
        return ""
    strangers = evidence.strangers
    for each in strangers["policies"] if strangers is not None else ():
        if (each["table"], each["name"]) != (rule["table"], rule["name"]):
            continue
        if each["looks_at"] == "nothing":
            return meant[0]
        if each["true_for"]:
            return "anon" if "anon" in each["true_for"] else "authenticated"
    conditions = [text for text in (rule["using"], rule["check"]) if text]
    return meant[0] if any(_ALWAYS.fullmatch(text.strip()) for text in conditions) else ""


def _trusting(evidence: Evidence) -> list[Finding]:
    """Policies that read what users write for themselves."""
    found = []
    for rule in evidence.policies:
        text = f"{rule['using'] or ''} {rule['check'] or ''}"
        if _in_question(evidence, rule["table"]) and re.search(r"\b(?:raw_)?user_meta_?data\b", text):
            words = f"`{rule['name']}` decides by user_metadata, which the user writes"
            subject = f"{rule['table']}: {rule['name']}"
            found.append(CATALOGUE.finding("rls.trusts_user_metadata", subject, words, ids_of(evidence.catalogue)))
    return found


def is_in(findings: Sequence[Finding], table: str) -> bool:
    """Whether one of the findings is about a table."""
    subjects = [each.subject for each in findings]
    return any(text == table or text.startswith(f"{table}: ") or text.endswith(f" on {table}") for text in subjects)


def _in_question(evidence: Evidence, table: str) -> bool:
    return evidence.is_audit or table == evidence.table
