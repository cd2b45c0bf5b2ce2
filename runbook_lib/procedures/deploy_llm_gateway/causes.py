"""The causes that procedure 07 owns, in the order in which they explain, and the looks that would have shown each; those of any
deployment it names too, and 06 owns them.

What only a build shows is asked for by --active; without it the Dockerfile is judged as it is written.
"""

from runbook_lib.core.model import Kind
from runbook_lib.judging.causes import Catalogue, Cause, Sub
from runbook_lib.judging.witnesses import Topics, all_of, look
from runbook_lib.procedures.deployments import causes as deployment_causes
from runbook_lib.procedures.deployments.witnesses import OF_ANY_DEPLOYMENT, OnEachSite, content_of, not_on_fly

BUILD = "a build of the image"  # what a run can be asked for
_SEE_FILE = "Correct the Dockerfile; docker build and docker run show the same on any machine."
_SERVE_8000 = "Serve and expose 8000: --host 0.0.0.0 --port 8000 in the command, EXPOSE 8000."
TOPICS = Topics(
    {
        **OF_ANY_DEPLOYMENT,
        "dockerfile": content_of("gateway_image.dockerfile"),
        "build": all_of("gateway_image.engine", "dockerfile", content_of("gateway_image.build_and_run")),
        "machines": content_of("fly.machine_states"),
        "running": OnEachSite(
            (content_of("fly.machine_states"), content_of("railway.service"), content_of("railway.detail"))
        ),
        "releases": content_of("fly.releases"),
        "chain": look("gateway.chain", is_helpful=True),
    }
)
CATALOGUE = Catalogue(
    "07_deploy_llm_gateway",
    Cause(
        "image.build_file",
        Kind.fault,
        "the Dockerfile cannot become a gateway that runs",
        _SEE_FILE,
        {
            "missing": Sub(
                "there is no Dockerfile in that folder", "Add it, or set RUNBOOK_GATEWAY_DOCKERFILE to where it is."
            ),
            "no_base": Sub("it names no base image to begin from"),
            "no_command": Sub("it starts nothing: neither CMD nor ENTRYPOINT, and its base image starts no server"),
            "copy": Sub("it copies a file that is not there", "Correct the name, or add the file to the repository."),
        },
        shown_by="dockerfile",
    ),
    Cause(
        "image.build_file.fails",
        Kind.fault,
        "docker build ends with an error",
        _SEE_FILE,
        shown_by="build",
        explained_by=("image.build_file.copy", "image.build_file.no_base"),
        questions=(BUILD,),
    ),
    Cause(
        "image.build_file.exits",
        Kind.fault,
        "the image builds, and its container ends by itself",
        _SEE_FILE,
        shown_by="build",
        explained_by=("image.build_file.no_command",),
        questions=(BUILD,),
    ),
    Cause(
        "image.build_file.no_answer",
        Kind.fault,
        "the image builds and runs, and does not answer on 8000",
        _SEE_FILE,
        shown_by="build",
        explained_by=("image.port_mismatch",),
        questions=(BUILD,),
    ),
    Cause(
        "image.port_mismatch",
        Kind.fault,
        "the port that the image serves and the one that is called (8000) are not the same",
        _SERVE_8000,
        {
            "platform": Sub(
                "the platform sends requests and health checks to another port than the image serves",
                "Set PORT (Railway), the domain's target port, or internal_port (fly.toml) to the port that the image serves.",
            ),
            "served": Sub("the command serves another port than 8000"),
            "loopback": Sub(
                "the command serves 127.0.0.1 inside the container, where nobody else can reach it",
                "Give the command --host 0.0.0.0.",
            ),
        },
        shown_by=all_of("dockerfile", "projects", "deployments", "health"),
    ),
    Cause(
        "machine.out_of_memory",
        Kind.fault,
        "the platform ended it for its memory",
        "Give the machine more memory, or find what grows; the platform's own word says that it was memory.",
        shown_by="running",
    ),
    Cause(
        "machine.crash_loop",
        Kind.fault,
        "it ends by itself again and again, and is started again",
        "Read its last lines before the exit; go back to the release before it (the plan names it).",
        shown_by="running",
    ),
    Cause(
        "machine.host_unreachable",
        Kind.fault,
        "the host that it runs on does not answer",
        "Wait for the platform, or clone the machine to another host (fly machine clone).",
        shown_by="machines",
        not_applicable=not_on_fly,
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
        shown_by="machines",
        not_applicable=not_on_fly,
    ),
    Cause(
        "machine.check_failing",
        Kind.fault,
        "the platform's health check of a running machine fails, so it gets no requests",
        "Ask the machine its health route; a failing check takes it out of service and never restarts it.",
        shown_by="machines",
        not_applicable=not_on_fly,
        explained_by=("image.port_mismatch",),
    ),
    Cause(
        "region.missing",
        Kind.fault,
        "a region that should serve has no machine that does",
        "Add a machine there (fly scale count 1 --region …), or correct the list of regions.",
        shown_by="machines",
        not_applicable=not_on_fly,
    ),
    Cause(
        "machine.image_mixed",
        Kind.fault,
        "machines run different images, or another one than the newest release's",
        "Deploy again, so that every machine gets the newest release.",
        shown_by=all_of("machines", "releases"),
        not_applicable=not_on_fly,
    ),
    Cause(
        "image.port_mismatch.expose",
        Kind.fault,
        "the Dockerfile does not expose the port that its command serves",
        "Write EXPOSE 8000.",
        shown_by="dockerfile",
    ),
    Cause(
        "machine.asleep",
        Kind.state,
        "it is stopped because nobody used it, and starts by itself with the next request",
        "Nothing; set min_machines_running where the first request must not wait.",
        shown_by="machines",
        not_applicable=not_on_fly,
    ),
    also=deployment_causes.OF_A_SERVICE,
    topics=TOPICS,
)
