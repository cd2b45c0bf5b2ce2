"""The gateway's machines on Fly and instances on Railway: which run, which end again and again, which cannot be reached, and where.

Memory is named only where the platform says so: an exit code of 137 alone is somebody's kill.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Observation, Suspect
from runbook_lib.core.records.deployments import RailwayDeploymentDetail, ServingRailwayDeployment
from runbook_lib.core.records.machines import MachineExit, MachineState
from runbook_lib.core.records.parts import PartAnswer
from runbook_lib.judging.answers import record_of, rows_of
from runbook_lib.judging.findings import Findings
from runbook_lib.procedures.deploy_llm_gateway.causes import CATALOGUE
from runbook_lib.procedures.deploy_llm_gateway.image import WANTED, Image
from runbook_lib.procedures.deployments.reading import Reading, is_whole
from runbook_lib.procedures.deployments.rules import failed_step

_LOOP, _WITHIN, _RECENT = 3, timedelta(minutes=10), timedelta(minutes=30)
_STOPPED = ("stopped", "suspended", "stopping", "suspending", "failed")
_MEMORY = ("out of memory", "oom", "memory limit", "ran out of memory")


def judge_machines(look: Observation | None, reading: Reading, regions: Sequence[str], now: datetime) -> Findings:
    """Fly's machines, one by one and together."""
    found = Findings()
    rows = [row for row in rows_of(look, MachineState) if row["state"] not in ("destroyed", "destroying", "created")]
    if not rows:
        return found
    for row in rows:
        found.add(_one(row, look, now))
    found.add(_images(rows, look, reading))
    if is_whole(look):
        found.add(_regions(rows, look, regions))
    return found


def _one(row: MachineState, look: Observation | None, now: datetime) -> Findings:
    found, name = Findings(), f"machine {row['id']} ({row['region']})"
    if row["host_status"] == "unreachable":
        summary = f"{name}: its host does not answer, so what is told of it is old"
        found.faults.append(CATALOGUE.finding("machine.host_unreachable", name, summary, [look]))
        return found
    if row["host_status"] == "unknown":
        why = f"{name}: Fly does not know how its host is"
        found.suspects.append(
            Suspect("machine.host_unreachable", name, why, "Fly.io: the machine's host_status in a minute")
        )
    recent = [
        each for each in row["exits"] if not each["requested"] and each["at"] and now - from_iso(each["at"]) <= _RECENT
    ]
    killed = [exit_ for exit_ in recent if exit_["out_of_memory"]]
    loops = _is_loop(recent)
    if killed:
        memory = f" of {row['memory_mb']:g} MB" if row["memory_mb"] else ""
        summary = f"{name}: ended {len(killed)} times for its memory{memory}, last at {killed[0]['at']}"
        found.faults.append(CATALOGUE.finding("machine.out_of_memory", name, summary, [look]))
    elif loops:
        summary = f"{name}: ended {len(recent)} times within half an hour, exit code {recent[0]['code']}, last at {recent[0]['at']}"
        found.faults.append(CATALOGUE.finding("machine.crash_loop", name, summary, [look]))
    is_ending = bool(killed or loops)
    if row["state"] in _STOPPED:
        found.add(_stopped(row, name, look, is_ending=is_ending))
    failing = [check for check in row["checks"] if check["status"] == "critical"]
    if failing and row["state"] == "started":
        said = (failing[0]["output"] or "")[:160]
        summary = f"{name}: check {failing[0]['name']} is critical since {failing[0]['changed_at']}: {said}"
        finding = CATALOGUE.finding("machine.check_failing", name, summary, [look])
        (found.also if is_ending else found.faults).append(finding)
    return found


def _is_loop(exits: Sequence[MachineExit]) -> bool:
    times = [from_iso(each["at"]) for each in exits[:_LOOP] if each["at"]]
    return len(times) == _LOOP and times[0] - times[-1] <= _WITHIN


def _stopped(row: MachineState, name: str, look: Observation | None, *, is_ending: bool) -> Findings:
    found = Findings()
    sleeps = row["autostop"] in ("stop", "suspend") and row["state"] in (
        "stopped",
        "suspended",
        "stopping",
        "suspending",
    )
    if sleeps and row["autostart"] is not False:
        summary = f"{name}: {row['state']}, as idle machines are; it starts with the next request"
        found.states.append(CATALOGUE.finding("machine.asleep", name, summary, [look]))
        return found
    if not row["config_complete"]:
        return found
    code = "machine.stopped.no_autostart" if sleeps else "machine.stopped"
    told = "and nothing starts it again" if sleeps else f"and autostop is {row['autostop'] or 'not set'}"
    finding = CATALOGUE.finding(code, name, f"{name}: it is {row['state']}, {told}", [look])
    (found.also if is_ending else found.faults).append(finding)
    return found


