"""09 under the law: what nobody saw is never ruled out, and every cause says what would have shown it."""

from dataclasses import replace
from functools import cache

import pytest
from support.evidence import look
from support.law import silenced, topics_without_a_field
from support.levels import (
    API,
    GUARDED,
    LATENCY,
    NOW,
    ROUTES,
    WEBHOOKS,
    counts,
    deployments,
    evidence,
    fired,
    routing,
    rules,
    silences,
    trial,
    webhook_counts,
)

from runbook_lib.core.model import CoverageState, Observation, Status
from runbook_lib.judging.witnesses import Seen
from runbook_lib.procedures.service_levels.causes import CATALOGUE
from runbook_lib.procedures.service_levels.evidence import EVERYTHING, KINDS, Evidence
from runbook_lib.procedures.service_levels.judging import MISSED
from runbook_lib.procedures.service_levels.rules import diagnose
from runbook_lib.procedures.service_levels.steps import ServiceLevels

NOTHING = [status for status in Status if status not in (Status.ok, Status.partial)]
SOURCES = ("tempo", "prometheus", "alertmanager", "stripe", "vercel", "railway")


@cache
def all_well() -> Evidence:
    """Every promise kept, every alert in order."""
    platforms = [{"from": name, "severity": None, "to": "slack"} for name in ("vercel", "railway")]
    told = [{"id": "1", "name": "n", "types": ["error_anomaly"], "channels": ["slack"]}]
    return evidence(
        GUARDED,
        LATENCY,
        WEBHOOKS,
        counted=[
            counts(slow=(lambda _: 0.0, None)),
            counts(source="prometheus", by="Prometheus span metrics", slow=(lambda _: 0.0, None)),
            counts(source="railway", by="Railway's HTTP metrics"),
        ],
        routes=[*ROUTES, *platforms],
        webhooks=[webhook_counts()],
        changes=[deployments(100)],
        rules=[
            rules(),
            routing(),
            silences(),
            look("vercel", "alert_rules", told, part="web"),
            look("railway", "alert_rules", told),
        ],
        fired=[fired(), look("alertmanager", "alerts", None, Status.empty)],
        tested=[trial()],
    )


def is_promise(each: Observation) -> bool:
    return each.source == "team"


def test_where_everything_answers_all_is_ruled_out_by_looks() -> None:
    conclusion = diagnose(all_well())
    assert conclusion.status == "ruled_out"
    assert all(each.by for each in conclusion.coverage if each.state is CoverageState.excluded)


@pytest.mark.parametrize("status", NOTHING)
def test_where_nothing_is_seen_nothing_is_ruled_out(status: Status) -> None:
    assert diagnose(silenced(all_well(), status)).status == "could_not_tell"
    assert diagnose(silenced(all_well(), status, is_promise)).status != "ruled_out"
    assert diagnose(Evidence(NOW)).status == "could_not_tell"


@pytest.mark.parametrize("source", SOURCES)
def test_one_source_alone_never_rules_everything_out(source: str) -> None:
    for status in (Status.not_configured, Status.denied):
        alone = silenced(all_well(), status, lambda each: each.source in ("team", source))
        conclusion = diagnose(alone)
        assert conclusion.status == "could_not_tell"
        assert conclusion.suspects[0].deciding_look


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("status", [status for status in NOTHING if not status.answered])
def test_without_one_source_nothing_is_accused_and_only_a_second_count_stands_in(source: str, status: Status) -> None:
    conclusion = diagnose(silenced(all_well(), status, lambda each: each.source != source))
    assert conclusion.causes == ()
    assert conclusion.status == ("ruled_out" if source == "tempo" else "could_not_tell")


def test_a_promise_of_which_the_file_says_nothing_cannot_be_broken() -> None:
    state = {each.code: each.state for each in diagnose(evidence(API, counted=[counts()])).coverage}
    assert state["slo.latency_missed"] is CoverageState.not_applicable
    assert state["alert.silent"] is CoverageState.not_applicable
    assert state["slo.availability_missed"] is CoverageState.excluded


def test_half_a_file_promises_nothing_for_certain() -> None:
    whole = evidence(API, counted=[counts()])
    assert whole.file is not None
    half = whole.filed(file=replace(whole.file, status=Status.partial))
    assert diagnose(half).status == "could_not_tell"


def test_every_cause_says_what_would_have_shown_it_by_topics_that_are_there() -> None:
    nothing = Seen((), CATALOGUE.topics)
    for cause in CATALOGUE.all():
        assert cause.shown_by is not None, cause.code
        assert not nothing.shown(cause.shown_by).is_shown, f"{cause.code} is shown by nothing"
        assert set(cause.questions) <= set(EVERYTHING)


def test_every_kind_of_promise_has_a_cause_that_says_it_is_broken() -> None:
    assert set(MISSED) == set(KINDS)
    assert all(CATALOGUE.find(code) for code in MISSED.values())


def test_every_topic_that_is_asked_has_a_place() -> None:
    assert topics_without_a_field(ServiceLevels, Evidence) == set()
