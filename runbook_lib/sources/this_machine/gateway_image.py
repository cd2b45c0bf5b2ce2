"""The LLM gateway's image on this machine: its Dockerfile read, and, where Docker answers, built, started and asked.

Building and running leaves a mark (layers in the machine's cache, network traffic to a registry), so it is done on request;
the image and the container of ours are taken away again. Nothing secret is given to it.
"""

import contextlib
import re
import secrets
from pathlib import Path
from typing import Any

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.io.observe import Door, Look
from runbook_lib.settings import reveal
from runbook_lib.sources.kit.asking import need
from runbook_lib.sources.this_machine.build_log import digest
from runbook_lib.sources.this_machine.dockerfile import instructions, without_values

PORT = 8000
_BUILD_S = 900.0
_POLL_S = 0.25
_LARGEST = 1024 * 1024
_COPIED = ("COPY", "ADD")


def dockerfile(path: str = "") -> Look:
    """The gateway's Dockerfile: {"path", "instructions": see `_dockerfile`, "copies": [{"line", "source", "there"}] (files that it
    copies by name)}. not_found: its folder holds none.

    Args:
        path: of the file or its folder; by default RUNBOOK_GATEWAY_DOCKERFILE.
    """

    def fetch(door: Door) -> Answer:
        file = _file(door, path)
        text = door.read_text(str(file), max_bytes=_LARGEST)
        try:
            rows = instructions(text)
        except ValueError as error:
            raise LookError(Status.malformed, str(error), where=str(file)) from error
        return Answer(Status.ok, {"path": str(file), "instructions": rows, "copies": _copies(door, file, rows)})

    return Look("gateway_image", "dockerfile", {"path": path}, fetch)


def engine() -> Look:
    """Whether Docker answers here: {"version"}; not_configured where there is no client or no engine behind it."""

    def fetch(door: Door) -> Answer:
        docker = _Docker(door)
        return Answer(Status.ok, {"version": docker.version()})

    return Look("gateway_image", "engine", {}, fetch, deadline_s=8)


def build_and_run(path: str = "") -> Look:
    """Build the image, start it and ask it: {"built", "log" (`_build_log.digest` of the build), "started", "answers" (HTTP status
    on 8000, None: none), "exit_code" (None: it still runs), "out_of_memory", "said": its last lines}."""

    def fetch(door: Door) -> Answer:
        docker, file = _Docker(door), _file(door, path)
        docker.version()
        text = door.read_text(str(file), max_bytes=_LARGEST)
        name = f"runbook-gateway-{secrets.token_hex(4)}"
        try:
            door.tell(f"building {file}")
            built = docker.run("build", "--progress=plain", "-t", name, "-f", str(file), str(file.parent))
            log = _digest(without_values(text, built.printed + built.said))
            if built.code != 0:
                return Answer(Status.ok, {"built": False, "log": log, **_nothing()})
            door.tell(f"starting {name}")
            return Answer(Status.ok, {"built": True, "log": log, **_asked(door, docker, name, text)})
        finally:
            with contextlib.suppress(LookError):
                docker.run("rm", "--force", "--volumes", name)
                docker.run("rmi", "--force", "--no-prune", name)

    return Look("gateway_image", "build_and_run", {"path": path}, fetch, deadline_s=_BUILD_S, is_work=True)


def health() -> Look:
    """Whether Docker answers here; see `engine`."""
    return engine()


class _Docker:
    """The docker command within one look."""

    def __init__(self, door: Door) -> None:
        self._programs = door.programs
        self._path = door.programs.find("docker", door.settings.docker_folder, setting="RUNBOOK_DOCKER_FOLDER")
        host = reveal(door.settings.docker_host)
        self._variables = {"DOCKER_HOST": host} if host else {}

    def run(self, *arguments: str) -> Any:
        """What a docker command came to: `code`, `said`, `printed`."""
        return self._programs.run([self._path, *arguments], variables=self._variables)

    def version(self) -> str:
        """The engine's version. Raises LookError(not_configured) where no engine answers."""
        ran = self.run("version", "--format", "{{.Server.Version}}")
        if ran.code != 0:
            why = " ".join((ran.said or ran.printed).split())[:200]
            raise LookError(
                Status.not_configured, f"no Docker engine answers: {why}", do_next="start Docker, or set DOCKER_HOST"
            )
        return str(ran.printed).strip()


