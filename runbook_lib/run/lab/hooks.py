"""What happens when JupyterLab saves a file: secrets are masked before, and a concluded run is sealed after."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runbook_lib.core.errors import RunbookError
from runbook_lib.core.redact import Redactor
from runbook_lib.run.home import Home
from runbook_lib.run.lab.masking import mask_content, mask_file, mask_notebook
from runbook_lib.run.people import pseudonyms_of
from runbook_lib.run.sealing import seal_from_notebook
from runbook_lib.run.targets import resolve_target, target_names


def mask_before_save(home: Home) -> Callable[..., None]:
    """A pre-save hook: nothing that is saved holds a secret. What cannot be masked is not saved, and the browser says why."""

    def hook(*, model: dict[str, Any], **_: Any) -> None:
        content = model.get("content")
        try:
            if model.get("type") == "notebook" and isinstance(content, dict):
                model["content"] = mask_notebook(content, redactor_of(home, content))
            elif isinstance(content, str):
                model["content"] = mask_content(content, model.get("format"), redactor_of(home))
        except Exception as error:
            from tornado.web import HTTPError  # of the errors of a hook, the server passes on this one alone

            why = f"not saved, because it could not be masked: {type(error).__name__}: {error}"
            raise HTTPError(500, why, reason=why) from error

    return hook


def seal_after_save(home: Home) -> Callable[..., None]:
    """A post-save hook: where the saved notebook shows a conclusion that nobody sealed, its artifact is made.

    A large file comes in pieces that may cut a secret in two: it is masked as a whole after its last one.
    """

    def hook(*, os_path: str, model: dict[str, Any], **_: Any) -> None:
        try:
            if model.get("type") != "notebook":
                mask_file(Path(os_path), redactor_of(home))
                return
            sealed = seal_from_notebook(home, json.loads(Path(os_path).read_bytes()))
        except (RunbookError, OSError) as error:
            _say(f"runbook: the artifact could not be completed: {error}")
            return
        if sealed is not None:
            _say(f"runbook: artifact {sealed.folder}\nrunbook: sealed {sealed.manifest_sha256}")

    return hook


def redactor_of(home: Home, notebook: Mapping[str, Any] | None = None) -> Redactor:
    """Knows the secrets of a working copy's target; of any other notebook or file, those of every target."""
    wanted = (notebook or {}).get("metadata", {}).get("runbook", {}).get("working_copy", {})
    try:
        target = resolve_target(home, str(wanted["target"]))
    except (RunbookError, KeyError, TypeError):
        return _knows_every_target(home)
    return Redactor(target.settings.secret_values(), pseudonyms=pseudonyms_of(str(wanted.get("incident", ""))))


def _knows_every_target(home: Home) -> Redactor:
    redactor = Redactor()
    for name in target_names(home, os.environ):
        try:
            redactor.learn(*resolve_target(home, name).settings.secret_values())
        except RunbookError:
            continue  # what cannot be read has no secrets to give away
    return redactor


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 (the terminal that started the server)
