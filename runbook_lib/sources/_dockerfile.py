"""A Dockerfile as its instructions: continued lines joined, comments left out, values of variables kept only where they are a port.

Syntax: Docker's Dockerfile reference (frontend 1.x): escape character, heredocs, shell and exec form.
"""

import json
import re
from typing import Any

from runbook_lib.model import Json

_KNOWN = {
    *(
        "FROM",
        "RUN",
        "CMD",
        "LABEL",
        "MAINTAINER",
        "EXPOSE",
        "ENV",
        "ADD",
        "COPY",
        "ENTRYPOINT",
        "VOLUME",
        "USER",
        "WORKDIR",
    ),
    *("ARG", "ONBUILD", "STOPSIGNAL", "HEALTHCHECK", "SHELL"),
}
_HEREDOC = re.compile(r"<<-?\s*[\"']?(\w+)[\"']?")
_ASSIGNED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(\"[^\"]*\"|'[^']*'|\S*)")
_PORT = re.compile(r"\d{1,5}")


def instructions(text: str) -> list[dict[str, Json]]:
    """[{"line", "name" (capitals), "text" (what follows it), "words" (of the exec form, None for the shell form)}].

    Raises ValueError for a text that is no Dockerfile: a line that begins with no instruction.
    """
    escape = "`" if re.match(r"(?i)\s*#\s*escape\s*=\s*`", text) else "\\"
    found: list[dict[str, Json]] = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        number, line = at + 1, lines[at].strip()
        at += 1
        if not line or line.startswith("#"):
            continue
        while line.endswith(escape) and at < len(lines):
            follows = lines[at].strip()
            at += 1
            if not follows.startswith("#"):
                line = f"{line[:-1].rstrip()} {follows}"
        name, _, rest = line.rstrip(escape).partition(" ")
        if name.upper() not in _KNOWN:
            raise ValueError(f"line {number} begins with no instruction of a Dockerfile: {name[:30]!r}")
        for end in _HEREDOC.findall(rest) if name.upper() in ("RUN", "COPY", "ADD") else ():
            while at < len(lines) and lines[at].strip() != end:
                at += 1
            at += 1
        found.append(_instruction(number, name.upper(), rest.strip()))
    return found


def _instruction(number: int, name: str, rest: str) -> dict[str, Json]:
    row: dict[str, Any] = {"line": number, "name": name, "text": rest, "words": _exec_form(rest)}
    if name in ("ENV", "ARG", "LABEL"):
        row["text"] = " ".join(_names(rest))
    elif name == "RUN":
        row["text"] = rest[:80]
    elif name == "HEALTHCHECK":
        row["text"] = rest[:200]
    return row


def _names(rest: str) -> list[str]:
    """`NAME=8000` where the value is a port, else `NAME=…`: what else a variable holds may be a secret."""
    pairs = _ASSIGNED.findall(rest)
    if not pairs:  # the old form: ENV NAME value; or ARG NAME
        name, _, value = rest.partition(" ")
        pairs = [(name, value.strip())]
    shown = []
    for name, value in pairs:
        bare = value.strip("\"'")
        shown.append(f"{name}={bare}" if _PORT.fullmatch(bare) else f"{name}=…" if bare else name)
    return shown


def _exec_form(rest: str) -> list[str] | None:
    if not rest.startswith("["):
        return None
    try:
        words = json.loads(rest)
    except ValueError:
        return None
    return [str(word) for word in words] if isinstance(words, list) else None
