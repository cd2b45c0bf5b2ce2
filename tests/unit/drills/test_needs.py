"""A case whose needs this machine does not meet does not run, says so, and is never counted as right."""

import pytest

from runbook_lib.core.errors import SandboxError
from runbook_lib.drills.kit import needs
from runbook_lib.drills.kit.arena import arena
from runbook_lib.drills.kit.case import Case
from runbook_lib.drills.kit.case_list import CASES
from runbook_lib.drills.kit.results import as_json, exit_code
from runbook_lib.sandbox import npm

CASE = Case("needy", "02_stripe_webhooks", "healthy", "ruled_out", needs=("stripe-cli",))


@pytest.fixture(autouse=True)
def asked_anew() -> None:
    needs._why_not.cache_clear()


def test_without_the_stripe_cli_its_cases_are_left_out_visibly(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise SandboxError("@stripe/cli cannot be fetched", came_back="there is no npm")

    monkeypatch.setattr(npm, "stripe_cli", absent)
    with arena([CASE], lambda _: False, workers=1) as running:
        outcome = running.futures[CASE.id].result(timeout=30)
    assert not outcome.is_correct
    assert "did not run: no Stripe CLI" in outcome.why
    assert "there is no npm" in outcome.why
    document = as_json(1, [outcome])
    assert (document["cases"][0]["got"], document["summary"]["ran"]) == (None, 0)
    assert exit_code(document["summary"]) == 1
    needs._why_not.cache_clear()


def test_a_machine_that_has_it_lacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npm, "stripe_cli", lambda: "/bin/stripe")
    assert needs.missing_needs(CASE) == ""
    needs._why_not.cache_clear()


def test_every_need_of_a_listed_case_is_one_that_is_checked() -> None:
    assert {need for case in CASES for need in case.needs} <= set(needs._CHECKS)
