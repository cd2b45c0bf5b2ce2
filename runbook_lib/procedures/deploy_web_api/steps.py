"""06: a deployment of web or API. Is it set up, was it built, does it serve, is it what should serve, and did it bring errors?"""

from dataclasses import replace
from datetime import timedelta

from runbook_lib.core.clock import Window
from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Conclusion, Json
from runbook_lib.io.observe import Look
from runbook_lib.judging.plan import Plan
from runbook_lib.procedures.base import Exhibit, Procedure, Said, step
from runbook_lib.procedures.deploy_web_api import rules
from runbook_lib.procedures.deploy_web_api.errors import traces_of_failing
from runbook_lib.procedures.deployments import rules as deployment_rules
from runbook_lib.procedures.deployments import traffic as traffic_of
from runbook_lib.procedures.deployments.reading import Reading, Site, content, read, word
from runbook_lib.sources.github import github
from runbook_lib.sources.postgres import schema as postgres_schema
from runbook_lib.sources.railway import deployments as railway_deployments
from runbook_lib.sources.railway import logs as railway
from runbook_lib.sources.this_machine import parts
from runbook_lib.sources.traces import tempo_deployments
from runbook_lib.sources.vercel import deployments as vercel_deployments
from runbook_lib.sources.vercel import logs as vercel

_LISTED = timedelta(days=30)
_PLATFORMS = {"web": ("vercel",), "api": ("vercel", "railway")}


