"""Rules on what answers at the parts' addresses, on which platforms a part is live, and what those say of themselves."""

import re
from collections.abc import Iterable, Sequence

from runbook_lib.core.model import Observation, Status, Suspect
from runbook_lib.core.records.deployments import FlyRelease
from runbook_lib.core.records.hosting import RailwayServiceSeen, VercelProjectSeen, VercelServing
from runbook_lib.core.records.parts import GatewayDescription, PartAnswer
from runbook_lib.core.records.providers import RailwayStatus, StatusPage
from runbook_lib.judging.answers import record_of, rows_of, whole_record
from runbook_lib.procedures.operations_checklist.findings import Found, report_finding
from runbook_lib.procedures.operations_checklist.reading import PARTS, Evidence, Reading

_NO_ANSWER = (Status.unreachable, Status.timed_out)
_ALONE = 3.0  # an answer that takes so many times as long as others' is no matter of the way there
_ENOUGH_OTHERS = 3
_REFUSING = (401, 403, 404, 429)
_WORDS = {"web": {"web", "frontend", "ui"}, "api": {"api", "backend"}, "gateway": {"gateway", "llm"}}


def probes_of(part: str, evidence: Evidence) -> list[Observation]:
    """The looks at a part's own address."""
    return [look for look in (*evidence.probes, *evidence.again) if look.arguments.get("part") == part]


def answers_of(part: str, evidence: Evidence) -> list[PartAnswer]:
    """What a part answered, each time that it did."""
    answers = (whole_record(look, PartAnswer) for look in probes_of(part, evidence))
    return [answer for answer in answers if answer is not None]


def judge_answers(evidence: Evidence) -> list[Found]:
    """What does not answer, answers badly or slowly, or is something else."""
    bad = [each for part in PARTS if (each := _judge(part, evidence)) is not None]
    told = {each.part for each in bad}
    return bad + [each for each in _slow(evidence) if each.part not in told]


def parts_to_knock_again(evidence: Evidence) -> list[str]:
    """The parts that seem slow: one more knock, alone, tells whether it was only the crowd of looks."""
    return [each.part for each in _slow(evidence)]


def suspect_slow_way(evidence: Evidence) -> list[Suspect]:
    """Parts that are slow from here where nothing tells whether it is they that are, or our own way there."""
    named = {each.part for each in _slow(evidence)}
    look = "the same run from another network, or on a machine that is less busy: no permission needed"
    return [
        Suspect(
            "target.degraded.slow",
            part,
            f"its quickest answer took {ms:.0f} ms, and so does everything from here",
            look,
        )
        for part, ms in _quickest_ms(evidence).items()
        if ms > evidence.slow_ms and part not in named
    ]


