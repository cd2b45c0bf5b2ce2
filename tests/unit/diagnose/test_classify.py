"""What a failed call says, under a code: each vendor's own words, and a table of the providers' failures that leaves none out."""

import pytest

from runbook_lib.procedures.failed_request.causes import CATALOGUE
from runbook_lib.procedures.llm_gateway.causes import CATALOGUE as GATEWAY
from runbook_lib.reading.classify import PROVIDER_FAILURES, classify_auth, classify_provider, classify_stripe
from runbook_lib.reading.spans import Fault

PROVIDER = "request.provider_failed"


def test_the_table_of_provider_failures_is_the_list_of_01s_sub_codes() -> None:
    assert set(PROVIDER_FAILURES) == set(CATALOGUE.find(PROVIDER).subcodes)


def test_every_provider_failure_has_a_cause_of_04() -> None:
    assert {code: GATEWAY.find(code).code for code in PROVIDER_FAILURES.values()}


@pytest.mark.parametrize(
    ("said", "sub"),
    [
        (Fault(400, "invalid_request_error", "Output blocked by content filtering policy"), "content_filtered"),
        (Fault(400, "content_policy_violation", "rejected as a result of our safety system"), "content_filtered"),
        (Fault(400, "content_filter", "triggering Azure OpenAI's content management policy"), "content_filtered"),
        (Fault(400, "invalid_request_error", "messages.0.content: Input should be a valid list"), "request_rejected"),
        (Fault(400, "invalid_request_error", "Invalid 'content': expected a string"), "request_rejected"),
    ],
)
def test_a_refusal_for_the_content_policy_is_told_from_a_bad_payload(said: Fault, sub: str) -> None:
    assert classify_provider(said).code == f"{PROVIDER}.{sub}"


def test_what_is_not_recognised_confirms_the_wide_code_only() -> None:
    said = Fault(None, "", "An error occurred")
    assert classify_provider(said).code == PROVIDER
    assert classify_stripe(said).code == "request.stripe_failed"
    assert classify_auth(said).code == "request.auth_failed"
