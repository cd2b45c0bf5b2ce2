"""The gateway's machines on Fly and instances on Railway: which run, which end again and again, which cannot be reached, and where.

Memory is named only where the platform says so: an exit code of 137 alone is somebody's kill.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Observation, Suspect
from runbook_lib.judging.answers import object_of
from runbook_lib.procedures.deploy_llm_gateway.causes import CATALOGUE
from runbook_lib.procedures.deploy_llm_gateway.image import WANTED, Image
from runbook_lib.procedures.deployments.reading import Reading, is_whole, rows_in, word
from runbook_lib.procedures.deployments.rules import Judged, failed_step

Machine = Mapping[str, Any]
_LOOP, _WITHIN, _RECENT = 3, timedelta(minutes=10), timedelta(minutes=30)
_STOPPED = ("stopped", "suspended", "stopping", "suspending", "failed")
_MEMORY = ("out of memory", "oom", "memory limit", "ran out of memory")


def judge_machines(look: Observation | None, reading: Reading, regions: Sequence[str], now: datetime) -> Judged:
    """Fly's machines, one by one and together."""
    found = Judged()
    rows = [row for row in rows_in(look) if row["state"] not in ("destroyed", "destroying", "created")]
    if not rows:
        return found
    for row in rows:
        found.add(_one(row, look, now))
    found.add(_images(rows, look, reading))
    if is_whole(look):
        found.add(_regions(rows, look, regions))
    return found


def _one(row: Machine, look: Observation | None, now: datetime) -> Judged:
    found, name = Judged(), f"machine {row['id']} ({row['region']})"
    if row["host_status"] == "unreachable":
        summary = f"{name}: its host does not answer, so what is told of it is old"
        found.faults.append(CATALOGUE.finding("machine.host_unreachable", name, summary, [look]))
        return found
    if row["host_status"] == "unknown":
        why = f"{name}: Fly does not know how its host is"
        found.open.append(
            Suspect("machine.host_unreachable", name, why, "Fly.io: the machine's host_status in a minute")
        )
    exits = [exit_ for exit_ in row["exits"] if not exit_["requested"] and exit_["at"]]
    recent = [exit_ for exit_ in exits if now - from_iso(str(exit_["at"])) <= _RECENT]
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
        said = str(failing[0]["output"] or "")[:160]
        summary = f"{name}: check {failing[0]['name']} is critical since {failing[0]['changed_at']}: {said}"
        finding = CATALOGUE.finding("machine.check_failing", name, summary, [look])
        (found.also if is_ending else found.faults).append(finding)
    return found


def _is_loop(exits: Sequence[Mapping[str, Any]]) -> bool:
    if len(exits) < _LOOP:
        return False
    return from_iso(str(exits[0]["at"])) - from_iso(str(exits[_LOOP - 1]["at"])) <= _WITHIN


def _stopped(row: Machine, name: str, look: Observation | None, *, is_ending: bool) -> Judged:
    found = Judged()
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


def _images(rows: Sequence[Machine], look: Observation | None, reading: Reading) -> Judged:
    """Whether every machine that can be reached runs the newest release; while one is being rolled out they rightly differ."""
    found = Judged()
    newest = reading.rows[0] if reading.rows else None
    if newest is not None and word(newest) == "building":
        return found
    reached = [row for row in rows if row["host_status"] != "unreachable" and row["image"]]
    images = {str(row["image"]) for row in reached}
    good = next((row for row in reading.rows if word(row) == "ready"), None)
    wanted = _bare(str(good["image"])) if good and good.get("image") else ""
    if len(images) > 1 and not is_whole(reading.site.deployments):
        why = f"the machines run {len(images)} images, and whether a release is being rolled out could not be read"
        found.open.append(Suspect("machine.image_mixed", "machines", why, "Fly.io: the app's releases"))
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


