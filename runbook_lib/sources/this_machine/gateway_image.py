"""The LLM gateway's image on this machine: its Dockerfile read, and, where Docker answers, built, started and asked.

Building and running leaves a mark (layers in the machine's cache, network traffic to a registry), so it is done on request;
the image and the container of ours are taken away again. Nothing secret is given to it.
"""

import contextlib
import re
import secrets
from pathlib import Path

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Status
from runbook_lib.core.records.deployments import BuildLog
from runbook_lib.core.records.images import CopiedFile, DockerEngine, Dockerfile, ImageRun, Instruction
from runbook_lib.io.observe import Door, Look
from runbook_lib.io.programs import ProgramResult
from runbook_lib.settings import reveal
from runbook_lib.sources.kit.asking import require_setting
from runbook_lib.sources.this_machine.build_log import digest
from runbook_lib.sources.this_machine.dockerfile import instructions, without_values

PORT = 8000
_BUILD_S = 900.0
_POLL_S = 0.25
_LARGEST = 1024 * 1024
_COPIED = ("COPY", "ADD")


def dockerfile(path: str = "") -> Look[Dockerfile]:
    """The gateway's Dockerfile. not_found: its folder holds none.

    Args:
        path: of the file or its folder; by default RUNBOOK_GATEWAY_DOCKERFILE.
    """

    def fetch(door: Door) -> Answer[Dockerfile]:
        file = _file(door, path)
        text = door.read_text(str(file), max_bytes=_LARGEST)
        try:
            rows = instructions(text)
        except ValueError as error:
            raise LookError(Status.malformed, str(error), where=str(file)) from error
        return Answer(Status.ok, Dockerfile(path=str(file), instructions=rows, copies=_copies(door, file, rows)))

    return Look("gateway_image", "dockerfile", {"path": path}, fetch)


def engine() -> Look[DockerEngine]:
    """Whether Docker answers here; not_configured where there is no client or no engine behind it."""

    def fetch(door: Door) -> Answer[DockerEngine]:
        docker = _Docker(door)
        return Answer(Status.ok, DockerEngine(version=docker.version()))

    return Look("gateway_image", "engine", {}, fetch, deadline_s=8)


def build_and_run(path: str = "") -> Look[ImageRun]:
    """Build the image, start it and ask it."""

    def fetch(door: Door) -> Answer[ImageRun]:
        docker, file = _Docker(door), _file(door, path)
        docker.version()
        text = door.read_text(str(file), max_bytes=_LARGEST)
        name = f"runbook-gateway-{secrets.token_hex(4)}"
        try:
            door.tell(f"building {file}")
            built = docker.run("build", "--progress=plain", "-t", name, "-f", str(file), str(file.parent))
            log = _digest(without_values(text, built.printed + built.said))
            run = _not_started(log, built=built.code == 0)
            if run["built"]:
                door.tell(f"starting {name}")
                _start_and_ask(door, docker, name, text, run)
            return Answer(Status.ok, run)
        finally:
            with contextlib.suppress(LookError):
                docker.run("rm", "--force", "--volumes", name)
                docker.run("rmi", "--force", "--no-prune", name)

    return Look("gateway_image", "build_and_run", {"path": path}, fetch, deadline_s=_BUILD_S, is_work=True)


def health() -> Look[DockerEngine]:
    """Whether Docker answers here; see `engine`."""
    return engine()


class _Docker:
    """The docker command within one look."""

    def __init__(self, door: Door) -> None:
        self._programs = door.programs
        self._path = door.programs.find("docker", door.settings.docker_folder, setting="RUNBOOK_DOCKER_FOLDER")
        host = reveal(door.settings.docker_host)
        self._variables = {"DOCKER_HOST": host} if host else {}

    def run(self, *arguments: str) -> ProgramResult:
        """What a docker command came to."""
        return self._programs.run([self._path, *arguments], variables=self._variables)

    def version(self) -> str:
        """The engine's version. Raises LookError(not_configured) where no engine answers."""
        ran = self.run("version", "--format", "{{.Server.Version}}")
        if ran.code != 0:
            why = " ".join((ran.said or ran.printed).split())[:200]
            raise LookError(
                Status.not_configured, f"no Docker engine answers: {why}", do_next="start Docker, or set DOCKER_HOST"
            )
        return ran.printed.strip()


def _file(door: Door, path: str) -> Path:
    """The Dockerfile's path. Raises LookError: not_configured where there is no such place, not_found where its folder has none.

    A path that is not there is a Dockerfile's only by its name; any other is a folder that is not there.
    """
    given = Path(path or require_setting(door, "gateway_dockerfile")).expanduser().absolute()
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


def _copies(door: Door, file: Path, rows: list[Instruction]) -> list[CopiedFile]:
    """The files that are copied by name from the build's folder; patterns, folders of other stages and addresses are left out."""
    found = []
    for row in rows:
        if row["name"] not in _COPIED:
            continue
        words = row["text"].split() if row["words"] is None else row["words"]
        if any(word.startswith("--from") for word in words) or "<<" in row["text"]:
            continue
        for source in [word for word in words if not word.startswith("--")][:-1]:
            if not re.search(r"[*?$\[]|://|^git@", source) and source.strip("./"):
                is_there = _is_there(door, file.parent / source.lstrip("/"))
                found.append(CopiedFile(line=row["line"], source=source, there=is_there))
    return found


def _not_started(log: BuildLog, *, built: bool) -> ImageRun:
    return ImageRun(built=built, log=log, started=False, answers=None, exit_code=None, out_of_memory=False, said=[])


def _digest(said: str) -> BuildLog:
    return digest([(None, line) for line in said.splitlines()])


def _start_and_ask(door: Door, docker: _Docker, name: str, dockerfile_text: str, run: ImageRun) -> None:
    """Start the image and ask it on 8000 until it answers, ends, or its time is over; `run` is told what came of it."""
    ran = docker.run("run", "--detach", "--name", name, "--publish", f"127.0.0.1::{PORT}", name)
    if ran.code != 0:
        run["said"] = _digest(without_values(dockerfile_text, ran.said))["last"]
        return
    run["started"] = True
    published = docker.run("port", name, f"{PORT}/tcp").printed
    port = next(iter(re.findall(r":(\d+)\s*$", published, re.MULTILINE)), None)
    ends_at = door.deadline.remaining_s - door.settings.docker_answer_s
    while door.deadline.remaining_s > max(1.0, ends_at):
        state = docker.run("inspect", "--format", "{{.State.Running}} {{.State.ExitCode}} {{.State.OOMKilled}}", name)
        running, code, memory = [*state.printed.split(), "", "", ""][:3]
        run["out_of_memory"] = memory == "true"
        if running == "false":
            run["exit_code"] = int(code) if code.lstrip("-").isdigit() else None
            break
        if port:
            with contextlib.suppress(LookError):
                run["answers"] = door.http.get(f"http://127.0.0.1:{port}/", retry=False).status_code
                break
        if door.ended.wait(_POLL_S):
            break
    logs = docker.run("logs", "--tail", "20", name)
    run["said"] = _digest(without_values(dockerfile_text, logs.printed + logs.said))["last"]
