"""Whether the live policies are the repository's: what Postgres makes of both, compared object by object."""

from collections.abc import Mapping
from typing import Any

from runbook_lib.core.model import Finding
from runbook_lib.judging.answers import whole_object
from runbook_lib.procedures.supabase_rls.causes import CATALOGUE
from runbook_lib.procedures.supabase_rls.reading import Evidence, ids_of, tables_of

_SAID = ("permissive", "command", "roles", "using", "check")


def drift_findings(evidence: Evidence) -> list[Finding]:
    """What differs, of the table in question or of all in an audit; empty where the two could not be compared.

    The repository's file is the first of its migrations: tables that it does not know are left to the other rules.
    """
    file, live = whole_object(evidence.schema_file), whole_object(evidence.catalogue)
    if not file or not live:
        return []
    ids = ids_of(evidence.catalogue, evidence.schema_file)
    known, found = tables_of(evidence), []
    wanted = {str(each["name"]): each for each in file["tables"] if each["kind"] in ("r", "p")}
    in_question = [name for name in wanted if evidence.is_audit or name == evidence.table]
    for name in in_question:
        if name not in known:
            found.append(
                CATALOGUE.finding("rls.drift.table_missing", name, "the repository makes it, and it is not there", ids)
            )
            continue
        for flag, word in (("rls", "RLS"), ("forced", "FORCE ROW LEVEL SECURITY")):
            if known[name][flag] != wanted[name][flag]:
                now = "on" if known[name][flag] else "off"
                words = f"{word} is {now}; in the repository it is {'off' if now == 'on' else 'on'}"
                found.append(CATALOGUE.finding("rls.drift.flag", f"{name}: {word}", words, ids))
        found += _policies(name, file, live, ids)
    return [*found, *_functions(file, live, in_question, ids)]


def _policies(table: str, file: Mapping[str, Any], live: Mapping[str, Any], ids: list[str]) -> list[Finding]:
    before = {str(each["name"]): each for each in file["policies"] if each["table"] == table}
    now = {str(each["name"]): each for each in live["policies"] if each["table"] == table}
    found = [
        CATALOGUE.finding(
            "rls.drift.policy_missing", f"{table}: {name}", f"the repository has `{name}`, the database has not", ids
        )
        for name in before.keys() - now.keys()
    ] + [
        CATALOGUE.finding(
            "rls.drift.policy_extra", f"{table}: {name}", f"the database has `{name}`, the repository has not", ids
        )
        for name in now.keys() - before.keys()
    ]
    for name in before.keys() & now.keys():
        if differing := [key for key in _SAID if before[name][key] != now[name][key]]:
            key = differing[0]
            words = f"`{name}`: {key} is {now[name][key]!s:.200}; in the repository {before[name][key]!s:.200}"
            found.append(CATALOGUE.finding("rls.drift.policy_changed", f"{table}: {name}", words, ids))
    return sorted(found, key=lambda each: (each.subject, each.code))


def _functions(file: Mapping[str, Any], live: Mapping[str, Any], tables: list[str], ids: list[str]) -> list[Finding]:
    """Functions of both that the policies in question call, and that say or may do something else."""
    used = {
        name for rule in (*file["policies"], *live["policies"]) if rule["table"] in tables for name in rule["helpers"]
    }
    before = {str(each["name"]): each for each in file["functions"]}
    now = {str(each["name"]): each for each in live["functions"]}
    found = []
    for name in sorted(used & before.keys() & now.keys()):
        if _plain(before[name]["body"]) != _plain(now[name]["body"]):
            found.append(
                CATALOGUE.finding(
                    "rls.drift.function", name, f"`{name}` is defined otherwise than in the repository", ids
                )
            )
    return found


def _plain(body: Any) -> str:
    """A definition without the differences that mean nothing: white space."""
    return " ".join(str(body).split())
