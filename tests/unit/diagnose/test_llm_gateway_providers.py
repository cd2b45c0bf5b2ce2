"""04 on a provider that is out of reach, a model that is not there, and time: whose it was, or that nobody can tell."""

from dataclasses import replace

from support.evidence import look
from support.gateway_evidence import (
    CLAUDE,
    GOOD_CLAUDE,
    LLAMA,
    NO_CONNECTION,
    NO_MODEL,
    NO_NAME,
    ONE_MEMBER,
    OPENAI,
    OVERLOADED,
    SERVER_ERROR,
    THROTTLED,
    TIMED_OUT,
    Gateway,
    Try,
    all_fail,
    answers,
    but,
    instead,
    settings,
)
from support.verdicts import codes, status_and_codes

from runbook_lib.core.model import Status
from runbook_lib.procedures.llm_gateway.rules import diagnose


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
        assert status_and_codes(conclusion) == ("confirmed", ["provider.model_gone"])

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
        assert status_and_codes(diagnose(seen)) == (
            "could_not_tell",
            [],
        )  # nor does it say that the member is all right


class TestTime:
    def test_several_times_the_usual_for_as_many_tokens_is_slow(self) -> None:
        gateway = Gateway().good_before(10).good(10, 55, 20).good(5, 10, 1, Try(ms=4000))
        conclusion = diagnose(gateway.evidence())
        assert status_and_codes(conclusion) == ("confirmed", ["provider.slow"])
        assert "100 ms a token" in conclusion.causes[0].summary
        assert conclusion.situation.ongoing is True

    def test_a_long_answer_takes_long_and_is_not_slow(self) -> None:
        gateway = Gateway()
        for number, tokens in enumerate((20, 40, 60, 80, 100, 120, 30, 50)):
            gateway.good(1, 60 - number, 60 - number, Try(ms=200 + 20 * tokens, tokens=tokens))
        gateway.good(5, 10, 1, Try(ms=200 + 20 * 800, tokens=800))
        assert status_and_codes(diagnose(gateway.evidence())) == ("ruled_out", [])

    def test_one_slow_call_is_no_trend(self) -> None:
        gateway = Gateway().good(10, 55, 20).good(1, 10, 10, Try(ms=9000)).good(5, 9, 1)
        assert status_and_codes(diagnose(gateway.evidence())) == ("ruled_out", [])

    def test_a_few_slow_calls_scattered_among_good_ones_are_no_trend(self) -> None:
        gateway = Gateway().good(20)
        for minute in (50, 30, 10):
            gateway.request(minute, Try(ms=9000))
        assert status_and_codes(diagnose(gateway.evidence())) == ("ruled_out", [])

    def test_a_time_in_which_the_gateways_own_work_was_slow_too_does_not_convict_the_provider(self) -> None:
        gateway = Gateway().good_before(10).good(10, 55, 20)
        for minute in (5, 4, 3, 2):
            gateway.request(minute, Try(ms=4000), own_ms=400)
        conclusion = diagnose(gateway.evidence())
        assert status_and_codes(conclusion) == ("ruled_out", [])
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
        assert status_and_codes(conclusion) == ("ruled_out", [])

    def test_times_of_whole_requests_do_not_say_whose_they_are(self) -> None:
        gateway = Gateway()
        for minute in range(20, 5, -1):
            gateway.logged(minute, Try())
        for minute in range(5, 0, -1):
            gateway.logged(minute, Try(), took_ms=9_000.0)
        conclusion = diagnose(gateway.evidence(traces=Status.unreachable))
        assert status_and_codes(conclusion) == ("could_not_tell", [])
        assert {each.code for each in conclusion.suspects} == {"provider.slow", "gateway.unhealthy"}
