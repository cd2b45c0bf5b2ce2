"""Procedure 04's rules on hand-made windows: clean, broken, repaired, look-alike, could not look."""

from dataclasses import replace
from typing import Any

import pytest
from support.evidence import look
from support.gateway_evidence import (
    BROKEN,
    CHAIN,
    CLAUDE,
    GOOD_CLAUDE,
    LLAMA,
    NO_CONNECTION,
    NO_MODEL,
    NO_NAME,
    OPENAI,
    OVERLOADED,
    REFUSED_KEY,
    REJECTED,
    SERVER_ERROR,
    SINCE,
    THROTTLED,
    TIMED_OUT,
    Gateway,
    Try,
    answers,
    no_probe,
    offers,
    probe,
    settings,
)

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Conclusion, Observation, Status
from runbook_lib.procedures.llm_gateway.rules import diagnose


def codes(conclusion: Conclusion) -> list[str]:
    """What the verdict names, by its status."""
    found = {"confirmed": conclusion.causes, "ruled_out": conclusion.states, "could_not_tell": conclusion.blind}
    return [finding.code for finding in found[str(conclusion.status)]]


def said(conclusion: Conclusion) -> tuple[str, list[str]]:
    """Status and codes."""
    return str(conclusion.status), codes(conclusion)


def all_fail(gateway: Gateway, *tries: Try, count: int = 4) -> Gateway:
    """Requests of the last minutes that end with the last of these attempts."""
    for number in range(count):
        gateway.request(5 - number, *tries)
    return gateway


def but(failure: Try, /, **more: Any) -> Try:
    """The same, but for this."""
    return replace(failure, **more)


def instead(looks: tuple[Observation, ...], *others: Observation) -> tuple[Observation, ...]:
    """The looks with some replaced, by source and call."""
    named = {(each.source, each.call): each for each in others}
    return tuple(named.get((each.source, each.call), each) for each in looks)


ONE_MEMBER = (settings(OPENAI),)


