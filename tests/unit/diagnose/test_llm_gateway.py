"""Procedure 04's rules on hand-made windows: clean, broken, repaired, look-alike, could not look."""

from dataclasses import replace

import pytest
from support.evidence import look
from support.gateway_evidence import (
    BROKEN,
    CHAIN,
    CLAUDE,
    GOOD_CLAUDE,
    LLAMA,
    ONE_MEMBER,
    OPENAI,
    OVERLOADED,
    REFUSED_KEY,
    REJECTED,
    SERVER_ERROR,
    SINCE,
    THROTTLED,
    Gateway,
    Try,
    all_fail,
    but,
    instead,
    no_probe,
    offers,
    probe,
    settings,
)
from support.verdicts import codes, status_and_codes

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Status
from runbook_lib.procedures.llm_gateway.rules import diagnose


class TestClean:
    def test_a_window_of_good_calls_is_ruled_out(self) -> None:
        conclusion = diagnose(Gateway().good(20).evidence())
        assert status_and_codes(conclusion) == ("ruled_out", [])
        assert not conclusion.also
        assert conclusion.situation.ongoing is False
        assert conclusion.situation.requests_failed == 0

    def test_a_window_without_any_call_is_idle_which_is_no_fault(self) -> None:
        nothing = look("railway", "http_log", None, Status.empty, part="gateway")
        was_used = Gateway().good_before(10).evidence(platform=(nothing,))
        assert status_and_codes(diagnose(was_used)) == ("ruled_out", ["gateway.idle"])

    def test_a_knock_in_the_platforms_log_is_traffic_and_shows_that_no_chat_came(self) -> None:
        knock = {"part": "gateway", "method": "GET", "path": "/", "status": 200, "at": to_iso(SINCE), "request_id": "k"}
        log = look("railway", "http_log", [knock], part="gateway")
        assert status_and_codes(diagnose(Gateway().evidence(platform=(log,)))) == ("ruled_out", ["gateway.idle"])
        chat = look("railway", "http_log", [{**knock, "method": "POST", "path": "/v1/chat"}], part="gateway")
        assert status_and_codes(diagnose(Gateway().evidence(platform=(chat,)))) == (
            "could_not_tell",
            ["gateway.calls_not_seen"],
        )

    def test_a_trace_backend_that_holds_nothing_at_all_is_no_witness_that_nobody_came(self) -> None:
        conclusion = diagnose(Gateway().evidence())
        assert status_and_codes(conclusion) == ("could_not_tell", [])
        assert conclusion.suspects[0].deciding_look

    def test_good_lines_alone_will_do_when_the_trace_backend_is_away(self) -> None:
        gateway = Gateway()
        for minute in range(10):
            gateway.logged(minute + 1, Try())
        conclusion = diagnose(gateway.evidence(traces=Status.unreachable))
        assert status_and_codes(conclusion) == ("ruled_out", [])
        assert {each.source for each in conclusion.not_seen} == {"tempo"}


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (THROTTLED, "provider.rate_limited"),
        (OVERLOADED, "provider.overloaded"),
        (
            but(OVERLOADED, target=CLAUDE, status=529, error="overloaded_error", message="Overloaded"),
            "provider.overloaded",
        ),
        (REFUSED_KEY, "provider.key_invalid"),
        (
            but(REFUSED_KEY, target=CLAUDE, error="authentication_error", message="invalid x-api-key"),
            "provider.key_invalid",
        ),
        (but(THROTTLED, status=403, error="permission_error", message="may not"), "provider.access_denied"),
        (
            but(THROTTLED, error="insufficient_quota", message="You exceeded your current quota"),
            "provider.out_of_credit",
        ),
        (
            but(THROTTLED, target=LLAMA, status=402, error="credit_limit", message="Credit limit exceeded"),
            "provider.out_of_credit",
        ),
        (
            but(REJECTED, target=CLAUDE, message="You have reached your specified API usage limits."),
            "provider.out_of_credit.spending_limit",
        ),
        (
            but(REJECTED, target=CLAUDE, message="Your credit balance is too low to access the Anthropic API."),
            "provider.out_of_credit",
        ),
        (SERVER_ERROR, "provider.down"),
        (but(SERVER_ERROR, status=504, error="timeout_error", message="Request timed out"), "provider.down"),
        (REJECTED, "provider.request_rejected"),
        (but(REJECTED, status=413, error="request_too_large", message="too large"), "provider.request_rejected"),
        (BROKEN, "provider.stream_broken"),
    ],
)
class TestBroken:
    def test_a_failure_that_requests_were_lost_with_is_named_by_what_the_vendor_says(
        self, failure: Try, code: str
    ) -> None:
        evidence = all_fail(Gateway().good(10, 55, 10), failure).evidence(settings=(settings(failure.target),))
        conclusion = diagnose(evidence)
        assert codes(conclusion)[0] == code
        assert conclusion.causes[0].evidence
        assert set(codes(conclusion)[1:]) <= {"gateway.no_fallback"}
        assert conclusion.situation.requests_failed == 4
        assert conclusion.situation.onset

    def test_the_same_by_lines_alone(self, failure: Try, code: str) -> None:
        gateway = Gateway()
        for minute in (9, 8, 7, 3, 2, 1):
            if minute > 5:
                gateway.logged(minute, Try())
            else:
                gateway.logged(minute, failure, status=200 if failure is BROKEN else 502)
        conclusion = diagnose(gateway.evidence(traces=Status.denied))
        assert codes(conclusion)[0] == code
        assert "tempo" in {each.source for each in conclusion.not_seen}


