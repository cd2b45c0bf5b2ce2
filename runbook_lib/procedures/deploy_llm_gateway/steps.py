"""07: the LLM gateway is deployed. Is its image sound, is it set up, was it built, and do its machines run and answer?"""

import re
from dataclasses import replace
from datetime import timedelta

from runbook_lib.core.clock import Window
from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Conclusion, Json
from runbook_lib.io.observe import Look
from runbook_lib.procedures.base import Exhibit, Procedure, Said, step
from runbook_lib.procedures.deploy_llm_gateway import image as gateway_image
from runbook_lib.procedures.deploy_llm_gateway import rules
from runbook_lib.procedures.deploy_web_api.errors import traces_of_failing
from runbook_lib.procedures.deploy_web_api.rules import compared_window, is_worth_following, used_sites
from runbook_lib.procedures.deployments import rules as deployment_rules
from runbook_lib.procedures.deployments import traffic as traffic_of
from runbook_lib.procedures.deployments.reading import Site, content, read, word
from runbook_lib.sources.fly import logs as fly
from runbook_lib.sources.fly import machines as fly_machines
from runbook_lib.sources.github import github
from runbook_lib.sources.railway import deployments as railway_deployments
from runbook_lib.sources.railway import logs as railway
from runbook_lib.sources.this_machine import gateway, parts
from runbook_lib.sources.this_machine import gateway_image as image_here

PART = "gateway"


