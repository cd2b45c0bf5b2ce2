"""The machine's own key to pseudonyms, and who they are: in a folder of this user, and in no artifact.

    <state>/pseudonyms.key            made once, readable by this user alone
    <state>/people/<incident>.jsonl   one line for each pseudonym: {"pseudonym", "value"}

<state> is $XDG_STATE_HOME/nexuscore-runbook, by default ~/.local/state/nexuscore-runbook; where neither can be written, it lies
in the private runtime folder. Delete the key, and no pseudonym can be resolved or made again.
"""

import contextlib
import json
import os
import re
import secrets
from functools import cache
from pathlib import Path

from runbook_lib.core.errors import UsageError
from runbook_lib.core.pseudonyms import PSEUDONYM, Pseudonyms
from runbook_lib.run.runtime import STATE, runtime_folder

_KEY, _PEOPLE = "pseudonyms.key", "people"
_KEY_BYTES = 32


def pseudonyms_of(incident: str) -> Pseudonyms:
    """The pseudonyms of an incident, made with this machine's key and remembered on this machine.

    Raises:
        NotebookError: there is no folder of this user in which the key could be kept.
    """
    state = state_folder()

    def remember(people: dict[str, str]) -> None:
        _remember(state / _PEOPLE / f"{_file_name(incident)}.jsonl", people)

    return Pseudonyms(_key(state), incident, remember)


def who(pseudonym: str) -> str:
    """Whom a pseudonym stands for.

    Raises:
        UsageError: it is no pseudonym, or none that was given on this machine.
    """
    if not re.fullmatch(PSEUDONYM, pseudonym):
        raise UsageError(
            "This is no pseudonym",
            where=repr(pseudonym[:60]),
            do_next="They look like <email:0123456789>; quote it for your shell.",
        )
    folder = state_folder() / _PEOPLE
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                said = json.loads(line)
                if said["pseudonym"] == pseudonym:
                    return str(said["value"])
    raise UsageError(
        "Nobody on this machine knows this pseudonym",
        where=pseudonym,
        came_back=f"it is in none of the files in {folder}",
        do_next="Ask on the machine that made the run: run.json names its host. What was forgotten is nowhere.",
    )


def forget_people(incident: str) -> None:
    """Remove what this machine knows of an incident's people; their pseudonyms stand for nobody any more."""
    (state_folder() / _PEOPLE / f"{_file_name(incident)}.jsonl").unlink(missing_ok=True)


def state_folder() -> Path:
    """The folder of what this machine remembers, made where it is missing; this user's alone."""
    home = os.environ.get("HOME")
    for base in (os.environ.get("XDG_STATE_HOME"), f"{home}/.local/state" if home else None):
        if not base:
            continue
        folder = Path(base) / "nexuscore-runbook"
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = folder.stat()
            if found.st_uid == os.getuid() and not found.st_mode & 0o077 and os.access(folder, os.W_OK):
                return folder
    folder = runtime_folder() / STATE
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@cache
def _key(state: Path) -> bytes:
    """The key, made by whoever comes first."""
    path = state / _KEY
    if not path.exists():
        draft = path.with_name(f".{_KEY}.{secrets.token_hex(4)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(secrets.token_bytes(_KEY_BYTES))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_bytes()


def _remember(path: Path, people: dict[str, str]) -> None:
    """Add lines, whole or not at all. Where that cannot be done, nobody can be looked up, and nothing else is lost."""
    lines = "".join(json.dumps({"pseudonym": pseudonym, "value": value}) + "\n" for pseudonym, value in people.items())
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            os.write(handle, lines.encode())
        finally:
            os.close(handle)


def _file_name(incident: str) -> str:
    """An incident's name as a file's; incidents are named by letters, digits, `.`, `_` and `-` alone (run.ids)."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", incident)[:100] or "none"
