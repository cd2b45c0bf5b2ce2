"""Whether the live policies are the repository's: what Postgres makes of both, compared object by object."""

from runbook_lib.core.model import Finding
from runbook_lib.core.records.rights import RightsCatalogue, TablePolicy
from runbook_lib.judging.answers import whole_record
from runbook_lib.procedures.supabase_rls.causes import CATALOGUE
from runbook_lib.procedures.supabase_rls.reading import Evidence, ids_of, tables_of


def _words_of(policy: TablePolicy) -> dict[str, str | bool | list[str] | None]:
    """What a policy says, clause by clause."""
    return {
        "permissive": policy["permissive"],
        "command": policy["command"],
        "roles": policy["roles"],
        "using": policy["using"],
        "check": policy["check"],
    }


def drift_findings(evidence: Evidence) -> list[Finding]:
    """What differs, of the table in question or of all in an audit; empty where the two could not be compared.

    The repository's file is the first of its migrations: tables that it does not know are left to the other rules.
    """
    file, live = whole_record(evidence.schema_file, RightsCatalogue), evidence.rights
    if file is None or live is None:
        return []
    ids = ids_of(evidence.catalogue, evidence.schema_file)
    known, found = tables_of(evidence), []
    wanted = {each["name"]: each for each in file["tables"] if each["kind"] in ("r", "p")}
    in_question = [name for name in wanted if evidence.is_audit or name == evidence.table]
    for name in in_question:
        if name not in known:
            found.append(
                CATALOGUE.finding("rls.drift.table_missing", name, "the repository makes it, and it is not there", ids)
            )
            continue
        for is_on, should_be, word in (
            (known[name]["rls"], wanted[name]["rls"], "RLS"),
            (known[name]["forced"], wanted[name]["forced"], "FORCE ROW LEVEL SECURITY"),
        ):
            if is_on != should_be:
                now = "on" if is_on else "off"
                words = f"{word} is {now}; in the repository it is {'off' if now == 'on' else 'on'}"
                found.append(CATALOGUE.finding("rls.drift.flag", f"{name}: {word}", words, ids))
        found += _policies(name, file, live, ids)
    return [*found, *_functions(file, live, in_question, ids)]


def _policies(table: str, file: RightsCatalogue, live: RightsCatalogue, ids: list[str]) -> list[Finding]:
    before = {each["name"]: each for each in file["policies"] if each["table"] == table}
    now = {each["name"]: each for each in live["policies"] if each["table"] == table}
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
        wanted, got = _words_of(before[name]), _words_of(now[name])
        if differing := [key for key in wanted if wanted[key] != got[key]]:
            key = differing[0]
            words = f"`{name}`: {key} is {got[key]!s:.200}; in the repository {wanted[key]!s:.200}"
            found.append(CATALOGUE.finding("rls.drift.policy_changed", f"{table}: {name}", words, ids))
    return sorted(found, key=lambda each: (each.subject, each.code))


def _functions(file: RightsCatalogue, live: RightsCatalogue, tables: list[str], ids: list[str]) -> list[Finding]:
    """Functions of both that the policies in question call, and that say or may do something else."""
    used = {
        name for rule in (*file["policies"], *live["policies"]) if rule["table"] in tables for name in rule["helpers"]
    }
    before = {each["name"]: each["body"] for each in file["functions"]}
    now = {each["name"]: each["body"] for each in live["functions"]}
    found = []
    for name in sorted(used & before.keys() & now.keys()):
        if _plain(before[name]) != _plain(now[name]):
            found.append(
                CATALOGUE.finding(
                    "rls.drift.function", name, f"`{name}` is defined otherwise than in the repository", ids
                )
            )
    return found


def _plain(body: str) -> str:
    """A definition without the differences that mean nothing: white space."""
    return " ".join(body.split())