class DeployWebApi(Procedure):
    """Parameters: part (web, api or both), target, deployment (id or address), commit (that should be live)."""

    stem = "06_deploy_web_api"

    def prepare(self) -> None:
        """Read what is asked for. Raises UsageError for an unknown part or target, and for a commit that is none."""
        part, target = (str(self.parameters.get(name) or "") for name in ("part", "target"))
        self.target = target or "production"
        self.deployment = str(self.parameters.get("deployment") or "").strip().removeprefix("https://").strip("/")
        self.commit = str(self.parameters.get("commit") or "").strip().lower()
        if part not in ("", "web", "api"):
            raise UsageError(
                "The part is web or api", where="part", came_back=part, do_next="07 is for the LLM gateway."
            )
        if self.target not in ("production", "preview"):
            raise UsageError(
                "The target is production or preview", where="target", came_back=self.target[:40],
                do_next="Give one of them; the system to look at is --target, before -p.",
            )  # fmt: skip
        _check_commit(self.commit)
        _check_deployment(self.deployment)
        if self.deployment and not part:
            raise UsageError(
                "A deployment is of one part",
                where="deployment",
                came_back="no part was given",
                do_next="Say which one: -p part=web or -p part=api.",
            )
        names = (part,) if part else ("web", "api")
        self.sites = [
            Site(name, platform, self.target, self.deployment, self.commit)
            for name in names
            for platform in _PLATFORMS[name]
        ]
        self._window = Window(self.look.now - timedelta(hours=24), self.look.now)

    @property
    def window(self) -> Window:
        """The last day: what request logs still hold."""
        return self._window

    @property
    def is_asked(self) -> bool:
        """Whether one deployment or commit was asked for."""
        return bool(self.deployment or self.commit)

    def foresee(self) -> list[Look]:
        """Projects, variables, deployments and health: they depend on nothing."""
        found = [look for site in self.sites for look in (*self._setup_looks(site), self._deployments_look(site))]
        found += [self._previews_look(site) for site in self.sites if site.platform == "vercel"]
        return found + [parts.probe(part) for part in self._probed()]

    @step("Is the project set up to be deployed: repository, previews, variables?")
    def look_at_the_project(self) -> Said:
        """The project's settings and the names of its variables, on each platform that the part may run on."""
        seen = iter(self.see(*(look for site in self.sites for look in self._setup_looks(site))))
        self.sites = [site.seen(project=next(seen), variables=next(seen)) for site in self.sites]
        self.sites = rules.used_sites(self.sites)
        said = []
        for site in self.sites:
            reading = read(site)
            names = [str(row["name"]) for row in content(site.variables) or ()]
            repository = reading.project.get("repository") or "no repository"
            said.append(f"{site.name}: {repository if reading.project else 'not seen'}, {len(names)} variables")
        rows = [
            [site.part, row.get("name"), ", ".join(row.get("targets") or ()), row.get("updated_at")]
            for site in self.sites
            for row in content(site.variables) or ()
        ]
        table = {"columns": ["part", "variable", "targets", "updated_at"], "rows": rows}
        return Said("; ".join(said) + ".", (Exhibit("table", "Variables by name", table),) if rows else ())

    @step("What was deployed, how did it end, and did the commit's checks pass?")
    def look_at_the_deployment(self) -> Said:
        """The list, then the judged deployment and the serving one whole, the build's log, the commit against the branch."""
        seen = self.see(*(self._deployments_look(site) for site in self.sites))
        self.sites = [site.seen(deployments=look) for site, look in zip(self.sites, seen, strict=True)]
        traffic, timings = self._traffic_looks(), self._duration_looks()
        self.look.ahead(*(look for _, _, look in traffic), *(look for _, look in timings))
        looks: list[tuple[int, str, Look]] = []
        for number, site in enumerate(self.sites):
            looks += [(number, name, look) for name, look in self._detail_looks(site)]
        for (number, name, _), observation in zip(looks, self.see(*(look for *_, look in looks)), strict=True):
            self.sites[number] = self.sites[number].seen(**{name: observation})
        rows, said = [], []
        for site in self.sites:
            reading = read(site)
            rows += [
                [site.part, site.platform, row["id"], row["state"], str(row.get("commit") or "")[:9], row.get("branch"),
                 "serves" if reading.serving is not None and row["id"] == reading.serving["id"] else "", row.get("at")]
                for row in reading.rows[:8]
            ]  # fmt: skip
            error = deployment_rules.first_error(site.build_log)
            judged = f"{word(reading.judged)}" if reading.judged else "no deployment"
            said.append(f"{site.name}: {judged}" + (f", first error: {error['text'][:160]}" if error else ""))
        columns = ["part", "platform", "deployment", "state", "commit", "branch", "live", "at"]
        return Said(
            "; ".join(said) + ".", (Exhibit("table", "Deployments, newest first", {"columns": columns, "rows": rows}),)
        )

    @step("Does it answer, and in its own words?")
    def ask_whether_it_answers(self) -> Said:
        """One request to each part's health route, as anybody on the internet would send it."""
        probed = self._probed()
        if not probed:
            return Said("A preview is behind the platform's login; its health is not asked for.")
        seen = dict(zip(probed, self.see(*(parts.probe(part) for part in probed)), strict=True))
        self.sites = [site.seen(probe=seen.get(site.part)) for site in self.sites]
        told = [f"{part}: {look.value['status_code'] if content(look) else look.status}" for part, look in seen.items()]
        return Said("; ".join(told) + ".")

    @step("Do more requests fail since it was deployed?")
    def compare_the_traffic(self) -> Said:
        """The platform's request log since the deployment, and of as long a time before it; and how long requests took."""
        looks, timings = self._traffic_looks(), self._duration_looks()
        seen = self.see(*(look for _, _, look in looks), *(look for _, look in timings))
        for (number, name, _), observation in zip(looks, seen, strict=False):
            self.sites[number] = self.sites[number].seen(**{name: (observation,)})
        if not looks:
            return Said("What serves is older than a day: its first hours are no longer in any request log.")
        times = [tuple(content(look) or ()) for look in seen[len(looks) :]]
        took = {name: (times[2 * n], times[2 * n + 1]) for n, (name, _) in enumerate(timings[::2])}
        rows, said = [], []
        for site in self.sites:
            traffic = traffic_of.read_traffic(read(site))
            traffic = replace(traffic, durations_ms=took.get(site.name, ((), ())))
            for name, held in traffic_of.figures(traffic).items():
                rows.append([site.name, name, held["requests"], held["failed"], held["failed_ratio"], held["p95_ms"]])
            failed = len(traffic.failed_after)
            said.append(f"{site.name}: {failed} of {len(traffic.after)} failed since, {len(traffic.failed_before)} of "
                        f"{len(traffic.before)} before")  # fmt: skip
        columns = ["part", "when", "requests", "failed", "failed_ratio", "p95_ms"]
        figures = Exhibit("table", "Before and since the deployment", {"columns": columns, "rows": rows})
        return Said("; ".join(said) + ".", (figures,))

    @step("Where do the new errors begin: in this deployment, or behind it?")
    def follow_the_errors(self) -> Said:
        """Traces of some requests that failed since; and where they miss a table or column, what the database has."""
        said = []
        for number, site in enumerate(self.sites):
            judgement = rules.judge_site(site, self.look.now, is_asked=self.is_asked)
            if not rules.is_worth_following(judgement):
                continue
            site = site.seen(traces=traces_of_failing(self.see, judgement.traffic, self._window))
            traffic = traffic_of.read_traffic(read(site))
            if any(origin.missed for origin in traffic.begins):
                site = site.seen(schema=tuple(self.see(postgres_schema.names())))
            self.sites[number] = site
            begun = [origin.summary for origin in traffic.begins]
            said.append(f"{site.name}: {begun[0][:200] if begun else 'where they begin is not told'}")
        return Said("; ".join(said) + "." if said else "No more requests fail than before.")

    @step("What would be gone back to, and what would that not undo?")
    def plan_the_way_back(self) -> Said:
        """How each part stands, and the plans that answer what was found. Nothing is carried out."""
        judgements = [rules.judge_site(site, self.look.now, is_asked=self.is_asked) for site in self.sites]
        exhibits = [Exhibit("matrix", "How it stands", _matrix(judgements))]
        plans = [plan for judgement in judgements for plan in judgement.plans]
        exhibits += [_plan(plan) for plan in plans]
        said = [_back_told(judgement.reading) for judgement in judgements]
        return Said("; ".join(said) + ".", tuple(exhibits))

    def diagnose(self) -> Conclusion:
        """The verdict on the parts that were asked for."""
        return rules.diagnose(self.sites, self.look.now, is_asked=self.is_asked)

    def _probed(self) -> list[str]:
        return list(dict.fromkeys(site.part for site in self.sites)) if self.target == "production" else []

    def _setup_looks(self, site: Site) -> list[Look]:
        if site.platform == "vercel":
            return [vercel_deployments.project(site.part), vercel.env_changes(site.part)]
        return [railway_deployments.service(site.part), railway.variables_names(site.part)]

    def _deployments_look(self, site: Site) -> Look:
        if site.platform == "vercel":
            return vercel_deployments.recent(site.part, site.target)
        return railway.deployments(site.part)

    def _detail_looks(self, site: Site) -> list[tuple[str, Look]]:
        """What the list leads to: the judged deployment and the serving one, the failed build's log, the commit on GitHub."""
        reading = read(site)
        source = vercel_deployments if site.platform == "vercel" else railway_deployments
        judged = str(reading.judged["id"]) if reading.judged else self.deployment
        serving_id = str((reading.serving or {}).get("id") or reading.project.get("serving") or "")
        looks: list[tuple[str, Look]] = []
        if judged:
            looks.append(("detail", source.detail(judged, site.part)))
        if site.platform == "vercel" and serving_id not in ("", judged) and reading.serving is None:
            looks.append(("served", source.detail(serving_id, site.part)))
        if reading.judged is not None and word(reading.judged) == "failed":
            looks.append(("build_log", source.build_log(judged, site.part)))
        commit = str((reading.serving or {}).get("commit") or "")
        repository = str(reading.project.get("repository") or "") or None
        if commit and reading.branch and not self.commit:
            looks.append(("compare", github.compare(commit, reading.branch, repository)))
        if reading.judged is not None and reading.judged.get("commit"):
            looks.append(("checks", github.checks(str(reading.judged["commit"]), repository)))
        if site.platform == "vercel" and reading.project.get("previews_disabled") is None:
            looks.append(("pulls", github.pulls(repository)))
            looks.append(("previews", self._previews_look(site)))
        return looks

    def _previews_look(self, site: Site) -> Look:
        return vercel.deployments(site.part, Window(self.look.now - _LISTED, self.look.now))

    def _traffic_looks(self) -> list[tuple[int, str, Look]]:
        """The platform's request log since what serves was deployed, and before; as far as it is known what serves."""
        looks = []
        for number, site in enumerate(self.sites):
            if windows := rules.compared_window(read(site), self.look.now):
                names = ("after", "before")
                looks += [(number, name, _rows_look(site, each)) for name, each in zip(names, windows, strict=True)]
        return looks

    def _duration_looks(self) -> list[tuple[str, Look]]:
        """How long requests took since and before, by the trace backend, where the platform's log does not tell; two a site."""
        looks = []
        for site in self.sites:
            reading = read(site)
            windows = rules.compared_window(reading, self.look.now)
            if site.platform == "vercel" and windows and reading.serving and reading.back:
                for deployment, window in zip((reading.serving, reading.back), windows, strict=True):
                    looks.append((site.name, tempo_deployments.durations(str(deployment["id"]), window)))
        return looks


