"""Did the alerts tell the truth? What should have fired and did not, and what fired without cause, by the counts of the budget.

Both with a margin: nobody is blamed over a hair's breadth, a rule's own delay, or a handful of failures.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from runbook_lib.core.model import Finding, Observation, Suspect
from runbook_lib.core.records.alerts import AlertRule, FiredAlert, FiredAlerts
from runbook_lib.judging.answers import record_of
from runbook_lib.procedures.service_levels.causes import CATALOGUE
from runbook_lib.procedures.service_levels.evidence import Evidence, find
from runbook_lib.procedures.service_levels.reading import Level
from runbook_lib.procedures.service_levels.tally import POLICIES, Policy, Stretch
from runbook_lib.procedures.service_levels.words import clock_words, span_words

MONTH_S = 30 * 86_400.0
_SURELY = 1.2  # times the threshold: it should have fired
_SURELY_NOT = 0.5  # times the threshold: it had no cause
_SLACK_S = 900.0  # between what a rule sees and what we count
_LEAST_BAD = 10


@dataclass(frozen=True)
class Guard:
    """One rule that guards an objective, of one severity."""

    level: Level
    rule: AlertRule

    @property
    def labels(self) -> dict[str, str]:
        """Those that its alert has for certain."""
        return {"alertname": self.rule["name"], **self.rule["labels"]}

    @property
    def name(self) -> str:
        """The rule with its severity."""
        return f"{self.rule['name']} ({self.rule['severity'] or 'no severity'})"


def compare_alerts_with_counts(evidence: Evidence, guards: Sequence[Guard]) -> tuple[list[Finding], list[Suspect]]:
    """What should have fired and did not, what fired without cause; and what burnt when nobody knows any more what fired."""
    history = find(evidence.fired, "prometheus", "alerts_fired")
    found: list[Finding] = []
    doubted: list[Suspect] = []
    fired = record_of(history, FiredAlerts)
    if history is None or fired is None:
        return found, doubted
    for guard in guards:
        own = [
            each
            for each in fired["fired"]
            if (each["name"], each["severity"]) == (guard.rule["name"], guard.rule["severity"])
        ]
        policies = [each for each in POLICIES if each.severity == guard.rule["severity"]]
        if guard.level.tally is None or not policies:
            continue
        if history.status.answered:  # that an alert is missing says something where the list is complete
            known_s = fired["kept_since_s"] or 0.0
            unheard = [each for each in _should_have_fired(guard, policies, evidence) if not _overlaps(each, own)]
            silent = [each for each in unheard if each.since_s > known_s]
            if silent:
                found.append(_silent(guard, silent, history))
            elif unheard:
                doubted.append(_forgotten(guard, unheard, known_s))
        false = [each for each in own if _has_no_cause(guard, policies, each, evidence)]
        if false:
            found.append(_false(guard, false, history))
    return found, doubted


def _should_have_fired(guard: Guard, policies: Sequence[Policy], evidence: Evidence) -> list[Stretch]:
    """The stretches in which a policy of its severity held for certain, for longer than the rule waits."""
    level, least_s = guard.level, guard.rule["for_s"] + 2 * guard.rule["interval_s"] + 120
    assert level.tally is not None
    held = np.zeros(len(level.tally.total), dtype=bool)
    for policy in policies:
        factor = _SURELY * _threshold(policy, evidence, max) / policy.threshold(evidence.window.seconds)
        _, bad, _ = level.tally.rolling(policy.long_s)
        held |= level.tally.fires(policy, level.target, evidence.window.seconds, factor) & (bad >= _LEAST_BAD)
    return [each for each in level.tally.stretches(held) if each.seconds >= least_s]


def _threshold(policy: Policy, evidence: Evidence, choose: Callable[[float, float], float]) -> float:
    """Rules are written for a month as often as for the team's own period: the choice between the two thresholds."""
    return float(choose(policy.threshold(MONTH_S), policy.threshold(evidence.window.seconds)))


def _overlaps(stretch: Stretch, fired: Sequence[FiredAlert]) -> bool:
    return any(
        each["since_s"] <= stretch.until_s + _SLACK_S and each["until_s"] >= stretch.since_s - _SLACK_S
        for each in fired
    )


def _has_no_cause(guard: Guard, policies: Sequence[Policy], fired: FiredAlert, evidence: Evidence) -> bool:
    """Whether, while it fired and before, no long window of its severity burnt at half the threshold; all of it was counted."""
    level = guard.level
    assert level.tally is not None
    if fired["until_s"] < level.tally.since_s + _SLACK_S or fired["until_s"] > level.tally.until_s + _SLACK_S:
        return False
    if any(gap.since_s < fired["until_s"] and gap.until_s > fired["since_s"] for _, gap in level.gaps):
        return False
    first = max(0, int((fired["since_s"] - guard.rule["for_s"] - _SLACK_S - level.tally.since_s) // level.tally.step_s))
    last = int((fired["until_s"] + _SLACK_S - level.tally.since_s) // level.tally.step_s) + 1
    for policy in policies:
        _, high = level.tally.burn(policy.long_s, level.target)
        piece = high[first:last]
        if not len(piece) or bool(np.any(piece >= _SURELY_NOT * _threshold(policy, evidence, min))):
            return False
    return True


def _silent(guard: Guard, stretches: Sequence[Stretch], fired: Observation) -> Finding:
    first = max(stretches, key=lambda each: each.seconds)
    times = "once" if len(stretches) == 1 else f"{len(stretches)} times"
    summary = (
        f"{guard.name} should have fired {times} and did not; longest from {clock_words(first.since_s)} for "
        f"{span_words(first.seconds)}, while {guard.level.name} burnt"
    )
    return CATALOGUE.finding("alert.silent", guard.name, summary, _carrying(fired, guard))


def _forgotten(guard: Guard, stretches: Sequence[Stretch], known_s: float) -> Suspect:
    """It burnt when Prometheus no longer knows what fired."""
    first = stretches[0]
    why = (
        f"{guard.level.name} burnt from {clock_words(first.since_s)} for {span_words(first.seconds)}, and Prometheus knows what "
        f"fired only since {clock_words(known_s)}"
    )
    deciding = (
        f"whether {guard.name} was told then: whoever was on call; or keep Prometheus's series for the whole period"
    )
    return Suspect("alert.silent", guard.name, why, deciding)


def _false(guard: Guard, fired: Sequence[FiredAlert], look: Observation) -> Finding:
    first = max(fired, key=lambda each: each["until_s"] - each["since_s"])
    times = "once" if len(fired) == 1 else f"{len(fired)} times"
    summary = (
        f"{guard.name} fired {times} without cause; longest from {clock_words(first['since_s'])} for "
        f"{span_words(first['until_s'] - first['since_s'])}, while {guard.level.name} was well"
    )
    return CATALOGUE.finding("alert.false", guard.name, summary, _carrying(look, guard))


def _carrying(fired: Observation, guard: Guard) -> list[Observation]:
    """The looks that carry what is said of an alert: what fired, and what was counted."""
    return [fired, *([guard.level.look] if guard.level.look is not None else [])]
