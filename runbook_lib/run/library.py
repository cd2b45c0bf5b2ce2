"""What made a verdict: a hash over the library's own files, the versions of what it stands on, the git commit, and who ran it."""

import getpass
import hashlib
import platform
import socket
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import runbook_lib
from runbook_lib.core.model import Json

_PACKAGE = Path(runbook_lib.__file__).resolve().parent
_KEPT = frozenset({".py", ".sql", ".json", ".toml"})
_STANDS_ON = ("papermill", "nbclient", "ipykernel", "jupyter_client", "pandas", "matplotlib", "httpx", "pydantic")


@cache
def library_sha256() -> str:
    """One hash over the names and bytes of the library's files; the same checkout gives the same hash anywhere."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*"), key=lambda each: each.relative_to(_PACKAGE).as_posix()):
        if path.suffix in _KEPT and "__pycache__" not in path.parts:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(_PACKAGE).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


@cache
def runbook_version() -> str:
    """The runbook's own version."""
    try:
        return version("nexuscore-runbook")
    except PackageNotFoundError:
        return "0"


def versions() -> dict[str, str]:
    """Python and the packages that a result may depend on."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "runbook": runbook_version()}
    for name in _STANDS_ON:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_state(root: Path) -> dict[str, Json]:
    """`{commit, dirty}` of a checkout; both None without git."""
    commit = _git(root, "rev-parse", "HEAD")
    if not commit:
        return {"commit": None, "dirty": None}
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit.strip(), "dirty": None if changed is None else bool(changed.strip())}


def whoami() -> dict[str, str]:
    """Who runs this, by the machine's own account: `{user, host}`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return {"user": user, "host": socket.gethostname()}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
