"""Cases of 07 that look like something else: sleeping machines, old exits, other spellings of a good Dockerfile; two at once."""

from typing import Any

from runbook_lib.drills.deploy_llm_gateway.cases import AGED, ON_FLY, PROCEDURE, after_an_hour, healthy_start
from runbook_lib.drills.kit.case import Case, Injected
from runbook_lib.drills.kit.fault import no_action, use
from runbook_lib.sandbox.repository import DOCKERFILE, FILES

_USUAL = FILES[DOCKERFILE]
_HEAD = _USUAL.partition("CMD")[0]
_OLD = "registry.fly.io/nexus-gateway:deployment-OLD"


def _decoy(name: str, *before: Any, **more: Any) -> Case:
    given = {**healthy_start(more.get("options", {}), *before), **more}
    return Case(f"decoy/07/{name}", PROCEDURE, "decoy", "ruled_out", **given)


def _dockerfile(name: str, text: str) -> Case:
    return _decoy(f"dockerfile/{name}", use("repository_file", path=DOCKERFILE, text=text))


def _double(name: str, codes: tuple[str, ...], *faults: Injected, **more: Any) -> Case:
    given: dict[str, Any] = {"settle_s": 0.0, "active": False, "again": after_an_hour, "exercise": no_action, **more}
    aged = (AGED,) if "options" in more else ()
    return Case(f"double/07/{name}", PROCEDURE, "double", "confirmed", codes, faults=faults, before=aged, **given)


_STAGES = """# syntax=docker/dockerfile:1
FROM python:3.12-slim AS builder
WORKDIR /app
COPY requirements.txt ./
RUN pip install --no-cache-dir \\
    # what the gateway needs
    -r requirements.txt
FROM builder
COPY --from=builder /app /app
COPY main.py .
ENV PORT=8000
EXPOSE ${PORT}
USER nobody
HEALTHCHECK CMD python -c "import urllib.request as r; r.urlopen('http://localhost:8000/')"
ENTRYPOINT ["uvicorn"]
CMD ["main:app", "--host=::", "--port=8000"]
"""

DECOYS: tuple[Case, ...] = (
    _dockerfile("stages-and-entrypoint", _STAGES),
    _dockerfile("shell-form", f"{_HEAD}CMD uvicorn main:app --host :: --port 8000\n"),
    _dockerfile("follows-port", f'{_HEAD}CMD ["sh", "-c", "uvicorn main:app --host :: --port ${{PORT:-8000}}"]\n'),
    _dockerfile(
        "gunicorn", f'{_HEAD}CMD ["gunicorn", "main:app", "-k", "uvicorn.workers.UvicornWorker", "-b", ":::8000"]\n'
    ),
    _decoy(
        "fly/asleep",
        use("machine", nth=1, state="suspended", autostop="suspend"),
        options=ON_FLY,
        codes=("machine.asleep",),
    ),
    _decoy("fly/two-exits", use("machine", exits=2, exit_code=1), options=ON_FLY),
    _decoy("fly/exits-of-yesterday", use("machine", exits=5, every_s=20000.0), options=ON_FLY),
    _decoy("fly/killed-once-and-no-word-of-memory", use("machine", exits=1, exit_code=137), options=ON_FLY),
    _decoy("fly/warning", use("machine", check="warning"), options=ON_FLY),
    _decoy(
        "fly/another-image-while-it-rolls-out",
        use("deploy", part="gateway", state="running", serve=False),
        use("machine", nth=1, image=_OLD),
        options=ON_FLY,
        codes=("deploy.in_progress",),
    ),
    _decoy("fly/destroyed", use("machine", nth=1, state="destroyed", host_status="unreachable"), options=ON_FLY),
    _decoy("railway/another-port-that-is-served", use("env", part="gateway", name="PORT", value="3000")),
    _decoy("railway/a-good-deployment", use("deploy", part="gateway", commit_sha="d" * 40)),
    _decoy(
        "railway/memory-in-an-app-log", use("log", part="gateway", level="error", message="MemoryError: out of memory")
    ),
    _decoy("railway/a-push-of-another-part", use("push", paths=["apps/web/page.tsx"], minutes_ago=90.0)),
)

OPEN: tuple[Case, ...] = (
    Case(
        "decoy/07/fly/host-unknown", PROCEDURE, "decoy", "could_not_tell", before=(AGED, use("machine", host_status="unknown")),
        exercise=no_action, settle_s=0.0, active=False, options=ON_FLY,
    ),
)  # fmt: skip

DOUBLES: tuple[Case, ...] = (
    _double(
        "port-and-variable",
        ("image.port_mismatch.served", "deploy.env_missing"),
        Injected("deploy.env_missing", "gateway"),
        Injected("image.port_mismatch.served"),
    ),
    _double(
        "memory-and-region",
        ("machine.out_of_memory", "region.missing"),
        Injected("region.missing"),
        Injected("machine.out_of_memory"),
        options=ON_FLY,
    ),
    _double(
        "host-and-image",
        ("machine.check_failing", "machine.image_mixed"),
        Injected("machine.image_mixed"),
        Injected("machine.check_failing"),
        options=ON_FLY,
    ),
    _double(
        "crash-and-not-exposed",
        ("machine.crash_loop", "image.port_mismatch.expose"),
        Injected("image.port_mismatch.expose"),
        Injected("machine.crash_loop", "restarting"),
    ),
    _double(
        "build-and-copy",
        ("image.build_file.copy",),
        Injected("image.build_file.copy"),
        Injected("deploy.build_failed.install", "gateway"),
    ),
)

CASES: tuple[Case, ...] = (*DECOYS, *OPEN, *DOUBLES)
