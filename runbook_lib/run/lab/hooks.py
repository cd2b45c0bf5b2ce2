"""What happens when JupyterLab saves a notebook: secrets are masked before, and a concluded run is sealed after.

Jupyter calls these with keyword arguments of its own naming; what they raise is logged by it and never loses a save.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runbook_lib.core.errors import RunbookError
from runbook_lib.core.redact import Redactor
from runbook_lib.run.home import Home
from runbook_lib.run.sealing import seal_from_notebook
from runbook_lib.run.targets import resolve_target


def mask_before_save(home: Home) -> Callable[..., None]:
    """A pre-save hook: outputs lose secrets and addresses, sources lose secrets.

    Sources keep e-mail addresses, for one may be a parameter, and the working copy must still run after a reload.
    """

    def hook(*, model: dict[str, Any], **_: Any) -> None:
        if model.get("type") != "notebook" or not isinstance(model.get("content"), dict):
            return
        notebook = model["content"]
        redactor = _redactor(home, notebook)
        for cell in notebook.get("cells", []):
            cell["source"] = redactor.secrets_only(cell.get("source", ""))
            if cell.get("outputs"):
                cell["outputs"] = json.loads(redactor.text(json.dumps(cell["outputs"], ensure_ascii=False)))

    return hook


def seal_after_save(home: Home) -> Callable[..., None]:
    """A post-save hook: where the saved notebook shows a conclusion that nobody sealed, its artifact is made."""

    def hook(*, os_path: str, model: dict[str, Any], **_: Any) -> None:
        if model.get("type") != "notebook":
            return
        try:
            sealed = seal_from_notebook(home, json.loads(Path(os_path).read_bytes()))
        except (RunbookError, OSError) as error:
            _say(f"runbook: the artifact could not be completed: {error}")
            return
        if sealed is not None:
            _say(f"runbook: artifact {sealed.folder}\nrunbook: sealed {sealed.manifest_sha256}")

    return hook


def _redactor(home: Home, notebook: dict[str, Any]) -> Redactor:
    """Knows the secrets of the working copy's target; in any other notebook, what patterns can find."""
    wanted = notebook.get("metadata", {}).get("runbook", {}).get("working_copy", {})
    try:
        target = resolve_target(home, str(wanted["target"]))
    except (RunbookError, KeyError, TypeError):
        return Redactor()
    return Redactor(target.settings.secret_values(), salt=str(wanted.get("incident", "")))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 (the terminal that started the server)