class TestMadeGood:
    @pytest.mark.parametrize("failure", [THROTTLED, OVERLOADED])
    def test_a_throttle_or_overload_that_a_fallback_makes_good_is_no_cause(self, failure: Try) -> None:
        conclusion = diagnose(all_fail(Gateway().good(5, 55, 10), failure, GOOD_CLAUDE, count=6).evidence())
        assert status_and_codes(conclusion) == ("ruled_out", [])
        assert conclusion.also

    @pytest.mark.parametrize(
        ("failure", "code"), [(REFUSED_KEY, "provider.key_invalid"), (SERVER_ERROR, "provider.down")]
    )
    def test_what_lasts_is_a_cause_though_a_fallback_makes_it_good(self, failure: Try, code: str) -> None:
        conclusion = diagnose(all_fail(Gateway().good(5, 55, 10), failure, GOOD_CLAUDE).evidence())
        assert status_and_codes(conclusion) == ("confirmed", [code])
        assert conclusion.situation.ongoing is True
        assert conclusion.situation.requests_failed == 0

    def test_one_error_that_a_retry_cured_is_not_even_worth_a_line(self) -> None:
        gateway = Gateway().good(10)
        gateway.request(5, SERVER_ERROR, Try())
        conclusion = diagnose(gateway.evidence())
        assert status_and_codes(conclusion) == ("ruled_out", [])
        assert not conclusion.also

    def test_a_provider_that_came_back_is_no_lasting_trouble(self) -> None:
        gateway = all_fail(Gateway(), REFUSED_KEY, GOOD_CLAUDE).good(5, 0.9, 0.5)
        assert status_and_codes(diagnose(gateway.evidence())) == ("ruled_out", [])

    def test_what_lasts_in_a_sample_of_the_calls_may_be_over(self) -> None:
        evidence = all_fail(Gateway().good_before(9), REFUSED_KEY, GOOD_CLAUDE).evidence()
        assert codes(diagnose(evidence)) == ["provider.key_invalid"]
        (calls,) = evidence.calls
        conclusion = diagnose(replace(evidence, calls=(replace(calls, status=Status.partial, why="the limit"),)))
        assert status_and_codes(conclusion) == ("could_not_tell", [])
        assert [each.code for each in conclusion.suspects] == ["provider.key_invalid"]

    def test_one_lost_request_among_hundreds_is_worth_a_line_and_no_alarm(self) -> None:
        gateway = Gateway().good(300)
        gateway.request(30, THROTTLED)
        conclusion = diagnose(gateway.evidence())
        assert status_and_codes(conclusion) == ("ruled_out", [])
        assert conclusion.situation.requests_failed == 1


