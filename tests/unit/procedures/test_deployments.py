"""What 06 and 07 refuse before they look at anything, what they look at ahead, and that a replay reads nothing else."""

from datetime import UTC, datetime
from typing import Any

import pytest

from runbook_lib.core.errors import UsageError
from runbook_lib.io.observe import Observer
from runbook_lib.procedures.base import Procedure
from runbook_lib.procedures.deploy_llm_gateway.steps import DeployLlmGateway
from runbook_lib.procedures.deploy_web_api.steps import DeployWebApi

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)


def made(kind: type[Procedure], **parameters: Any) -> Procedure:
    return kind(Observer(now=NOW), parameters)


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"part": "gateway"}, "07"),
        ({"part": "w" * 10000}, "web or api"),
        ({"target": "staging"}, "production or preview"),
        ({"commit": "main; rm -rf /"}, "hex digits"),
        ({"commit": "abc"}, "hex digits"),
        ({"commit": "a" * 41}, "hex digits"),
        ({"part": "web", "deployment": "dpl_1' or 1=1"}, "no id and no host name"),
        ({"part": "web", "deployment": "dpl_1\n{}"}, "no id and no host name"),
        ({"part": "web", "deployment": "../../v2/user"}, "no id and no host name"),
        ({"part": "web", "deployment": "d" * 10000}, "no id and no host name"),
        ({"deployment": "dpl_1"}, "part=web"),
    ],
)
def test_06_refuses_what_it_cannot_look_for(parameters: dict[str, str], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        made(DeployWebApi, **parameters)


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"platform": "heroku"}, "railway or fly"),
        ({"regions": "frankfurt"}, "three letters"),
        ({"regions": "iad, $(id)"}, "three letters"),
        ({"commit": "HEAD"}, "hex digits"),
        ({"dockerfile": "x" * 2000}, "no path"),
        ({"dockerfile": "a\nb"}, "no path"),
    ],
)
def test_07_refuses_what_it_cannot_look_for(parameters: dict[str, str], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        made(DeployLlmGateway, **parameters)


@pytest.mark.parametrize("given", ["https://web-1.vercel.app/", "web-1.vercel.app", " web-1.vercel.app "])
def test_an_address_of_a_deployment_is_taken_as_people_copy_it(given: str) -> None:
    procedure = made(DeployWebApi, part="web", deployment=given)
    assert isinstance(procedure, DeployWebApi)
    assert procedure.deployment == "web-1.vercel.app"


@pytest.mark.parametrize("kind", [DeployWebApi, DeployLlmGateway])
def test_an_audit_asks_ahead_for_all_that_depends_on_nothing(kind: type[Procedure]) -> None:
    procedure = made(kind)
    early = [topic for topic in procedure.topics.values() if not topic.after and not topic.waits]
    looks = [(look.source, look.call) for topic in early for look in topic.looks(procedure)]
    wanted = {("parts", "probe"), ("railway", "service"), ("railway", "deployments"), ("railway", "variables_names")}
    assert wanted <= set(looks)


@pytest.mark.parametrize("kind", [DeployWebApi, DeployLlmGateway])
def test_without_settings_it_could_not_tell_and_says_what_to_set(kind: type[Procedure]) -> None:
    conclusion = made(kind).conclude()
    assert str(conclusion.status) == "could_not_tell"
    assert any("RUNBOOK_" in unseen.what_would_help for unseen in conclusion.not_seen)
    assert all(suspect.deciding_look for suspect in conclusion.suspects)


@pytest.mark.parametrize("kind", [DeployWebApi, DeployLlmGateway])
def test_steps_may_be_run_again_in_any_order(kind: type[Procedure]) -> None:
    procedure = made(kind)
    first = procedure.conclude().judged("x")
    for step in reversed(procedure.steps()):
        procedure.run_step(step.name)
    assert procedure.conclude().judged("x")["status"] == first["status"]
