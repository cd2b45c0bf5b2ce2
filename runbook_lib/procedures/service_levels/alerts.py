"""Would somebody be told? Rules, the routes from them to people, silences, test alerts; and whether what fired told the truth.

Whether the alerts told the truth is judged in `alert_history`.
"""

import re
from collections.abc import Collection, Mapping, Sequence

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Finding, Observation, Suspect
from runbook_lib.core.records.alerts import (
    AlertRoute,
    AlertRouting,
    AlertRules,
    Silence,
    TestedAlert,
)
from runbook_lib.core.records.hosting import RailwayAlertRule, VercelAlertRule
from runbook_lib.judging.answers import record_of, rows_of, whole_record
from runbook_lib.procedures.service_levels.alert_history import Guard, compare_alerts_with_counts
from runbook_lib.procedures.service_levels.causes import CATALOGUE
from runbook_lib.procedures.service_levels.evidence import Evidence, find, is_heard
from runbook_lib.procedures.service_levels.judging import JudgedLevel
from runbook_lib.procedures.service_levels.reading import Level
from runbook_lib.procedures.service_levels.words import span_words

_STALE_INTERVALS = 10
_STALE_S = 600.0
_TELLING = 3  # so many notifications that all failed are no accident


def alert_findings(evidence: Evidence, judged: Sequence[JudgedLevel]) -> tuple[list[Finding], list[Suspect]]:
    """Everything that is wrong with the alerts, and what may be."""
    levels = [each.level for each in judged]
    guards = guards_of(evidence, levels)
    found = _missing_rules(evidence, levels)
    found += _broken_rules(evidence, guards)
    found += _told_to_nobody(evidence, guards)
    found += _wrong_routes(evidence, guards)
    found += _silenced(evidence, guards)
    found += _platform_routes(evidence)
    failing, doubted = _failing_receivers(evidence)
    told, forgotten = compare_alerts_with_counts(evidence, guards)
    useless = {each.subject for each in found if each.code.startswith(("alert.rule_broken", "alert.unrouted.no_rule"))}
    found += failing + [each for each in told if each.subject not in useless]
    return found, [*doubted, *_perhaps_not_sent(evidence, guards), *(e for e in forgotten if e.subject not in useless)]


def guards_of(evidence: Evidence, levels: Sequence[Level]) -> list[Guard]:
    """Every rule that guards an objective, by the names in the team's file."""
    found = record_of(find(evidence.rules, "prometheus", "alert_rules"), AlertRules)
    rules = found["rules"] if found else ()
    return [Guard(level, rule) for level in levels for rule in rules if rule["name"] in level.objective["alerts"]]


def receivers_of(route: AlertRoute, labels: Mapping[str, str]) -> list[str]:
    """The receivers that an alert with these labels reaches."""
    return list(dict.fromkeys(each["receiver"] for each in reached(route, labels)))


def reached(route: AlertRoute, labels: Mapping[str, str]) -> list[AlertRoute]:
    """The routes where an alert with these labels ends: at each level the first that matches, and further ones where one says
    `continue`; the parent itself where none does."""
    found: list[AlertRoute] = []
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


def _missing_rules(evidence: Evidence, levels: Sequence[Level]) -> list[Finding]:
    """Rules that are not there; only a complete list says so."""
    rules = find(evidence.rules, "prometheus", "alert_rules")
    held = whole_record(rules, AlertRules)
    if rules is None or held is None:
        return []
    found = []
    for level in levels:
        for name in level.objective["alerts"]:
            own = [rule for rule in held["rules"] if rule["name"] == name]
            severities = {rule["severity"] for rule in own}
            lacking = [each for each in _severities(evidence) if each not in severities]
            if not own:
                summary = f"no rule is named {name}: nobody is told when the budget of {level.name} burns"
            elif lacking:
                summary = f"{name} has no rule of severity {' or '.join(lacking)}, and the team's routes want one"
            else:
                continue
            found.append(CATALOGUE.finding("alert.unrouted.no_rule", name, summary, [rules]))
    return found


def _broken_rules(evidence: Evidence, guards: Sequence[Guard]) -> list[Finding]:
    rules = find(evidence.rules, "prometheus", "alert_rules")
    return [] if rules is None else [each for guard in guards if (each := _broken_rule(guard, rules)) is not None]


def _told_to_nobody(evidence: Evidence, guards: Sequence[Guard]) -> list[Finding]:
    rules = find(evidence.rules, "prometheus", "alert_rules")
    found = record_of(rules, AlertRules)
    if rules is None or not guards or found is None or found["alertmanagers"] != 0:
        return []
    what = "Prometheus sends its alerts to no Alertmanager"
    return [CATALOGUE.finding("alert.unrouted.not_sent", "Prometheus", what, [rules])]


