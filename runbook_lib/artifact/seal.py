"""Makes a run's folder an artifact: a manifest with every file's hash, the manifest's own hash, and the folder renamed."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.artifact.files import MANIFEST, PARTIAL, SEAL, sha256_of, write_atomic
from runbook_lib.artifact.stranger import StrangersFolder
from runbook_lib.core.errors import ArtifactError
from runbook_lib.core.model import Json
from runbook_lib.core.redact import our_own

MANIFEST_SCHEMA = 1


@dataclass(frozen=True)
class SealedArtifact:
    """An artifact that is whole: its folder, and the value that proves it."""

    folder: Path
    manifest_sha256: str


def seal(partial: Path, facts: Mapping[str, Json]) -> SealedArtifact:
    """Write the manifest of a `.partial` folder and rename the folder into place.

    Args:
        partial: the folder, with everything in it written and redacted.
        facts: what the manifest says beside the files: run, who, when, target, versions, hashes.

    Raises:
        ArtifactError: it is no `.partial`, an artifact of that name exists, or it holds a link or what else no artifact has.
        OSError: the disk refuses; the folder stays a `.partial`.
    """
    final = partial.with_name(partial.name.removesuffix(PARTIAL))
    if final == partial or final.exists():
        raise ArtifactError(
            "Cannot complete the artifact",
            where=str(partial),
            came_back="an artifact of that name is there already" if final.exists() else "the folder is no .partial",
            do_next="Leave it as it is, and run the procedure again.",
        )
    holds = StrangersFolder(partial)
    for name in [name for name, kind in holds.names().items() if kind == "folder"]:
        (partial / name).rmdir()  # a manifest names files
    files = {
        name: {"sha256": holds.sha256(name), "bytes": (partial / name).stat().st_size}
        for name, kind in holds.names().items()
        if name not in (MANIFEST, SEAL) and kind != "folder"
    }
    manifest = {"schema": MANIFEST_SCHEMA, **facts, "files": files}
    content = (json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
    write_atomic(partial / MANIFEST, our_own(content), durable=True)
    value = sha256_of(partial / MANIFEST)
    write_atomic(partial / SEAL, our_own(f"{value}  {MANIFEST}\n".encode()), durable=True)
    partial.rename(final)
    _sync(final.parent)
    return SealedArtifact(final, value)


def _sync(folder: Path) -> None:
    """Wait until the disk has the rename."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
