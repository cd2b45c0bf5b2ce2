"""The gateway's image: a Dockerfile read into instructions, and built, started and asked by a small docker of ours on PATH."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runbook_lib.core.model import Observation, Status
from runbook_lib.drills.deploy_llm_gateway.faults import STAND_IN
from runbook_lib.sandbox.repository import DOCKERFILE, FILES
from runbook_lib.sources.this_machine import gateway_image
from runbook_lib.sources.this_machine.dockerfile import instructions, without_values

MakeLook = Callable[..., Observation]
USUAL = FILES[DOCKERFILE]
ENGINE = f"stand-in://{sys.executable}"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The gateway's folder as NexusCore's repository has it, in a path with a space and braces."""
    folder = tmp_path / "a {checkout}" / "apps" / "llm-gateway"
    folder.mkdir(parents=True)
    for name, text in FILES.items():
        (folder / Path(name).name).write_text(text)
    return folder


def test_the_usual_dockerfile_is_read_line_by_line(checkout: Path, make_look: MakeLook) -> None:
    seen = make_look(gateway_image.dockerfile(str(checkout / "Dockerfile")))
    assert seen.status == Status.ok
    assert [row["name"] for row in seen.value["instructions"]] == [
        "FROM", "WORKDIR", "COPY", "RUN", "COPY", "EXPOSE", "CMD",
    ]  # fmt: skip
    assert seen.value["instructions"][-1]["words"][:2] == ["uvicorn", "main:app"]
    assert seen.value["copies"] == [{"line": 4, "source": "requirements.txt", "there": True}]


def test_a_folder_stands_for_the_dockerfile_in_it_and_the_setting_for_the_parameter(
    checkout: Path, make_look: MakeLook
) -> None:
    by_folder = make_look(gateway_image.dockerfile(str(checkout)))
    by_setting = make_look(gateway_image.dockerfile(), RUNBOOK_GATEWAY_DOCKERFILE=str(checkout / "Dockerfile"))
    assert by_folder.value == by_setting.value


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda folder: (folder / "Dockerfile").unlink(), Status.not_found),
        (lambda folder: (folder / "Dockerfile").write_text("dear reader,\n"), Status.malformed),
        (lambda folder: (folder / "Dockerfile").write_bytes(b"\xff\xfe FROM"), Status.malformed),
        (lambda folder: (folder / "Dockerfile").write_bytes(b"#" * 2_000_000), Status.malformed),
        (lambda folder: folder.rename(folder.with_name("moved")), Status.not_configured),
    ],
)
def test_what_is_no_dockerfile_has_a_status_of_its_own(
    checkout: Path, make_look: MakeLook, change: Callable[[Path], object], status: Status
) -> None:
    change(checkout)
    assert make_look(gateway_image.dockerfile(str(checkout / "Dockerfile"))).status == status


def test_a_mistyped_folder_is_no_folder_without_a_dockerfile(checkout: Path, make_look: MakeLook) -> None:
    seen = make_look(gateway_image.dockerfile(str(checkout.with_name("llm-gatway"))))
    assert (seen.status, "llm-gatway" in seen.why, "dockerfile" in seen.help) == (Status.not_configured, True, True)


def test_without_a_path_it_is_not_configured(make_look: MakeLook) -> None:
    seen = make_look(gateway_image.dockerfile())
    assert (seen.status, "RUNBOOK_GATEWAY_DOCKERFILE" in seen.help) == (Status.not_configured, True)


def test_values_of_variables_stay_in_the_look_unless_they_are_a_port() -> None:
    rows = instructions(
        'FROM x\nENV OPENAI_API_KEY=sk-canary-0001 PORT=8000\nARG TOKEN=canary-2\nENV OLD canary-3\nLABEL a="canary-4"\n'
    )
    text = repr(rows)
    assert "canary" not in text
    assert "PORT=8000" in text
    assert "OPENAI_API_KEY=…" in text


def test_continued_lines_comments_and_heredocs_are_read_as_docker_reads_them() -> None:
    text = (
        "# syntax=docker/dockerfile:1\nfrom python:3.11 as base\nRUN apt-get update && \\\n    # why\n    apt-get install -y curl\n"
        "RUN <<EOF\npip install x\nCMD not-an-instruction\nEOF\nCMD uvicorn \\\n  main:app\n"
    )
    rows = instructions(text)
    assert [row["name"] for row in rows] == ["FROM", "RUN", "RUN", "CMD"]
    assert rows[-1]["text"] == "uvicorn main:app"
    assert [row["line"] for row in rows] == [2, 3, 6, 10]


