"""Every source function, one after the other, against a server that answers well, badly, slowly, or not at all."""

import copy
import inspect
import json
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stamina
from support.deployment_source_cases import DEPLOYMENT_CASES
from support.level_cases import LEVEL_CASES
from support.llm_source_cases import LLM_CASES
from support.loopback import Asked, Loopback, Reply
from support.quota_source_cases import QUOTA_CASES
from support.source_cases import CASES as OTHER_CASES
from support.source_cases import NOW, PAST, Case

from runbook_lib.core.clock import to_epoch_ns
from runbook_lib.core.model import Observation, Status
from runbook_lib.io.observe import Observer
from runbook_lib.settings import Settings
from runbook_lib.sources.fly import logs as fly
from runbook_lib.sources.fly import machines as fly_machines
from runbook_lib.sources.fly import metrics as fly_metrics
from runbook_lib.sources.fly import settings as fly_settings
from runbook_lib.sources.github import github
from runbook_lib.sources.metrics import alertmanager, prometheus
from runbook_lib.sources.postgres import usage as postgres_usage
from runbook_lib.sources.providers import anthropic, openai, status_pages, together
from runbook_lib.sources.railway import alerts as railway_alerts
from runbook_lib.sources.railway import deployments as railway_deployments
from runbook_lib.sources.railway import logs as railway
from runbook_lib.sources.railway import metrics as railway_metrics
from runbook_lib.sources.railway import settings as railway_settings
from runbook_lib.sources.stripe import delivery_counts as stripe_delivery_counts
from runbook_lib.sources.stripe import fleet as stripe_fleet
from runbook_lib.sources.stripe import records as stripe
from runbook_lib.sources.stripe import usage as stripe_usage
from runbook_lib.sources.stripe import webhooks as stripe_webhooks
from runbook_lib.sources.supabase import backups as supabase_backups
from runbook_lib.sources.supabase import customers as supabase_customers
from runbook_lib.sources.supabase import records as supabase
from runbook_lib.sources.this_machine import parts
from runbook_lib.sources.traces import (
    jaeger,
    jaeger_monitor,
    jaeger_orgs,
    raw_counts,
    tempo,
    tempo_deployments,
    tempo_metrics,
    tempo_orgs,
)
from runbook_lib.sources.vercel import alerts as vercel_alerts
from runbook_lib.sources.vercel import deployments as vercel_deployments
from runbook_lib.sources.vercel import logs as vercel

CASES = {**OTHER_CASES, **DEPLOYMENT_CASES, **LEVEL_CASES, **LLM_CASES, **QUOTA_CASES}
NAMES = list(CASES)
KEYED = [name for name in NAMES if not CASES[name].public]
STRICT = [name for name in NAMES if not CASES[name].probe and not CASES[name].refusals]

MakeLook = Callable[..., Observation]


def test_every_public_look_of_every_source_is_among_the_cases() -> None:
    modules = {
        "status": status_pages,
        "anthropic": anthropic,
        "fly": fly,
        "fly_machines": fly_machines,
        "fly_settings": fly_settings,
        "github": github,
        "jaeger": jaeger,
        "jaeger_orgs": jaeger_orgs,
        "openai": openai,
        "parts": parts,
        "postgres_usage": postgres_usage,
        "railway": railway,
        "railway_deployments": railway_deployments,
        "railway_settings": railway_settings,
        "raw_counts": raw_counts,
        "stripe": stripe,
        "stripe_fleet": stripe_fleet,
        "stripe_usage": stripe_usage,
        "stripe_webhooks": stripe_webhooks,
        "supabase": supabase,
        "supabase_backups": supabase_backups,
        "supabase_customers": supabase_customers,
        "tempo": tempo,
        "tempo_orgs": tempo_orgs,
        "tempo_deployments": tempo_deployments,
        "together": together,
        "vercel": vercel,
        "vercel_deployments": vercel_deployments,
        "alertmanager": alertmanager,
        "fly_metrics": fly_metrics,
        "jaeger_monitor": jaeger_monitor,
        "prometheus": prometheus,
        "railway_alerts": railway_alerts,
        "railway_metrics": railway_metrics,
        "stripe_delivery_counts": stripe_delivery_counts,
        "tempo_metrics": tempo_metrics,
        "vercel_alerts": vercel_alerts,
    }
    public = {
        f"{short}.{name}"
        for short, module in modules.items()
        for name, function in vars(module).items()
        if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_")
    }
    covered = {name for name in CASES if not name.startswith("status.")} | {"status.incidents"}
    assert covered == public


