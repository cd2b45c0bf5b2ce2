"""Proves that an artifact is what it was: every byte of every file, nothing missing, nothing added."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runbook_lib.artifact.files import MANIFEST, PARTIAL, SEAL
from runbook_lib.artifact.forms import ManifestForm, fault_of
from runbook_lib.artifact.read import corrupt, refuse_what_is_none
from runbook_lib.artifact.seal import MANIFEST_SCHEMA
from runbook_lib.artifact.stranger import StrangersFolder
from runbook_lib.core.errors import ArtifactError, UsageError
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
        UsageError: it is not an artifact (or a run that never became whole, or it holds what no artifact may), or `expected` is
            not a hash.
    """
    if expected is not None and not _SHA256.fullmatch(expected):
        raise UsageError("This is no SHA-256", where="--expect", do_next="Give the 64 hex digits that were printed.")
    if folder.name.endswith(PARTIAL):
        raise UsageError(
            "This run never became whole, so there is nothing to verify",
            where=str(folder),
            came_back="its name ends in .partial",
            do_next="Its run.json says how it ended, its report.html shows what it had.",
        )
    refuse_what_is_none(folder)
    try:
        return _compared(StrangersFolder(folder), expected)
    except ArtifactError as error:
        raise corrupt(error) from error


def _compared(folder: StrangersFolder, expected: str | None) -> Verification:
    present = folder.names()
    changed = [name for name in (MANIFEST, SEAL) if present.get(name) not in ("file", None)]
    missing = [name for name in (MANIFEST, SEAL) if name not in present]
    value = folder.sha256(MANIFEST) if present.get(MANIFEST) == "file" else ""
    seal = folder.read(SEAL) if present.get(SEAL) == "file" else None
    if seal is not None and value and seal != f"{value}  {MANIFEST}\n".encode():
        whole = _SEAL_LINE.fullmatch(seal) and value != expected
        # two that do not belong together: either may be the changed one
        changed += [MANIFEST, SEAL] if whole else [SEAL]
    if expected is not None and value != expected and MANIFEST not in (*changed, *missing):
        changed.append(MANIFEST)
    listed = _listed(folder) if value else None
    if listed is None:
        unreadable = () if MANIFEST in (*changed, *missing) else (MANIFEST,)
        return Verification(folder.path, value, (*changed, *unreadable), tuple(missing))
    found = {name: kind for name, kind in present.items() if name not in (MANIFEST, SEAL)}
    for name, digest in sorted(listed.items()):
        if name not in found:
            missing.append(name)
        elif found[name] != "file" or folder.sha256(name) != digest:  # a link is no file, whatever it leads to
            changed.append(name)
    return Verification(folder.path, value, tuple(changed), tuple(missing), tuple(sorted(found.keys() - set(listed))))


_SEAL_LINE = re.compile(rb"[0-9a-f]{64}  manifest\.json\n")


def _listed(folder: StrangersFolder) -> dict[str, str] | None:
    """The hashes the manifest holds; None where it is unreadable. A name that leads out of the folder makes it so."""
    try:
        manifest = folder.json(MANIFEST)
    except ArtifactError:
        return None
    if fault_of(ManifestForm, manifest) or manifest["schema"] != MANIFEST_SCHEMA:
        return None
    paths = [PurePosixPath(name) for name in manifest["files"]]
    if any(path.is_absolute() or ".." in path.parts for path in paths):
        return None
    return {name: entry["sha256"] for name, entry in manifest["files"].items()}