def _file(door: Door, path: str) -> Path:
    """The Dockerfile's path. Raises LookError: not_configured where there is no such place, not_found where its folder has none.

    A path that is not there is a Dockerfile's only by its name; any other is a folder that is not there.
    """
    given = Path(path or need(door, "gateway_dockerfile")).expanduser().absolute()
    if not _is_folder(door, given):
        if not _is_there(door, given):
            is_file = "dockerfile" in given.name.lower()
            if is_file and _is_folder(door, given.parent):
                raise LookError(Status.not_found, "there is no Dockerfile", where=str(given.parent))
            raise LookError(
                Status.not_configured,
                f"there is no folder {given.parent if is_file else given}",
                do_next="correct the parameter dockerfile" if path else "correct RUNBOOK_GATEWAY_DOCKERFILE",
            )
        return given
    if not _is_there(door, given / "Dockerfile"):
        raise LookError(Status.not_found, "there is no Dockerfile", where=str(given))
    return given / "Dockerfile"


def _is_there(door: Door, file: Path) -> bool:
    return door.changed_at(str(file)) is not None


def _is_folder(door: Door, path: Path) -> bool:
    return door.changed_at(str(path / "..")) is not None  # of a file there is no parent within


def _copies(door: Door, file: Path, rows: list[dict[str, Json]]) -> list[dict[str, Json]]:
    """The files that are copied by name from the build's folder; patterns, folders of other stages and addresses are left out."""
    found = []
    for row in rows:
        if row["name"] not in _COPIED:
            continue
        words = row["words"] if isinstance(row["words"], list) else str(row["text"]).split()
        if any(str(word).startswith("--from") for word in words) or "<<" in str(row["text"]):
            continue
        sources = [word for word in words if not str(word).startswith("--")][:-1]
        for source in sources:
            text = str(source)
            if not re.search(r"[*?$\[]|://|^git@", text) and text.strip("./"):
                there = _is_there(door, file.parent / text.lstrip("/"))
                found.append({"line": row["line"], "source": text, "there": there})
    return found


def _nothing() -> dict[str, Json]:
    return {"started": False, "answers": None, "exit_code": None, "out_of_memory": False, "said": []}


def _digest(said: str) -> dict[str, Json]:
    return digest([(None, line) for line in said.splitlines()])


def _asked(door: Door, docker: _Docker, name: str, dockerfile_text: str) -> dict[str, Json]:
    """Start the image and ask it on 8000 until it answers, ends, or its time is over."""
    ran = docker.run("run", "--detach", "--name", name, "--publish", f"127.0.0.1::{PORT}", name)
    if ran.code != 0:
        return {**_nothing(), "said": _digest(without_values(dockerfile_text, ran.said))["last"]}
    found: dict[str, Json] = {**_nothing(), "started": True}
    published = docker.run("port", name, f"{PORT}/tcp").printed
    port = next(iter(re.findall(r":(\d+)\s*$", published, re.MULTILINE)), None)
    ends_at = door.deadline.remaining_s - door.settings.docker_answer_s
    while door.deadline.remaining_s > max(1.0, ends_at):
        state = docker.run("inspect", "--format", "{{.State.Running}} {{.State.ExitCode}} {{.State.OOMKilled}}", name)
        running, code, memory = [*state.printed.split(), "", "", ""][:3]
        found["out_of_memory"] = memory == "true"
        if running == "false":
            found["exit_code"] = int(code) if code.lstrip("-").isdigit() else None
            break
        if port:
            with contextlib.suppress(LookError):
                found["answers"] = door.http.get(f"http://127.0.0.1:{port}/", retry=False).status_code
                break
        if door.ended.wait(_POLL_S):
            break
    logs = docker.run("logs", "--tail", "20", name)
    found["said"] = _digest(without_values(dockerfile_text, logs.printed + logs.said))["last"]
    return found
