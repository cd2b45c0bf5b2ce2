"""Procedure 07's rules on hand-made evidence: clean, broken, repaired, look-alike."""

from typing import Any

import pytest
from support.deployments import (
    OLD,
    ago,
    deployment,
    unanswered,
    unseen,
    variables,
)
from support.evidence import look
from support.gateway_sites import (
    DOCKERFILE,
    NEW_IMAGE,
    OLD_IMAGE,
    built,
    detail,
    dockerfile,
    exits,
    judged,
    machine,
    on_fly,
    on_railway,
    probe,
    said,
    service,
)

from runbook_lib.core.model import Observation, Status
from runbook_lib.procedures.deploy_llm_gateway.image import read_image
from runbook_lib.procedures.deployments.reading import Site


@pytest.mark.parametrize("one", [on_railway(), on_fly()], ids=["railway", "fly"])
def test_a_gateway_that_is_well_is_ruled_out(one: Site) -> None:
    assert said(one, built=built()) == ("ruled_out", [])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (DOCKERFILE.replace('"8000"', '"9000"'), "image.port_mismatch.served"),
        (DOCKERFILE.replace("8000", "9000"), "image.port_mismatch.served"),
        (DOCKERFILE.replace('"--host", "::", ', ""), "image.port_mismatch.loopback"),
        (DOCKERFILE.replace('"::"', '"localhost"'), "image.port_mismatch.loopback"),
        (DOCKERFILE.replace("EXPOSE 8000\n", ""), "image.port_mismatch.expose"),
        (DOCKERFILE.replace("EXPOSE 8000", "EXPOSE 80/tcp 443"), "image.port_mismatch.expose"),
        (DOCKERFILE.partition("\n")[2], "image.build_file.no_base"),
        (DOCKERFILE.partition("CMD")[0], "image.build_file.no_command"),
    ],
)
def test_a_dockerfile_that_cannot_serve_8000_is_named_by_why(text: str, code: str) -> None:
    assert said(dockerfile=dockerfile(text)) == ("confirmed", [code])


@pytest.mark.parametrize(
    "command",
    [
        "CMD uvicorn main:app --host :: --port 8000",
        'CMD ["uvicorn", "main:app", "--host=::", "--port=8000"]',
        'ENTRYPOINT ["uvicorn"]\nCMD ["main:app", "--host", "::"]',
        'CMD ["sh", "-c", "exec uvicorn main:app --host :: --port ${PORT:-8000}"]',
        'CMD ["gunicorn", "-b", ":8000", "main:app"]',
        'CMD ["hypercorn", "main:app", "--bind", "[::]:8000"]',
        "ENV PORT=8000\nCMD uvicorn main:app --host :: --port $PORT",
        'CMD ["python", "serve.py"]',
    ],
)
def test_other_spellings_of_a_good_command_are_no_fault(command: str) -> None:
    text = f"FROM python:3.11-slim\nEXPOSE 8000\n{command}\n"
    assert said(dockerfile=dockerfile(text)) == ("ruled_out", [])


def test_the_last_stage_counts_with_what_it_begins_from() -> None:
    text = "FROM node:22 AS web\nEXPOSE 3000\nFROM python:3.11 AS base\nEXPOSE 8000\nFROM base\nCMD uvicorn main:app --host ::\n"
    image = read_image(dockerfile(text))
    assert image is not None
    assert (image.base, image.exposed, image.served) == ("python:3.11", (8000,), 8000)


def test_a_start_command_of_the_platform_takes_the_place_of_the_images_own() -> None:
    one = on_railway(service=service(start_command="uvicorn main:app --host :: --port 9000"))
    assert said(one) == ("confirmed", ["image.port_mismatch.served"])


def test_a_file_that_is_copied_and_not_there_explains_the_build_that_failed() -> None:
    copies = [{"line": 3, "source": "requirements.txt", "there": False}]
    failed = [
        deployment("bad", ago(hours=1), state="FAILED", platform="railway"),
        deployment("new", ago(days=2), state="SUCCESS"),
    ]
    conclusion = judged(on_railway(rows=failed, detail=detail("FAILED", ())), dockerfile=dockerfile(copies=copies))
    assert [cause.code for cause in conclusion.causes] == ["image.build_file.copy"]
    assert [finding.code for finding in conclusion.also] == ["deploy.build_failed"]


def test_a_folder_without_a_dockerfile_is_a_fault_and_a_path_that_is_none_is_not() -> None:
    assert said(dockerfile=unseen("gateway_image", "dockerfile", Status.not_found)) == (
        "confirmed",
        ["image.build_file.missing"],
    )
    conclusion = judged(dockerfile=unseen("gateway_image", "dockerfile", Status.not_configured))
    assert str(conclusion.status) == "could_not_tell"
    assert {each.call for each in conclusion.not_seen} == {"dockerfile"}
    assert said(dockerfile=unseen("gateway_image", "dockerfile", Status.malformed))[0] == "could_not_tell"