class TestClean:
    def test_a_window_of_good_calls_is_ruled_out(self) -> None:
        conclusion = diagnose(Gateway().good(20).evidence())
        assert said(conclusion) == ("ruled_out", [])
        assert not conclusion.also
        assert conclusion.situation.ongoing is False
        assert conclusion.situation.requests_failed == 0

    def test_a_window_without_any_call_is_idle_which_is_no_fault(self) -> None:
        nothing = look("railway", "http_log", None, Status.empty, part="gateway")
        was_used = Gateway().good_before(10).evidence(platform=(nothing,))
        assert said(diagnose(was_used)) == ("ruled_out", ["gateway.idle"])

    def test_a_knock_in_the_platforms_log_is_traffic_and_shows_that_no_chat_came(self) -> None:
        knock = {"part": "gateway", "method": "GET", "path": "/", "status": 200, "at": to_iso(SINCE), "request_id": "k"}
        log = look("railway", "http_log", [knock], part="gateway")
        assert said(diagnose(Gateway().evidence(platform=(log,)))) == ("ruled_out", ["gateway.idle"])
        chat = look("railway", "http_log", [{**knock, "method": "POST", "path": "/v1/chat"}], part="gateway")
        assert said(diagnose(Gateway().evidence(platform=(chat,)))) == ("could_not_tell", ["gateway.calls_not_seen"])

    def test_a_trace_backend_that_holds_nothing_at_all_is_no_witness_that_nobody_came(self) -> None:
        conclusion = diagnose(Gateway().evidence())
        assert said(conclusion) == ("could_not_tell", [])
        assert conclusion.suspects[0].deciding_look

    def test_good_lines_alone_will_do_when_the_trace_backend_is_away(self) -> None:
        gateway = Gateway()
        for minute in range(10):
            gateway.logged(minute + 1, Try())
        conclusion = diagnose(gateway.evidence(traces=Status.unreachable))
        assert said(conclusion) == ("ruled_out", [])
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
        assert said(conclusion) == ("ruled_out", [])
        assert conclusion.also

    @pytest.mark.parametrize(
        ("failure", "code"), [(REFUSED_KEY, "provider.key_invalid"), (SERVER_ERROR, "provider.down")]
    )
    def test_what_lasts_is_a_cause_though_a_fallback_makes_it_good(self, failure: Try, code: str) -> None:
        conclusion = diagnose(all_fail(Gateway().good(5, 55, 10), failure, GOOD_CLAUDE).evidence())
        assert said(conclusion) == ("confirmed", [code])
        assert conclusion.situation.ongoing is True
        assert conclusion.situation.requests_failed == 0

    def test_one_error_that_a_retry_cured_is_not_even_worth_a_line(self) -> None:
        gateway = Gateway().good(10)
        gateway.request(5, SERVER_ERROR, Try())
        conclusion = diagnose(gateway.evidence())
        assert said(conclusion) == ("ruled_out", [])
        assert not conclusion.also

    def test_a_provider_that_came_back_is_no_lasting_trouble(self) -> None:
        gateway = all_fail(Gateway(), REFUSED_KEY, GOOD_CLAUDE).good(5, 0.9, 0.5)
        assert said(diagnose(gateway.evidence())) == ("ruled_out", [])

    def test_one_lost_request_among_hundreds_is_worth_a_line_and_no_alarm(self) -> None:
        gateway = Gateway().good(300)
        gateway.request(30, THROTTLED)
        conclusion = diagnose(gateway.evidence())
        assert said(conclusion) == ("ruled_out", [])
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
        assert said(conclusion) == ("confirmed", ["gateway.no_fallback"])

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
        assert said(conclusion) == ("ruled_out", [])
        assert [each.code for each in conclusion.also] == ["gateway.no_fallback.one_provider"]

    def test_without_a_chain_anywhere_one_member_that_was_tried_alone_is_no_fallback(self) -> None:
        nowhere = look("gateway", "chain", None, Status.not_configured)
        conclusion = diagnose(all_fail(Gateway(), THROTTLED).evidence(settings=(settings(""), nowhere)))
        assert codes(conclusion) == ["provider.rate_limited", "gateway.no_fallback"]

    def test_the_platforms_chain_outweighs_the_one_of_this_machine(self) -> None:
        ours = look("gateway", "chain", {"chain": OPENAI})
        assert said(diagnose(Gateway().good(9).evidence(settings=(settings(CHAIN), ours)))) == ("ruled_out", [])

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


class TestWayOut:
    def test_no_connection_to_a_provider_that_answers_here_is_the_gateways_own_way_out(self) -> None:
        conclusion = diagnose(all_fail(Gateway(), NO_CONNECTION, GOOD_CLAUDE).evidence())
        assert codes(conclusion) == ["gateway.egress_broken.refused"]

    def test_a_name_that_does_not_resolve_there(self) -> None:
        assert codes(diagnose(all_fail(Gateway(), NO_NAME, GOOD_CLAUDE).evidence())) == ["gateway.egress_broken.dns"]

    def test_an_address_that_is_none(self) -> None:
        wrong = but(NO_CONNECTION, error="httpx.UnsupportedProtocol", message="Request URL is missing an 'http://'")
        conclusion = diagnose(all_fail(Gateway(), wrong, GOOD_CLAUDE).evidence())
        assert codes(conclusion) == ["gateway.egress_broken.wrong_address"]

    def test_a_provider_that_takes_no_connections_from_here_either_is_down(self) -> None:
        evidence = all_fail(Gateway(), NO_CONNECTION, GOOD_CLAUDE).evidence()
        away = instead(evidence.providers, answers("openai", Status.unreachable))
        assert codes(diagnose(replace(evidence, providers=away))) == ["provider.down"]

    def test_nobody_asked_the_provider_so_the_twins_stay_suspects(self) -> None:
        evidence = all_fail(Gateway(), NO_CONNECTION, GOOD_CLAUDE).evidence()
        unknown = instead(evidence.providers, answers("openai", Status.timed_out))
        conclusion = diagnose(replace(evidence, providers=unknown))
        assert str(conclusion.status) == "could_not_tell"
        assert {each.code for each in conclusion.suspects} == {"gateway.egress_broken", "provider.down"}
        assert all(each.deciding_look for each in conclusion.suspects)

    def test_it_is_over_and_what_answers_now_does_not_clear_the_window(self) -> None:
        gateway = all_fail(Gateway(), NO_CONNECTION).good(5, 0.9, 0.5)
        conclusion = diagnose(gateway.evidence(settings=ONE_MEMBER))
        assert "provider.down" not in codes(conclusion)
        assert not any(code.startswith("gateway.egress") for code in codes(conclusion))

    def test_no_connection_to_any_of_three_vendors_is_the_way_out_and_not_three_outages(self) -> None:
        tries = tuple(but(NO_CONNECTION, target=target) for target in (OPENAI, CLAUDE, LLAMA))
        assert codes(diagnose(all_fail(Gateway(), *tries).evidence())) == ["gateway.egress_broken.refused"]


