"""A home of our own with one small procedure, a lamp to look at, and the command line as a user has it."""

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

FIXTURES = Path(__file__).parent / "fixtures"
RUNBOOK = Path(sys.executable).with_name("runbook")

Cells = list[dict[str, Any]]


@dataclass
class Lamp:
    """What the lamp's server answers; changed by a test while it runs."""

    url: str = ""
    answer: dict[str, Any] = field(default_factory=lambda: {"lit": False, "by": "night watch"})
    status: int = 200
    asked: list[str] = field(default_factory=list)


@dataclass
class House:
    """A home folder, and the command line run in it."""

    root: Path
    cwd: Path
    env: dict[str, str]

    @property
    def outputs(self) -> Path:
        return self.root / "outputs"

    @property
    def notebook(self) -> Path:
        return self.root / "notebooks" / "90_lamp.ipynb"

    def edit(self, change: Callable[[Cells], None]) -> None:
        """Change the template's cells."""
        document = json.loads(self.notebook.read_text())
        change(document["cells"])
        self.notebook.write_text(json.dumps(document))

    def insert(
        self, source: str, *, before: str = "step:look_at_the_switch", tags: tuple[str, ...] = ("step",), **runbook: Any
    ):
        """Add a code cell before the one with this tag."""

        def change(cells: Cells) -> None:
            at = next(i for i, cell in enumerate(cells) if before in cell["metadata"].get("tags", []))
            metadata: dict[str, Any] = {"tags": list(tags)}
            if runbook:
                metadata["runbook"] = runbook
            cells.insert(
                at,
                {
                    "cell_type": "code",
                    "id": f"inserted-{len(cells)}",
                    "metadata": metadata,
                    "source": source,
                    "outputs": [],
                    "execution_count": None,
                },
            )

        self.edit(change)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(RUNBOOK), *arguments],
            cwd=options.pop("cwd", self.cwd),
            env={**self.env, **options.pop("env", {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def folders(self) -> list[Path]:
        return sorted(self.outputs.glob("*/*/*"))

    def only_folder(self) -> Path:
        (folder,) = self.folders()
        return folder

    def artifact(self, *arguments: str) -> Path:
        """Run the lamp procedure and return its artifact."""
        done = self.run("run", "90", "--target", "fix", "--json", *arguments)
        return Path(json.loads(done.stdout)["artifact"])


@pytest.fixture
def lamp() -> Iterator[Lamp]:
    told = Lamp()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append(self.path)
            named = parse_qs(urlsplit(self.path).query).get("name", [""])[0]
            body = json.dumps({**told.answer, "name": named}).encode()
            self.send_response(told.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told.url = f"http://127.0.0.1:{server.server_port}"
    yield told
    server.shutdown()
    server.server_close()


@pytest.fixture
def house(tmp_path: Path, lamp: Lamp) -> House:
    root, cwd = tmp_path / "home", tmp_path / "somewhere else {0} {name}"
    shutil.copytree(FIXTURES / "home", root, ignore=shutil.ignore_patterns("__pycache__"))
    cwd.mkdir()
    settings = root / ".env.fix"
    settings.write_text(f"RUNBOOK_WEB_URL={lamp.url}\nSTRIPE_SECRET_KEY=canary_value_of_a_secret_1234\n")
    settings.chmod(0o600)
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG", "XDG_STATE_HOME") if name in os.environ
    }
    return House(root, cwd, {**kept, "RUNBOOK_HOME": str(root), "RUNBOOK_SANDBOX_HOME": str(tmp_path / "no-sandboxes")})


def outcomes(notebook: Path) -> dict[str, str]:
    """Each code cell's outcome, by its last tag."""
    cells = json.loads(notebook.read_text())["cells"]
    return {
        cell["metadata"]["tags"][-1]: cell["metadata"]["runbook"]["outcome"]
        for cell in cells
        if cell["cell_type"] == "code"
    }


def texts(notebook: Path) -> str:
    """Everything that a notebook's cells put out, as one text."""
    return "".join(
        json.dumps(output) for cell in json.loads(notebook.read_text())["cells"] for output in cell.get("outputs", [])
    )