def _check_commit(commit: str) -> None:
    if commit and not (7 <= len(commit) <= 40 and all(letter in "0123456789abcdef" for letter in commit)):
        raise UsageError(
            "Cannot look for this commit",
            where="commit",
            came_back="it is no 7 to 40 hex digits",
            do_next="Copy the commit's sha: git rev-parse origin/main.",
        )


def _check_deployment(deployment: str) -> None:
    allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
    if len(deployment) > 200 or any(letter not in allowed for letter in deployment):
        raise UsageError(
            "Cannot look for this deployment",
            where="deployment",
            came_back="it is no id and no host name",
            do_next="Copy the id (dpl_…) or the address from the platform's list of deployments.",
        )


def _rows_look(site: Site, window: Window) -> Look:
    if site.platform == "vercel":
        return vercel.request_log(site.part, window)
    return railway.http_log(site.part, window)


def _matrix(judgements: list[rules.Judgement]) -> Json:
    found = [(judgement.reading.site.name, rules.summary_rows(judgement)) for judgement in judgements]
    columns = list(dict.fromkeys(name for _, rows in found for name, *_ in rows))
    cells = [
        [next(({"text": text, "tone": tone} for n, text, tone in rows if n == name), {"text": "", "tone": "neutral"})
         for name in columns]
        for _, rows in found
    ]  # fmt: skip
    return {"rows": [name for name, _ in found], "columns": columns, "cells": cells}


def _plan(plan: Plan) -> Exhibit:
    return Exhibit("plan", plan.title, plan.as_data())


def _back_told(reading: Reading) -> str:
    back = reading.back
    if back is None:
        return f"{reading.site.name}: nothing to go back to is known"
    return f"{reading.site.name}: {back['id']} ({str(back.get('commit') or '')[:9]}) of {back.get('at')}"