def _images(rows: Sequence[MachineState], look: Observation | None, reading: Reading) -> Findings:
    """Whether every machine that can be reached runs the newest release; while one is being rolled out they rightly differ."""
    found = Findings()
    newest = reading.rows[0] if reading.rows else None
    if newest is not None and newest.word == "building":
        return found
    reached = [row for row in rows if row["host_status"] != "unreachable" and row["image"]]
    images = {row["image"] or "" for row in reached}
    good = next((row for row in reading.rows if row.word == "ready"), None)
    wanted = _bare(good.image) if good and good.image else ""
    if len(images) > 1 and not is_whole(reading.site.deployments):
        why = f"the machines run {len(images)} images, and whether a release is being rolled out could not be read"
        found.suspects.append(Suspect("machine.image_mixed", "machines", why, "Fly.io: the app's releases"))
    elif len(images) > 1:
        told = "; ".join(f"{row['id']}: {row['image']}" for row in reached)
        summary = f"the machines run {len(images)} images: {told}"
        found.faults.append(
            CATALOGUE.finding("machine.image_mixed", "machines", summary, [look, reading.site.deployments])
        )
    elif wanted and images and next(iter(images)) != wanted:
        summary = f"the machines run {next(iter(images))}, and the newest release is {wanted}"
        found.faults.append(
            CATALOGUE.finding("machine.image_mixed", "machines", summary, [look, reading.site.deployments])
        )
    return found


def _bare(image: str) -> str:
    return image.removeprefix("registry.fly.io/").partition("@")[0]


def _regions(rows: Sequence[MachineState], look: Observation | None, regions: Sequence[str]) -> Findings:
    """The regions that should serve: those that were named, else the app's own primary region."""
    found = Findings()
    wanted = list(regions) or sorted({row["primary_region"] for row in rows if row["primary_region"]})
    for region in dict.fromkeys(wanted):
        here = [row for row in rows if row["region"] == region]
        serves = [row for row in here if row["state"] in ("started", "starting", "replacing") or _wakes(row)]
        if here and not serves:
            continue  # each of its machines has a finding of its own
        if not here:
            summary = f"region {region} has no machine; there are some in {', '.join(sorted({str(r['region']) for r in rows}))}"
            found.faults.append(CATALOGUE.finding("region.missing", region, summary, [look]))
    return found


def _wakes(row: MachineState) -> bool:
    return row["autostop"] in ("stop", "suspend") and row["autostart"] is not False


def judge_instances(reading: Reading) -> Findings:
    """Railway's instances of what serves or was deployed last: a crash is told by their states, memory by its diagnosis alone."""
    site, found, service = reading.site, Findings(), reading.railway_service
    whole = record_of(site.detail, RailwayDeploymentDetail)
    if whole is not None:
        steps = " ".join(event["error"] or "" for event in whole["events"])
        found.add(_instances(reading, whole, whole["diagnosis"], steps))
    for serving in service["serving"] if service is not None else ():
        if whole is None or serving["id"] != whole["id"]:
            found.add(_instances(reading, serving, None, ""))
    return found


def _instances(
    reading: Reading,
    deployment: RailwayDeploymentDetail | ServingRailwayDeployment,
    diagnosis: str | None,
    steps: str,
) -> Findings:
    """`diagnosis`, `steps`: the platform's words on the deployment, and on its steps."""
    site, found, states = reading.site, Findings(), deployment["instances"]
    bad = [state for state in states if state in ("CRASHED", "RESTARTING", "EXITED")]
    if deployment["state"] != "CRASHED" and not bad:
        return found
    said = f"{diagnosis or ''} {steps}".lower()
    name = f"{site.name}: {deployment['id']}"
    shown = ", ".join(states) or "none"
    told = f"{site.name}: deployment {deployment['id']} is {deployment['state']}, its instances {shown}"
    code = "machine.out_of_memory" if any(words in said for words in _MEMORY) else "machine.crash_loop"
    said_by = f": {diagnosis}" if diagnosis else ""
    found.faults.append(CATALOGUE.finding(code, name, told + said_by, [site.detail, site.project]))
    return found


def judge_ports(reading: Reading, machines: Observation | None, image: Image | None) -> Findings:
    """The platform's port against the image's. A difference counts where something fails for it: what answers well is no fault."""
    site, found = reading.site, Findings()
    serves = image.served if image and image.served and not image.follows_port else WANTED
    if image is not None and image.follows_port:
        return found
    answer = record_of(site.probe, PartAnswer)
    is_refused = answer is not None and answer["status_code"] >= 500
    service = reading.railway_service
    if service is not None:
        port, judged = service["port"], reading.judged
        failed_check = judged is not None and judged.word == "failed" and failed_step(site) == "HEALTHCHECK"
        if failed_check and port != serves:
            told = f"PORT is {port}" if port else "PORT is not set, so Railway makes one up"
            summary = f"{site.name}: {told}, its health check goes there, and the image serves {serves}"
            evidence = [site.project, site.detail, site.deployments]
            found.faults.append(CATALOGUE.finding("image.port_mismatch.platform", site.name, summary, evidence))
        targets = [d["target_port"] for d in service["domains"] if d["target_port"] is not None]
        if is_refused and targets and serves not in targets:
            summary = f"{site.name}: its domain leads to port {targets[0]:g}, and the image serves {serves}"
            found.faults.append(
                CATALOGUE.finding("image.port_mismatch.platform", site.name, summary, [site.project, site.probe])
            )
    for row in rows_of(machines, MachineState):
        critical = any(check["status"] == "critical" for check in row["checks"])
        if row["ports"] and serves not in row["ports"] and (critical or is_refused):
            summary = f"machine {row['id']}: requests go to port {row['ports'][0]}, and the image serves {serves}"
            subject = f"machine {row['id']} ({row['region']})"
            found.faults.append(
                CATALOGUE.finding("image.port_mismatch.platform", subject, summary, [machines, site.probe])
            )
    return found
