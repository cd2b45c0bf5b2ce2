"""Prometheus, Alertmanager and those who are told: in the vendors' shapes, and a test alert that really travels."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from runbook_lib.io.observe import Observer
from runbook_lib.sandbox.facades.alertmanager import app as alertmanager
from runbook_lib.sandbox.facades.alertmanager.state import AlertmanagerState, new_silence, usual_config
from runbook_lib.sandbox.facades.prometheus import app as prometheus
from runbook_lib.sandbox.facades.prometheus.state import PrometheusState, usual_rules
from runbook_lib.sandbox.facades.vendors import receivers
from runbook_lib.sandbox.facades.vendors.receivers import ReceiversState
from runbook_lib.sandbox.store.model import STATUS_ERROR, Resource, Scope, Span, Trace
from runbook_lib.sandbox.store.spans import Store, create_store
from runbook_lib.sandbox.world import World, make_world
from runbook_lib.settings import Settings
from runbook_lib.sources.metrics import alertmanager as alertmanager_source
from runbook_lib.sources.metrics import prometheus as prometheus_source

SPECS = Path(__file__).parent.parent / "specs"
SWAGGER = json.loads((SPECS / "alerts/alertmanager-api-v2.swagger.json").read_text())
LABELS = {"alertname": "ApiErrorBudgetBurn", "severity": "page", "service": "api"}


def fits(definition: str, body: Any) -> None:
    """Whether a body is what Alertmanager's own specification promises."""
    schema = {"definitions": SWAGGER["definitions"], "$ref": f"#/definitions/{definition}"}
    errors = [f"{list(error.path)}: {error.message}" for error in Draft202012Validator(schema).iter_errors(body)]
    assert not errors, errors[:3]


def fits_file(name: str, body: Any, *inside: str) -> None:
    """Whether a body fits a schema in a file, or inside of one."""
    schema = json.loads((SPECS / name).read_text())
    for key in inside:
        schema = schema[key]
    assert not [error.message for error in Draft202012Validator(schema).iter_errors(body)]


@pytest.fixture
def world() -> World:
    made = make_world(7)
    made.state(PrometheusState).rules = usual_rules("one")
    return made


@pytest.fixture
def store(world: World) -> Store:
    return create_store(now=world.now, retention_s=40 * 86_400)


@pytest.fixture
def urls(world: World, store: Store, served: Callable[[Any], str]) -> dict[str, str]:
    """Where the three answer, for real."""
    found = {"receivers": served(receivers.create_app(world))}
    world.endpoints.update(found)
    world.state(AlertmanagerState).config = usual_config(found["receivers"])
    found["alertmanager"] = served(alertmanager.create_app(world, store))
    found["prometheus"] = served(prometheus.create_app(world, store))
    world.endpoints.update(found)
    return found


def requests_of(store: Store, hours_ago: float, hours: float, per_min: int, failed: float) -> None:
    """API requests of the past, one row a minute for each outcome."""
    now = datetime.now(UTC)
    resource = Resource({"service.name": "nexuscore"})
    for minute in range(int(hours * 60)):
        start_ns = int((now - timedelta(hours=hours_ago, minutes=-minute)).timestamp()) * 10**9
        for count, status in ((round(per_min * (1 - failed)), 0), (round(per_min * failed), STATUS_ERROR)):
            if count:
                identity = (minute * 2 + status).to_bytes(16, "big")
                span = Span(
                    identity,
                    identity[:8],
                    b"",
                    "POST /api/chat",
                    2,
                    start_ns,
                    start_ns + 10**8,
                    {},
                    resource,
                    Scope(),
                    status_code=status,
                    count=count,
                )
                store.condensed.append(Trace(identity, (span,)))
    store.condensed.sort(key=lambda trace: trace.start_ns)


def test_alertmanagers_answers_are_what_its_specification_promises(world: World, urls: dict[str, str]) -> None:
    now = world.now()
    world.state(AlertmanagerState).silences.append(
        new_silence([{"name": "a", "value": "b"}], now, now + timedelta(hours=1), "me", "why", now)
    )
    with httpx.Client(base_url=f"{urls['alertmanager']}/api/v2", trust_env=False) as client:
        assert client.post("/alerts", json=[{"labels": LABELS}]).status_code == 200
        fits("alertmanagerStatus", client.get("/status").json())
        fits("gettableAlerts", client.get("/alerts").json())
        fits("gettableSilences", client.get("/silences").json())
        for each in client.get("/receivers").json():
            fits("receiver", each)
        assert len(client.get("/alerts", params={"filter": 'alertname="ApiErrorBudgetBurn"'}).json()) == 1
        assert client.get("/alerts", params={"filter": 'alertname="Other"'}).json() == []
        assert client.get("/alerts", params={"filter": "alertname"}).status_code == 400
        assert client.post("/alerts", json=[{"labels": {}}]).status_code == 400


