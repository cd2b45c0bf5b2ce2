"""What one part cannot reach, everybody else can; healing undoes it."""

import httpx
import pytest

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox import Sandbox


@pytest.mark.parametrize("how", ["refused", "dns", "reset", "hang"])
def test_the_gateway_alone_cannot_reach_its_providers(sandbox: Sandbox, how: str) -> None:
    if how == "hang":
        sandbox.inject("code", part="gateway", timeout_s=0.3)
    for provider in ("openai", "anthropic", "together"):
        sandbox.inject("egress", part="gateway", to=provider, how=how)
    assert sandbox.visit("chat")["status"] in (502, 504)
    assert httpx.get(f"{sandbox.endpoints['openai']}/v1/models", trust_env=False).status_code == 401
    sandbox.heal()
    assert sandbox.visit("chat")["status"] == 200


def test_an_unknown_way_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(UsageError, match="how is one of"):
        sandbox.inject("egress", part="gateway", how="politely")
