"""What notebooks are tested with on a sandbox: the command, its environment, nbval, and a search for secrets that leaked."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from runbook_lib.run.home import CHECKOUT, Home
from runbook_lib.run.lab.working_copy import write_working_copy
from runbook_lib.run.runner import prepare
from runbook_lib.sandbox import Sandbox
from tests.notebooks.conftest import RUNBOOK


def environment_of(sandbox: Sandbox, outputs: Path, **settings: str) -> dict[str, str]:
    """A user's environment that points at a sandbox, and at an outputs folder of the test's own.

    Args:
        settings: variables beside the sandbox's own; both then stand in a file beside the outputs.
    """
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG", "XDG_STATE_HOME") if name in os.environ
    }
    file = Path(sandbox.env_file)
    if settings:
        file = outputs.parent / "settings.env"
        file.touch(mode=0o600)
        file.write_text("".join(f"{name}='{value}'\n" for name, value in {**sandbox.env, **settings}.items()))
    return {**kept, "RUNBOOK_SANDBOX": str(file), "RUNBOOK_TARGET": "sandbox", "RUNBOOK_OUTPUTS": str(outputs)}


def run(number: str, environment: dict[str, str], where: Path, **parameters: str) -> tuple[int, dict[str, Any], str]:
    """`runbook run` headless, from another folder: exit code, what --json printed, what went to stderr."""
    given = [word for name, value in parameters.items() for word in ("-p", f"{name}={value}")]
    done = subprocess.run(
        [str(RUNBOOK), "run", number, *given, "--incident", "INC-7", "--json"],
        env=environment, cwd=where, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    try:
        said = json.loads(done.stdout)
    except ValueError:
        said = {}
    return done.returncode, said, done.stderr


def nbval(
    number: str, environment: dict[str, str], where: Path, parameters: dict[str, Any]
) -> subprocess.CompletedProcess[str]:
    """A parameterised working copy under nbval."""
    copy = write_working_copy(prepare(number, parameters, incident="INC-7", home=Home(CHECKOUT, where / "out")))
    flags = [
        "--nbval-lax",
        "--nbval-cell-timeout=120",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
        f"--rootdir={where}",
    ]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *flags, str(copy)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def leaks(folder: Path, secrets: list[str]) -> list[str]:
    """The files below a folder in which one of the secrets stands."""
    held = [secret.encode() for secret in secrets if len(secret) > 7]
    return [
        str(path) for path in folder.rglob("*") if path.is_file() and any(each in path.read_bytes() for each in held)
    ]


def secrets_of(sandbox: Sandbox) -> list[str]:
    """Every secret of a sandbox's settings."""
    return [v for name, v in sandbox.env.items() if any(word in name for word in ("KEY", "SECRET", "TOKEN"))]