def _perhaps_not_sent(evidence: Evidence, guards: Sequence[Guard]) -> list[Suspect]:
    """The doubt that is left where the rules came without a word of who is told of them, as Grafana and Mimir answer."""
    rules = whole_record(find(evidence.rules, "prometheus", "alert_rules"), AlertRules)
    if not guards or rules is None or rules["alertmanagers"] is not None:
        return []
    why = "the rules are there, and nothing says whether their alerts are sent to an Alertmanager"
    decide = "the ruler's own settings (Mimir: alertmanager_url; Grafana: Alerting, Settings), read by whoever runs it"
    return [Suspect("alert.unrouted.not_sent", "Prometheus", why, decide)]


def _broken_rule(guard: Guard, rules: Observation) -> Finding | None:
    rule = guard.rule
    if rule["health"] == "err":
        summary = f"{guard.name} cannot be evaluated: {rule['error'] or 'no reason given'}"
        return CATALOGUE.finding("alert.rule_broken.evaluation", guard.name, summary, [rules])
    if rule["is_seen"] is False:
        summary = f"{guard.name} looks at series that are not there, so it can never fire: {_cut(rule['query'])}"
        return CATALOGUE.finding("alert.rule_broken.no_series", guard.name, summary, [rules])
    if rule["evaluated_at"]:
        age_s = (from_iso(rules.at) - from_iso(rule["evaluated_at"])).total_seconds()
        if age_s > max(_STALE_S, _STALE_INTERVALS * rule["interval_s"]):
            summary = (
                f"{guard.name} was evaluated last {span_words(age_s)} ago, and should be every {rule['interval_s']:g} s"
            )
            return CATALOGUE.finding("alert.rule_broken.stale", guard.name, summary, [rules])
    return None


def _cut(text: str) -> str:
    return text if len(text) <= 120 else text[:119] + "…"


def _wrong_routes(evidence: Evidence, guards: Sequence[Guard]) -> list[Finding]:
    """Receivers that are not there, and routes that lead to others; only a configuration that was read as a whole says so."""
    routing = find(evidence.rules, "alertmanager", "routing")
    config = whole_record(routing, AlertRouting)
    if routing is None or config is None:
        return []
    found = []
    receivers = config["receivers"]
    for to, severity in _routes_from_traces(evidence):
        if not receivers.get(to):
            what = "has no integration, so it tells nobody" if to in receivers else "does not exist"
            known = ", ".join(sorted(name for name, kinds in receivers.items() if kinds))
            summary = f"receiver {to} {what}; those that tell: {known}"
            found.append(CATALOGUE.finding("alert.unrouted.no_receiver", to, summary, [routing]))
            continue
        for guard in guards:
            if guard.rule["severity"] != severity:
                continue
            reached = receivers_of(config["route"], guard.labels)
            if to not in reached:
                summary = f"{guard.name} is routed to {', '.join(reached)}, and should reach {to}"
                found.append(CATALOGUE.finding("alert.unrouted.no_route", f"{severity} to {to}", summary, [routing]))
    return _first_of_each(found)


def _first_of_each(found: Sequence[Finding]) -> list[Finding]:
    """One finding for each code and subject: the first says enough."""
    return list({(each.code, each.subject): each for each in reversed(found)}.values())[::-1]


def _silenced(evidence: Evidence, guards: Sequence[Guard]) -> list[Finding]:
    found = []
    silences = find(evidence.rules, "alertmanager", "silences")
    for silence in rows_of(silences, Silence):
        own = [guard for guard in guards if all(matches(each, guard.labels) for each in silence["matchers"])]
        if silences is None or silence["state"] != "active" or not own:
            continue
        names = ", ".join(dict.fromkeys(guard.name for guard in own))
        said = f" ({silence['comment']})" if silence["comment"] else ""
        summary = f"{names}: silenced until {_minute(silence['until'] or '')} by {silence['by'] or 'somebody'}{said}"
        found.append(CATALOGUE.finding("alert.silenced", own[0].name, summary, [silences]))
    found += _muted(evidence, guards)
    for look in evidence.tested:
        sent = record_of(look, TestedAlert)
        if sent is not None and sent["state"] == "suppressed" and not sent["silenced_by"]:
            name = f"{look.arguments['labels'].get('alertname')} ({look.arguments['labels'].get('severity')})"
            why = "inhibited by another alert" if sent["inhibited_by"] else "muted for this time of day"
            code = "alert.silenced.inhibited" if sent["inhibited_by"] else "alert.silenced"
            found.append(CATALOGUE.finding(code, name, f"{name}: its alert is {why}", [look]))
    return found