class TestFallback:
    def test_members_that_were_not_tried_are_named_beside_what_set_it_off(self) -> None:
        conclusion = diagnose(all_fail(Gateway(), THROTTLED).evidence())
        assert codes(conclusion) == ["provider.rate_limited", "gateway.fallback_not_firing"]
        assert CLAUDE in conclusion.causes[1].summary

    def test_a_payload_that_is_rejected_is_nothing_to_fall_back_from(self) -> None:
        assert codes(diagnose(all_fail(Gateway(), REJECTED).evidence())) == ["provider.request_rejected"]

    def test_a_stream_that_has_begun_is_nothing_to_fall_back_from(self) -> None:
        assert codes(diagnose(all_fail(Gateway(), BROKEN).evidence())) == ["provider.stream_broken"]

    def test_a_chain_of_one_member_is_a_fault_before_anything_fails(self) -> None:
        conclusion = diagnose(Gateway().good(10).evidence(settings=ONE_MEMBER))
        assert status_and_codes(conclusion) == ("confirmed", ["gateway.no_fallback"])

    def test_a_chain_of_one_member_explains_why_a_throttle_was_felt(self) -> None:
        conclusion = diagnose(all_fail(Gateway(), THROTTLED).evidence(settings=ONE_MEMBER))
        assert codes(conclusion) == ["provider.rate_limited", "gateway.no_fallback"]

    def test_two_models_of_one_provider_are_no_fallback_where_the_provider_fails(self) -> None:
        other = but(OVERLOADED, target="openai/gpt-4o")
        seen = all_fail(Gateway(), OVERLOADED, other).evidence(settings=(settings(f"{OPENAI}, openai/gpt-4o"),))
        assert codes(diagnose(seen)) == ["provider.overloaded", "gateway.no_fallback.one_provider"]

    def test_two_models_of_one_provider_are_only_worth_a_line_while_all_is_well(self) -> None:
        evidence = Gateway().good(9).evidence(settings=(settings(f"{OPENAI}, openai/gpt-4o"),))
        listed = instead(evidence.providers, offers("openai", "gpt-4o-mini", "gpt-4o"))
        conclusion = diagnose(replace(evidence, providers=listed))
        assert status_and_codes(conclusion) == ("ruled_out", [])
        assert [each.code for each in conclusion.also] == ["gateway.no_fallback.one_provider"]

    def test_without_a_chain_anywhere_one_member_that_was_tried_alone_is_no_fallback(self) -> None:
        nowhere = look("gateway", "chain", None, Status.not_configured)
        conclusion = diagnose(all_fail(Gateway(), THROTTLED).evidence(settings=(settings(""), nowhere)))
        assert codes(conclusion) == ["provider.rate_limited", "gateway.no_fallback"]

    def test_the_platforms_chain_outweighs_the_one_of_this_machine(self) -> None:
        ours = look("gateway", "chain", {"chain": OPENAI})
        assert status_and_codes(diagnose(Gateway().good(9).evidence(settings=(settings(CHAIN), ours)))) == (
            "ruled_out",
            [],
        )

    def test_a_chain_that_was_set_after_the_failures_is_not_held_against_them(self) -> None:
        changed = [{"name": "LLM_FALLBACK_CHAIN", "updated_at": "2026-11-23T08:59:00.000Z"}]
        names = look("railway", "variables_names", changed, part="gateway")
        conclusion = diagnose(all_fail(Gateway(), THROTTLED).evidence(settings=(settings(), names)))
        assert codes(conclusion) == ["provider.rate_limited"]

    def test_every_provider_failing_is_one_cause_and_what_each_said_stands_beside_it(self) -> None:
        tries = (THROTTLED, but(REFUSED_KEY, target=CLAUDE), but(OVERLOADED, target=LLAMA))
        conclusion = diagnose(all_fail(Gateway(), *tries).evidence())
        assert codes(conclusion) == ["gateway.all_providers_failing"]
        assert {each.code for each in conclusion.also} == {
            "provider.rate_limited",
            "provider.key_invalid",
            "provider.overloaded",
        }

    def test_what_lasts_is_not_hidden_by_one_request_in_which_the_fallback_failed_too(self) -> None:
        gateway = all_fail(Gateway(), REFUSED_KEY, GOOD_CLAUDE, count=6)
        gateway.request(0.5, REFUSED_KEY, but(OVERLOADED, target=CLAUDE), but(OVERLOADED, target=LLAMA))
        assert set(codes(diagnose(gateway.evidence()))) == {"gateway.all_providers_failing", "provider.key_invalid"}