class TestModel:
    def test_a_model_that_worked_before_is_gone(self) -> None:
        conclusion = diagnose(all_fail(Gateway().good_before(6), NO_MODEL, GOOD_CLAUDE).evidence())
        assert said(conclusion) == ("confirmed", ["provider.model_gone"])

    def test_a_model_that_is_known_to_be_retired_is_gone(self) -> None:
        old = but(NO_MODEL, target="anthropic/claude-2.1", error="not_found_error", message="model: claude-2.1")
        assert codes(diagnose(all_fail(Gateway(), old, Try()).evidence())) == ["provider.model_gone"]

    def test_a_misspelt_model_never_existed(self) -> None:
        misspelt = but(NO_MODEL, target="openai/gpt-4o-minni")
        conclusion = diagnose(all_fail(Gateway(), misspelt, GOOD_CLAUDE).evidence())
        assert codes(conclusion) == ["gateway.wrong_model_configured"]
        assert "gpt-4o-mini" in conclusion.causes[0].summary

    def test_a_model_that_is_offered_to_us_and_not_to_the_gateway_is_wrongly_configured(self) -> None:
        assert codes(diagnose(all_fail(Gateway(), NO_MODEL, GOOD_CLAUDE).evidence())) == [
            "gateway.wrong_model_configured"
        ]

    def test_whether_an_unknown_model_ever_worked_was_not_seen(self) -> None:
        unknown = but(NO_MODEL, target="openai/o9-huge")
        evidence = all_fail(Gateway(), unknown, GOOD_CLAUDE).evidence()
        unlisted = instead(evidence.providers, look("openai", "models", None, Status.denied))
        conclusion = diagnose(replace(evidence, providers=unlisted))
        assert str(conclusion.status) == "could_not_tell"
        assert {each.code for each in conclusion.suspects} == {"gateway.wrong_model_configured", "provider.model_gone"}

    def test_a_member_that_was_never_called_and_is_not_on_offer_to_the_gateways_own_key_is_wrong(self) -> None:
        chain = f"{OPENAI}, anthropic/claude-hiaku"
        assert codes(diagnose(Gateway().good(9).evidence(settings=(settings(chain),)))) == [
            "gateway.wrong_model_configured"
        ]

    def test_what_another_key_does_not_see_says_nothing_of_the_gateways(self) -> None:
        chain = f"{OPENAI}, anthropic/claude-hiaku"
        seen = Gateway().good(9).evidence(settings=(settings(chain, same=False),))
        assert said(diagnose(seen)) == ("could_not_tell", [])  # nor does it say that the member is all right


