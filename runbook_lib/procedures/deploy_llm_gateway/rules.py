"""Procedure 07's verdict: the image, the deployment and the machines of the gateway, what explains what, and what it stands on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runbook_lib.core.model import Conclusion, Finding, Observation, Status, Unseen
from runbook_lib.judging.concluding import conclude
from runbook_lib.procedures.deploy_llm_gateway.image import Image, judge_file, read_image
from runbook_lib.procedures.deploy_llm_gateway.machines import judge_instances, judge_machines, judge_ports
from runbook_lib.procedures.deploy_web_api.rules import Judgement as Judgement
from runbook_lib.procedures.deploy_web_api.rules import facts, needed, not_seen, rank, situation, used_sites
from runbook_lib.procedures.deployments import rules
from runbook_lib.procedures.deployments import traffic as traffic_of
from runbook_lib.procedures.deployments.live import live
from runbook_lib.procedures.deployments.plans import plans_for, way_back
from runbook_lib.procedures.deployments.reading import Site, content, read
from runbook_lib.procedures.deployments.rules import Judged
from runbook_lib.reading import requests as rows

_ORDER = (
    "image.build_file",
    "image.port_mismatch.platform",
    "image.port_mismatch.served",
    "image.port_mismatch.loopback",
    "machine.out_of_memory",
    "deploy.env_missing",
    "machine.crash_loop",
    "machine.host_unreachable",
    "machine.stopped",
    "machine.check_failing",
    "deploy.error_rate_up",
    "deploy.health_failing",
    "region.missing",
    "deploy.build_failed",
    "deploy.not_ready",
    "deploy.checks_failed",
    "deploy.repo_not_connected",
    "deploy.wrong_commit",
    "machine.image_mixed",
    "deploy.env_stale",
    "image.port_mismatch.expose",
)
_WRONG_PORT = ("image.port_mismatch.platform", "image.port_mismatch.served", "image.port_mismatch.loopback")
_DOWN = (
    "machine.crash_loop",
    "machine.out_of_memory",
    "machine.stopped",
    "machine.host_unreachable",
    "machine.check_failing",
)
_EXPLAINED: dict[str, tuple[str, ...]] = {
    "deploy.build_failed": ("image.build_file.copy", "image.build_file.no_base", "image.build_file.fails"),
    "image.build_file.fails": ("image.build_file.copy", "image.build_file.no_base"),
    "image.build_file.no_answer": ("image.port_mismatch.served", "image.port_mismatch.loopback"),
    "machine.check_failing": _WRONG_PORT,
    "deploy.health_failing": (*_WRONG_PORT, *_DOWN),
    "deploy.wrong_commit.not_deployed": ("deploy.repo_not_connected",),
}
_NAMED = ("deploy.not_ready.crashed",)  # here a crash is told by the machine's own codes


@dataclass(frozen=True)
class Evidence:
    """What was seen of the gateway: its image here, and the platform that it runs on.

    Attributes:
        sites: the gateway on Railway and on Fly.
        dockerfile, engine, built: its image on this machine; `may_build`: whether building was allowed.
        is_file_asked: the Dockerfile was named, so that an answer without it would be none.
        regions: those that should serve, where somebody named them; `machines`: Fly's, where they are not among the sites.
        chain: the gateway's chain of providers, where it is known.
    """

    sites: tuple[Site, ...]
    dockerfile: Observation | None = None
    engine: Observation | None = None
    built: Observation | None = None
    may_build: bool = False
    is_file_asked: bool = False
    regions: tuple[str, ...] = ()
    machines: Observation | None = None
    chain: Observation | None = None

    def looks(self) -> list[Observation]:
        """Every observation."""
        own = [
            look
            for look in (self.dockerfile, self.engine, self.built, self.unseen_regions, self.chain)
            if look is not None
        ]
        return own + [look for site in used_sites(self.sites) for look in site.looks()]

    @property
    def unseen_regions(self) -> Observation | None:
        """The look at Fly's machines that should have told of the regions that were asked for, where Fly is not in use."""
        return self.machines if self.regions else None

    @property
    def providers(self) -> list[str]:
        """The providers of the chain, in order; empty where it is not known."""
        held = content(self.chain)
        text = str(held.get("chain") or "") if isinstance(held, dict) else ""
        return [member.strip().partition("/")[0] for member in text.split(",") if "/" in member]


def image_of(evidence: Evidence) -> Image | None:
    """The Dockerfile's image, under the start command that the platform may put in place of its own."""
    start = next((str(p["start_command"]) for s in evidence.sites if (p := _project(s)) and p.get("start_command")), "")
    return read_image(evidence.dockerfile, start)


