"""06: a deployment of web or API. Is it set up, was it built, does it serve, is it what should serve, and did it bring errors?"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

from runbook_lib.core.clock import Window
from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Conclusion, Json
from runbook_lib.io.observe import Look
from runbook_lib.judging.answers import rows_of
from runbook_lib.judging.plan import Plan
from runbook_lib.procedures.base import Exhibit, Procedure, Said, Topic, step
from runbook_lib.procedures.deploy_web_api import rules
from runbook_lib.procedures.deployments import error_rates
from runbook_lib.procedures.deployments import rules as deployment_rules
from runbook_lib.procedures.deployments.evidence import Evidence
from runbook_lib.procedures.deployments.judgement import Judgement
from runbook_lib.procedures.deployments.looks import SHARED, Run, compared_windows, is_worth_following, per_site
from runbook_lib.procedures.deployments.reading import Reading, Site, answer_in_words, read
from runbook_lib.sources.github import github
from runbook_lib.sources.traces import tempo_deployments
from runbook_lib.sources.vercel import logs as vercel

_LISTED = timedelta(days=30)
_PLATFORMS = {"web": ("vercel",), "api": ("vercel", "railway")}


def _shows_previews(reading: Reading) -> bool:
    """Whether previews are to be looked for: they are Vercel's, and its settings were seen and do not say that there are none."""
    project = reading.vercel_project
    return project is not None and project["previews_disabled"] is not True


def _pulls(_: Run, reading: Reading) -> Iterator[Look]:
    if _shows_previews(reading):
        yield github.pulls(reading.repository)


def _previews(run: Run, reading: Reading) -> Iterator[Look]:
    if _shows_previews(reading):
        yield vercel.deployments(reading.site.part, Window(run.look.now - _LISTED, run.look.now))


def _durations(run: Run, reading: Reading) -> Iterator[Look]:
    """How long requests took since and before, by the trace backend, where the platform's log does not tell."""
    windows = compared_windows(reading, run.look.now)
    if reading.site.platform == "vercel" and reading.serving and reading.back:
        for deployment, window in zip(
            (reading.serving, reading.back), windows if len(windows) > 1 else (), strict=False
        ):
            yield tempo_deployments.durations(deployment.id, window)