class TestItself:
    def test_its_page_alone_convicts_nobody_where_nothing_else_was_seen(self) -> None:
        bad = probe(500, '{"detail":"Internal Server Error"}')
        evidence = Gateway().evidence(probes=(bad, bad, bad), traces=Status.not_configured, logs=Status.not_configured)
        alone = replace(evidence, providers=(), settings=())
        conclusion = diagnose(alone)
        assert status_and_codes(conclusion) == ("could_not_tell", [])
        assert conclusion.suspects[0].code == "gateway.unhealthy"

    def test_its_platform_answers_in_its_place(self) -> None:
        edge = probe(502, '{"status":"error","code":502,"message":"Application failed to respond"}')
        conclusion = diagnose(Gateway().good(10).evidence(probes=(edge, edge, edge)))
        assert status_and_codes(conclusion) == ("confirmed", ["gateway.down"])
        assert conclusion.situation.ongoing is True

    def test_nothing_answers_and_its_newest_deployment_crashed(self) -> None:
        crashed = [{"id": "d2", "at": "2026-11-23T08:58:00Z", "state": "CRASHED", "error": "exit 1", "part": "gateway"}]
        platform = (look("railway", "deployments", crashed, part="gateway"),)
        conclusion = diagnose(Gateway().good(10).evidence(probes=(no_probe(),) * 3, platform=platform))
        assert codes(conclusion) == ["gateway.down"]
        assert "CRASHED" in conclusion.causes[0].summary

    def test_that_it_was_away_and_is_back_stands_behind_what_still_hurts(self) -> None:
        rows = [
            {"at": f"2026-11-23T08:1{minute}:00.000Z", "part": "gateway", "platform": "railway", "method": "POST",
             "path": "/v1/chat", "status": 502, "error": "connection refused"}
            for minute in (0, 2)
        ]  # fmt: skip
        platform = (look("railway", "http_log", rows, part="gateway"),)
        gateway = all_fail(Gateway().good(10, 55, 10), REFUSED_KEY, GOOD_CLAUDE)
        conclusion = diagnose(gateway.evidence(platform=platform))
        assert codes(conclusion) == ["provider.key_invalid", "gateway.down"]
        assert "it answers again" in conclusion.causes[-1].summary

    def test_it_does_not_answer_here_and_served_a_moment_ago_so_the_address_is_in_doubt(self) -> None:
        conclusion = diagnose(Gateway().good(10, 20, 0.3).evidence(probes=(no_probe(),) * 3))
        assert str(conclusion.status) == "could_not_tell"
        assert [each.code for each in conclusion.suspects] == ["gateway.down"]
        assert "parts" in {each.source for each in conclusion.not_seen}

    def test_a_provider_fault_is_confirmed_although_the_gateway_was_not_reached_from_here(self) -> None:
        gateway = all_fail(Gateway().good(9, 55, 10), REFUSED_KEY, GOOD_CLAUDE)
        gateway.request(0.2, REFUSED_KEY, GOOD_CLAUDE)
        assert codes(diagnose(gateway.evidence(probes=(no_probe(),) * 3))) == ["provider.key_invalid"]

    def test_one_of_three_calls_that_fails_is_no_outage(self) -> None:
        conclusion = diagnose(Gateway().good(10).evidence(probes=(probe(), no_probe(), probe())))
        assert status_and_codes(conclusion) == ("ruled_out", [])

    def test_a_root_page_that_fails_beside_good_requests_is_only_worth_a_line(self) -> None:
        conclusion = diagnose(Gateway().good(10).evidence(probes=(probe(500, '{"detail":"oops"}'),) * 3))
        assert status_and_codes(conclusion) == ("ruled_out", [])
        assert [each.code for each in conclusion.also] == ["gateway.unhealthy"]

    def test_its_own_exception_is_its_own(self) -> None:
        gateway = Gateway().good(10)
        gateway.request(3, Try(), status=500)
        crash = {
            "name": "exception",
            "at_ns": 1,
            "attributes": {"exception.type": "KeyError", "exception.message": "'usage'"},
        }
        gateway.failed_spans[0]["events"] = [crash]
        assert codes(diagnose(gateway.evidence())) == ["gateway.unhealthy.errors"]


