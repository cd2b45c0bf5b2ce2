"""What an audit is asked to do: an audit of the file, what the command line says, or the one in place of the other."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from runbook_lib.core.errors import UsageError
from runbook_lib.run.audits.file import FILE, Audit, Mute, find_audit, read_audit_file
from runbook_lib.run.audits.jobs import Plan, plan_audit
from runbook_lib.run.home import Home
from runbook_lib.run.ids import checked_incident
from runbook_lib.run.notebooks import find_template
from runbook_lib.run.parameters import check_parameters, declared_parameters, parse_pairs

AD_HOC = "adhoc"


def plan_from_options(
    procedures: Sequence[str],
    *,
    name: str | None,
    file: Path | None,
    outputs: Path | None,
    targets: Sequence[str],
    orgs: Sequence[str],
    parameters: Sequence[str],
    **told: Any,
) -> tuple[Plan, list[Mute]]:
    """The plan and the mutes that apply.

    An audit that the file names is taken from there, and what is said beside it takes the place of what the file says. Mutes
    of the file apply to every audit; a file that was not asked for need not exist.

    Args:
        parameters: `P:NAME=VALUE`, as text.
        told: other fields of `file.Audit`; None means not said.

    Raises:
        UsageError: something in it cannot be; nothing ran.
    """
    home = Home.find(outputs=outputs)
    path = file or home.root / FILE
    exists = file is not None or path.exists()
    known = read_audit_file(path) if exists else None
    if name is not None and known is not None and (name in known.audits or not procedures):
        audit = find_audit(path, known, name)
    elif name is not None and known is None and not procedures:
        raise UsageError(
            f"There is no audit named {name!r}", where=str(path), came_back="no such file", do_next="Name procedures."
        )
    else:
        audit = Audit()
    checked_incident(f"audit-{name or AD_HOC}")
    said = {
        "procedures": list(procedures) or None,
        "targets": list(targets) or None,
        "orgs": list(orgs) or None,
        "parameters": _parameters(home, parameters, audit),
        **told,
    }
    try:
        audit = Audit.model_validate(
            {**audit.model_dump(), **{key: value for key, value in said.items() if value is not None}}
        )
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise UsageError("Cannot audit this", came_back=problems, do_next="See: runbook audit --help") from None
    if outputs is None and audit.outputs is not None:
        home = Home.find(outputs=path.parent / audit.outputs)
    return plan_audit(name or AD_HOC, audit, home), list(known.muted) if known else []


def _parameters(home: Home, options: Sequence[str], audit: Audit) -> dict[str, dict[str, Any]] | None:
    """`P:NAME=VALUE` options as values by procedure, over those that the file has; None where nothing is said."""
    if not options:
        return None
    found = {find_template(home, asked).stem: dict(values) for asked, values in audit.parameters.items()}
    for option in options:
        procedure, colon, assignment = option.partition(":")
        if not colon or "=" in procedure:
            raise UsageError("Whose parameter is this?", where=option, do_next="Name the procedure: -p 09:period=7d.")
        template = find_template(home, procedure)
        given = parse_pairs([assignment])
        values = check_parameters(declared_parameters(template), given, from_text=True)
        found.setdefault(template.stem, {}).update({key: values[key] for key in given})
    return found
