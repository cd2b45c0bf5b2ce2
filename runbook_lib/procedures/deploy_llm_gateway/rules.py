"""Procedure 07's verdict: the image, the deployment and the machines of the gateway."""

from datetime import datetime

from runbook_lib.core.model import Conclusion, Suspect
from runbook_lib.judging.concluding import conclude
from runbook_lib.judging.findings import Findings
from runbook_lib.procedures.deploy_llm_gateway.causes import CATALOGUE
from runbook_lib.procedures.deploy_llm_gateway.evidence import Evidence
from runbook_lib.procedures.deploy_llm_gateway.image import judge_file
from runbook_lib.procedures.deploy_llm_gateway.machines import judge_instances, judge_machines, judge_ports
from runbook_lib.procedures.deployments import error_rates, rules
from runbook_lib.procedures.deployments.judgement import Judgement, facts, situation
from runbook_lib.procedures.deployments.live import judge_live
from runbook_lib.procedures.deployments.plans import plans_for, way_back
from runbook_lib.procedures.deployments.reading import Site, read
from runbook_lib.reading.request_rows import is_failed

_NAMED = "deploy.not_ready.crashed"  # here a crash is told by the machine's own codes


def judge_site(evidence: Evidence, site: Site, now: datetime, *, is_asked: bool) -> Judgement:
    """Every rule on the gateway on one platform."""
    reading = read(site)
    traffic = error_rates.read_traffic(reading)
    judged = Findings()
    for found in (
        rules.judge_connection(reading),
        rules.judge_checks(reading),
        rules.judge_variables(reading, evidence.providers),
        rules.judge_build(reading),
        rules.judge_outcome(reading, now, is_asked=is_asked),
        rules.judge_health(reading, lambda: any(not is_failed(row) for row in traffic.after)),
        judge_live(reading, now),
        error_rates.judge_error_rate(reading, traffic),
        judge_ports(reading, site.project if site.platform == "fly" else None, evidence.image),
        judge_machines(site.project, reading, evidence.regions, now)
        if site.platform == "fly"
        else judge_instances(reading),
    ):
        judged.add(found)
    judged.faults = [finding for finding in judged.faults if finding.code != _NAMED]
    judged = judged.settled(CATALOGUE)
    codes = [finding.code for finding in (*judged.faults, *judged.states)]
    plans = plans_for(reading, codes)
    if not plans and any(code.startswith(("machine.crash_loop", "machine.out_of_memory")) for code in codes):
        plans = [plan for plan in (way_back(reading),) if plan is not None]
    return Judgement(reading, traffic, judged, tuple(plans))


def diagnose(evidence: Evidence, now: datetime, *, is_asked: bool = False) -> Conclusion:
    """The verdict on the gateway's image and on what runs of it."""
    judgements = [judge_site(evidence, site, now, is_asked=is_asked) for site in evidence.sites]
    everything = judge_file(evidence.dockerfile, evidence.built, evidence.image)
    for each in judgements:
        everything.add(each.judged)
    found = everything.settled(CATALOGUE)
    return conclude(
        CATALOGUE,
        evidence.all(),
        asked=evidence.asked,
        faults=found.faults,
        also=found.also,
        states=found.states,
        suspects=[*found.suspects, *_unseen_regions(evidence)],
        situation=situation(judgements, found.faults, now),
        facts=facts(judgements),
    )


def _unseen_regions(evidence: Evidence) -> list[Suspect]:
    """The regions that were asked for, where no machine could be seen."""
    look = next((each for each in evidence.projects if each.call == "machine_states"), None)
    if not evidence.regions or (look is not None and look.status.answered):
        return []
    why = f"Fly's machines were not seen: {look.status if look is not None else 'nobody looked'}"
    do = (look.help if look is not None else "") or "run again where Fly.io can be asked"
    return [Suspect("region.missing", ", ".join(evidence.regions), why, f"fly machine_states: {do}")]
