"""Blind spots of 06 and 07: each source in turn cannot be seen, in each of the ways there are, with a fault and without.

The verdict is still right from what remains, with the blind spot named; or could_not_tell. Never wrong.
"""

from typing import Any

from runbook_lib.drills.deploy_llm_gateway.cases import LATER, ON_FLY, after_an_hour, healthy_start
from runbook_lib.drills.deploy_llm_gateway.cases import PROCEDURE as GATEWAY
from runbook_lib.drills.deploy_llm_gateway.faults import STAND_IN
from runbook_lib.drills.deploy_web_api.cases import ON_RAILWAY, WELL
from runbook_lib.drills.deploy_web_api.cases import PROCEDURE as WEB_API
from runbook_lib.drills.kit.blind import WAYS, blind_fields, hide
from runbook_lib.drills.kit.case import Case, Injected
from runbook_lib.drills.kit.fault import use
from runbook_lib.sandbox.repository import DOCKERFILE

_NO_GITHUB = {"RUNBOOK_GITHUB_TOKEN": ""}
_NO_DATABASE = {"RUNBOOK_DATABASE_URL": "postgresql://runbook:none@127.0.0.1:1/postgres"}


def _case(
    procedure: str,
    source: str,
    way: str,
    injected: Injected | None,
    status: str,
    codes: tuple[str, ...] = (),
    **more: Any,
) -> Case:
    name = "healthy" if injected is None else "fault"
    number = procedure[:2]
    given: dict[str, Any] = {
        **healthy_start(more.get("options", {})),
        "id": f"blind/{number}/{source}/{way}/{name}",
        **blind_fields(source, way),
        "faults": (injected,) if injected else (),
        "active": False if procedure == GATEWAY else None,
    }
    return Case(procedure=procedure, kind="blind_spot", status=status, codes=codes, **{**given, **more})


_PROTECTED = Injected("deploy.protection_on")
_MISSING = Injected("deploy.env_missing")
_PORT = Injected("image.port_mismatch.served")
_CHECK = Injected("machine.check_failing")


def _web_api() -> list[Case]:
    """Vercel tells most, the probe something, GitHub a little; the trace backend only matters once requests fail."""
    cases = []
    for way in WAYS:
        is_seen = way == "slow"
        cases.append(_case(WEB_API, "vercel", way, _PROTECTED, "confirmed", ("deploy.protection_on",)))
        status = "confirmed" if is_seen else "could_not_tell"
        codes = ("deploy.env_missing",) if is_seen else ()
        cases.append(_case(WEB_API, "vercel", way, _MISSING, status, codes, id=f"blind/06/vercel/{way}/variable"))
        cases.append(_case(WEB_API, "vercel", way, None, "ruled_out" if is_seen else "could_not_tell"))
        cases.append(_case(WEB_API, "github", way, _MISSING, "confirmed", ("deploy.env_missing",)))
        is_told = way in ("slow", "empty")
        cases.append(_case(WEB_API, "github", way, None, "ruled_out" if is_told else "could_not_tell"))
        if way != "hanging":
            status = "ruled_out" if is_seen else "could_not_tell"
            cases.append(_case(WEB_API, "railway", way, None, status, options=ON_RAILWAY))
    return cases


def _elsewhere() -> list[Case]:
    """What only one look tells: the request log, the database, the address itself, and a team without GitHub."""

    def blind(name: str, status: str, codes: tuple[str, ...] = (), **more: Any) -> Case:
        given: dict[str, Any] = {**WELL, **more}
        return Case(f"blind/06/{name}", WEB_API, "blind_spot", status, codes, **given)

    log = use(
        "http", part="vercel", path="/api/logs/*", status=403, body='{"error":{"code":"forbidden","message":"no"}}'
    )
    return [
        blind("request-log/healthy", "could_not_tell", not_seen=("vercel",), after=(log,),
              before=(LATER, use("deploy", part="api", commit_sha="d" * 40))),
        blind("address/healthy", "could_not_tell", not_seen=("parts",), after=(hide("web-edge", "unreachable"),)),
        blind("github-not-named/healthy", "could_not_tell", not_seen=("github",), settings=_NO_GITHUB),
        blind("github-not-named/older", "confirmed", ("deploy.wrong_commit.older",), not_seen=("github",),
              faults=(Injected("deploy.wrong_commit.older"),), settings=_NO_GITHUB),
        blind("tempo/errors", "confirmed", ("deploy.error_rate_up",), not_seen=("tempo",),
              faults=(Injected("deploy.error_rate_up", "api"),), exercise=None, settle_s=0.6,
              after=(hide("tempo", "unreachable"),), again=after_an_hour, before=()),
        blind("database/migration", "could_not_tell", not_seen=("postgres",), exercise=None, settle_s=0.6,
              faults=(Injected("deploy.migration_missing"),), settings=_NO_DATABASE, again=after_an_hour, before=()),
    ]  # fmt: skip


def _gateway() -> list[Case]:
    """The Dockerfile is here, the machines are there: each tells its own."""
    cases = []
    for way in WAYS:
        is_seen = way == "slow"
        healthy = "ruled_out" if is_seen else "could_not_tell"
        cases.append(_case(GATEWAY, "railway", way, _PORT, "confirmed", (_PORT.code,)))
        cases.append(_case(GATEWAY, "railway", way, None, healthy))
        cases.append(_case(GATEWAY, "fly", way, _PORT, "confirmed", (_PORT.code,), options=ON_FLY))
        status, codes = ("confirmed", (_CHECK.code,)) if is_seen else ("could_not_tell", ())
        cases.append(_case(GATEWAY, "fly", way, _CHECK, status, codes, options=ON_FLY, id=f"blind/07/fly/{way}/check"))
        is_told = way in ("slow", "empty")
        cases.append(_case(GATEWAY, "github", way, None, "ruled_out" if is_told else "could_not_tell"))
    return [*cases, *_image()]


def _image() -> list[Case]:
    """A Dockerfile that is none, one that nobody named, a build that was asked for where no Docker is."""

    def blind(name: str, status: str, codes: tuple[str, ...] = (), **more: Any) -> Case:
        given: dict[str, Any] = {**healthy_start({}), **more}
        return Case(f"blind/07/{name}", GATEWAY, "blind_spot", status, codes, not_seen=("gateway_image",), **given)

    no_file = {"RUNBOOK_GATEWAY_DOCKERFILE": ""}
    no_folder = {"RUNBOOK_GATEWAY_DOCKERFILE": str(STAND_IN / "nowhere" / "Dockerfile")}
    no_engine = {"RUNBOOK_DOCKER_FOLDER": str(STAND_IN), "DOCKER_HOST": "none"}
    no_docker = {"RUNBOOK_DOCKER_FOLDER": str(STAND_IN / "nowhere")}
    none = use("repository_file", path=DOCKERFILE, text="hello, this is a letter\n")
    return [
        blind("dockerfile/malformed/healthy", "could_not_tell", before=(none,)),
        blind("dockerfile/not-named/healthy", "could_not_tell", settings=no_file),
        blind("dockerfile/not-there/healthy", "could_not_tell", settings=no_folder),
        blind("dockerfile/not-named/fault", "confirmed", ("deploy.env_missing",), settings=no_file,
              faults=(Injected("deploy.env_missing", "gateway"),)),
        blind("docker/no-client/healthy", "could_not_tell", settings=no_docker, active=True),
        blind("docker/no-engine/healthy", "could_not_tell", settings=no_engine, active=True),
    ]  # fmt: skip


CASES: tuple[Case, ...] = (*_web_api(), *_elsewhere(), *_gateway())