class DeployLlmGateway(Procedure):
    """Parameters: dockerfile (path), platform (railway, fly or both), regions (Fly's), commit (that should be live)."""

    stem = "07_deploy_llm_gateway"

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
        self.evidence = rules.Evidence(
            sites, is_file_asked=bool(self.path), regions=regions, may_build=self.look.active
        )
        self._window = Window(self.look.now - timedelta(hours=24), self.look.now)

    @property
    def window(self) -> Window:
        """The last day: what request logs still hold."""
        return self._window

    def foresee(self) -> list[Look]:
        """What depends on nothing: the Dockerfile, Docker, the platforms' settings and deployments, health."""
        own = [image_here.dockerfile(self.path), image_here.engine(), parts.probe(PART), gateway.chain()]
        return own + [look for site in self.evidence.sites for look in (*_setup_looks(site), _deployments_look(site))]

    @step("Is the Dockerfile sound: base, command, port, user, health check?")
    def read_the_dockerfile(self) -> Said:
        """The file as it is written, judged line by line; nothing is built yet."""
        dockerfile, engine = self.see(image_here.dockerfile(self.path), image_here.engine())
        self.evidence = replace(self.evidence, dockerfile=dockerfile, engine=engine)
        image = rules.image_of(self.evidence)
        if image is None:
            return Said(f"The Dockerfile was not read: {dockerfile.why or dockerfile.status}.")
        rows = [list(row) for row in gateway_image.table(image)]
        table = Exhibit("table", "The Dockerfile", {"columns": ["what", "says", "judged"], "rows": rows})
        return Said(
            f"{content(dockerfile)['path']}: from {image.base or 'nothing'}, starts {image.command or 'nothing'}.",
            (table,),
        )

    @step("Does it build, start and answer on 8000, where Docker is at hand?")
    def build_and_start_it(self) -> Said:
        """docker build, docker run, one request; taken away again. Only on request, for it leaves a mark on this machine."""
        engine = self.evidence.engine
        if engine is None or not engine.status.has_content:
            return Said(f"Nothing was built: {engine.why if engine else 'Docker was not asked'}.")
        if not self.look.active:
            return Said("Nothing was built: building leaves a mark on this machine and needs --active.")
        if not content(self.evidence.dockerfile):
            return Said("There is no Dockerfile to build from.")
        (built,) = self.see(image_here.build_and_run(self.path))
        self.evidence = replace(self.evidence, built=built)
        held = content(built)
        if not isinstance(held, dict):
            return Said(f"It was not built: {built.why}.")
        lines = {"columns": ["last lines"], "rows": [[line] for line in (*held["log"]["last"], *held["said"])]}
        said = (
            "It does not build."
            if not held["built"]
            else f"It builds, and answers {held['answers'] or 'nothing'} on 8000."
        )
        return Said(said, (Exhibit("table", "What Docker said", lines),))

    @step("Is the platform set up: variables, health check, port, machines by region?")
    def look_at_the_platform(self) -> Said:
        """Names of variables, the service's settings on Railway, the machines on Fly."""
        sites = self.evidence.sites
        chain, *platforms = self.see(gateway.chain(), *(look for site in sites for look in _setup_looks(site)))
        seen = iter(platforms)
        found = used_sites([site.seen(project=next(seen), variables=next(seen)) for site in sites])
        on_fly = None
        if all(site.platform != "fly" for site in found):
            on_fly = next((look for look in platforms if look.call == "machine_states"), None)
        self.evidence = replace(self.evidence, sites=tuple(found), machines=on_fly, chain=chain)
        exhibits, said = [], []
        for site in found:
            names = [str(row["name"]) for row in content(site.variables) or ()]
            if site.platform == "fly":
                machines = content(site.project) or []
                rows: Json = [
                    [m["id"], m["region"], m["state"], m["host_status"], m["image"], len(m["exits"]),
                     ", ".join(f"{c['name']} {c['status']}" for c in m["checks"]), m["updated_at"]]
                    for m in machines
                ]  # fmt: skip
                columns = ["machine", "region", "state", "host", "image", "exits", "checks", "changed_at"]
                exhibits.append(
                    Exhibit("table", "Machines by region", {"columns": columns, "rows": sorted(rows, key=str)})
                )
                said.append(f"{site.name}: {len(machines)} machines, {len(names)} secrets")
            else:
                held = content(site.project) or {}
                port = held.get("port")
                shown = [[name, held.get(name)] for name in ("repository", "dockerfile", "start_command", "health_path", "region",
                                                              "replicas", "restart_policy")] + [["PORT", port]]  # fmt: skip
                exhibits.append(Exhibit("table", "The service", {"columns": ["setting", "value"], "rows": shown}))
                said.append(f"{site.name}: {len(names)} variables, PORT {'not set' if port is None else port}")
        return Said("; ".join(said) + ".", tuple(exhibits))

    @step("What was deployed, how did it end, and what do its last events say?")
    def look_at_the_deployment(self) -> Said:
        """Deployments or releases, the newest whole with its steps and instances, its build's log, its commit."""
        sites = list(self.evidence.sites)
        seen = self.see(*(_deployments_look(site) for site in sites))
        sites = [site.seen(deployments=look) for site, look in zip(sites, seen, strict=True)]
        looks = [(number, name, look) for number, site in enumerate(sites) for name, look in _detail_looks(site)]
        for (number, name, _), observation in zip(looks, self.see(*(look for *_, look in looks)), strict=True):
            sites[number] = sites[number].seen(**{name: observation})
        self.evidence = replace(self.evidence, sites=tuple(sites))
        exhibits, said = [], []
        for site in sites:
            reading = read(site)
            rows = [[row["id"], row["state"], str(row.get("commit") or row.get("image") or "")[:40], row.get("at")]
                    for row in reading.rows[:8]]  # fmt: skip
            columns = ["deployment", "state", "commit or image", "at"]
            exhibits.append(Exhibit("table", f"{site.name}, newest first", {"columns": columns, "rows": rows}))
            if events := (content(site.detail) or {}).get("events"):
                steps = [[event["step"], event["at"], event["error"]] for event in events]
                exhibits.append(
                    Exhibit("table", "Its last events", {"columns": ["step", "at", "error"], "rows": steps})
                )
            error = deployment_rules.first_error(site.build_log)
            told = word(reading.judged) or "no deployment"
            said.append(f"{site.name}: {told}" + (f", first error: {error['text'][:160]}" if error else ""))
        return Said("; ".join(said) + ".", tuple(exhibits))

    @step("Does it answer, and do more requests fail since it was deployed?")
    def ask_whether_it_answers(self) -> Said:
        """One request as a caller would send it; and Railway's request log since the deployment and before it."""
        (probe,) = self.see(parts.probe(PART))
        sites = [site.seen(probe=probe) for site in self.evidence.sites]
        wanted = [
            (number, windows)
            for number, site in enumerate(sites)
            if site.platform == "railway" and (windows := compared_window(read(site), self.look.now))
        ]
        seen = self.see(*(railway.http_log(PART, window) for _, windows in wanted for window in windows))
        for nth, (number, _) in enumerate(wanted):
            sites[number] = self._followed(sites[number].seen(after=(seen[2 * nth],), before=(seen[2 * nth + 1],)))
        self.evidence = replace(self.evidence, sites=tuple(sites))
        rows = [
            [site.name, name, held["requests"], held["failed"], held["failed_ratio"], held["p95_ms"]]
            for site in sites
            for name, held in traffic_of.figures(traffic_of.read_traffic(read(site))).items()
            if site.after
        ]
        columns = ["part", "when", "requests", "failed", "failed_ratio", "p95_ms"]
        figures = Exhibit("table", "Before and since the deployment", {"columns": columns, "rows": rows})
        answered = content(probe)
        return Said(f"It answers {answered['status_code'] if answered else probe.status}.", (figures,) if rows else ())

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
            told.append(f"{each.reading.site.name}: {back['id'] if back else 'nothing to go back to is known'}")
        return Said("; ".join(told) + ".", tuple(Exhibit("plan", plan.title, plan.as_data()) for plan in plans))

    def diagnose(self) -> Conclusion:
        """The verdict on the gateway."""
        return rules.diagnose(self.evidence, self.look.now, is_asked=self.is_asked)

    def _followed(self, site: Site) -> Site:
        """The site with the traces of some of its failing requests, and with its log, where many fail."""
        judgement = rules.judge_site(self.evidence, site, self.look.now, is_asked=self.is_asked)
        if not is_worth_following(judgement):
            return site
        windows = compared_window(judgement.reading, self.look.now)
        assert windows is not None
        traces = traces_of_failing(self.see, judgement.traffic, self._window)
        (lines,) = self.see(railway.logs(PART, windows[0]))
        return site.seen(after=(*site.after, lines), traces=traces)


def _setup_looks(site: Site) -> list[Look]:
    if site.platform == "fly":
        return [fly_machines.machines(), fly_machines.secret_names()]
    return [railway_deployments.service(PART), railway.variables_names(PART)]


def _deployments_look(site: Site) -> Look:
    return fly.releases() if site.platform == "fly" else railway.deployments(PART)


def _detail_looks(site: Site) -> list[tuple[str, Look]]:
    """The newest deployment whole, its build's log where it failed, its commit on GitHub; Fly has no more to tell."""
    reading = read(site)
    if site.platform == "fly" or reading.judged is None:
        return []
    judged = str(reading.judged["id"])
    looks: list[tuple[str, Look]] = [("detail", railway_deployments.detail(judged, PART))]
    if word(reading.judged) == "failed":
        looks.append(("build_log", railway_deployments.build_log(judged, PART)))
    repository = str(reading.project.get("repository") or "") or None
    commit = str((reading.serving or {}).get("commit") or "")
    if commit and not site.commit:
        looks.append(("compare", github.compare(commit, reading.branch, repository)))
    if reading.judged.get("commit"):
        looks.append(("checks", github.checks(str(reading.judged["commit"]), repository)))
    return looks