@pytest.mark.parametrize("name", NAMES)
def test_a_source_in_good_health_is_ok(name: str, loopback: Loopback, make_look: MakeLook) -> None:
    case = CASES[name]
    loopback.answer = lambda asked: Reply(200, body) if (body := case.body(asked)) is not None else Reply(404, "no")
    seen = make_look(case.look())
    assert seen.status == Status.ok, (seen.status, seen.why)
    assert seen.value


@pytest.mark.parametrize("name", KEYED)
def test_without_settings_it_is_not_configured_and_says_what_to_set(name: str) -> None:
    seen = Observer(active=True, now=NOW, settings=Settings.empty()).together(CASES[name].look())[0]
    assert seen.status == Status.not_configured
    assert any(word in seen.help for word in ("RUNBOOK_", "SUPABASE_", "_API_KEY"))


@pytest.mark.parametrize("status_code", [401, 403])
@pytest.mark.parametrize("name", [n for n in NAMES if not n.startswith("parts.") and not CASES[n].refusals])
def test_a_refused_key_is_denied_and_the_help_names_the_permission(
    name: str, status_code: int, loopback: Loopback, make_look: MakeLook
) -> None:
    loopback.answer = lambda _: Reply(status_code, {"error": {"message": "you may not", "code": "forbidden"}})
    seen = make_look(CASES[name].look())
    assert seen.status == Status.denied, seen.why
    assert f"HTTP {status_code}" in seen.why
    assert CASES[name].public or "_KEY" in seen.help or "_TOKEN" in seen.help


