"""The gateway's image: its Dockerfile, and what Docker made of it."""

from typing_extensions import TypedDict

from runbook_lib.core.records.deployments import BuildLog


class Instruction(TypedDict):
    """One instruction of a Dockerfile: `name` in capitals; `words` of the exec form, None of the shell form."""

    line: int
    name: str
    text: str
    words: list[str] | None


class CopiedFile(TypedDict):
    """A file that is copied by name from the build's folder, and whether it is there."""

    line: int
    source: str
    there: bool


class Dockerfile(TypedDict):
    """A Dockerfile that was read."""

    path: str
    instructions: list[Instruction]
    copies: list[CopiedFile]


class DockerEngine(TypedDict):
    """The Docker engine that answers here."""

    version: str


class ImageRun(TypedDict):
    """What building the image, starting it and asking it came to.

    `answers`: the HTTP status on the gateway's port, None without an answer. `exit_code`: None while it runs, or where it was not
    started. `said`: its last lines.
    """

    built: bool
    log: BuildLog
    started: bool
    answers: int | None
    exit_code: int | None
    out_of_memory: bool
    said: list[str]