class TestTime:
    def test_several_times_the_usual_for_as_many_tokens_is_slow(self) -> None:
        gateway = Gateway().good_before(10).good(10, 55, 20).good(5, 10, 1, Try(ms=4000))
        conclusion = diagnose(gateway.evidence())
        assert said(conclusion) == ("confirmed", ["provider.slow"])
        assert "100 ms a token" in conclusion.causes[0].summary
        assert conclusion.situation.ongoing is True

    def test_a_long_answer_takes_long_and_is_not_slow(self) -> None:
        gateway = Gateway()
        for number, tokens in enumerate((20, 40, 60, 80, 100, 120, 30, 50)):
            gateway.good(1, 60 - number, 60 - number, Try(ms=200 + 20 * tokens, tokens=tokens))
        gateway.good(5, 10, 1, Try(ms=200 + 20 * 800, tokens=800))
        assert said(diagnose(gateway.evidence())) == ("ruled_out", [])

    def test_one_slow_call_is_no_trend(self) -> None:
        gateway = Gateway().good(10, 55, 20).good(1, 10, 10, Try(ms=9000)).good(5, 9, 1)
        assert said(diagnose(gateway.evidence())) == ("ruled_out", [])

    def test_a_few_slow_calls_scattered_among_good_ones_are_no_trend(self) -> None:
        gateway = Gateway().good(20)
        for minute in (50, 30, 10):
            gateway.request(minute, Try(ms=9000))
        assert said(diagnose(gateway.evidence())) == ("ruled_out", [])

    def test_a_time_in_which_the_gateways_own_work_was_slow_too_does_not_convict_the_provider(self) -> None:
        gateway = Gateway().good_before(10).good(10, 55, 20)
        for minute in (5, 4, 3, 2):
            gateway.request(minute, Try(ms=4000), own_ms=400)
        conclusion = diagnose(gateway.evidence())
        assert said(conclusion) == ("ruled_out", [])
        assert [each.code for each in conclusion.also] == ["provider.slow"]

    def test_a_gateway_that_takes_its_time_itself(self) -> None:
        gateway = Gateway().good(10, 55, 20)
        for minute in (5, 4, 3, 2):
            gateway.request(minute, Try(), own_ms=3000)
        assert codes(diagnose(gateway.evidence())) == ["gateway.unhealthy.slow"]

    def test_patience_shorter_than_what_a_model_usually_takes(self) -> None:
        impatient = but(TIMED_OUT, ms=300, message="timed out after 0.3 s")
        conclusion = diagnose(all_fail(Gateway().good_before(10), impatient, GOOD_CLAUDE).evidence())
        assert codes(conclusion) == ["gateway.timeout_too_short"]
        assert conclusion.causes[0].subject == "gateway"

    def test_no_answer_in_ample_time_is_the_providers_fault(self) -> None:
        conclusion = diagnose(all_fail(Gateway().good_before(10), TIMED_OUT, GOOD_CLAUDE).evidence())
        assert codes(conclusion) == ["provider.down.no_answer"]

    def test_what_it_usually_takes_is_not_known_so_it_cannot_be_told(self) -> None:
        conclusion = diagnose(all_fail(Gateway(), TIMED_OUT, GOOD_CLAUDE).evidence())
        assert str(conclusion.status) == "could_not_tell"
        assert {each.code for each in conclusion.suspects} == {"gateway.timeout_too_short", "provider.slow"}

    def test_repetitions_that_follow_at_once(self) -> None:
        again = but(OVERLOADED, gap_ms=2)
        conclusion = diagnose(all_fail(Gateway(), OVERLOADED, again, again, GOOD_CLAUDE).evidence())
        assert codes(conclusion) == ["gateway.retry_without_backoff.immediate"]

    def test_waits_that_do_not_grow(self) -> None:
        again = but(SERVER_ERROR, gap_ms=400)
        conclusion = diagnose(all_fail(Gateway(), SERVER_ERROR, again, again, again, GOOD_CLAUDE).evidence())
        assert codes(conclusion) == ["provider.down", "gateway.retry_without_backoff.constant"]

    def test_waits_that_double_with_jitter_are_sane(self) -> None:
        waits = [but(SERVER_ERROR, gap_ms=gap) for gap in (430, 1130, 1890)]
        conclusion = diagnose(all_fail(Gateway(), SERVER_ERROR, *waits, GOOD_CLAUDE).evidence())
        assert codes(conclusion) == ["provider.down"]

    def test_waits_that_the_provider_asked_for_may_be_all_alike(self) -> None:
        again = but(THROTTLED, gap_ms=2000)
        conclusion = diagnose(all_fail(Gateway(), THROTTLED, again, again, again, GOOD_CLAUDE).evidence())
        assert said(conclusion) == ("ruled_out", [])

    def test_times_of_whole_requests_do_not_say_whose_they_are(self) -> None:
        gateway = Gateway()
        for minute in range(20, 5, -1):
            gateway.logged(minute, Try())
        for minute in range(5, 0, -1):
            gateway.logged(minute, Try(), took_ms=9_000.0)
        conclusion = diagnose(gateway.evidence(traces=Status.unreachable))
        assert said(conclusion) == ("could_not_tell", [])
        assert {each.code for each in conclusion.suspects} == {"provider.slow", "gateway.unhealthy"}


