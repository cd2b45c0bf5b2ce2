"""The page that `runbook lab` opens: a notebook whose one cell shows the form, run before the browser sees it."""

import asyncio
from pathlib import Path
from typing import Any

from runbook_lib.artifact.files import write_atomic
from runbook_lib.core.redact import Redactor
from runbook_lib.run.home import Home
from runbook_lib.run.lab.masking import masked_bytes

NAME = "start.ipynb"
_SOURCE = """from runbook_lib.run.home import Home
from runbook_lib.run.lab.form import StartForm

form = StartForm(Home.find())
form.widget"""
_TEXT = """# Runbook

Choose a procedure, fill in what you know, and press **Open**: a working copy for the incident opens, ready to be stepped
through. If no form is shown, run the cell below (⇧⏎)."""


def write_start_page(home: Home) -> Path:
    """Write the start page into the outputs folder, fresh."""
    path = home.outputs / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, masked_bytes(_notebook([]), Redactor()))
    return path


async def run_start_page(server: Any, home: Home) -> None:
    """Start the page's kernel and run its cell, so that JupyterLab finds a live form when it opens the page.

    The form is restored from the kernel, as after a reload. When anything here fails, the cell can still be run by hand.
    """
    try:
        await asyncio.wait_for(_run(server, home), 30)
    except Exception as error:
        server.log.error("The start page was not run in advance: %s", error)


async def _run(server: Any, home: Home) -> None:
    session = await server.session_manager.create_session(
        path=NAME, name=NAME, type="notebook", kernel_name="runbook-python"
    )
    manager = server.kernel_manager.get_kernel(session["kernel"]["id"])
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=20)
        outputs: list[dict[str, Any]] = []
        await client.execute_interactive(
            _SOURCE, store_history=False, timeout=20, output_hook=lambda m: _collect(m, outputs)
        )
        page = _notebook(outputs)
        write_atomic(home.outputs / NAME, masked_bytes(page, Redactor()))
        server.contents_manager.notary.sign(page)  # JupyterLab draws no widget of a notebook that it does not trust
    finally:
        client.stop_channels()


def _collect(message: dict[str, Any], outputs: list[dict[str, Any]]) -> None:
    from nbformat.v4 import output_from_msg

    if message["msg_type"] in ("execute_result", "display_data", "stream", "error"):
        outputs.append(output_from_msg(message))  # type: ignore[no-untyped-call]


def _notebook(outputs: list[dict[str, Any]]) -> Any:
    from nbformat import from_dict

    kernel = {"name": "runbook-python", "display_name": "Runbook (Python)", "language": "python"}
    code = {
        "cell_type": "code",
        "id": "form",
        "metadata": {"jupyter": {"source_hidden": True}, "editable": False},
        "source": _SOURCE,
        "execution_count": None,
        "outputs": outputs,
    }
    text = {"cell_type": "markdown", "id": "text", "metadata": {"editable": False}, "source": _TEXT}
    return from_dict(  # type: ignore[no-untyped-call]
        {"cells": [text, code], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    )
