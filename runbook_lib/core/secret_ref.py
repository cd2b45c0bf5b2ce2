"""References to secrets: `env:NAME` or `file:PATH`. A parameter holds the reference, never the value.

The value is read where it is used (inside a look) and where it must be known to be masked; it is never written.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from runbook_lib.core.errors import UsageError

_ENV = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)", re.ASCII)
_MAX_BYTES = 64 * 1024


class SecretRef(str):
    """The declared type of a parameter that names a secret; at run time it is plain text."""

    __slots__ = ()


def is_reference(text: str) -> bool:
    """Whether a text has the form of a reference; says nothing about what it points at."""
    return bool(_ENV.fullmatch(text)) or (text.startswith("file:") and len(text) > len("file:"))


def resolve(reference: str, environ: Mapping[str, str] | None = None) -> str:
    """The secret that a reference points at, without surrounding white space.

    Raises:
        UsageError: no reference, or it points at nothing; the message never holds the value, nor a text that may be one.
    """
    variables = os.environ if environ is None else environ
    if match := _ENV.fullmatch(reference):
        value = variables.get(match[1], "").strip()
        if not value:
            raise UsageError(
                "The secret's variable is not set",
                where=f"env:{match[1]}",
                do_next=f"Set {match[1]} in the environment of this command.",
            )
        return value
    if is_reference(reference):
        return _from_file(Path(reference[len("file:") :]).expanduser())
    raise UsageError(
        "A secret is given by reference",
        came_back="the value is neither env:NAME nor file:PATH (it is not shown, for it may be the secret itself)",
        do_next="Put the secret into an environment variable or a file of yours and pass env:NAME or file:PATH.",
    )


def _from_file(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UsageError("The secret's file is too large", where=f"file:{path}", came_back="more than 64 KiB")
        value = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "The secret's file cannot be read",
            where=f"file:{path}",
            came_back=type(error).__name__,
            do_next="Check the path and that this user may read it.",
        ) from error
    if not value:
        raise UsageError("The secret's file is empty", where=f"file:{path}")
    return value