def test_secrets_of_the_configuration_are_masked(world: World, urls: dict[str, str]) -> None:
    config = world.state(AlertmanagerState).config
    shown = httpx.get(f"{urls['alertmanager']}/api/v2/status", trust_env=False).json()["config"]["original"]
    assert "<secret>" in shown
    for secret in (
        config["receivers"][0]["pagerduty_configs"][0]["routing_key"],
        config["receivers"][1]["slack_configs"][0]["api_url"],
    ):
        assert secret not in shown


def look_at(urls: dict[str, str], look: Any) -> Any:
    """What a source brings."""
    variables = {"RUNBOOK_PROMETHEUS_URL": urls["prometheus"], "RUNBOOK_ALERTMANAGER_URL": urls["alertmanager"]}
    return Observer(active=True, now=datetime.now(UTC), settings=Settings.from_mapping(variables)).together(look)[0]


@pytest.mark.parametrize(("severity", "kinds"), [("page", ["pagerduty"]), ("ticket", ["slack", "webhook"])])
def test_a_test_alert_travels_to_each_receiver_in_its_own_words(
    severity: str, kinds: list[str], world: World, urls: dict[str, str]
) -> None:
    seen = look_at(urls, alertmanager_source.test_alert({**LABELS, "severity": severity}, "42"))
    assert seen.value["taken"] == dict.fromkeys(kinds, 1.0)
    assert seen.value["refused"] == {}
    received = world.state(ReceiversState).received
    assert sorted(kind for kind, _ in received) == kinds
    for kind, body in received:
        assert "TEST by the runbook, no action needed" in json.dumps(body)
        if kind == "webhook":
            fits_file("alerts/alertmanager-webhook.schema.json", body)
        elif kind == "slack":
            fits_file("alerts/slack-incoming-webhook.schema.json", body)
        else:
            fits_file(
                "alerts/pagerduty-events-v2.handwritten.openapi.json",
                body,
                "paths",
                "/enqueue",
                "post",
                "requestBody",
                "content",
                "application/json",
                "schema",
            )
    left = httpx.get(f"{urls['alertmanager']}/api/v2/alerts", trust_env=False).json()
    assert left == [], "the test is resolved, and nothing of it is left firing"


def test_a_receiver_that_refuses_is_seen_to(world: World, urls: dict[str, str]) -> None:
    world.state(AlertmanagerState).config["receivers"][0]["pagerduty_configs"][0]["routing_key"] = "short"
    seen = look_at(urls, alertmanager_source.test_alert(LABELS, "42"))
    assert (seen.value["taken"], seen.value["refused"]) == ({"pagerduty": 0.0}, {"pagerduty": 1.0})
    assert world.state(ReceiversState).received == []


def test_a_silenced_alert_is_not_sent(world: World, urls: dict[str, str]) -> None:
    now = world.now()
    world.state(AlertmanagerState).silences.append(
        new_silence(
            [{"name": "severity", "value": "pa.e", "isRegex": True}], now, now + timedelta(hours=1), "me", "why", now
        )
    )
    seen = look_at(urls, alertmanager_source.test_alert(LABELS, "42"))
    assert seen.value["state"] == "suppressed"
    assert len(seen.value["silenced_by"]) == 1
    assert world.state(ReceiversState).received == []


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/services/T/B/x", "{", 400, "invalid_payload"),
        ("/services/T/B/x", "{}", 400, "no_text"),
        ("/services/T/B/x", '{"text":"hi"}', 200, "ok"),
        ("/v2/enqueue", '{"routing_key":"x","event_action":"trigger"}', 400, "invalid event"),
        (
            "/v2/enqueue",
            json.dumps(
                {
                    "routing_key": "a" * 32,
                    "event_action": "trigger",
                    "payload": {"summary": "s", "source": "t", "severity": "fatal"},
                }
            ),
            400,
            "severity",
        ),
        ("/webhook/team", "[]", 400, "bad request"),
    ],
)
def test_receivers_answer_as_the_vendors_do(
    path: str, body: str, status: int, words: str, urls: dict[str, str]
) -> None:
    answer = httpx.post(f"{urls['receivers']}{path}", content=body, trust_env=False)
    assert (answer.status_code, words in answer.text) == (status, True)


