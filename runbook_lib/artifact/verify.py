"""Proves that an artifact is what it was: every byte of every file, nothing missing, nothing added."""

import json
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runbook_lib.artifact.files import MANIFEST, PARTIAL, SEAL, sha256_of
from runbook_lib.artifact.seal import MANIFEST_SCHEMA, list_contents
from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Json

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True)
class Verification:
    """What was found: files changed, missing and added, by name within the artifact; `manifest_sha256` as it is now."""

    folder: Path
    manifest_sha256: str
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    @property
    def intact(self) -> bool:
        """Nothing differs."""
        return not (self.changed or self.missing or self.added)

    def as_dict(self) -> dict[str, Json]:
        """What `verify --json` prints."""
        return {
            "artifact": str(self.folder),
            "intact": self.intact,
            "manifest_sha256": self.manifest_sha256,
            "changed": list(self.changed),
            "missing": list(self.missing),
            "added": list(self.added),
        }


def verify(folder: Path, expected: str | None = None) -> Verification:
    """Compare an artifact with its manifest, and the manifest with its seal.

    Args:
        folder: the artifact's.
        expected: the value that was printed when it was sealed; given, somebody who made a new seal is found out as well.

    Raises:
        UsageError: it is not an artifact (or a run that never became whole), or `expected` is not a hash.
    """
    if expected is not None and not _SHA256.fullmatch(expected):
        raise UsageError("This is no SHA-256", where="--expect", do_next="Give the 64 hex digits that were printed.")
    _refuse_what_is_none(folder)
    changed, missing = [], []
    value = sha256_of(folder / MANIFEST) if (folder / MANIFEST).is_file() else ""
    if not value:
        missing.append(MANIFEST)
    if not (folder / SEAL).is_file():
        missing.append(SEAL)
    elif value and (folder / SEAL).read_bytes() != f"{value}  {MANIFEST}\n".encode():
        whole = _SEAL_LINE.fullmatch((folder / SEAL).read_bytes()) and value != expected
        changed += (
            [MANIFEST, SEAL] if whole else [SEAL]
        )  # two that do not belong together: either may be the changed one
    if expected is not None and value != expected and MANIFEST not in (*changed, *missing):
        changed.append(MANIFEST)
    listed = _listed(folder)
    present = set(list_contents(folder))
    if listed is None:
        unreadable = () if MANIFEST in (*changed, *missing) else (MANIFEST,)
        return Verification(folder, value, (*changed, *unreadable), tuple(missing))
    for name, digest in sorted(listed.items()):
        path = folder / name
        if name not in present:
            missing.append(name)
        elif path.is_symlink() or not path.is_file() or sha256_of(path) != digest:
            changed.append(name)
    return Verification(folder, value, tuple(changed), tuple(missing), tuple(sorted(present - set(listed))))


_SEAL_LINE = re.compile(rb"[0-9a-f]{64}  manifest\.json\n")


def _listed(folder: Path) -> dict[str, str] | None:
    """The hashes the manifest holds; None where it is unreadable. A name that leads out of the folder makes it so."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        listed = {str(name): str(entry["sha256"]) for name, entry in manifest["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    paths = [PurePosixPath(name) for name in listed]
    if manifest.get("schema") != MANIFEST_SCHEMA or any(path.is_absolute() or ".." in path.parts for path in paths):
        return None
    return listed


def _refuse_what_is_none(folder: Path) -> None:
    if folder.name.endswith(PARTIAL):
        raise UsageError(
            "This run never became whole, so there is nothing to verify",
            where=str(folder),
            came_back="its name ends in .partial",
            do_next="Its run.json says how it ended, its report.html shows what it had.",
        )
    if not folder.is_dir() or not ((folder / MANIFEST).exists() or (folder / SEAL).exists()):
        raise UsageError(
            "This is not an artifact",
            where=str(folder),
            came_back="no such folder" if not folder.exists() else f"there is no {MANIFEST} in it",
            do_next="Give the folder that `runbook run` printed: outputs/<incident>/<procedure>/<run>.",
        )
