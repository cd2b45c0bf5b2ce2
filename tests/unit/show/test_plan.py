"""A plan shows every request and its hash, and says that it was not carried out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from runbook_lib.judging.plan import Plan, PlanStep
from runbook_lib.show.plan import plan

STEP = PlanStep("Railway, service gateway", 'variableUpsert LLM_FALLBACK_CHAIN\n{"value": "a/b"}', "openai/x", "a/b")
PLAN = Plan("Switch to a/b", (STEP, PlanStep("Vercel, project web", "POST /v1/x")), back="the same with openai/x")


def test_every_request_stands_there_as_it_would_be_sent(read_page: Callable[[str], Any]) -> None:
    shown = plan(PLAN.as_data())
    text = read_page(shown.html).text
    for each in ("not carried out", "Switch to a/b", "Railway, service gateway", "POST /v1/x", PLAN.sha256):
        assert each in text
        assert each in shown.plain
    assert 'variableUpsert LLM_FALLBACK_CHAIN\n{"value": "a/b"}' in text


def test_the_hash_is_over_every_step() -> None:
    other = replace(PLAN, steps=(replace(STEP, after="c/d"), *PLAN.steps[1:]))
    assert other.sha256 != PLAN.sha256
    assert replace(PLAN).sha256 == PLAN.sha256


def test_what_is_not_known_is_a_dash(read_page: Callable[[str], Any]) -> None:
    assert "now: – · then: –" in plan(PLAN.as_data()).plain


def test_markup_in_a_request_stays_text(read_page: Callable[[str], Any]) -> None:
    shown = plan(Plan("<b>", (PlanStep("<i>", "<script>alert(1)</script>"),)).as_data())
    page = read_page(shown.html)
    assert not page.tagged("script")
    assert "<script>alert(1)</script>" in page.text
