"""How a run is opened: which run a kernel belongs to, what observes for it, and where its folder is."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runbook_lib.artifact.files import OBSERVATIONS, PARTIAL, PAYLOADS
from runbook_lib.artifact.record import FileRecorder, read_observations
from runbook_lib.core.clock import from_iso
from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Json
from runbook_lib.core.redact import Redactor
from runbook_lib.core.secret_ref import is_reference, resolve
from runbook_lib.io.observe import Observer
from runbook_lib.run.context import RUN_VARIABLE, RunContext, make_folder, new_context, read_context
from runbook_lib.run.home import Home
from runbook_lib.run.ids import checked_incident, default_incident
from runbook_lib.run.library import git_state
from runbook_lib.run.notebooks import Template, find_template
from runbook_lib.run.parameters import check_parameters, declared_parameters
from runbook_lib.run.people import pseudonyms_of
from runbook_lib.run.session import OpenRun, Session
from runbook_lib.run.targets import Target, refuse_unconfigured, resolve_target

_SOFT = 0.8  # looks end at this share of a run's deadline, so that the conclusion still fits into it


def open_run(stem: str, cell: Mapping[str, Any] | None = None, /, **parameters: Any) -> Session:
    """Open the run that this notebook is: `open_run("01_failed_request", globals())`.

    In a kernel that `runbook run` or `runbook replay` started it is theirs; in JupyterLab it is a new run of the incident
    that the working copy names; anywhere else a new one by the defaults of the command line.

    Args:
        stem: the procedure's notebook, for example "01_failed_request".
        cell: where the values of the parameters cell stand, a notebook's `globals()`. Only the parameters that the template
            declares are read from it, and none of them may be missing.
        parameters: values by name, for a program, and as notebooks of earlier artifacts give them.

    Raises:
        UsageError: a parameter that the cell does not set, one of another type, or no target.
    """
    if folder := os.environ.get(RUN_VARIABLE):
        context = read_context(Path(folder))
        if context.procedure != stem:
            raise UsageError(
                "This kernel belongs to another procedure's run",
                where=context.procedure,
                came_back=f"the notebook opens {stem}",
                do_next="Give open_run the stem of the notebook it stands in.",
            )
        if context.is_replay:
            return Session(_replaying(context, Path(folder)))
        return Session(_live(context, Path(folder), _values_of(stem, cell, parameters)))
    return Session(_interactive(stem, _values_of(stem, cell, parameters)))


def make_redactor(target: Target, incident: str, parameters: Mapping[str, Json]) -> Redactor:
    """What masks the secrets of a run: those of its target, and those that its parameters refer to."""
    secrets = target.settings.secret_values()
    for value in parameters.values():
        if isinstance(value, str) and is_reference(value):
            secrets.append(resolve(value))
    return Redactor(secrets, pseudonyms=pseudonyms_of(incident))


def mask_parameters(parameters: Mapping[str, Json], redactor: Redactor) -> dict[str, Json]:
    """Parameters as they are written down: an e-mail address by its pseudonym."""
    clean: dict[str, Json] = json.loads(redactor.data(json.dumps(parameters, ensure_ascii=False).encode()))
    return clean


def _values_of(stem: str, cell: Mapping[str, Any] | None, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The values that the parameters cell has set, and those given by name."""
    if cell is None:
        return dict(parameters)
    names = [parameter.name for parameter in declared_parameters(find_template(Home.find(), stem))]
    if missing := [name for name in names if name not in cell and name not in parameters]:
        raise UsageError(
            "The parameters cell leaves out what the procedure declares",
            where=", ".join(missing),
            came_back="no such name is set",
            do_next="Run the parameters cell first; write the line again where it was removed.",
        )
    return {**{name: cell[name] for name in names if name in cell}, **parameters}


def _live(context: RunContext, folder: Path, parameters: Mapping[str, Any]) -> OpenRun:
    """A run that looks at its target."""
    home = Home.find()
    target = resolve_target(home, context.target)
    values = _checked(find_template(home, context.procedure), parameters, target)
    redactor = make_redactor(target, context.incident, values)
    context = context.changed(parameters=mask_parameters(values, redactor))
    observer = Observer(
        now=from_iso(context.now),
        settings=target.settings,
        redactor=redactor,
        recorder=FileRecorder(folder, redactor),
        active=context.active,
        deadline_s=None if context.deadline_s is None else context.deadline_s * _SOFT,
    )
    procedure = home.procedure(context.procedure, values)(observer, values)
    context.write(folder)
    return OpenRun(context, folder, procedure, observer, redactor, target.warnings, _continued)


def _replaying(context: RunContext, folder: Path) -> OpenRun:
    """A run that is answered by the record of an earlier one; no settings, no network, no clock."""
    assert context.replay_of is not None
    redactor = Redactor()
    record = read_observations(Path(context.replay_of))
    observer = Observer(now=from_iso(context.now), redactor=redactor, record=record, active=context.active)
    procedure = Home.find().procedure(context.procedure, context.parameters)(observer, context.parameters)
    return OpenRun(context, folder, procedure, observer, redactor, (), _continued)


def _interactive(stem: str, parameters: Mapping[str, Any]) -> OpenRun:
    """A run that a person steps through; its folder is sealed by whoever saves the notebook after the conclusion."""
    home = Home.find()
    template = find_template(home, stem)
    wanted = _working_copy()
    incident = checked_incident(str(wanted.get("incident") or default_incident()))
    target = resolve_target(home, wanted.get("target"))
    refuse_unconfigured(home, target)
    values = _checked(template, parameters, target)
    context = new_context(
        template.stem,
        incident=incident,
        target=target.name,
        parameters=mask_parameters(values, make_redactor(target, incident, values)),
        active=bool(wanted.get("active", target.is_sandbox)),
        origin=target.origin,
        interactive=True,
        template_sha256=template.sha256,
        git=git_state(home.root),
    )
    context, folder = make_folder(home, context)
    return _live(context, folder, values)


def _continued(opened: OpenRun) -> OpenRun:
    """The same run under a new id, with everything seen so far; the sealed one keeps what it had."""
    sealed = opened.folder.with_name(opened.folder.name.removesuffix(PARTIAL))
    context, folder = make_folder(Home.find(), opened.context.changed(continues=opened.context.run, state="running"))
    if (sealed / OBSERVATIONS).exists():
        shutil.copyfile(sealed / OBSERVATIONS, folder / OBSERVATIONS)
    if (sealed / PAYLOADS).exists():
        shutil.copytree(sealed / PAYLOADS, folder / PAYLOADS)
    opened.observer.record_with(FileRecorder(folder, opened.redactor))
    return OpenRun(
        context, folder, opened.procedure, opened.observer, opened.redactor, opened.warnings, opened.continued
    )


def _checked(template: Template, parameters: Mapping[str, Any], target: Target) -> dict[str, Json]:
    """The notebook's values against the types that the template declares."""
    redactor = Redactor(target.settings.secret_values())
    return check_parameters(declared_parameters(template), parameters, from_text=False, redactor=redactor)


def _working_copy() -> dict[str, Any]:
    """What the notebook that this kernel serves says of its run, where the server tells which one that is."""
    path = Path(os.environ.get("JPY_SESSION_NAME", ""))
    if path.suffix != ".ipynb" or not path.is_file():
        return {}
    try:
        wanted = json.loads(path.read_bytes())["metadata"]["runbook"]["working_copy"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    if not isinstance(wanted, dict):
        raise UsageError(
            "The working copy's metadata cannot be read", where=path.name, do_next="Open a new one: runbook open."
        )
    return wanted
