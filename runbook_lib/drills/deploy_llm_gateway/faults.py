"""The faults of 07: the gateway's image, its machines on Fly, its instances on Railway, and the port between them."""

import re
import sys
from pathlib import Path

from runbook_lib.drills.kit.fault import Fault, Step, Variant, alias, fault, no_action, use
from runbook_lib.sandbox.repository import DOCKERFILE, FILES

STAND_IN = (
    Path(__file__).resolve().parents[2] / "sandbox" / "docker"
)  # the folder of the docker command that drills use
# What only a build shows is shown by the stand-in, which needs no engine.
_BUILDS = {
    "RUNBOOK_DOCKER_FOLDER": str(STAND_IN),
    "DOCKER_HOST": f"stand-in://{sys.executable}",
    "RUNBOOK_DOCKER_ANSWER_S": "3",
}
ON_FLY, ON_RAILWAY = {"gateway_platform": "fly"}, {"gateway_platform": "railway"}
_USUAL = FILES[DOCKERFILE]


def _file(old: str = "", new: str = "", text: str | None = None) -> Step:
    """The Dockerfile with something else in it."""
    return use("repository_file", path=DOCKERFILE, text=_USUAL.replace(old, new) if text is None else text)


_IMAGE = (
    fault("image.port_mismatch.served", _file('"8000"', '"8080"'), by=no_action,
          by_exposing_it_too=Variant((_file("8000", "8080"),), no_action)),
    fault("image.port_mismatch.expose", _file("EXPOSE 8000\n", ""), by=no_action,
          another=Variant((_file("EXPOSE 8000", "EXPOSE 80"),), no_action)),
    fault("image.port_mismatch.loopback", _file(text=re.sub(r', "--host", "[^"]+"', "", _USUAL)), by=no_action),
    fault(
        "image.port_mismatch.platform",
        use("env", part="gateway", name="PORT", value="3000", restart=False),
        use("deploy", part="gateway", state="FAILED", error="Healthcheck failure", failed_step="HEALTHCHECK", serve=False),
        by=no_action,
        needs=ON_RAILWAY,
        domain=Variant((
            use("dial", of="RailwayState", field="service_extras.gateway", value={"domains": {
                "serviceDomains": [{"id": "dom-gateway", "domain": "gateway.up.railway.app", "serviceId": "s",
                                    "environmentId": "e", "projectId": "p", "createdAt": None, "targetPort": 3000}],
                "customDomains": []}}),
            use("http", part="gateway-edge", status=502,
                body='{"status":"error","code":502,"message":"Application failed to respond"}'),
        ), no_action, ON_RAILWAY),
        fly=Variant((use("machine", internal_port=8080, check="critical"),), no_action, ON_FLY),
    ),
    fault("image.build_file.missing", use("repository_file", path=DOCKERFILE), by=no_action),
    fault("image.build_file.no_base", _file("FROM python:3.11-slim\n", ""), by=no_action),
    fault("image.build_file.no_command", _file(text=_USUAL.partition("CMD")[0]), by=no_action),
    fault("image.build_file.copy", _file("COPY requirements.txt", "COPY requirements/base.txt"), by=no_action),
    fault("image.build_file.fails", _file("RUN pip install", "RUN exit 1 && pip install"), by=no_action,
          runbook_settings=_BUILDS),
    fault("image.build_file.exits", _file(text=_USUAL.partition("CMD")[0] + 'CMD ["python", "-c", "raise SystemExit(3)"]\n'),
          by=no_action, runbook_settings=_BUILDS),
    fault("image.build_file.no_answer", _file(text=_USUAL.partition("CMD")[0] + 'CMD ["python", "-m", "http.server", "9000"]\n'),
          by=no_action, runbook_settings=_BUILDS),
)  # fmt: skip
_STOPPED = (
    fault(
        "machine.stopped.no_autostart",
        use("machine", state="stopped", autostop="stop", autostart=False),
        by=no_action,
        needs=ON_FLY,
    ),
)

FAULTS: tuple[Fault, ...] = (
    alias("image.port_mismatch", _IMAGE[0]),
    alias("image.build_file", _IMAGE[7]),
    *_IMAGE,
    fault(
        "machine.crash_loop",
        use("says", part="gateway", state="CRASHED", instances=["CRASHED"], error="exited with code 1"),
        use("process", part="gateway", action="kill"),
        by=no_action,
        needs=ON_RAILWAY,
        restarting=Variant((use("says", part="gateway", instances=["RESTARTING"]),), no_action, ON_RAILWAY),
        fly=Variant((use("machine", exits=4, exit_code=1),), no_action, ON_FLY),
        fly_killed=Variant((use("machine", exits=3, exit_code=137),), no_action, ON_FLY),
    ),
    fault(
        "machine.out_of_memory",
        use("machine", exits=2, exit_code=137, out_of_memory=True),
        by=no_action,
        needs=ON_FLY,
        railway=Variant((
            use("says", part="gateway", state="CRASHED", instances=["CRASHED"], error="Container ran out of memory"),
            use("process", part="gateway", action="kill"),
        ), no_action, ON_RAILWAY),
    ),
    fault("machine.check_failing", use("machine", check="critical"), by=no_action, needs=ON_FLY,
          process=Variant((use("process", part="gateway", action="stop"),), no_action, ON_FLY)),
    fault("machine.stopped", use("machine", nth=1, state="stopped"), by=no_action, needs=ON_FLY),
    *_STOPPED,
    fault("machine.host_unreachable", use("machine", nth=1, host_status="unreachable"), by=no_action, needs=ON_FLY),
    fault("machine.image_mixed", use("machine", nth=1, image="registry.fly.io/nexus-gateway:deployment-OLD"), by=no_action,
          needs=ON_FLY,
          all_old=Variant((use("machine", image="registry.fly.io/nexus-gateway:deployment-OLD"),), no_action, ON_FLY)),
    fault("machine.asleep", use("machine", nth=1, state="stopped", autostop="stop"), by=no_action, needs=ON_FLY),
    fault("region.missing", use("machine", primary_region="fra"), by=no_action, needs=ON_FLY),
)  # fmt: skip