class TestCouldNotLook:
    def test_without_any_witness_of_its_calls_it_cannot_be_told(self) -> None:
        conclusion = diagnose(Gateway().evidence(traces=Status.unreachable, logs=Status.denied))
        assert str(conclusion.status) == "could_not_tell"
        assert {each.source for each in conclusion.not_seen} == {"tempo", "railway"}
        assert conclusion.suspects

    def test_requests_whose_calls_nobody_tells_of_are_a_blind_spot_not_peace(self) -> None:
        row = {"request_id": "r1", "at": "2026-11-23T08:30:00Z", "method": "POST", "path": "/v1/chat", "status": 200,
               "duration_ms": 300.0, "part": "gateway", "platform": "railway", "error": None}  # fmt: skip
        conclusion = diagnose(Gateway().evidence(platform=(look("railway", "http_log", [row], part="gateway"),)))
        assert status_and_codes(conclusion) == ("could_not_tell", ["gateway.calls_not_seen"])

    def test_a_truncated_search_for_failures_does_not_clear_the_window(self) -> None:
        evidence = Gateway().good(10).evidence()
        cut = (look("tempo", "failed_traces", {"resources": [], "spans": []}, Status.partial),)
        assert (
            str(
                diagnose(
                    replace(evidence, failed=cut, logs=(look("railway", "logs", None, Status.denied, part="gateway"),))
                ).status
            )
            == "could_not_tell"
        )

    def test_a_key_of_ours_that_is_refused_says_nothing_of_the_gateways(self) -> None:
        evidence = Gateway().good(10).evidence()
        refused = instead(evidence.providers, look("openai", "models", None, Status.denied))
        conclusion = diagnose(replace(evidence, providers=refused))
        assert status_and_codes(conclusion) == ("ruled_out", [])
        assert {each.source for each in conclusion.not_seen} == {"openai"}

    def test_a_red_status_page_alone_is_context(self) -> None:
        red = {"vendor": "openai", "indicator": "major", "all_good": False, "description": "outage", "components": [],
               "incidents": [{"id": "i", "name": "Elevated errors"}]}  # fmt: skip
        evidence = Gateway().good(10).evidence()
        page = look("status", "incidents", red, vendor="openai")
        assert status_and_codes(diagnose(replace(evidence, providers=(*evidence.providers, page)))) == ("ruled_out", [])

    def test_a_request_that_is_still_under_way_has_not_failed(self) -> None:
        gateway = Gateway().good(10)
        gateway.logged(0.2, THROTTLED)
        gateway.lines.pop()  # the line of its end is not there yet
        assert status_and_codes(diagnose(gateway.evidence())) == ("ruled_out", [])
