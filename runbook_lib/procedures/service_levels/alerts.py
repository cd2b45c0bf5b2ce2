"""Would somebody be told? Rules, the routes from them to people, silences, test alerts; and whether what fired told the truth.

Whether the alerts told the truth is judged in `service_levels_alert_history`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Finding, Observation, Status
from runbook_lib.procedures.service_levels.alert_history import Guard, finding_of, look_of, told_the_truth
from runbook_lib.procedures.service_levels.judging import Judged
from runbook_lib.procedures.service_levels.reading import Evidence, Level
from runbook_lib.procedures.service_levels.words import span_words

_STALE_INTERVALS = 10
_STALE_S = 600.0


def alert_findings(evidence: Evidence, judged: Sequence[Judged]) -> list[Finding]:
    """Everything that is wrong with the alerts, what hides most first."""
    levels = [each.level for each in judged]
    rules, routing = (
        look_of(evidence.rules, "prometheus", "alert_rules"),
        look_of(evidence.rules, "alertmanager", "routing"),
    )
    guards = guards_of(evidence, levels)
    found: list[Finding] = []
    if rules is not None and rules.status.has_content:
        found += _missing_rules(evidence, levels, rules)
        found += [each for guard in guards if (each := _broken_rule(guard, rules)) is not None]
        if rules.value["alertmanagers"] == 0 and guards:
            found.append(
                finding_of(
                    "alert.unrouted.not_sent", "Prometheus", "Prometheus sends its alerts to no Alertmanager", rules
                )
            )
    if routing is not None and routing.status.has_content:
        found += _wrong_routes(evidence, guards, routing)
    found += _silenced(evidence, guards)
    found += _platform_routes(evidence)
    found += _failing_receivers(evidence, routing)
    useless = {each.subject for each in found if each.code.startswith(("alert.rule_broken", "alert.unrouted.no_rule"))}
    found += [each for each in told_the_truth(evidence, guards) if each.subject not in useless]
    return found


def needed_looks(evidence: Evidence) -> list[Observation]:
    """The looks on which "the alerts are in order" depends: those of every teller that the team's file names."""
    tellers = {route["from"] for route in evidence.levels.get("routes", ())}
    guarded = any(each["alerts"] for each in evidence.objectives())
    needed = []
    for look in (*evidence.rules, *evidence.fired):
        if look.source in ("vercel", "railway"):
            is_needed = look.source in tellers
        else:
            is_needed = "traces" in tellers or (guarded and look.source == "prometheus")
        if is_needed:
            needed.append(look)
    return needed


def guards_of(evidence: Evidence, levels: Sequence[Level]) -> list[Guard]:
    """Every rule that guards an objective, by the names in the team's file."""
    rules = look_of(evidence.rules, "prometheus", "alert_rules")
    if rules is None or not rules.status.has_content:
        return []
    return [
        Guard(level, rule)
        for level in levels
        for rule in rules.value["rules"]
        if rule["name"] in level.objective["alerts"]
    ]


def receivers_of(route: Mapping[str, Any], labels: Mapping[str, str]) -> list[str]:
    """The receivers that an alert with these labels reaches."""
    return list(dict.fromkeys(str(each["receiver"]) for each in reached(route, labels)))