class TestItself:
    def test_its_page_alone_convicts_nobody_where_nothing_else_was_seen(self) -> None:
        bad = probe(500, '{"detail":"Internal Server Error"}')
        evidence = Gateway().evidence(probes=(bad, bad, bad), traces=Status.not_configured, logs=Status.not_configured)
        alone = replace(evidence, providers=(), settings=())
        conclusion = diagnose(alone)
        assert said(conclusion) == ("could_not_tell", [])
        assert conclusion.suspects[0].code == "gateway.unhealthy"

    def test_its_platform_answers_in_its_place(self) -> None:
        edge = probe(502, '{"status":"error","code":502,"message":"Application failed to respond"}')
        conclusion = diagnose(Gateway().good(10).evidence(probes=(edge, edge, edge)))
        assert said(conclusion) == ("confirmed", ["gateway.down"])
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
        assert said(conclusion) == ("ruled_out", [])

    def test_a_root_page_that_fails_beside_good_requests_is_only_worth_a_line(self) -> None:
        conclusion = diagnose(Gateway().good(10).evidence(probes=(probe(500, '{"detail":"oops"}'),) * 3))
        assert said(conclusion) == ("ruled_out", [])
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
        assert said(conclusion) == ("could_not_tell", ["gateway.calls_not_seen"])

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
        assert said(conclusion) == ("ruled_out", [])
        assert {each.source for each in conclusion.not_seen} == {"openai"}

    def test_a_red_status_page_alone_is_context(self) -> None:
        red = {"vendor": "openai", "indicator": "major", "all_good": False, "description": "outage", "components": [],
               "incidents": [{"id": "i", "name": "Elevated errors"}]}  # fmt: skip
        evidence = Gateway().good(10).evidence()
        page = look("status", "incidents", red, vendor="openai")
        assert said(diagnose(replace(evidence, providers=(*evidence.providers, page)))) == ("ruled_out", [])

    def test_a_request_that_is_still_under_way_has_not_failed(self) -> None:
        gateway = Gateway().good(10)
        gateway.logged(0.2, THROTTLED)
        gateway.lines.pop()  # the line of its end is not there yet
        assert said(diagnose(gateway.evidence())) == ("ruled_out", [])


class TestProbes:
    def refused(self, provider: str, same: bool | None = True, **more: Any) -> Conclusion:
        evidence = Gateway().good(9).evidence(settings=(settings(same=same),))
        denied = replace(look(provider, "models", None, Status.denied), why="HTTP 401: invalid x-api-key")
        return diagnose(replace(evidence, providers=instead(evidence.providers, denied), **more))

    def test_the_gateways_own_key_refused_by_a_fallback_that_was_never_called_is_a_fault_in_waiting(self) -> None:
        assert codes(self.refused("anthropic")) == ["provider.key_invalid"]

    @pytest.mark.parametrize("same", [False, None])
    def test_another_key_than_the_gateways_says_nothing(self, same: bool | None) -> None:
        assert said(self.refused("anthropic", same)) == ("could_not_tell", [])  # of a member that was never called

    def test_good_calls_in_the_window_outweigh_a_probe(self) -> None:
        assert said(self.refused("openai")) == ("ruled_out", [])

    def test_a_paid_probe_finds_an_empty_purse_behind_a_fallback(self) -> None:
        evidence = Gateway().good(9).evidence()
        value = {"model": "m", "ok": False, "status_code": 402, "code": None, "type": "credit_limit", "ms": 9.0,
                 "message": "Credit limit exceeded", "output_tokens": None, "limits": {}, "retry_after_s": None}  # fmt: skip
        probed = (*evidence.providers, look("together", "generation", value, model="m"))
        assert codes(diagnose(replace(evidence, providers=probed))) == ["provider.out_of_credit"]

    def test_a_fallback_that_does_not_answer_from_here_is_no_fault_of_anybodys(self) -> None:
        evidence = Gateway().good(9).evidence()
        away = instead(evidence.providers, look("together", "models", None, Status.unreachable))
        conclusion = diagnose(replace(evidence, providers=away))
        assert said(conclusion) == ("could_not_tell", [])
        assert {each.source for each in conclusion.not_seen} == {"together"}