def _slow(evidence: Evidence) -> list[Found]:
    """Parts whose quickest answer is over the limit, where what else was asked from here answered much quicker: else it is our own
    way there that is slow."""
    others = sorted(look.elapsed_ms for look in evidence.pages if look.status.answered)
    quickest = _quickest_ms(evidence)
    usual_ms = others[len(others) // 2] if len(others) >= _ENOUGH_OTHERS else min(quickest.values(), default=0.0)
    return [
        report_finding(
            part,
            "target.degraded.slow",
            part,
            f"{part} took {ms:.0f} ms at its quickest answer, over {evidence.slow_ms:g} ms; others answer in {usual_ms:.0f} ms",
            [*probes_of(part, evidence), *evidence.pages],
        )
        for part, ms in quickest.items()
        if ms > evidence.slow_ms and ms > _ALONE * usual_ms
    ]


def _quickest_ms(evidence: Evidence) -> dict[str, float]:
    """The quickest of several answers of each part: one slow answer is chance."""
    answers = {part: answers_of(part, evidence) for part in PARTS}
    return {part: min(each["ms"] for each in seen) for part, seen in answers.items() if len(seen) > 1}


def _judge(part: str, evidence: Evidence) -> Found | None:
    looks = probes_of(part, evidence)
    answers = [(look, answer) for look in looks if (answer := whole_record(look, PartAnswer)) is not None]
    failing = [look for look, answer in answers if answer["status_code"] >= 500]
    failed = [look for look in looks if look.status in _NO_ANSWER or look in failing]
    judged = [*(look for look, _ in answers), *(look for look in failed if look not in failing)]
    if not judged:
        return None

    def told(code: str, what: str) -> Found:
        return report_finding(part, code, part, f"{part} {what}", judged)

    good = [(look, answer) for look, answer in answers if look not in failed]
    if good and failed and all(look.status == Status.timed_out for look in failed) and _others_time_out(evidence):
        failed = []  # it is the way there, or this machine, that is slow
    if failed and good:
        return told(
            "target.degraded.flapping", f"failed {len(failed)} of {len(judged)} times in a row: {_why(failed[0])}"
        )
    if failed:
        return told(_down(failed), f"does not answer: {_why(failed[0])}")
    missing = [look for look, answer in good if answer["status_code"] == 404 and _is_platforms(answer)]
    if missing:
        return told("target.down.missing", f"has no deployment at its address: {_why(missing[0])}")
    refusing = [look for look, answer in good if answer["status_code"] in _REFUSING]
    if refusing:
        return told("target.degraded.refusing", f"refuses its own page: {_why(refusing[0])}")
    stranger = next((why for look, answer in good if (why := _is_stranger(part, look, answer, evidence))), "")
    if stranger:
        return told("target.impostor", f"answers, and is not NexusCore's: {stranger}")
    return None


def _others_time_out(evidence: Evidence) -> bool:
    """Whether looks at anything but the parts came back too late as well."""
    return any(look.status == Status.timed_out for look in evidence.all() if look.source != "parts")


def _down(failed: Sequence[Observation]) -> str:
    last = failed[-1]
    if last.status == Status.timed_out:
        return "target.down.hanging"
    return "target.down.unreachable" if last.status == Status.unreachable else "target.down.failing"


def _why(look: Observation) -> str:
    answer = whole_record(look, PartAnswer)
    if answer is None:
        return look.why or str(look.status)
    words = " ".join(re.sub(r"<[^>]*>", " ", answer["text"]).split())[:120]
    return f"HTTP {answer['status_code']}" + (f" {words}" if words else "")


def _is_platforms(answer: PartAnswer) -> bool:
    """Whether a 404 is the platform's own: no deployment, no application."""
    marks = ("DEPLOYMENT_NOT_FOUND", "Application not found", "deployment could not be found")
    return any(mark in answer["text"] for mark in marks)


def _is_stranger(part: str, look: Observation, answer: PartAnswer, evidence: Evidence) -> str:
    """Why what answers 200 is not NexusCore's; empty where it may be."""
    if not 200 <= answer["status_code"] < 300:
        return ""
    if part == "api":
        is_ours = isinstance(answer["json"], dict) and answer["json"].get("status") == "ok"
        return "" if is_ours else f"/api/health does not say status ok: {_why(look)}"
    if part == "gateway":
        if answer["json"] is None:
            return f"its page is no JSON: {_why(look)}"
        openapi = whole_record(evidence.openapi, GatewayDescription)
        if openapi is not None and openapi["status_code"] == 200 and openapi["title"] is None:
            return "/openapi.json is not FastAPI's"
        return ""
    is_page = "html" in (answer["content_type"] or "")
    text = answer["text"].lower()
    is_ours = "nexus" in text or "/_next/" in text or "__next" in text
    return "" if is_page and is_ours else f"its page is not NexusCore's: {_why(look)}"


def suspect_own_network(down: Sequence[Found], evidence: Evidence) -> list[Suspect]:
    """Where nothing at all can be reached, it is our own network that is to blame: suspects instead of findings."""
    reached = [look for look in evidence.all() if look.source not in ("environment", "team") and look.status.answered]
    reached += [
        look for look in evidence.all() if look.status in (Status.denied, Status.rate_limited, Status.malformed)
    ]
    if reached or not down:
        return []
    look = "the same run from another network, or open the part's address in a browser: no permission needed"
    return [
        Suspect(each.code, each.finding.subject, "nothing at all could be reached from here", look) for each in down
    ]


def find_ambiguous(evidence: Evidence) -> list[Found]:
    """Parts that are live on more than one platform."""
    live: dict[str, dict[str, Observation]] = {part: {} for part in PARTS}
    for look in evidence.serving:
        for part in _live_parts(look):
            live[part].setdefault(look.source, look)
    return [
        report_finding(
            part, "target.ambiguous", part, f"{part} is live on {' and '.join(sorted(platforms))}", list(platforms.values()),
        )
        for part, platforms in live.items()
        if len(platforms) > 1
    ]  # fmt: skip


def _live_parts(look: Observation) -> Iterable[str]:
    """The parts that a look shows to be live on its platform."""
    if look.call == "serving":
        if record_of(look, VercelServing) is not None:
            yield str(look.arguments["part"])
    elif look.call in ("projects", "services"):
        seen: list[VercelProjectSeen] | list[RailwayServiceSeen]
        seen = rows_of(look, VercelProjectSeen) if look.call == "projects" else rows_of(look, RailwayServiceSeen)
        for row in seen:
            if row["serving"]:
                yield from (part for part in PARTS if _WORDS[part] & set(re.split(r"[^a-z0-9]+", row["name"].lower())))
    elif look.call == "releases" and any(row["state"] == "complete" for row in rows_of(look, FlyRelease)):
        yield "gateway"


def platform_incidents(down: Sequence[Found], reading: Reading, evidence: Evidence) -> list[Found]:
    """Incidents of platforms whose page says so and on which something is seen to be down or degraded."""
    incidents = []
    for look in evidence.pages:
        platform, words = _incident_of(look)
        hit = [each for each in down if platform in {place.platform for place in reading.serving(each.part)}]
        if platform and words and hit:
            parts = ", ".join(each.part for each in hit)
            looks = [look, *(probe for each in hit for probe in probes_of(each.part, evidence))]
            what = f"{platform}'s status page tells of an incident ({words}), and {parts} there is down or degraded"
            incidents.append(report_finding(hit[0].part, "target.platform_incident", platform, what, looks))
    return incidents


def _incident_of(look: Observation) -> tuple[str, str]:
    """(platform, what its page says is wrong), empty words where all is well or no page was seen."""
    if look.source == "railway":
        status = whole_record(look, RailwayStatus)
        incident = status["incident"] if status is not None and not status["stable"] else None
        return "railway", incident["message"] if incident else ""
    page = whole_record(look, StatusPage)
    if page is None:
        return "", ""
    still_open = [str(each["name"]) for each in page["incidents"] if each["resolved_at"] is None]
    words = "; ".join(still_open)
    return page["vendor"], words or ("" if page["all_good"] else page["description"] or page["indicator"])
