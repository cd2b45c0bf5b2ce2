"""What JupyterLab may write below outputs: notebooks whole, with attachments, widgets and metadata, and every text file.

Where an engineer types, an e-mail address stays: it may be a parameter, and the working copy must still run after a reload.
Secrets stay nowhere.
"""

import base64
import binascii
from pathlib import Path
from typing import Any

import orjson

from runbook_lib.artifact.files import write_atomic
from runbook_lib.core.redact import Masked, Redactor
from runbook_lib.run.saving import notebook_bytes


def mask_notebook(notebook: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
    """A notebook without secrets anywhere, and without addresses but in its sources.

    Args:
        notebook: as JSON; a source may be one text or a list of lines, and stays what it was.
        redactor: knows the secrets of the notebook's target.
    """
    cells = notebook.get("cells", [])
    sources = [cell.pop("source", "") for cell in cells]
    try:
        clean: dict[str, Any] = orjson.loads(redactor.data(orjson.dumps(notebook), words=False))
    finally:
        for cell, source in zip(cells, sources, strict=True):
            cell["source"] = source
    for cell, source in zip(clean.get("cells", []), sources, strict=True):
        cell["source"] = _mask_source(source, redactor)
    return clean


def masked_bytes(notebook: dict[str, Any], redactor: Redactor) -> Masked:
    """The notebook as it is written to its file, masked."""
    import nbformat

    return Masked(notebook_bytes(nbformat.from_dict(mask_notebook(notebook, redactor))))  # type: ignore[no-untyped-call]


def mask_content(content: str, form: str | None, redactor: Redactor) -> str:
    """A file's content as a front end sends it, without secrets where it is text.

    Args:
        content: the text, or its bytes in base64.
        form: `text` or `base64`; None where the front end did not say, then text.
        redactor: knows the secrets of every target.
    """
    if form != "base64":
        return redactor.secrets_only(content)
    try:
        return base64.encodebytes(redactor.script(base64.b64decode(content))).decode()
    except binascii.Error:
        return content  # the server refuses it with words of its own


def mask_file(path: Path, redactor: Redactor) -> None:
    """Mask a text file in its place; nothing is written where nothing is to be masked."""
    if path.is_symlink() or not path.is_file():
        return
    content = path.read_bytes()
    clean = redactor.script(content)
    if clean != content:
        write_atomic(path, clean)


def _mask_source(source: str | list[str], redactor: Redactor) -> str | list[str]:
    if isinstance(source, list):
        return redactor.secrets_only("".join(source)).splitlines(keepends=True)
    return redactor.secrets_only(source)
