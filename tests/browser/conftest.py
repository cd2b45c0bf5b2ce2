"""A real browser, a broken sandbox, and a desk: JupyterLab as `runbook open` and `runbook lab` start it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright
from support.needs import missing

from runbook_lib.drills.kit import faults
from runbook_lib.sandbox import Sandbox

PROCEDURE = "01_failed_request"
CODE = "request.provider_failed.overloaded"
RUNBOOK = Path(sys.executable).with_name("runbook")
CHROMIUM = Path("/usr/bin/chromium")
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
_PATIENCE_S = 60


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for the tests of one file only: as long as it is driven, an event loop runs in the main thread."""
    if not CHROMIUM.exists():
        missing(f"no Chromium at {CHROMIUM}: the browser tests need the system's (apt-get install chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield started
        started.close()


@dataclass(frozen=True)
class Incident:
    """A sandbox that is broken, and one request that failed in it."""

    sandbox: Sandbox
    request_id: str


@pytest.fixture(scope="module")
def incident() -> Iterator[Incident]:
    with Sandbox.up(f"browser-{uuid.uuid4().hex[:6]}", foreground=True) as sandbox:
        faults.find(CODE)(sandbox)
        yield Incident(sandbox, sandbox.visit("chat")["request_id"])


class Desk:
    """One page of JupyterLab; what is asked of it is asked of the notebook in front."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @property
    def front(self) -> Locator:
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def cell(self, source: str) -> Locator:
        """The code cell whose source is this text."""
        holds = self.page.locator(".jp-InputArea .cm-content", has_text=re.compile(rf"^\s*{re.escape(source)}\s*$"))
        return self.front.locator(".jp-CodeCell").filter(has=holds)

    def ready(self) -> None:
        """Return when the procedure's kernel can be asked; a run begun earlier makes JupyterLab ask which kernel is meant."""
        until(self._is_connected, "the procedure's kernel, connected to the page")
        self.front.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for(state="attached")

    def _is_connected(self) -> bool:
        """Whether the server has a session of a procedure's notebook whose kernel is idle and listened to by a page."""
        sessions = self.page.request.get(urljoin(self.page.url, "/api/sessions")).json()
        kernels = [each["kernel"] for each in sessions if PROCEDURE in each["path"]]
        return any(kernel["connections"] and kernel["execution_state"] == "idle" for kernel in kernels)

    def run_all(self) -> None:
        self.page.locator(".lm-MenuBar-item", has_text=re.compile(r"^Run$")).click()
        self.page.locator(".lm-Menu-item", has_text=re.compile(r"^Run All Cells")).first.click()

    def run(self, source: str) -> None:
        """Run one cell where it stands."""
        self.cell(source).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")

    def add_below(self, source: str, own: str) -> None:
        """A cell of the engineer's own below another, run."""
        self.cell(source).locator(".cm-content").click()
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("b")
        self.page.keyboard.press("Enter")
        self.page.keyboard.insert_text(own)
        self.page.keyboard.press("Control+Enter")

    def save(self) -> None:
        self.page.keyboard.press("Control+s")


@dataclass
class Bench:
    """The command line with an outputs folder, a configuration and a home folder that nobody else has."""

    folder: Path
    env: dict[str, str]
    browser: Browser

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    def runbook(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(RUNBOOK), *arguments]
        return subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=120)

    def records(self) -> list[dict[str, Any]]:
        """What every run so far says of itself, the unsealed ones too."""
        found = []
        for path in sorted(self.outputs.glob("*/*/*/run.json")):
            try:
                found.append(json.loads(path.read_bytes()))
            except FileNotFoundError:  # sealed between the listing and the reading
                continue
        return found

    def sealed(self) -> list[Path]:
        return [
            path.parent
            for path in sorted(self.outputs.glob("*/*/*/manifest.sha256"))
            if path.parent.suffix != ".partial"
        ]


@pytest.fixture
def bench(tmp_path: Path, incident: Incident, browser: Browser) -> Bench:
    settings = tmp_path / "config" / "lab" / "user-settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # every cell is in the page, not only those that can be seen
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LANG") if name in os.environ}
    own = {
        "HOME": str(tmp_path),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "RUNBOOK_SANDBOX": str(incident.sandbox.env_file),
        "RUNBOOK_TARGET": "sandbox",
        "RUNBOOK_OUTPUTS": str(tmp_path / "outputs"),
    }
    return Bench(tmp_path, {**kept, **own}, browser)


@pytest.fixture
def sit_down(bench: Bench) -> Iterator[Callable[..., Desk]]:
    """`sit_down("open", "01", …)`: start the server with these arguments and open the address that it prints."""
    servers: list[subprocess.Popen[str]] = []
    pages: list[Page] = []
    log = (bench.folder / "server.log").open("w+")

    def start(*arguments: str) -> Desk:
        command = [str(RUNBOOK), *arguments, "--no-browser", "--json"]
        server = subprocess.Popen(
            command, cwd=bench.folder, env=bench.env, stdout=subprocess.PIPE, stderr=log, text=True
        )
        servers.append(server)
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line, (bench.folder / "server.log").read_text()
        page = bench.browser.new_page(viewport={"width": 1400, "height": 1000})
        pages.append(page)
        page.set_default_timeout(_PATIENCE_S * 1000)
        page.goto(json.loads(line)["url"])
        return Desk(page)

    yield start
    for page in pages:
        page.context.close()
    for server in servers:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)
    log.close()


def until(asked: Callable[[], Any], what: str) -> Any:
    """The first true answer; fails with `what` when there is none in time."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if answer := asked():
            return answer
        time.sleep(0.1)
    return pytest.fail(f"waited in vain: {what}")