def _muted(evidence: Evidence, guards: Sequence[Guard]) -> list[Finding]:
    """Rules whose every way to a receiver that the team wants is muted at this moment."""
    found: list[Finding] = []
    routing = find(evidence.rules, "alertmanager", "routing")
    config = whole_record(routing, AlertRouting)
    if routing is None or config is None:
        return found
    for to, severity in _routes_from_traces(evidence):
        for guard in guards:
            ways = [each for each in reached(config["route"], guard.labels) if each["receiver"] == to]
            muted = [name for way in ways for name in way["muted_by"]]
            if guard.rule["severity"] == severity and ways and all(way["muted_by"] for way in ways):
                names = ", ".join(dict.fromkeys(muted))
                summary = f"{guard.name}: {to} is told nothing of it now, for the time interval {names} mutes the route"
                found.append(CATALOGUE.finding("alert.silenced", guard.name, summary, [routing]))
    return _first_of_each(found)


def _routes_from_traces(evidence: Evidence) -> list[tuple[str, str]]:
    """(receiver, severity) of each route that the team wants from traces."""
    return [(route["to"], str(route["severity"])) for route in evidence.routes() if route["from"] == "traces"]


def _minute(iso: str) -> str:
    return iso[:16].replace("T", " ") + " UTC"


def _platform_routes(evidence: Evidence) -> list[Finding]:
    found = []
    for route in evidence.routes():
        if route["from"] == "traces":
            continue
        for look in evidence.rules:
            if look.source != route["from"] or not look.status.answered:
                continue
            channels = sorted({name for rule in platform_rules(look) for name in rule["channels"]})
            if route["to"] not in channels:
                part = f" {look.arguments['part']}" if look.arguments.get("part") else ""
                told = f"tells only {', '.join(channels)}" if channels else "tells nobody"
                summary = f"{route['from'].capitalize()}{part} {told}, and should tell {route['to']}"
                subject = f"{route['from']}{part} to {route['to']}"
                found.append(CATALOGUE.finding("alert.unrouted.platform", subject, summary, [look]))
    return found


def platform_rules(look: Observation) -> Sequence[VercelAlertRule | RailwayAlertRule]:
    """The rules that a platform's look brought."""
    return rows_of(look, VercelAlertRule) if look.source == "vercel" else rows_of(look, RailwayAlertRule)


def _failing_receivers(evidence: Evidence) -> tuple[list[Finding], list[Suspect]]:
    """Receivers that refused a test, or refused everything since Alertmanager started.

    A test that arrived clears the past. Where one was sent and its look did not come back, the past accuses nobody: it is told as
    what may be so.
    """
    found: list[Finding] = []
    cleared: set[str] = set()
    for look in evidence.tested:
        sent = whole_record(look, TestedAlert)
        if sent is None or sent["taken"] is None:
            continue
        to, taken = ", ".join(sent["receivers"]), sent["taken"]
        failing = {kind: times for kind, times in (sent["refused"] or {}).items() if not taken.get(kind)}
        if failing:
            counts = ", ".join(f"{kind} refused it {times:g} times" for kind, times in failing.items())
            summary = f"a test alert for {to} did not arrive: {counts} in {sent['waited_s']:g} s"
            found.append(CATALOGUE.finding("alert.receiver_failing", to, summary, [look]))
        elif is_heard(look):
            cleared |= set(sent["receivers"])
    past = _refused_everything(evidence, cleared)
    if all(look.status.answered for look in evidence.tested):
        return _first_of_each([*found, *past]), []
    known = {each.subject for each in found}
    deciding = "alertmanager test_alert: send one along each route again, with --active, and see it arrive"
    doubted = [Suspect(each.code, each.subject, each.summary, deciding) for each in past if each.subject not in known]
    return _first_of_each(found), doubted


def _refused_everything(evidence: Evidence, cleared: Collection[str]) -> list[Finding]:
    """The receivers of which every notification failed since Alertmanager started."""
    routing = find(evidence.rules, "alertmanager", "routing")
    wanted = dict.fromkeys(to for to, _ in _routes_from_traces(evidence))
    found: list[Finding] = []
    config = record_of(routing, AlertRouting)
    for row in (config["notifications"] or ()) if config else ():
        kinds = config["receivers"] if config else {}
        receiver = row["receiver"] or next((name for name in wanted if row["integration"] in kinds.get(name, ())), "")
        refuses = row["sent"] >= _TELLING and row["failed"] >= row["sent"]
        if routing is not None and refuses and receiver in wanted and receiver not in cleared:
            summary = f"{receiver}: all {row['sent']:g} notifications by {row['integration']} failed since Alertmanager started"
            found.append(CATALOGUE.finding("alert.receiver_failing", receiver, summary, [routing]))
    return found


def untested(evidence: Evidence) -> list[Observation]:
    """Test alerts that were sent and of which nobody can say whether they arrived."""
    return [
        look
        for look in evidence.tested
        if (sent := record_of(look, TestedAlert)) is not None and sent["state"] == "active" and not is_heard(look)
    ]


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