@pytest.mark.parametrize("name", [n for n in NAMES if not n.startswith("parts.") and not CASES[n].refusals])
def test_too_many_requests_is_rate_limited(name: str, loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = lambda _: Reply(429, {"message": "slow down"}, {"Retry-After": "600"})
    assert make_look(CASES[name].look()).status == Status.rate_limited
    assert len(loopback.asked) <= 2, "a wait that does not fit into the deadline is not waited for"


@pytest.mark.parametrize("name", NAMES)
def test_where_nothing_listens_it_is_unreachable(
    name: str, closed_port: str, settings_at: Callable[..., Settings]
) -> None:
    with stamina.set_testing(True, attempts=2):  # as in earnest, without the pauses
        seen = Observer(active=True, now=NOW, settings=settings_at(closed_port)).together(CASES[name].look())[0]
    assert seen.status == Status.unreachable, seen.why


@pytest.mark.parametrize("how", ["silent", "drip"])
@pytest.mark.parametrize("name", NAMES)
def test_a_server_that_never_ends_its_answer_is_timed_out(
    name: str, how: str, loopback: Loopback, make_look: MakeLook
) -> None:
    loopback.answer = lambda _: Reply(200, "{", how=how)
    assert make_look(CASES[name].look(), deadline_s=0.08).status == Status.timed_out


@pytest.mark.parametrize("how", ["half", "plain"])
@pytest.mark.parametrize("name", [n for n in NAMES if not n.startswith("parts.")])
def test_half_a_body_is_malformed(name: str, how: str, loopback: Loopback, make_look: MakeLook) -> None:
    def answer(asked: Asked) -> Reply:
        body = json.dumps(CASES[name].body(asked) or {"a": 1}).encode()
        return Reply(200, body if how == "half" else body[: len(body) // 2], how=how)

    loopback.answer = answer
    assert make_look(CASES[name].look()).status == Status.malformed


@pytest.mark.parametrize("name", [n for n in NAMES if not n.startswith("parts.")])
def test_a_web_page_in_place_of_json_is_malformed_and_its_first_bytes_are_shown(
    name: str, loopback: Loopback, make_look: MakeLook
) -> None:
    loopback.answer = lambda _: Reply(200, "<!doctype html><title>Sign in</title>")
    seen = make_look(CASES[name].look())
    assert seen.status == Status.malformed
    assert "<!doctype html>" in seen.why


@pytest.mark.parametrize("name", [n for n in NAMES if not CASES[n].loose])
def test_json_of_another_type_is_malformed(name: str, loopback: Loopback, make_look: MakeLook) -> None:
    for body in ("5", '"text"', "true", "[[]]", '[{"a": 1}]'):
        loopback.answer = lambda _, body=body: Reply(200, body)
        seen = make_look(CASES[name].look())
        assert seen.status == Status.malformed, (body, seen.status, seen.value)


@pytest.mark.parametrize("name", STRICT)
def test_not_found_everywhere_is_what_it_means_there(name: str, loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = lambda _: Reply(404, "page not found")
    seen = make_look(CASES[name].look())
    assert seen.status == CASES[name].absent, (seen.status, seen.why)


def _pointers(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    steps = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in steps:
        yield from _pointers(value, (*at, key))


_TEXT, _NUMBER = (str, type(None)), (int, float, type(None))
_SHAPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(
        ("at", "message", "level", "trace_id", "request_id", "method", "path", "host", "deployment_id", "error"), _TEXT
    ),
    **dict.fromkeys(
        ("commit", "branch", "url", "updated_at", "created_at", "ready_at", "state", "name", "region", "what"), _TEXT
    ),
    **dict.fromkeys(
        ("status_code", "duration_ms", "start_ns", "end_ns", "at_ns", "span_count", "error_count", "ms"), _NUMBER
    ),
    **dict.fromkeys(("tokens", "requests", "records", "resource"), (int, float, type(None), dict)),
    **dict.fromkeys(("trace", "id", "parent", "kind", "scope", "period_end"), _TEXT),
    **dict.fromkeys(("logs", "spans", "resources", "events", "incidents", "checks", "items"), (list, int)),
    "attributes": (dict,),
}


def _is_in_shape(value: Any) -> bool:
    """Whether everything under a known name is of the type that readers rely on."""
    if isinstance(value, list):
        return all(map(_is_in_shape, value))
    if not isinstance(value, dict):
        return True
    return all(
        isinstance(held, _SHAPES.get(key, (object,))) and (key == "attributes" or _is_in_shape(held))
        for key, held in value.items()
    )


def _with(document: Any, at: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    holder = changed
    for key in at[:-1]:
        holder = holder[key]
    if value is ...:
        del holder[at[-1]]
    else:
        holder[at[-1]] = value
    return changed


@pytest.mark.slow  # all of them together: 7,500 looks
@pytest.mark.parametrize("name", NAMES)
def test_no_wrong_type_anywhere_in_an_answer_becomes_a_traceback(
    name: str, loopback: Loopback, make_look: MakeLook
) -> None:
    """A value of every answer is replaced by one of another type, or left out: the look has a status all the same."""
    case, seeded = CASES[name], random.Random(name)
    mutants = [
        (pattern, at, value)
        for pattern, body in case.answers.items()
        for at in _pointers(body)
        for value in (..., None, 5, -1e300, "x", "", True, [], {}, [5], {"a": []})
    ]
    for pattern, at, value in seeded.sample(
        mutants, min(int(os.environ.get("RUNBOOK_TEST_MUTANTS", "60")), len(mutants))
    ):
        spoilt = {**case.answers, pattern: _with(case.answers[pattern], at, value)}
        one = Case(case.look, spoilt)
        loopback.answer = lambda asked, one=one: (
            Reply(200, body) if (body := one.body(asked)) is not None else Reply(404, "no")
        )
        seen = make_look(case.look(), deadline_s=1.0)  # a look that watches until something is so watches no longer
        assert _is_in_shape(seen.value), (pattern, at, value, seen.value)


def test_a_key_never_travels_in_an_address(loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = lambda _: Reply(404, "no")
    for case in CASES.values():
        make_look(case.look())
    assert len(loopback.asked) >= len(CASES)
    assert not [
        asked for asked in loopback.asked if "for_tests" in repr(asked.query) or "ForTests" in repr(asked.query)
    ]


def test_nanoseconds_of_the_window_are_what_fly_is_asked_for(loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = lambda _: Reply(200, {"data": [], "meta": {}})
    assert make_look(fly.logs(PAST)).status == Status.empty
    assert loopback.asked[0].query["next_token"] == [str(to_epoch_ns(PAST.since))]