def test_files_that_are_copied_and_not_there_are_told_and_patterns_are_left_out(
    checkout: Path, make_look: MakeLook
) -> None:
    (checkout / "Dockerfile").write_text(
        "FROM x AS b\nFROM x\nCOPY --from=b /app /app\nCOPY a.txt main.py /app/\n"
        "ADD https://x.example/y /y\nCOPY *.toml ./\nCOPY . .\n"
    )
    seen = make_look(gateway_image.dockerfile(str(checkout)))
    assert seen.value["copies"] == [
        {"line": 4, "source": "a.txt", "there": False},
        {"line": 4, "source": "main.py", "there": True},
    ]


# --- Docker: no engine runs on every machine, so a small executable named docker stands on PATH ------------------------


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in on PATH, and nothing of a real engine in reach."""
    monkeypatch.setenv("PATH", f"{STAND_IN}{os.pathsep}{os.environ['PATH']}")
    return STAND_IN / "docker"


def test_a_client_without_an_engine_is_not_configured_and_says_why(docker: Path, make_look: MakeLook) -> None:
    assert docker.exists()
    seen = make_look(gateway_image.engine())
    assert seen.status == Status.not_configured
    assert "Cannot connect to the Docker daemon" in seen.why
    built = make_look(gateway_image.build_and_run("/nowhere/Dockerfile"))
    assert built.status == Status.not_configured


def test_without_a_client_it_is_not_configured(make_look: MakeLook, tmp_path: Path) -> None:
    seen = make_look(gateway_image.engine(), RUNBOOK_DOCKER_FOLDER=str(tmp_path))
    assert (seen.status, "RUNBOOK_DOCKER_FOLDER" in seen.help) == (Status.not_configured, True)


def test_an_image_is_built_started_asked_and_taken_away(
    docker: Path, checkout: Path, make_look: MakeLook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert docker.exists()
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # the stand-in keeps its containers there, apart from anybody else's
    seen = make_look(gateway_image.build_and_run(str(checkout)), DOCKER_HOST=ENGINE)
    assert seen.status == Status.ok, seen.why
    assert (seen.value["built"], seen.value["started"], seen.value["answers"]) == (True, True, 200)
    left = tmp_path / f"runbook-docker-stand-in-{os.getuid()}"
    assert left.is_dir()
    assert not list(left.glob("container-*"))
    assert not list(left.glob("image-*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (USUAL.replace("requirements.txt .", "gone.txt ."), {"built": False}),
        (USUAL.replace("RUN pip", "RUN exit 3; pip"), {"built": False}),
        (USUAL.partition("CMD")[0] + 'CMD ["python", "-c", "raise SystemExit(3)"]\n', {"built": True, "exit_code": 3}),
        (USUAL.replace('"8000"', '"9000"'), {"built": True, "answers": None, "exit_code": None}),
    ],
)
def test_what_fails_is_told_by_where_it_failed(
    docker: Path, checkout: Path, make_look: MakeLook, text: str, said: dict[str, object]
) -> None:
    assert docker.exists()
    (checkout / "Dockerfile").write_text(text)
    seen = make_look(gateway_image.build_and_run(str(checkout)), DOCKER_HOST=ENGINE, RUNBOOK_DOCKER_ANSWER_S="0.8")
    assert seen.status == Status.ok, seen.why
    assert {name: seen.value[name] for name in said} == said
    if not seen.value["built"]:
        assert seen.value["log"]["errors"]


def test_a_docker_that_hangs_costs_its_deadline_and_is_ended(
    tmp_path: Path, checkout: Path, make_look: MakeLook
) -> None:
    slow = tmp_path / "slow" / "docker"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    seen = make_look(gateway_image.engine(), deadline_s=0.5, RUNBOOK_DOCKER_FOLDER=str(slow.parent))
    assert seen.status == Status.timed_out


@pytest.mark.parametrize(
    ("written", "said", "shown"),
    [
        ("ENV KEY=planted-value", "#6 [6/9] ENV KEY=planted-value", "#6 [6/9] ENV KEY=…"),
        ("ENV KEY planted-value", "#6 ENV KEY planted-value", "#6 ENV KEY …"),
        ("ENV A=1 \\\n    KEY='planted value'", "running with planted value", "running with …"),
        ("ARG TOKEN=planted-value", "curl: 401 for planted-value", "curl: 401 for …"),
        ("ENV PYTHONPATH=/srv/app/src", "/srv/app/src/main.py is missing", "/srv/app/src/main.py is missing"),
        ("ENV PORT=8000", "listening on 8000", "listening on 8000"),
        ("RUN echo planted-value", "planted-value", "planted-value"),
    ],
)
def test_what_a_build_echoes_of_the_dockerfile_is_shown_without_values(written: str, said: str, shown: str) -> None:
    assert without_values(f"FROM python:3.12\n{written}\nCMD run", said) == shown
