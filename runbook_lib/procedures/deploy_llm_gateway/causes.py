"""The causes that procedure 07 owns; those of any deployment it names too, and 06 owns them."""

from runbook_lib.core.model import Kind
from runbook_lib.judging.causes import Catalogue, Cause, Sub
from runbook_lib.procedures.deployments import causes as deployment_causes

CATALOGUE = Catalogue(
    "07_deploy_llm_gateway",
    Cause(
        "image.port_mismatch",
        Kind.fault,
        "the port that the image serves, the one it exposes and the one that is called (8000) are not the same",
        "Serve and expose 8000: --host 0.0.0.0 --port 8000 in the command, EXPOSE 8000.",
        {
            "served": Sub("the command serves another port than 8000"),
            "expose": Sub("the Dockerfile does not expose the port that its command serves", "Write EXPOSE 8000."),
            "loopback": Sub(
                "the command serves 127.0.0.1 inside the container, where nobody else can reach it",
                "Give the command --host 0.0.0.0.",
            ),
            "platform": Sub(
                "the platform sends requests and health checks to another port than the image serves",
                "Set PORT (Railway), the domain's target port, or internal_port (fly.toml) to the port that the image serves.",
            ),
        },
    ),
    Cause(
        "image.build_file",
        Kind.fault,
        "the Dockerfile cannot become a gateway that runs",
        "Correct the Dockerfile; docker build and docker run show the same on any machine.",
        {
            "missing": Sub(
                "there is no Dockerfile in that folder", "Add it, or set RUNBOOK_GATEWAY_DOCKERFILE to where it is."
            ),
            "no_base": Sub("it names no base image to begin from"),
            "no_command": Sub("it starts nothing: neither CMD nor ENTRYPOINT, and its base image starts no server"),
            "copy": Sub("it copies a file that is not there", "Correct the name, or add the file to the repository."),
            "fails": Sub("docker build ends with an error"),
            "exits": Sub("it builds, and the container ends by itself"),
            "no_answer": Sub("it builds and runs, and does not answer on 8000"),
        },
    ),
    Cause(
        "machine.crash_loop",
        Kind.fault,
        "it ends by itself again and again, and is started again",
        "Read its last lines before the exit; go back to the release before it (the plan names it).",
    ),
    Cause(
        "machine.out_of_memory",
        Kind.fault,
        "the platform ended it for its memory",
        "Give the machine more memory, or find what grows; the platform's own word says that it was memory.",
    ),
    Cause(
        "machine.check_failing",
        Kind.fault,
        "the platform's health check of a running machine fails, so it gets no requests",
        "Ask the machine its health route; a failing check takes it out of service and never restarts it.",
    ),
    Cause(
        "machine.stopped",
        Kind.fault,
        "it is stopped, and not because the platform stops idle machines",
        "Start it (fly machine start), or take it away if it should not be there.",
        {
            "no_autostart": Sub(
                "the platform stopped it for idleness, and nothing starts it again",
                "Set auto_start_machines in fly.toml, or start it.",
            )
        },
    ),
    Cause(
        "machine.host_unreachable",
        Kind.fault,
        "the host that it runs on does not answer",
        "Wait for the platform, or clone the machine to another host (fly machine clone).",
    ),
    Cause(
        "machine.image_mixed",
        Kind.fault,
        "machines run different images, or another one than the newest release's",
        "Deploy again, so that every machine gets the newest release.",
    ),
    Cause(
        "machine.asleep",
        Kind.state,
        "it is stopped because nobody used it, and starts by itself with the next request",
        "Nothing; set min_machines_running where the first request must not wait.",
    ),
    Cause(
        "region.missing",
        Kind.fault,
        "a region that should serve has no machine that does",
        "Add a machine there (fly scale count 1 --region …), or correct the list of regions.",
    ),
    also=deployment_causes.OF_A_SERVICE,
)