@pytest.mark.parametrize(
    ("held", "code"),
    [
        ({"built": False, "log": {"lines": 1, "errors": [{"at": None, "line": 1, "text": "exit code: 1"}], "last": []},
          "started": False}, "image.build_file.fails"),
        ({"exit_code": 3, "answers": None, "said": ["ModuleNotFoundError: main"]}, "image.build_file.exits"),
        ({"started": False, "answers": None, "said": ["port is already allocated"]}, "image.build_file.exits"),
        ({"answers": None}, "image.build_file.no_answer"),
        ({"answers": 503}, "image.build_file.no_answer"),
    ],
)  # fmt: skip
def test_what_docker_made_of_it_is_named(held: dict[str, Any], code: str) -> None:
    assert said(built=built(**held)) == ("confirmed", [code])


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"exits": exits(1, 3, 5)}, "machine.crash_loop"),
        ({"exits": exits(1, 3, 5, code=137)}, "machine.crash_loop"),
        ({"exits": exits(2, code=137, out_of_memory=True)}, "machine.out_of_memory"),
        ({"exits": exits(1, 3, 5, out_of_memory=True)}, "machine.out_of_memory"),
        ({"checks": [{"name": "http", "status": "critical", "output": "timeout", "changed_at": ago(hours=1)}]},
         "machine.check_failing"),
        ({"state": "stopped"}, "machine.stopped"),
        ({"state": "failed"}, "machine.stopped"),
        ({"state": "stopped", "autostop": "stop", "autostart": False}, "machine.stopped.no_autostart"),
        ({"host_status": "unreachable"}, "machine.host_unreachable"),
        ({"image": OLD_IMAGE}, "machine.image_mixed"),
        ({"primary_region": "fra"}, "region.missing"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_machine_is_named_and_nothing_else_is(changed: dict[str, Any], code: str) -> None:
    assert said(on_fly(machine(**changed))) == ("confirmed", [code])


@pytest.mark.parametrize(
    ("changed", "states"),
    [
        ({"exits": exits(1, 3)}, []),
        ({"exits": exits(60, 61, 62, 63)}, []),
        ({"exits": exits(1, 3, 5, requested=True)}, []),
        ({"exits": exits(1, 12, 24)}, []),
        ({"exits": exits(2, code=137)}, []),
        ({"exits": exits(90, out_of_memory=True)}, []),
        ({"checks": [{"name": "http", "status": "warning", "output": "", "changed_at": None}]}, []),
        ({"state": "stopped", "autostop": "stop"}, ["machine.asleep"]),
        ({"state": "suspended", "autostop": "suspend"}, ["machine.asleep"]),
        ({"ports": [8080]}, []),
    ],
)
def test_what_only_looks_like_trouble_with_a_machine_is_ruled_out(changed: dict[str, Any], states: list[str]) -> None:
    assert said(on_fly(machine(**changed))) == ("ruled_out", states)


def test_machines_rightly_differ_while_a_release_is_rolled_out() -> None:
    two = (machine("m1"), machine("m2", image=OLD_IMAGE))
    assert said(on_fly(*two)) == ("confirmed", ["machine.image_mixed"])
    rolling = [
        deployment("r3", ago(minutes=1), None, "running", platform="fly", image="x", ready_at=None),
        deployment("r2", ago(days=2), None, "complete", platform="fly", image=f"registry.fly.io/{NEW_IMAGE}"),
    ]
    assert said(on_fly(*two, rows=rolling)) == ("ruled_out", ["deploy.in_progress"])


def test_regions_that_were_named_count_and_a_sleeping_machine_serves_its_region() -> None:
    two = (machine("m1"), machine("m2", region="fra", state="stopped", autostop="stop"))
    assert said(on_fly(*two), regions=("iad", "fra")) == ("ruled_out", ["machine.asleep"])
    assert said(on_fly(*two), regions=("iad", "fra", "syd")) == ("confirmed", ["region.missing"])


def test_a_host_of_unknown_state_is_suspected() -> None:
    assert said(on_fly(machine(host_status="unknown"))) == ("could_not_tell", ["machine.host_unreachable"])


@pytest.mark.parametrize(
    ("held", "code"),
    [
        (detail("CRASHED", ("CRASHED",)), "machine.crash_loop"),
        (detail("SUCCESS", ("RESTARTING",)), "machine.crash_loop"),
        (detail("CRASHED", ("CRASHED",), diagnosis="The container ran out of memory"), "machine.out_of_memory"),
        (detail("CRASHED", ("CRASHED",), diagnosis="exited with code 137"), "machine.crash_loop"),
    ],
)
def test_railways_instances_tell_a_crash_and_its_diagnosis_alone_tells_memory(held: Observation, code: str) -> None:
    state = held.value["state"]
    rows = [
        deployment("new", ago(days=2), state=state, platform="railway"),
        deployment("old", ago(days=9), OLD, state="REMOVED"),
    ]
    assert said(on_railway(rows=rows, detail=held)) == ("confirmed", [code])
    assert (
        judged(on_railway(rows=rows, detail=held))
        .facts["plans"][0]["steps"][0]["request"]
        .startswith("POST https://backboard")
    )


def health_check_failed(**more: Any) -> Site:
    event = {
        "step": "HEALTHCHECK",
        "at": ago(hours=1),
        "ended_at": None,
        "error": "failed",
        "attempt": 5,
        "most_attempts": 5,
    }
    rows = [
        deployment("bad", ago(hours=1), state="FAILED", platform="railway"),
        deployment("new", ago(days=2), state="SUCCESS"),
    ]
    return on_railway(rows=rows, detail=detail("FAILED", (), id="bad", events=[event]), **more)


@pytest.mark.parametrize("port", [None, 3000, ""])
def test_a_health_check_that_goes_to_another_port_is_the_ports_fault(port: Any) -> None:
    conclusion = judged(health_check_failed(service=service(port=port)))
    assert [cause.code for cause in conclusion.causes] == ["image.port_mismatch.platform"]
    assert [finding.code for finding in conclusion.also] == ["deploy.health_failing.at_deploy"]


def test_a_health_check_that_fails_on_the_right_port_is_the_gateways_own() -> None:
    assert said(health_check_failed()) == ("confirmed", ["deploy.health_failing.at_deploy"])


def test_another_port_that_answers_well_is_no_fault() -> None:
    assert said(on_railway(service=service(port=3000))) == ("ruled_out", [])


def test_a_port_that_flys_proxy_cannot_reach_explains_the_check_and_the_502() -> None:
    critical = [{"name": "http", "status": "critical", "output": "refused", "changed_at": ago(hours=1)}]
    conclusion = judged(on_fly(machine(ports=[8080], checks=critical), probe=probe(502, "", None)))
    assert [cause.code for cause in conclusion.causes] == ["image.port_mismatch.platform"]
    assert {finding.code for finding in conclusion.also} == {"machine.check_failing", "deploy.health_failing.error"}


def test_the_keys_of_the_chain_are_needed_and_all_of_them_where_it_is_not_known() -> None:
    held = variables("gateway", without="TOGETHER_API_KEY", targets=None)
    assert said(on_railway(variables=held)) == ("could_not_tell", ["deploy.env_missing"]), "the chain is not known"
    without = look("gateway", "chain", {"chain": "openai/gpt-4o-mini"})
    assert said(on_railway(variables=held), chain=without) == ("ruled_out", [])
    chain = look("gateway", "chain", {"chain": "openai/gpt-4o-mini, together/llama"})
    conclusion = judged(on_railway(variables=held), chain=chain)
    assert [(cause.code, "TOGETHER_API_KEY" in cause.subject) for cause in conclusion.causes] == [
        ("deploy.env_missing", True)
    ]


def test_a_variable_in_the_open_of_fly_toml_counts_as_set() -> None:
    held = variables("gateway", without="SUPABASE_URL", targets=None)
    assert said(on_fly(variables=held)) == ("confirmed", ["deploy.env_missing"])
    assert said(on_fly(machine(env=["SUPABASE_URL"]), variables=held)) == ("ruled_out", [])


def test_a_variable_that_an_unread_half_may_hold_is_suspected_and_not_named() -> None:
    one = on_fly(variables=variables("gateway", without="SUPABASE_URL", targets=None))
    assert said(unanswered(one, "project", Status.denied))[0] == "could_not_tell"
    hidden = on_fly(
        machine(config_complete=False), variables=variables("gateway", without="SUPABASE_URL", targets=None)
    )
    assert said(hidden) == ("could_not_tell", ["deploy.env_missing"])


def test_more_failures_on_fly_are_counted_and_where_they_begin_is_left_open() -> None:
    failing = look("fly", "service_counts", {"total": [20, 12], "failed": [6, 3]})
    assert said(on_fly(after=(failing,))) == ("could_not_tell", ["deploy.error_rate_up"])
    assert said(on_fly(after=(look("fly", "service_counts", {"total": [2], "failed": [0]}),)))[0] == "could_not_tell"


def test_a_dockerfiles_fault_is_confirmed_though_the_platform_cannot_be_seen() -> None:
    blind = on_railway().seen(project=unseen("railway", "service"), deployments=unseen("railway", "deployments"))
    conclusion = judged(blind, dockerfile=dockerfile(DOCKERFILE.replace('"8000"', '"9000"')))
    assert [cause.code for cause in conclusion.causes] == ["image.port_mismatch.served"]
    assert "railway" in {each.source for each in conclusion.not_seen}


def test_what_is_wrong_with_a_machine_goes_on() -> None:
    assert judged(on_fly(machine(state="stopped", autostop="off"))).situation.ongoing is True
    assert judged().situation.ongoing is None


def test_a_machine_that_changed_is_no_variable() -> None:
    changes = judged(on_fly(machine(name="gateway-2d6f", updated_at=ago(minutes=5)))).situation.changes
    assert [change.what for change in changes] == ["gateway machine gateway-2d6f is started"]
