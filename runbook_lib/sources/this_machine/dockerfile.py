"""A Dockerfile as its instructions: continued lines joined, comments left out, values of variables kept only where they are a port.

Syntax: Docker's Dockerfile reference (frontend 1.x): escape character, heredocs, shell and exec form.
"""

import json
import re

from runbook_lib.core.records.images import Instruction

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
_SHORTEST_SECRET = 8


def instructions(text: str) -> list[Instruction]:
    """The instructions, in order.

    Raises ValueError for a text that is no Dockerfile: a line that begins with no instruction.
    """
    escape = "`" if re.match(r"(?i)\s*#\s*escape\s*=\s*`", text) else "\\"
    found: list[Instruction] = []
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


def without_values(text: str, said: str) -> str:
    """What a build or its container said, with "…" for what the Dockerfile's ENV and ARG lines hold: that may be a secret.

    A builder echoes those lines, and a command may print a variable. Ports, paths and words under 8 characters stay: they are
    what an error message is understood by, and no secret. A text that is no Dockerfile holds no values.
    """
    lines = text.replace("\\\n", " ").splitlines()
    rests = [line.strip().partition(" ")[2] for line in lines if re.match(r"(?i)\s*(?:ENV|ARG|LABEL)\s", line)]
    values = {value.strip("\"'") for rest in rests for _, value in _pairs(rest)}
    secrets = [v for v in values if len(v) >= _SHORTEST_SECRET and not v.startswith(("/", "./", "$"))]
    for value in sorted(secrets, key=len, reverse=True):
        said = said.replace(value, "…")
    return said


def _instruction(number: int, name: str, rest: str) -> Instruction:
    row = Instruction(line=number, name=name, text=rest, words=_exec_form(rest))
    if name in ("ENV", "ARG", "LABEL"):
        row["text"] = " ".join(_names(rest))
    elif name == "RUN":
        row["text"] = rest[:80]
    elif name == "HEALTHCHECK":
        row["text"] = rest[:200]
    return row


def _names(rest: str) -> list[str]:
    """`NAME=8000` where the value is a port, else `NAME=…`: what else a variable holds may be a secret."""
    shown = []
    for name, value in _pairs(rest):
        bare = value.strip("\"'")
        shown.append(f"{name}={bare}" if _PORT.fullmatch(bare) else f"{name}=…" if bare else name)
    return shown


def _pairs(rest: str) -> list[tuple[str, str]]:
    """The names and values of an ENV, ARG or LABEL, quotes and all; a name without a value has an empty one."""
    pairs = _ASSIGNED.findall(rest)
    if pairs:
        return pairs
    name, _, value = rest.partition(" ")  # the old form: ENV NAME value; or ARG NAME
    return [(name, value.strip())]


def _exec_form(rest: str) -> list[str] | None:
    if not rest.startswith("["):
        return None
    try:
        words = json.loads(rest)
    except ValueError:
        return None
    return [str(word) for word in words] if isinstance(words, list) else None
