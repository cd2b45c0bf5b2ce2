"""The gateway's Dockerfile judged: what it is built from, the port it serves, exposes and is called on, command, user, check.

The last stage counts. What a command serves is told from its own words: uvicorn's, hypercorn's and gunicorn's options, and $PORT.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runbook_lib.core.model import Observation, Status
from runbook_lib.core.records.images import Dockerfile, ImageRun, Instruction
from runbook_lib.judging.answers import record_of, whole_record
from runbook_lib.judging.findings import Findings
from runbook_lib.procedures.deploy_llm_gateway.causes import CATALOGUE

WANTED = 8000
_SERVERS = ("uvicorn", "hypercorn", "gunicorn", "fastapi")
_PYTHON = re.compile(r"(?:^|/)python:(\d+)\.(\d+)")
_OLDEST = (3, 11)


@dataclass(frozen=True)
class Image:
    """What a Dockerfile's last stage says of itself.

    Attributes:
        base: the image it begins from; "" without one.
        exposed: the ports it exposes.
        command: what it starts, as one line; "" where it starts nothing.
        served: the port that the command serves; None where it does not tell. follows_port: it serves $PORT.
        host: the address that the command serves on; None where it does not tell.
    """

    base: str
    exposed: tuple[int, ...]
    command: str
    served: int | None
    follows_port: bool
    host: str | None
    user: str
    has_check: bool


def read_image(look: Observation | None, start_command: str = "") -> Image | None:
    """The image of a Dockerfile that was read whole; None where it was not. `start_command`: the platform's, in place of its."""
    file = whole_record(look, Dockerfile)
    if file is None:
        return None
    stage = _last_stage(file["instructions"])
    env = _variables(stage)
    command = start_command or _command(stage)
    served, follows, host = _serves(command, env)
    base = next((row["text"].split() for row in stage if row["name"] == "FROM"), [])
    named = next((word for word in base if not word.startswith("--")), "")
    return Image(
        base=named,
        exposed=tuple(sorted({port for row in stage if row["name"] == "EXPOSE" for port in _exposed(row, env)})),
        command=command,
        served=served,
        follows_port=follows,
        host=host,
        user=next((row["text"] for row in reversed(stage) if row["name"] == "USER"), ""),
        has_check=any(row["name"] == "HEALTHCHECK" and row["text"].upper() != "NONE" for row in stage),
    )


def judge_file(look: Observation | None, built: Observation | None, image: Image | None) -> Findings:
    """What is wrong with the Dockerfile by itself, and what building and running it showed."""
    found = Findings()
    if look is not None and look.status is Status.not_found:
        found.faults.append(
            CATALOGUE.finding(
                "image.build_file.missing", "Dockerfile", f"the gateway's folder has none: {look.why}", [look]
            )
        )
        return found
    dockerfile = record_of(look, Dockerfile)
    if image is None or dockerfile is None:
        return found
    file = dockerfile["path"].rsplit("/", 1)[-1]
    if not image.base:
        found.faults.append(CATALOGUE.finding("image.build_file.no_base", file, f"{file} has no FROM", [look]))
    for copied in dockerfile["copies"]:
        if not copied["there"]:
            summary = f"{file} line {copied['line']} copies {copied['source']}, which is not there"
            found.faults.append(
                CATALOGUE.finding("image.build_file.copy", f"{file}: {copied['source']}", summary, [look])
            )
    if not image.command and image.base and not re.search(r"(?:uvicorn|gunicorn|fastapi)", image.base):
        found.faults.append(
            CATALOGUE.finding("image.build_file.no_command", file, f"{file} has neither CMD nor ENTRYPOINT", [look])
        )
    found.add(_ports(look, image, file))
    found.add(_ran(look, built, file))
    return found


def _ports(look: Observation | None, image: Image, file: str) -> Findings:
    found = Findings()
    if image.command and image.host in ("127.0.0.1", "localhost", "::1"):
        summary = f"{file}: the command serves {image.host} alone, inside the container: {image.command}"
        found.faults.append(CATALOGUE.finding("image.port_mismatch.loopback", file, summary, [look]))
    if image.served is not None and image.served != WANTED and not image.follows_port:
        summary = f"{file}: the command serves {image.served}, and the gateway is called on {WANTED}: {image.command}"
        found.faults.append(CATALOGUE.finding("image.port_mismatch.served", file, summary, [look]))
        return found
    serves = image.served or WANTED
    if image.command and serves not in image.exposed:
        shown = ", ".join(map(str, image.exposed)) or "no port"
        summary = f"{file}: it serves {serves} and exposes {shown}"
        found.faults.append(CATALOGUE.finding("image.port_mismatch.expose", file, summary, [look]))
    return found


