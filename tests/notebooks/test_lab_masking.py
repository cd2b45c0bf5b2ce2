"""What JupyterLab's server writes, through its own interface: no byte below outputs holds what was typed or shown as a secret."""

import base64
import json
import signal
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.notebooks.conftest import House

KNOWN = "canary_value_of_a_secret_1234"  # the lamp's own, see the fixtures
NAMED = "Zq7-unknown-0815-canary"
SECRETS = {
    KNOWN,
    NAMED,
    base64.b64encode(KNOWN.encode()).decode(),
    urllib.parse.quote(KNOWN, safe="").replace("_", "%5F"),
}

Ask = Callable[..., Any]


@pytest.fixture
def lab(house: House) -> Iterator[Ask]:
    """Asks the contents interface of a server: (method, path, body) -> answer."""
    process = house.start("lab", "--no-browser", "--json")
    assert process.stdout is not None
    url = urllib.parse.urlsplit(json.loads(process.stdout.readline())["url"])
    token = urllib.parse.parse_qs(url.query)["token"][0]

    def ask(method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"http://{url.netloc}/api/contents/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {token}"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    yield ask
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)


def notebook(text: str) -> dict[str, Any]:
    """A notebook with the text in every place that the format has."""
    code = {
        "cell_type": "code",
        "id": "a1",
        "execution_count": 1,
        "metadata": {"note": text, "tags": ["keep"]},
        "source": f"# mail jane@example.com\n{text}",
        "outputs": [
            {"output_type": "stream", "name": "stdout", "text": text},
            {"output_type": "display_data", "data": {"text/plain": text}, "metadata": {"from": text}},
        ],
    }
    words = {
        "cell_type": "markdown",
        "id": "a2",
        "metadata": {},
        "source": text,
        "attachments": {"a.txt": {"text/plain": base64.b64encode(KNOWN.encode()).decode(), "text/html": text}},
    }
    widgets = {"application/vnd.jupyter.widget-state+json": {"state": {"x": {"state": {"value": text}}}}}
    return {
        "cells": [code, words],
        "metadata": {"widgets": widgets, "notes": [text]},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def below(folder: Path) -> dict[str, list[str]]:
    """Each file below a folder that holds a secret in any spelling, with those that it holds."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            text = path.read_bytes().decode("utf-8", "replace")
            if held := [secret for secret in SECRETS if secret in text]:
                found[path.relative_to(folder).as_posix()] = held
    return found


def test_no_file_that_is_saved_holds_a_secret(house: House, lab: Ask) -> None:
    text = "\n".join([f"password = '{NAMED}'", *(f"it said {each}" for each in SECRETS - {NAMED})])
    lab("PUT", "own.ipynb", {"type": "notebook", "format": "json", "content": notebook(text)})
    lab("PUT", "own.ipynb", {"type": "notebook", "format": "json", "content": notebook(text + "\n")})
    lab("POST", "own.ipynb/checkpoints")
    lab("PUT", "notes.txt", {"type": "file", "format": "text", "content": text})
    lab("PUT", "sent.txt", {"type": "file", "format": "base64", "content": base64.b64encode(text.encode()).decode()})
    lab("POST", "notes.txt/checkpoints")
    lab("POST", "", {"copy_from": "own.ipynb"})

    files = {path.relative_to(house.outputs).as_posix() for path in house.outputs.rglob("*") if path.is_file()}
    assert {"own.ipynb", "notes.txt", "sent.txt", ".ipynb_checkpoints/own-checkpoint.ipynb"} < files
    assert below(house.outputs) == {}
    kept = json.loads((house.outputs / "own.ipynb").read_text())
    assert "mail jane@example.com" in "".join(kept["cells"][0]["source"]), "an address in a source may be a parameter"
    assert kept["cells"][0]["metadata"]["tags"] == ["keep"]


def test_a_secret_cut_in_two_by_an_upload_in_pieces_is_masked(house: House, lab: Ask) -> None:
    text = f"first line\nit said {KNOWN}\n".encode()
    cut = text.index(KNOWN.encode()) + 7
    for number, piece in ((1, text[:cut]), (-1, text[cut:])):
        content = base64.b64encode(piece).decode()
        lab("PUT", "big.log", {"type": "file", "format": "base64", "chunk": number, "content": content})
    assert below(house.outputs) == {}
    assert (house.outputs / "big.log").read_text().startswith("first line\nit said ")


def test_a_notebook_that_somebody_put_there_is_masked_in_its_checkpoint(house: House, lab: Ask) -> None:
    (house.outputs / "foreign.ipynb").write_text(json.dumps(notebook(f"password = '{NAMED}'")))
    lab("POST", "foreign.ipynb/checkpoints")
    assert set(below(house.outputs)) == {"foreign.ipynb"}, "their own file is theirs; what the server writes is not"


def test_a_picture_stays_as_it_is(house: House, lab: Ask) -> None:
    picture = bytes(range(256)) * 8
    content = base64.b64encode(picture).decode()
    lab("PUT", "a.png", {"type": "file", "format": "base64", "content": content})
    assert (house.outputs / "a.png").read_bytes() == picture