def reached(route: Mapping[str, Any], labels: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """The routes where an alert with these labels ends: at each level the first that matches, and further ones where one says
    `continue`; the parent itself where none does."""
    found: list[Mapping[str, Any]] = []
    for child in route["routes"]:
        if all(matches(matcher, labels) for matcher in child["matchers"]):
            found += reached(child, labels)
            if not child["continue"]:
                break
    return found or [route]


def matches(matcher: Sequence[str], labels: Mapping[str, str]) -> bool:
    """Whether labels satisfy [name, sign, text]; a label that is not there is empty; expressions match whole values."""
    name, sign, text = matcher
    got = labels.get(name, "")
    try:
        is_equal = re.fullmatch(text, got) is not None if "~" in sign else got == text
    except re.error:
        return False
    return is_equal != sign.startswith("!")


def _severities(evidence: Evidence) -> list[str]:
    """Those that the team's routes from traces name."""
    return list(dict.fromkeys(severity for _, severity in _routes_from_traces(evidence)))


def _missing_rules(evidence: Evidence, levels: Sequence[Level], rules: Observation) -> list[Finding]:
    found = []
    for level in levels:
        for name in level.objective["alerts"]:
            own = [rule for rule in rules.value["rules"] if rule["name"] == name]
            if not own:
                summary = f"no rule is named {name}: nobody is told when the budget of {level.name} burns"
                found.append(finding_of("alert.unrouted.no_rule", name, summary, rules))
                continue
            held = {rule["severity"] for rule in own}
            if lacking := [each for each in _severities(evidence) if each not in held]:
                summary = f"{name} has no rule of severity {' or '.join(lacking)}, and the team's routes want one"
                found.append(finding_of("alert.unrouted.no_rule", name, summary, rules))
    return found


def _broken_rule(guard: Guard, rules: Observation) -> Finding | None:
    rule = guard.rule
    if rule["health"] == "err":
        summary = f"{guard.name} cannot be evaluated: {rule['error'] or 'no reason given'}"
        return finding_of("alert.rule_broken.evaluation", guard.name, summary, rules)
    if rule["is_seen"] is False:
        summary = f"{guard.name} looks at series that are not there, so it can never fire: {_cut(rule['query'])}"
        return finding_of("alert.rule_broken.no_series", guard.name, summary, rules)
    if rule["evaluated_at"]:
        age_s = (from_iso(rules.at) - from_iso(rule["evaluated_at"])).total_seconds()
        if age_s > max(_STALE_S, _STALE_INTERVALS * rule["interval_s"]):
            summary = (
                f"{guard.name} was evaluated last {span_words(age_s)} ago, and should be every {rule['interval_s']:g} s"
            )
            return finding_of("alert.rule_broken.stale", guard.name, summary, rules)
    return None


def _cut(text: str) -> str:
    return text if len(text) <= 120 else text[:119] + "…"


def _wrong_routes(evidence: Evidence, guards: Sequence[Guard], routing: Observation) -> list[Finding]:
    found = []
    receivers: Mapping[str, Sequence[str]] = routing.value["receivers"]
    for to, severity in _routes_from_traces(evidence):
        if not receivers.get(to):
            what = "has no integration, so it tells nobody" if to in receivers else "does not exist"
            known = ", ".join(sorted(name for name, kinds in receivers.items() if kinds))
            found.append(
                finding_of("alert.unrouted.no_receiver", to, f"receiver {to} {what}; those that tell: {known}", routing)
            )
            continue
        for guard in guards:
            if guard.rule["severity"] != severity:
                continue
            reached = receivers_of(routing.value["route"], guard.labels)
            if to not in reached:
                summary = f"{guard.name} is routed to {', '.join(reached)}, and should reach {to}"
                found.append(finding_of("alert.unrouted.no_route", f"{severity} to {to}", summary, routing))
    return _first_of_each(found)


def _first_of_each(found: Sequence[Finding]) -> list[Finding]:
    """One finding for each code and subject: the first says enough."""
    return list({(each.code, each.subject): each for each in reversed(found)}.values())[::-1]


def _silenced(evidence: Evidence, guards: Sequence[Guard]) -> list[Finding]:
    found = []
    silences = look_of(evidence.rules, "alertmanager", "silences")
    for silence in silences.value if silences is not None and silences.status.has_content else ():
        own = [guard for guard in guards if all(matches(each, guard.labels) for each in silence["matchers"])]
        if silence["state"] != "active" or not own:
            continue
        names = ", ".join(dict.fromkeys(guard.name for guard in own))
        said = f" ({silence['comment']})" if silence["comment"] else ""
        summary = f"{names}: silenced until {_minute(silence['until'])} by {silence['by'] or 'somebody'}{said}"
        found.append(finding_of("alert.silenced", own[0].name, summary, silences))
    found += _muted(evidence, guards)
    for look in evidence.tested:
        if look.status.has_content and look.value["state"] == "suppressed" and not look.value["silenced_by"]:
            name = f"{look.arguments['labels'].get('alertname')} ({look.arguments['labels'].get('severity')})"
            why = "inhibited by another alert" if look.value["inhibited_by"] else "muted for this time of day"
            code = "alert.silenced.inhibited" if look.value["inhibited_by"] else "alert.silenced"
            found.append(finding_of(code, name, f"{name}: its alert is {why}", look))
    return found


def _muted(evidence: Evidence, guards: Sequence[Guard]) -> list[Finding]:
    """Rules whose every way to a receiver that the team wants is muted at this moment."""
    found: list[Finding] = []
    routing = look_of(evidence.rules, "alertmanager", "routing")
    if routing is None or not routing.status.has_content:
        return found
    for to, severity in _routes_from_traces(evidence):
        for guard in guards:
            ways = [each for each in reached(routing.value["route"], guard.labels) if each["receiver"] == to]
            muted = [name for way in ways for name in way.get("muted_by", ())]
            if guard.rule["severity"] == severity and ways and all(way.get("muted_by") for way in ways):
                names = ", ".join(dict.fromkeys(muted))
                summary = f"{guard.name}: {to} is told nothing of it now, for the time interval {names} mutes the route"
                found.append(finding_of("alert.silenced", guard.name, summary, routing))
    return _first_of_each(found)


def _routes_from_traces(evidence: Evidence) -> list[tuple[str, str]]:
    """(receiver, severity) of each route that the team wants from traces."""
    routes = evidence.levels.get("routes", ())
    return [(str(route["to"]), str(route["severity"])) for route in routes if route["from"] == "traces"]


def _minute(iso: str) -> str:
    return iso[:16].replace("T", " ") + " UTC"


def _platform_routes(evidence: Evidence) -> list[Finding]:
    found = []
    for route in evidence.levels.get("routes", ()):
        if route["from"] == "traces":
            continue
        for look in evidence.rules:
            if look.source != route["from"] or not look.status.answered:
                continue
            channels = sorted({name for rule in look.value or () for name in rule["channels"]})
            if route["to"] not in channels:
                part = f" {look.arguments['part']}" if look.arguments.get("part") else ""
                told = f"tells only {', '.join(channels)}" if channels else "tells nobody"
                summary = f"{route['from'].capitalize()}{part} {told}, and should tell {route['to']}"
                found.append(
                    finding_of("alert.unrouted.platform", f"{route['from']}{part} to {route['to']}", summary, look)
                )
    return found


def _failing_receivers(evidence: Evidence, routing: Observation | None) -> list[Finding]:
    """Receivers that refused a test, or refused everything since Alertmanager started; a test that arrived clears the past."""
    found: list[Finding] = []
    cleared: set[str] = set()
    for look in evidence.tested:
        if not look.status.has_content or look.value["taken"] is None:
            continue
        to = ", ".join(look.value["receivers"])
        failing = [kind for kind in look.value["refused"] if not look.value["taken"].get(kind)]
        if failing:
            counts = ", ".join(f"{kind} refused it {look.value['refused'][kind]:g} times" for kind in failing)
            summary = f"a test alert for {to} did not arrive: {counts} in {look.value['waited_s']:g} s"
            found.append(finding_of("alert.receiver_failing", to, summary, look))
        elif look.value["taken"] and not unheard(look):
            cleared |= set(look.value["receivers"])
    wanted = {to for to, _ in _routes_from_traces(evidence)}
    if routing is not None and routing.status.has_content:
        for row in routing.value["notifications"] or ():
            receiver = row["receiver"] or next(
                (n for n in wanted if row["integration"] in routing.value["receivers"].get(n, ())), ""
            )
            if receiver in wanted - cleared and row["sent"] >= 3 and row["failed"] >= row["sent"]:
                summary = f"{receiver}: all {row['sent']:g} notifications by {row['integration']} failed since Alertmanager started"
                found.append(finding_of("alert.receiver_failing", receiver, summary, routing))
    return _first_of_each(found)


def untested(evidence: Evidence) -> list[Observation]:
    """Test alerts that were sent and of which nobody can say whether they arrived."""
    return [
        look
        for look in evidence.tested
        if look.status is Status.ok and look.value["state"] == "active" and unheard(look)
    ]


def unheard(look: Observation) -> list[str]:
    """The integrations that no answer was counted of, good or bad: nobody knows whether the test alert reached them."""
    taken, refused = look.value["taken"] or {}, look.value["refused"] or {}
    return [kind for kind in dict.fromkeys(look.value["expected"]) if not taken.get(kind) and not refused.get(kind)]


def test_labels(evidence: Evidence) -> list[dict[str, str]]:
    """The labels of a test alert along each route from traces: those of a rule of that severity, else the severity alone."""
    found = []
    guards = guards_of(evidence, levels_named(evidence))
    for _, severity in _routes_from_traces(evidence):
        own = [guard.labels for guard in guards if guard.rule["severity"] == severity]
        found.append(own[0] if own else {"alertname": "RunbookTest", "severity": severity})
    return list({str(sorted(labels.items())): labels for labels in found}.values())


def levels_named(evidence: Evidence) -> list[Level]:
    """The objectives by name alone, for what needs no counts."""
    return [Level(objective, ()) for objective in evidence.objectives()]