def _ran(look: Observation | None, built: Observation | None, file: str) -> Findings:
    """What Docker made of it, where it was asked."""
    found, run = Findings(), whole_record(built, ImageRun)
    if run is None:
        return found
    if not run["built"]:
        errors = run["log"]["errors"]
        said = errors[-1]["text"] if errors else " ".join(run["log"]["last"][-1:])
        found.faults.append(
            CATALOGUE.finding("image.build_file.fails", file, f"docker build of {file} fails: {said}", [look, built])
        )
    elif run["exit_code"] is not None or not run["started"]:
        said = " ".join(run["said"][-2:])[:300]
        summary = f"{file} builds, and its container ends with {run['exit_code']}: {said}"
        found.faults.append(CATALOGUE.finding("image.build_file.exits", file, summary, [look, built]))
    elif run["answers"] is None or run["answers"] >= 500:
        answer = "nothing" if run["answers"] is None else run["answers"]
        summary = f"{file} builds and runs, and answers {answer} on {WANTED}: {' '.join(run['said'][-2:])[:200]}"
        found.faults.append(CATALOGUE.finding("image.build_file.no_answer", file, summary, [look, built]))
    return found


def table(image: Image) -> list[tuple[str, str, str]]:
    """What is seen and how it is judged, for reading: (what, value, remark)."""
    version = _PYTHON.search(image.base)
    old = version is not None and (int(version[1]), int(version[2])) < _OLDEST
    base = (
        "older than the 3.11 that the gateway is written for"
        if old
        else "good"
        if version
        else "no official Python image"
    )
    pinned = "" if ":" in image.base else "; without a tag it is another image every month"
    served = "$PORT" if image.follows_port else str(image.served or "not told")
    return [
        ("base image", image.base, base + pinned),
        (
            "command",
            image.command or "none",
            "good" if any(word in image.command for word in _SERVERS) else "no server is named",
        ),
        (
            "serves",
            served,
            "good" if image.served == WANTED or image.follows_port else f"the gateway is called on {WANTED}",
        ),
        (
            "exposes",
            ", ".join(map(str, image.exposed)) or "nothing",
            "good" if WANTED in image.exposed else f"not {WANTED}",
        ),
        (
            "user",
            image.user or "root",
            "good" if image.user not in ("", "root", "0") else "a user of its own would be safer",
        ),
        (
            "health check",
            "yes" if image.has_check else "none",
            "good" if image.has_check else "the platform's own has to do",
        ),
    ]


def _last_stage(rows: Sequence[Instruction]) -> list[Instruction]:
    """The instructions of the last stage, after those of the stage that it begins from."""
    stages: dict[str, list[Instruction]] = {}
    stage: list[Instruction] = []
    for row in rows:
        if row["name"] == "FROM":
            words = [word for word in row["text"].split() if not word.startswith("--")]
            before = stages.get(words[0].lower(), []) if words else []
            stage = [*before] if before else [row]
            if len(words) >= 3 and words[1].upper() == "AS":
                stages[words[2].lower()] = stage
            continue
        stage.append(row)
    return stage


def _variables(stage: Sequence[Instruction]) -> dict[str, str]:
    held: dict[str, str] = {}
    for row in stage:
        if row["name"] in ("ENV", "ARG"):
            held |= dict(pair.split("=", 1) for pair in row["text"].split() if "=" in pair)
    return held


def _command(stage: Sequence[Instruction]) -> str:
    """ENTRYPOINT and CMD as one line; of each the last counts."""
    words: list[str] = []
    for name in ("ENTRYPOINT", "CMD"):
        row = next((row for row in reversed(stage) if row["name"] == name), None)
        if row is not None:
            words += [shlex.join(row["words"]) if row["words"] is not None else row["text"]]
    return " ".join(filter(None, words))


def _serves(command: str, env: Mapping[str, str]) -> tuple[int | None, bool, str | None]:
    """The port, whether it is the platform's $PORT, and the address; uvicorn's own defaults where it does not say."""
    words = _words(command)
    server = next((word for word in words if word.rsplit("/", 1)[-1] in _SERVERS), "")
    told: str | None = None
    host: str | None = None
    for at, word in enumerate(words):
        name, eq, value = word.partition("=")
        value = value if eq else (words[at + 1] if at + 1 < len(words) else "")
        if name == "--port" or (name == "-p" and "hypercorn" not in server):
            told = value
        elif name == "--host":
            host = value
        elif name in ("--bind", "-b"):
            host, _, told = value.rpartition(":")
    is_uvicorn = server.endswith("uvicorn")
    if told is None:
        return (8000 if is_uvicorn else None), False, host or ("127.0.0.1" if is_uvicorn else None)
    variable = re.fullmatch(r"\$\{?([A-Za-z_]\w*)(?::?-(\d+))?\}?", told)
    if variable:
        given = variable[2] or env.get(variable[1], "")
        return (int(given) if given.isdigit() else None), variable[1] == "PORT", host or "127.0.0.1"
    return (int(told) if told.isdigit() else None), False, host or ("127.0.0.1" if is_uvicorn else None)


def _words(command: str) -> list[str]:
    """A command's words, those within a `sh -c "…"` too."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    inner = [each for word in words if " " in word for each in word.split()]
    return [word for word in words if " " not in word] + inner


def _exposed(row: Instruction, env: Mapping[str, str]) -> list[int]:
    found = []
    for word in row["text"].split():
        text = re.sub(r"\$\{?(\w+)\}?", lambda match: env.get(match[1], ""), word).partition("/")[0]
        if text.isdigit():
            found.append(int(text))
    return found