def _project(site: Site) -> dict[str, Any]:
    held = content(site.project)
    return held if isinstance(held, dict) else {}


def judge_site(evidence: Evidence, site: Site, now: datetime, *, is_asked: bool) -> Judgement:
    """Every rule on the gateway on one platform."""
    reading = read(site)
    traffic = traffic_of.read_traffic(reading)
    image = image_of(evidence)
    judged = Judged()
    for found in (
        rules.connected(reading),
        rules.checks(reading),
        rules.variables(_with_env(site, reading), evidence.providers),
        rules.build(reading),
        rules.ended(reading, now, is_asked=is_asked),
        rules.health(reading, lambda: any(not rows.is_failed(row) for row in traffic.after)),
        live(reading, now),
        traffic_of.judge(reading, traffic),
        judge_ports(reading, site.project if site.platform == "fly" else None, image),
        judge_machines(site.project, reading, evidence.regions, now)
        if site.platform == "fly"
        else judge_instances(reading),
    ):
        judged.add(found)
    judged.faults = [finding for finding in judged.faults if finding.code not in _NAMED]
    settled = settle(judged)
    codes = [finding.code for finding in (*settled.faults, *settled.states)]
    plans = plans_for(reading, codes)
    if not plans and any(code.startswith(("machine.crash_loop", "machine.out_of_memory")) for code in codes):
        plans = [plan for plan in (way_back(reading),) if plan is not None]
    return Judgement(reading, traffic, settled, tuple(plans))


def _with_env(site: Site, reading: Any) -> Any:
    """On Fly, variables stand among the secrets or, in the open, in the machines' configuration."""
    if site.platform != "fly":
        return reading
    names = {str(name) for row in content(site.project) or () for name in row["env"]}
    held = content(site.variables)
    if held is None or site.variables is None or not names:
        return reading
    rows_of = [*held, *({"name": name, "updated_at": None, "targets": None} for name in sorted(names))]
    changed = Observation(**{**site.variables.__dict__, "value": rows_of, "status": Status.ok})
    return read(site.seen(variables=changed))


def settle(judged: Judged) -> Judged:
    """Put what other findings explain under `also`, and the rest in the order in which they explain the symptom."""
    codes = {finding.code for finding in judged.faults} | judged.codes()
    roots: list[Finding] = []
    also = list(judged.also)
    for finding in judged.faults:
        fitting = [by for code, by in _EXPLAINED.items() if finding.code.startswith(code)]
        explained = any(codes & (set(by) - {finding.code}) for by in fitting)
        (also if explained else roots).append(finding)
    roots.sort(key=lambda finding: rank(finding.code, _ORDER))
    return Judged(roots, also, judged.states, judged.open, judged.notes)


def diagnose(evidence: Evidence, now: datetime, *, is_asked: bool = False) -> Conclusion:
    """The verdict on the gateway's image and on what runs of it."""
    sites = used_sites(evidence.sites)
    judgements = [judge_site(evidence, site, now, is_asked=is_asked) for site in sites]
    everything = judge_file(evidence.dockerfile, evidence.built, image_of(evidence))
    for each in judgements:
        everything.add(each.judged)
    settled = settle(everything)
    looks = evidence.looks()
    wanted = [look for each in judgements for look in needed(each, now)]
    file = evidence.dockerfile
    if (
        file is not None
        and not file.status.answered
        and (evidence.is_file_asked or file.status != Status.not_configured)
    ):
        wanted.append(file)
    if evidence.unseen_regions is not None:
        wanted.append(evidence.unseen_regions)
    if evidence.built is not None and not evidence.built.status.answered:
        wanted.append(evidence.built)
    return conclude(
        faults=settled.faults,
        also=settled.also,
        states=settled.states,
        suspects=settled.open,
        needed=wanted,
        not_seen=[*not_seen([look for look in looks if look is not evidence.chain]), *_not_looked(evidence, sites)],
        situation=situation(judgements, looks, settled.faults, now),
        facts=facts(judgements),
    )


def _not_looked(evidence: Evidence, sites: Sequence[Site]) -> list[Unseen]:
    """What was left out on purpose, and what the platform does not keep."""
    found = []
    if evidence.engine is not None and evidence.engine.status == Status.ok and evidence.built is None:
        why = "building leaves layers on this machine, so it is done on request"
        if evidence.may_build:
            why = "there is no Dockerfile to build from"
        found.append(Unseen("gateway_image", "build_and_run", "not_configured", why, "run again with --active"))
    if any(site.platform == "fly" and site.is_configured for site in sites):
        why = "Fly.io keeps no log of requests, so failures before and since the release were not compared"
        found.append(
            Unseen("fly", "request_log", "not_configured", why, "the trace backend: 01 on a window since the release")
        )
    return found