def test_the_rules_fire_when_the_budget_burns_and_not_before(store: Store, urls: dict[str, str]) -> None:
    requests_of(store, 30, 30, 10, 0.0)
    requests_of(store, 12, 1, 10, 0.6)
    now = datetime.now(UTC)
    params = {
        "query": 'ALERTS{alertstate="firing"}',
        "start": now.timestamp() - 30 * 3600,
        "end": now.timestamp(),
        "step": 300,
    }
    answer = httpx.get(f"{urls['prometheus']}/api/v1/query_range", params=params, trust_env=False).json()
    firing = {
        (each["metric"]["alertname"], each["metric"]["severity"]): each["values"] for each in answer["data"]["result"]
    }
    assert set(firing) == {("ApiErrorBudgetBurn", "page"), ("ApiErrorBudgetBurn", "ticket")}
    first = firing[("ApiErrorBudgetBurn", "page")][0][0]
    assert -60 <= first - (now.timestamp() - 12 * 3600) <= 900


def test_an_alert_that_fires_is_held_by_alertmanager_with_its_receivers(store: Store, urls: dict[str, str]) -> None:
    requests_of(store, 1.5, 1.5, 10, 0.6)
    (page,) = [
        each
        for each in httpx.get(f"{urls['alertmanager']}/api/v2/alerts", trust_env=False).json()
        if each["labels"]["severity"] == "page"
    ]
    assert (page["labels"]["alertname"], page["receivers"]) == ("ApiErrorBudgetBurn", [{"name": "oncall"}])


def test_a_broken_rule_is_in_error_and_the_others_go_on(world: World, store: Store, urls: dict[str, str]) -> None:
    requests_of(store, 1.5, 1.5, 10, 0.6)
    rules = world.state(PrometheusState).rules
    calls = "traces_spanmetrics_calls_total"
    rules[2] = {**rules[2], "expr": f"{calls} / on (service) {calls}"}
    seen = look_at(urls, prometheus_source.alert_rules())
    health = {(rule["name"], rule["severity"]): rule["health"] for rule in seen.value["rules"]}
    assert [key for key, value in health.items() if value == "err"] == [("GatewayErrorBudgetBurn", "page")]
    assert any(rule["state"] == "firing" for rule in seen.value["rules"])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sum(increase(traces_spanmetrics_calls_total[2h]))", "600"),
        ('sum(increase(traces_spanmetrics_calls_total{status_code="STATUS_CODE_ERROR"}[2h]))', "300"),
        ("sum(rate(traces_spanmetrics_calls_total[1h])) > 1", None),
        ("sum(rate(traces_spanmetrics_calls_total[2h])) > 0.05 and sum(up) > 1", None),
        ("sum(rate(nothing[1h])) or sum(increase(traces_spanmetrics_calls_total[2h])) > 7", "600"),
        ("sum(increase(traces_spanmetrics_calls_total[2h])) unless sum(nothing)", "600"),
        ("7 < sum(increase(traces_spanmetrics_calls_total[2h])) / 2 * 3", "900"),
    ],
)
def test_promql_counts_compares_and_combines(
    query: str, expected: str | None, store: Store, urls: dict[str, str]
) -> None:
    requests_of(store, 1, 1, 10, 0.5)
    answer = httpx.get(f"{urls['prometheus']}/api/v1/query", params={"query": query}, trust_env=False).json()
    assert [each["value"][1] for each in answer["data"]["result"]] == ([] if expected is None else [expected])


def test_prometheus_tells_its_retention_and_whom_it_tells(world: World, urls: dict[str, str]) -> None:
    world.state(PrometheusState).keeps = "3d12h"
    seen = look_at(urls, prometheus_source.alerts_fired(_week()))
    assert abs(seen.value["kept_since_s"] - (datetime.now(UTC).timestamp() - 84 * 3600)) < 60
    world.state(PrometheusState).has_alertmanager = False
    assert look_at(urls, prometheus_source.alert_rules()).value["alertmanagers"] == 0


def _week() -> Any:
    from runbook_lib.core.clock import Window

    now = datetime.now(UTC)
    return Window(now - timedelta(days=7), now)