class DeployWebApi(Procedure):
    """Parameters: part (web, api or both), target, deployment (id or address), commit (that should be live)."""

    stem = "06_deploy_web_api"
    evidence: Evidence
    topics: ClassVar = {
        **SHARED,
        "pulls": Topic(per_site(_pulls), after=("projects",)),
        "previews": Topic(per_site(_previews), after=("projects",)),
        "durations": Topic(per_site(_durations), after=("projects", "deployments")),
    }

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
        self.evidence = Evidence(
            tuple(
                Site(name, platform, self.target, self.deployment, self.commit)
                for name in names
                for platform in _PLATFORMS[name]
            )
        )
        self._window = Window(self.look.now - timedelta(hours=24), self.look.now)

    @property
    def window(self) -> Window:
        """The last day: what request logs still hold."""
        return self._window

    @property
    def is_asked(self) -> bool:
        """Whether one deployment or commit was asked for."""
        return bool(self.deployment or self.commit)

    @step("Is the project set up to be deployed: repository, previews, variables?")
    def look_at_the_project(self) -> Said:
        """The project's settings and the names of its variables, on each platform that the part may run on."""
        self.ask("not_used", "projects", "variables")
        said, rows = [], []
        for site in self.evidence.sites:
            reading = read(site)
            repository = reading.repository or "no repository"
            said.append(
                f"{site.name}: {repository if reading.project else 'not seen'}, {len(reading.variables)} variables"
            )
            rows += [[site.part, row.name, ", ".join(row.targets or ()), row.updated_at] for row in reading.variables]
        table = {"columns": ["part", "variable", "targets", "updated_at"], "rows": rows}
        return Said("; ".join(said) + ".", (Exhibit("table", "Variables by name", table),) if rows else ())

    @step("What was deployed, how did it end, and did the commit's checks pass?")
    def look_at_the_deployment(self) -> Said:
        """The list, then the judged deployment and the serving one whole, the build's log, the commit against the branch."""
        self.ask("deployments")
        self.ask("details", "served", "build_logs", "checks", "pulls", "previews")
        self.ask("branch")
        rows, said = [], []
        for site in self.evidence.sites:
            reading = read(site)
            serving = reading.serving.id if reading.serving else None
            rows += [
                [site.part, site.platform, row.id, row.state, row.short_commit, row.branch,
                 "serves" if row.id == serving else "", row.at]
                for row in reading.rows[:8]
            ]  # fmt: skip
            error = deployment_rules.first_error(site.build_log)
            judged = reading.judged.word if reading.judged else "no deployment"
            said.append(f"{site.name}: {judged}" + (f", first error: {error['text'][:160]}" if error else ""))
        columns = ["part", "platform", "deployment", "state", "commit", "branch", "live", "at"]
        return Said(
            "; ".join(said) + ".", (Exhibit("table", "Deployments, newest first", {"columns": columns, "rows": rows}),)
        )

    @step("Does it answer, and in its own words?")
    def ask_whether_it_answers(self) -> Said:
        """One request to each part's health route, as anybody on the internet would send it."""
        probes = self.ask("probes")
        if not probes:
            return Said("A preview is behind the platform's login; its health is not asked for.")
        told = [f"{look.arguments['part']}: {answer_in_words(look)}" for look in probes]
        return Said("; ".join(told) + ".")

    @step("Do more requests fail since it was deployed?")
    def compare_the_traffic(self) -> Said:
        """The platform's request log since the deployment, and of as long a time before it; and how long requests took."""
        if not self.ask("after", "before", "durations"):
            return Said("It is not known what serves production, so nothing was compared.")
        took = {look.arguments["deployment"]: tuple(rows_of(look, float)) for look in self.evidence.durations}
        rows, said = [], []
        for site in self.evidence.sites:
            reading = read(site)
            named = [row.id if row else "" for row in (reading.serving, reading.back)]
            traffic = replace(
                error_rates.read_traffic(reading), durations_ms=(took.get(named[0], ()), took.get(named[1], ()))
            )
            for name, held in error_rates.figures(traffic).items():
                rows.append([site.name, name, held["requests"], held["failed"], held["failed_ratio"], held["p95_ms"]])
            said.append(f"{site.name}: {error_rates.rates_in_words(traffic)}")
        columns = ["part", "when", "requests", "failed", "failed_ratio", "p95_ms"]
        figures = Exhibit("table", "Before and since the deployment", {"columns": columns, "rows": rows})
        return Said("; ".join(said) + ".", (figures,))

    @step("Where do the new errors begin: in this deployment, or behind it?")
    def follow_the_errors(self) -> Said:
        """Traces of some requests that failed since; and where they miss a table or column, what the database has."""
        self.ask("found", "lines")
        self.ask("traces")
        self.ask("schema")
        said = []
        for site in self.evidence.sites:
            traffic = error_rates.read_traffic(read(site))
            if is_worth_following(traffic):
                begun = [origin.summary for origin in traffic.begins]
                said.append(f"{site.name}: {begun[0][:200] if begun else 'where they begin is not told'}")
        return Said("; ".join(said) + "." if said else "No request failed.")

    @step("What would be gone back to, and what would that not undo?")
    def plan_the_way_back(self) -> Said:
        """How each part stands, and the plans that answer what was found. Nothing is carried out."""
        judgements = [rules.judge_site(site, self.look.now, is_asked=self.is_asked) for site in self.evidence.sites]
        exhibits = [Exhibit("matrix", "How it stands", _matrix(judgements))]
        plans = [plan for judgement in judgements for plan in judgement.plans]
        exhibits += [_plan(plan) for plan in plans]
        said = [_back_told(judgement.reading) for judgement in judgements]
        return Said("; ".join(said) + ".", tuple(exhibits))

    def diagnose(self) -> Conclusion:
        """The verdict on the parts that were asked for."""
        return rules.diagnose(self.evidence, self.look.now, is_asked=self.is_asked)


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


def _matrix(judgements: list[Judgement]) -> Json:
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
    return f"{reading.site.name}: {back.id} ({back.short_commit}) of {back.at}"
