"""A part's default address is this machine: where a platform runs it, that nothing answers here says nothing of it."""

from collections.abc import Callable

import pytest
from support.loopback import Loopback, Reply

from runbook_lib.core.model import Observation, Status
from runbook_lib.sources.this_machine import environment, parts

MakeLook = Callable[..., Observation]
NAMES = {"web": "RUNBOOK_WEB_URL", "api": "RUNBOOK_API_URL", "gateway": "RUNBOOK_GATEWAY_URL"}
NOWHERE = {
    "RUNBOOK_VERCEL_WEB_PROJECT": "",
    "RUNBOOK_VERCEL_API_PROJECT": "",
    "RUNBOOK_RAILWAY_API_SERVICE_ID": "",
    "RUNBOOK_RAILWAY_GATEWAY_SERVICE_ID": "",
    "RUNBOOK_FLY_GATEWAY_APP": "",
}


@pytest.mark.parametrize("part", NAMES)
def test_a_part_on_a_platform_is_not_looked_for_at_the_default_address(part: str, make_look: MakeLook) -> None:
    seen = make_look(parts.probe(part), **{NAMES[part]: ""})
    assert (seen.status, NAMES[part] in seen.help) == (Status.not_configured, True)


@pytest.mark.parametrize("part", NAMES)
def test_a_part_of_no_platform_is_on_this_machine(part: str, make_look: MakeLook) -> None:
    seen = make_look(parts.probe(part), **NOWHERE, **{NAMES[part]: ""})
    assert seen.status != Status.not_configured


def test_a_given_address_is_asked_wherever_the_part_runs(loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = lambda _: Reply(200, {"status": "ok"})
    assert make_look(parts.probe("api")).status == Status.ok


def test_the_gateways_own_description_is_not_read_from_another_one(make_look: MakeLook) -> None:
    assert make_look(parts.gateway_openapi(), RUNBOOK_GATEWAY_URL="").status == Status.not_configured


def test_a_platform_is_named_by_its_project_without_its_token(make_look: MakeLook) -> None:
    hosts = {**NOWHERE, "RUNBOOK_VERCEL_WEB_PROJECT": "prj_1", "RUNBOOK_VERCEL_TOKEN": ""}
    told = make_look(environment.variables(), **hosts).value["parts"]
    assert (told["web"]["hosts"], told["api"]["hosts"]) == (["vercel"], [])
