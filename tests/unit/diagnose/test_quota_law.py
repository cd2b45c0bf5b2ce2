"""05 and the law: a cause is ruled out only by a look that would have shown it."""

from dataclasses import replace

import pytest
from support.law import silenced, topics_without_a_field
from support.quota import World
from support.quota_broken import (
    BROKEN,
    CLEAN,
    OK_RUN,
    STRIPE,
    codes,
    judged,
    log_of,
    logged,
    record,
)

from runbook_lib.core.model import Status, VerdictStatus
from runbook_lib.procedures.quota_enforcement.causes import CATALOGUE
from runbook_lib.procedures.quota_enforcement.evidence import Evidence
from runbook_lib.procedures.quota_enforcement.steps import OneOrganization
from runbook_lib.procedures.quota_enforcement.verdict import diagnose


class TestTheLaw:
    """A cause is ruled out only by a look that would have shown it."""

    def test_every_cause_says_what_would_have_shown_it(self) -> None:
        assert [cause.code for cause in CATALOGUE.all() if cause.shown_by is None] == []

    def test_every_topic_that_is_asked_has_its_place(self) -> None:
        assert topics_without_a_field(OneOrganization, Evidence) == set()

    def test_a_clean_verdict_excludes_every_cause_by_looks_that_it_cites(self) -> None:
        coverage = {each.code: each for each in judged(CLEAN).coverage}
        assert {str(each.state) for code, each in coverage.items() if code != "quota.within_limits"} <= {"excluded"}
        assert all(each.by for each in coverage.values())

    @pytest.mark.parametrize("status", [Status.empty, Status.not_configured, Status.denied])
    @pytest.mark.parametrize("world", [CLEAN, *BROKEN.values()])
    def test_sources_that_say_nothing_rule_nothing_out_and_name_nothing(self, world: World, status: Status) -> None:
        said = diagnose(silenced(world.evidence(), status))
        assert (said.status, said.causes) == (VerdictStatus.could_not_tell, ())

    @pytest.mark.parametrize("source", ["postgres", "stripe", "team", "tempo", "vercel"])
    @pytest.mark.parametrize("code", BROKEN)
    def test_one_source_alone_rules_nothing_out(self, code: str, source: str) -> None:
        world = BROKEN[code].but(runs=BROKEN[code].runs or [OK_RUN], log=log_of(logged(200)))
        said = diagnose(silenced(world.evidence(), Status.not_configured, lambda look: look.source == source))
        assert said.status != VerdictStatus.ruled_out
        assert {each.code for each in said.causes} <= {code, "customer.missing.no_id", "usage.unmetered"}

    def test_an_empty_trace_backend_without_a_platforms_log_is_no_witness(self) -> None:
        said = judged(CLEAN.but(requests=[], records_in_window=0))
        assert said.status == VerdictStatus.could_not_tell
        assert {each.code for each in said.suspects} == {"quota.blocked_wrongly"}

    def test_without_a_customer_its_own_record_excludes_what_stripe_would_have_shown(self) -> None:
        free = record(plan="free", stripe_customer_id=None, status="active", current_period_end=None)
        said = judged(
            World(record=free, recorded={}, legacy=0).but(statuses=dict.fromkeys(STRIPE, Status.not_configured))
        )
        assert codes(said) == ["quota.within_limits"]

    @pytest.mark.parametrize("status", [Status.unreachable, Status.partial])
    def test_an_ended_subscription_is_not_named_while_its_customer_was_not_seen(self, status: Status) -> None:
        ended = BROKEN["subscription.canceled"].but(statuses={"customer": status})
        said = judged(ended)
        assert said.status == VerdictStatus.could_not_tell
        assert {"customer.deleted", "subscription.canceled"} <= {each.code for each in said.suspects}

    def test_others_ledgers_are_not_the_organizations_own(self) -> None:
        found = BROKEN["usage.report_partial.left_out"].evidence()
        own = found.meter_usage
        assert own is not None
        said = diagnose(replace(found, meter_usage=replace(own, status=Status.timed_out, value=None)))
        assert (said.status, said.causes) == (VerdictStatus.could_not_tell, ())
