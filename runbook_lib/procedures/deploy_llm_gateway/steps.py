"""07: the LLM gateway is deployed. Is its image sound, is it set up, was it built, and do its machines run and answer?"""

import re
from datetime import timedelta
from typing import ClassVar

from runbook_lib.core.clock import Window
from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Conclusion
from runbook_lib.core.records.deployments import RailwayDeploymentDetail
from runbook_lib.core.records.images import DockerEngine, Dockerfile, ImageRun
from runbook_lib.judging.answers import record_of
from runbook_lib.procedures.base import Exhibit, Procedure, Said, Topic, step
from runbook_lib.procedures.deploy_llm_gateway import image as gateway_image
from runbook_lib.procedures.deploy_llm_gateway import rules
from runbook_lib.procedures.deploy_llm_gateway.evidence import Evidence
from runbook_lib.procedures.deployments import error_rates
from runbook_lib.procedures.deployments import rules as deployment_rules
from runbook_lib.procedures.deployments.looks import SHARED
from runbook_lib.procedures.deployments.reading import Reading, Site, answer_in_words, read
from runbook_lib.sources.this_machine import gateway
from runbook_lib.sources.this_machine import gateway_image as image_here

PART = "gateway"


class DeployLlmGateway(Procedure):
    """Parameters: dockerfile (path), platform (railway, fly or both), regions (Fly's), commit (that should be live)."""

    stem = "07_deploy_llm_gateway"
    evidence: Evidence
    topics: ClassVar = {
        **SHARED,
        "dockerfile": Topic(lambda run: [image_here.dockerfile(run.path)], is_one=True),
        "engine": Topic(lambda run: [image_here.engine()] if run.look.active else [], is_one=True),
        "built": Topic(
            lambda run: [image_here.build_and_run(run.path)] if run.can_build else [],
            after=("engine", "dockerfile"),
            is_one=True,
            waits=True,
        ),
        "chain": Topic(lambda _: [gateway.chain()], is_one=True),
    }

    def prepare(self) -> None:
        """Read what is asked for. Raises UsageError for an unknown platform, a region that is none, a commit that is none."""
        platform = str(self.parameters.get("platform") or "")
        self.path = str(self.parameters.get("dockerfile") or "").strip()
        commit = str(self.parameters.get("commit") or "").strip().lower()
        regions = tuple(re.split(r"[,\s]+", str(self.parameters.get("regions") or "").strip().lower()))
        regions = tuple(region for region in regions if region)
        if platform not in ("", "railway", "fly"):
            raise UsageError(
                "The platform is railway or fly", where="platform", came_back=platform[:40],
                do_next="Give one of them, or leave it empty for both.",
            )  # fmt: skip
        if len(self.path) > 1000 or any(ord(letter) < 32 for letter in self.path):
            raise UsageError(
                "Cannot read this Dockerfile",
                where="dockerfile",
                came_back="it is no path",
                do_next="Give the file or its folder.",
            )
        if regions and platform == "railway":
            raise UsageError(
                "Regions are judged on Fly.io", where="regions", came_back="platform is railway",
                do_next="Leave regions empty, or platform.",
            )  # fmt: skip
        if wrong := [region for region in regions if not re.fullmatch(r"[a-z]{3}", region)]:
            raise UsageError(
                "A region of Fly's has three letters",
                where="regions",
                came_back=wrong[0][:20],
                do_next="As in: iad, fra.",
            )
        if commit and not re.fullmatch(r"[0-9a-f]{7,40}", commit):
            raise UsageError(
                "Cannot look for this commit", where="commit", came_back="it is no 7 to 40 hex digits",
                do_next="Copy the commit's sha: git rev-parse origin/main.",
            )  # fmt: skip
        sites = tuple(Site(PART, name, commit=commit) for name in ((platform,) if platform else ("railway", "fly")))
        self.is_asked = bool(commit)
        self.evidence = Evidence(sites, regions=regions, may_build=self.look.active)
        self._window = Window(self.look.now - timedelta(hours=24), self.look.now)

    @property
    def window(self) -> Window:
        """The last day: what request logs still hold."""
        return self._window

    @property
    def can_build(self) -> bool:
        """Whether there is a Dockerfile to build from, and a Docker to build it."""
        seen = record_of(self.evidence.dockerfile, Dockerfile), record_of(self.evidence.engine, DockerEngine)
        return None not in seen

    @step("Is the Dockerfile sound: base, command, port, user, health check?")
    def read_the_dockerfile(self) -> Said:
        """The file as it is written, judged line by line; nothing is built yet."""
        dockerfile, *_ = self.ask("dockerfile", "engine")
        image, file = self.evidence.image, record_of(dockerfile, Dockerfile)
        if image is None or file is None:
            return Said(f"The Dockerfile was not read: {dockerfile.why or dockerfile.status}.")
        rows = [list(row) for row in gateway_image.table(image)]
        table = Exhibit("table", "The Dockerfile", {"columns": ["what", "says", "judged"], "rows": rows})
        return Said(f"{file['path']}: from {image.base or 'nothing'}, starts {image.command or 'nothing'}.", (table,))

    @step("Does it build, start and answer on 8000, where Docker is at hand?")
    def build_and_start_it(self) -> Said:
        """docker build, docker run, one request; taken away again. Only on request, for it leaves a mark on this machine."""
        engine = self.evidence.engine
        if engine is None:
            return Said("Nothing was built: building leaves a mark on this machine and needs --active.")
        if not engine.status.has_content:
            return Said(f"Nothing was built: {engine.why or engine.status}.")
        seen = self.ask("built")
        if not seen:
            return Said("There is no Dockerfile to build from.")
        run = record_of(seen[0], ImageRun)
        if run is None:
            return Said(f"It was not built: {seen[0].why or seen[0].status}.")
        lines = {"columns": ["last lines"], "rows": [[line] for line in (*run["log"]["last"], *run["said"])]}
        said = (
            "It does not build."
            if not run["built"]
            else f"It builds, and answers {run['answers'] or 'nothing'} on 8000."
        )
        return Said(said, (Exhibit("table", "What Docker said", lines),))

    @step("Is the platform set up: variables, health check, port, machines by region?")
    def look_at_the_platform(self) -> Said:
        """Names of variables, the service's settings on Railway, the machines on Fly."""
        self.ask("not_used", "chain", "projects", "variables")
        exhibits, said = [], []
        for site in self.evidence.sites:
            reading = read(site)
            count = len(reading.variables)
            if site.platform == "fly":
                exhibits.append(_machines_table(reading))
                said.append(f"{site.name}: {len(reading.machines)} machines, {count} variables")
            else:
                exhibits.append(_service_table(reading))
                service = reading.railway_service
                port = "not set" if service is None or service["port"] is None else service["port"]
                said.append(f"{site.name}: {count} variables, PORT {port}")
        return Said("; ".join(said) + ".", tuple(exhibits))

    @step("What was deployed, how did it end, and what do its last events say?")
    def look_at_the_deployment(self) -> Said:
        """Deployments or releases, the newest whole with its steps and instances, its build's log, its commit."""
        self.ask("deployments")
        self.ask("details", "build_logs", "checks", "branch")
        exhibits, said = [], []
        for site in self.evidence.sites:
            reading = read(site)
            rows = [[row.id, row.state, (row.commit or row.image or "")[:40], row.at]
                    for row in reading.rows[:8]]  # fmt: skip
            columns = ["deployment", "state", "commit or image", "at"]
            exhibits.append(Exhibit("table", f"{site.name}, newest first", {"columns": columns, "rows": rows}))
            page = record_of(site.detail, RailwayDeploymentDetail) if site.platform == "railway" else None
            if page is not None and page["events"]:
                steps = [[event["step"], event["at"], event["error"]] for event in page["events"]]
                exhibits.append(
                    Exhibit("table", "Its last events", {"columns": ["step", "at", "error"], "rows": steps})
                )
            error = deployment_rules.first_error(site.build_log)
            told = reading.judged.word if reading.judged else "no deployment"
            said.append(f"{site.name}: {told}" + (f", first error: {error['text'][:160]}" if error else ""))
        return Said("; ".join(said) + ".", tuple(exhibits))

    @step("Does it answer, and do more requests fail since it was deployed?")
    def ask_whether_it_answers(self) -> Said:
        """One request as a caller would send it; and what the platform knows of requests since the deployment and before it."""
        probe, *_ = self.ask("probes", "after", "before")
        self.ask("found", "lines")
        self.ask("traces")
        rows = [
            [site.name, name, held["requests"], held["failed"], held["failed_ratio"], held["p95_ms"]]
            for site in self.evidence.sites
            for name, held in error_rates.figures(error_rates.read_traffic(read(site))).items()
            if site.after
        ]
        columns = ["part", "when", "requests", "failed", "failed_ratio", "p95_ms"]
        figures = Exhibit("table", "Before and since the deployment", {"columns": columns, "rows": rows})
        return Said(f"It answers {answer_in_words(probe)}.", (figures,) if rows else ())

    @step("What would be gone back to, and what would that not undo?")
    def plan_the_way_back(self) -> Said:
        """The plans that answer what was found. Nothing is carried out."""
        judgements = [
            rules.judge_site(self.evidence, site, self.look.now, is_asked=self.is_asked) for site in self.evidence.sites
        ]
        plans = [plan for judgement in judgements for plan in judgement.plans]
        told = []
        for each in judgements:
            back = each.reading.back
            told.append(f"{each.reading.site.name}: {back.id if back else 'nothing to go back to is known'}")
        return Said("; ".join(told) + ".", tuple(Exhibit("plan", plan.title, plan.as_data()) for plan in plans))

    def diagnose(self) -> Conclusion:
        """The verdict on the gateway."""
        return rules.diagnose(self.evidence, self.look.now, is_asked=self.is_asked)


def _machines_table(reading: Reading) -> Exhibit:
    rows = [
        [
            machine["id"],
            machine["region"],
            machine["state"],
            machine["host_status"],
            machine["image"],
            len(machine["exits"]),
            ", ".join(f"{check['name']} {check['status']}" for check in machine["checks"]),
            machine["updated_at"],
        ]
        for machine in reading.machines
    ]
    columns = ["machine", "region", "state", "host", "image", "exits", "checks", "changed_at"]
    return Exhibit("table", "Machines by region", {"columns": columns, "rows": sorted(rows, key=str)})


def _service_table(reading: Reading) -> Exhibit:
    service = reading.railway_service
    settings = ("repository", "dockerfile", "start_command", "health_path", "region", "replicas", "restart_policy")
    shown: dict[str, object] = {} if service is None else {**service}
    rows = [*([name, shown.get(name)] for name in settings), ["PORT", shown.get("port")]]
    return Exhibit("table", "The service", {"columns": ["setting", "value"], "rows": rows})
