"""`runbook open` and `runbook lab`: a server on loopback, with a token, serving the outputs and nothing else."""

import json
import signal
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.notebooks.conftest import House


def get(url: str, **headers: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        return json.loads(answer.read())


@pytest.mark.parametrize(
    ("arguments", "notebook"),
    [
        (["open", "90", "--target", "fix", "--incident", "INC-7", "-p", "name=attic"], "INC-7/90_lamp.ipynb"),
        (["lab"], "start.ipynb"),
    ],
)
def test_the_server_is_private_and_serves_the_notebook(house: House, arguments: list[str], notebook: str) -> None:
    process = house.start(*arguments, "--no-browser", "--json")
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        parts = urllib.parse.urlsplit(said["url"])
        base = f"{parts.scheme}://{parts.netloc}"
        assert parts.hostname == "127.0.0.1"
        assert parts.path == f"/lab/tree/{notebook}"
        token = urllib.parse.parse_qs(parts.query)["token"][0]
        assert len(token) >= 32
        assert Path(said["notebook"]) == house.outputs / notebook
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(f"{base}/api/contents/")
        assert refused.value.code == 403
        key = {"Authorization": f"token {token}"}
        served = get(f"{base}/api/contents/{notebook}?content=1", **key)["content"]["cells"]
        specs = get(f"{base}/api/kernelspecs", **key)
        assert specs["default"] == "runbook-python"
        assert "runbook-python" in specs["kernelspecs"]
        if arguments[0] == "open":
            assert any("name = 'attic'" in "".join(cell["source"]) for cell in served)
        else:
            assert "widget-view" in json.dumps(served), "the form was run in advance"
            (session,) = get(f"{base}/api/sessions", **key)
            assert session["path"] == "start.ipynb"
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert not _left(house)


def test_opening_with_a_wrong_parameter_starts_no_server(house: House) -> None:
    done = house.run("open", "90", "--target", "fix", "-p", "nmae=x", "--no-browser")
    assert done.returncode == 2
    assert "Did you mean name?" in done.stderr
    assert not house.outputs.exists()


def _left(house: House) -> list[str]:
    needle = f"RUNBOOK_HOME={house.root}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if needle in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_text())
            except OSError:
                continue
    return found