class TestPlan:
    def plan(self, conclusion: Conclusion) -> dict[str, Any]:
        (only,) = conclusion.facts["plans"]
        return dict(only)

    def test_the_failing_provider_goes_to_the_end_by_the_exact_request_on_the_platform_in_use(self) -> None:
        plan = self.plan(diagnose(all_fail(Gateway(), REFUSED_KEY, GOOD_CLAUDE).evidence()))
        (step,) = plan["steps"]
        assert step["before"] == CHAIN
        assert step["after"] == f"{CLAUDE}, {LLAMA}, {OPENAI}"
        assert '"serviceId": "svc"' in step["request"]
        assert "variableUpsert" in step["request"]
        assert plan["back"]
        assert len(plan["sha256"]) == 64

    def test_a_misspelt_model_is_replaced_by_the_one_on_offer(self) -> None:
        chain = f"openai/gpt-4o-minni, {CLAUDE}"
        misspelt = but(NO_MODEL, target="openai/gpt-4o-minni")
        seen = all_fail(Gateway(), misspelt, GOOD_CLAUDE).evidence(settings=(settings(chain),))
        assert self.plan(diagnose(seen))["steps"][0]["after"] == f"{OPENAI}, {CLAUDE}"

    def test_a_chain_of_one_gets_a_member_of_another_provider(self) -> None:
        ours = look("gateway", "chain", {"chain": CHAIN})
        seen = Gateway().good(9).evidence(settings=(settings(OPENAI), ours))
        assert self.plan(diagnose(seen))["steps"][0]["after"] == f"{OPENAI}, {CLAUDE}"

    def test_on_fly_it_is_a_command(self) -> None:
        on_fly = look(
            "fly", "gateway_settings", {**settings().value, "platform": "fly", "place": {"app": "nexus-gateway"}}
        )
        seen = all_fail(Gateway(), REFUSED_KEY, GOOD_CLAUDE).evidence(settings=(on_fly,))
        request = self.plan(diagnose(seen))["steps"][0]["request"]
        assert request.startswith("fly secrets set LLM_FALLBACK_CHAIN='")
        assert request.endswith("--app nexus-gateway")

    @pytest.mark.parametrize("tries", [(REJECTED,), (BROKEN,)])
    def test_no_order_of_the_chain_helps_where_another_provider_would_fail_too(self, tries: tuple[Try, ...]) -> None:
        assert diagnose(all_fail(Gateway(), *tries).evidence()).facts["plans"] == []

    def test_while_all_is_well_nothing_is_proposed(self) -> None:
        assert diagnose(Gateway().good(9).evidence()).facts["plans"] == []

    def test_a_provider_that_offers_other_models_is_asked_with_one_that_it_has(self) -> None:
        evidence = all_fail(Gateway().good_before(6), NO_MODEL, GOOD_CLAUDE).evidence()
        listed = instead(evidence.providers, offers("openai", "gpt-4.1-mini", "whisper-1"))
        after = self.plan(diagnose(replace(evidence, providers=listed)))["steps"][0]["after"]
        assert after.startswith("openai/gpt-4.1-mini, ")
