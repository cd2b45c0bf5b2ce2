"""Completes a run's folder: the executed notebook, the report, the seal; by the runner, or by whoever saves the notebook."""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from runbook_lib.artifact.files import NOTEBOOK, PARTIAL, REPORT, VERDICT, write_atomic
from runbook_lib.artifact.report import report_html
from runbook_lib.artifact.seal import SealedArtifact, seal
from runbook_lib.core.errors import RunbookError
from runbook_lib.core.model import Json
from runbook_lib.core.redact import Redactor
from runbook_lib.run.context import RunContext, read_context
from runbook_lib.run.home import Home
from runbook_lib.run.ids import is_run_id
from runbook_lib.run.opening import make_redactor
from runbook_lib.run.people import pseudonyms_of
from runbook_lib.run.session import VERDICT_MEDIA_TYPE
from runbook_lib.run.targets import resolve_target

_CONCLUDED = ("concluded", "killed")  # a kernel that went away after its conclusion takes nothing back


def seal_run(folder: Path, context: RunContext) -> SealedArtifact:
    """Seal a run's folder; the manifest says who, when, which target, and what made the verdict."""
    said = asdict(context)
    keys = ("run", "procedure", "incident", "target", "who", "git", "versions", "library_sha256", "template_sha256")
    return seal(folder, {**{key: said[key] for key in keys}, "started_at": context.now})


def write_report(folder: Path, context: RunContext, redactor: Redactor) -> None:
    """Write report.html from what the folder holds."""
    notebook = json.loads((folder / NOTEBOOK).read_bytes())
    write_atomic(folder / REPORT, report_html(folder, notebook, asdict(context), redactor))


def seal_from_notebook(home: Home, notebook: Mapping[str, Any]) -> SealedArtifact | None:
    """Seal the run whose conclusion an executed notebook shows.

    Args:
        home: where the outputs are.
        notebook: the saved notebook, as JSON.

    Returns:
        the artifact; None when the notebook shows no conclusion, or its run is sealed already, or went on since.
    """
    shown = _conclusion_shown(notebook)
    folder = _folder_of(home, shown) if shown else None
    if folder is None or shown is None:
        return None
    context = read_context(folder)
    verdict = json.loads((folder / VERDICT).read_bytes())
    if context.state not in _CONCLUDED or verdict["verdict_sha256"] != shown.get("verdict_sha256"):
        return None
    redactor = _redactor(home, context)
    context = context.changed(state="done", why="")
    write_atomic(folder / NOTEBOOK, redactor.data(orjson.dumps(notebook, option=orjson.OPT_INDENT_2), words=False))
    write_report(folder, context, redactor)
    context.write(folder)  # after everything else: a `.partial` that says so lacks its seal alone
    return seal_run(folder, context)


def _conclusion_shown(notebook: Mapping[str, Any]) -> dict[str, Json] | None:
    """What the last conclusion among a notebook's outputs says of its run."""
    for cell in reversed(notebook.get("cells", [])):
        for output in reversed(cell.get("outputs", [])):
            shown = output.get("data", {}).get(VERDICT_MEDIA_TYPE)
            if isinstance(shown, dict):
                return shown
    return None


def _folder_of(home: Home, shown: Mapping[str, Json]) -> Path | None:
    """The `.partial` of the run that a conclusion names; a notebook may say anything, so the names are checked."""
    incident, procedure, run = (str(shown.get(key, "")) for key in ("incident", "procedure", "run"))
    if not is_run_id(run) or any(Path(name).name != name or name in ("", "..") for name in (incident, procedure)):
        return None
    folder = home.outputs / incident / procedure / (run + PARTIAL)
    return folder if (folder / VERDICT).exists() else None


def _redactor(home: Home, context: RunContext) -> Redactor:
    """What masks the run's secrets; where its target is gone by now, what patterns can find."""
    try:
        return make_redactor(resolve_target(home, context.target), context.incident, context.parameters)
    except RunbookError as error:
        logging.getLogger(__name__).warning("The target's secrets are not known any more: %s", error)
        return Redactor(pseudonyms=pseudonyms_of(context.incident))
