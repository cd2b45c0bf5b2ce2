"""04's paid probes, and the change to the chain that it proposes."""

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
    NO_MODEL,
    OPENAI,
    REFUSED_KEY,
    REJECTED,
    Gateway,
    Try,
    all_fail,
    but,
    instead,
    offers,
    settings,
)
from support.verdicts import codes, status_and_codes

from runbook_lib.core.model import Conclusion, Status
from runbook_lib.procedures.llm_gateway.rules import diagnose


class TestProbes:
    def refused(self, provider: str, same: bool | None = True, **more: Any) -> Conclusion:
        evidence = Gateway().good(9).evidence(settings=(settings(same=same),))
        denied = replace(look(provider, "models", None, Status.denied), why="HTTP 401: invalid x-api-key")
        return diagnose(replace(evidence, providers=instead(evidence.providers, denied), **more))

    def test_the_gateways_own_key_refused_by_a_fallback_that_was_never_called_is_a_fault_in_waiting(self) -> None:
        assert codes(self.refused("anthropic")) == ["provider.key_invalid"]

    @pytest.mark.parametrize("same", [False, None])
    def test_another_key_than_the_gateways_says_nothing(self, same: bool | None) -> None:
        assert status_and_codes(self.refused("anthropic", same)) == (
            "could_not_tell",
            [],
        )  # of a member that was never called

    def test_good_calls_in_the_window_outweigh_a_probe(self) -> None:
        assert status_and_codes(self.refused("openai")) == ("ruled_out", [])

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
        assert status_and_codes(conclusion) == ("could_not_tell", [])
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
            "fly",
            "gateway_settings",
            {**settings().value, "platform": "fly", "place": {"app": "nexus-gateway"}, "changed": {}},
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