def _regions(rows: Sequence[Machine], look: Observation | None, regions: Sequence[str]) -> Judged:
    """The regions that should serve: those that were named, else the app's own primary region."""
    found = Judged()
    wanted = list(regions) or sorted({str(row["primary_region"]) for row in rows if row["primary_region"]})
    for region in dict.fromkeys(wanted):
        here = [row for row in rows if row["region"] == region]
        serves = [row for row in here if row["state"] in ("started", "starting", "replacing") or _wakes(row)]
        if here and not serves:
            continue  # each of its machines has a finding of its own
        if not here:
            summary = f"region {region} has no machine; there are some in {', '.join(sorted({str(r['region']) for r in rows}))}"
            found.faults.append(CATALOGUE.finding("region.missing", region, summary, [look]))
    return found


def _wakes(row: Machine) -> bool:
    return row["autostop"] in ("stop", "suspend") and row["autostart"] is not False


def judge_instances(reading: Reading) -> Judged:
    """Railway's instances of what serves or was deployed last: a crash is told by their states, memory by its diagnosis alone."""
    site, found = reading.site, Judged()
    held = object_of(site.detail)
    details = [held] if held else []
    known = {str(each["id"]) for each in details}
    for each in [*details, *(row for row in reading.project.get("serving") or () if row["id"] not in known)]:
        found.add(_instances(reading, each))
    return found


def _instances(reading: Reading, detail: Mapping[str, Any]) -> Judged:
    site, found = reading.site, Judged()
    states = [str(state) for state in detail["instances"]]
    events = detail.get("events") or ()
    said = f"{detail.get('diagnosis') or ''} {' '.join(str(e.get('error') or '') for e in events)}".lower()
    bad = [state for state in states if state in ("CRASHED", "RESTARTING", "EXITED")]
    if detail["state"] != "CRASHED" and not bad:
        return found
    name = f"{site.name}: {detail['id']}"
    told = f"{site.name}: deployment {detail['id']} is {detail['state']}, its instances {', '.join(states) or 'none'}"
    code = "machine.out_of_memory" if any(words in said for words in _MEMORY) else "machine.crash_loop"
    said_by = f": {detail['diagnosis']}" if detail.get("diagnosis") else ""
    found.faults.append(CATALOGUE.finding(code, name, told + said_by, [site.detail, site.project]))
    return found


def judge_ports(reading: Reading, machines: Observation | None, image: Image | None) -> Judged:
    """The platform's port against the image's. A difference counts where something fails for it: what answers well is no fault."""
    site, found = reading.site, Judged()
    serves = image.served if image and image.served and not image.follows_port else WANTED
    if image is not None and image.follows_port:
        return found
    is_refused = int(object_of(site.probe).get("status_code") or 0) >= 500
    if site.platform == "railway" and reading.project:
        port = reading.project.get("port")
        failed_check = word(reading.judged) == "failed" and failed_step(site.detail) == "HEALTHCHECK"
        if failed_check and port != serves:
            told = f"PORT is {port}" if port else "PORT is not set, so Railway makes one up"
            summary = f"{site.name}: {told}, its health check goes there, and the image serves {serves}"
            evidence = [site.project, site.detail, site.deployments]
            found.faults.append(CATALOGUE.finding("image.port_mismatch.platform", site.name, summary, evidence))
        targets = [d["target_port"] for d in reading.project["domains"] if d["target_port"] is not None]
        if is_refused and targets and serves not in targets:
            summary = f"{site.name}: its domain leads to port {targets[0]:g}, and the image serves {serves}"
            found.faults.append(
                CATALOGUE.finding("image.port_mismatch.platform", site.name, summary, [site.project, site.probe])
            )
    for row in rows_in(machines):
        critical = any(check["status"] == "critical" for check in row["checks"])
        if row["ports"] and serves not in row["ports"] and (critical or is_refused):
            summary = f"machine {row['id']}: requests go to port {row['ports'][0]}, and the image serves {serves}"
            subject = f"machine {row['id']} ({row['region']})"
            found.faults.append(
                CATALOGUE.finding("image.port_mismatch.platform", subject, summary, [machines, site.probe])
            )
    return found
