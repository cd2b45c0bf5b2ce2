"""Fly's façade: machines, releases, logs and Prometheus in Fly's shapes, from what its proxy and the gateway saw."""

import json
from datetime import timedelta

import httpx
import pytest

from runbook_lib.sandbox.facades.fly.app import create_app
from runbook_lib.sandbox.facades.fly.state import Event, FlyState, Machine, machines, main_machine
from runbook_lib.sandbox.world import LogLine

SPEC = "fly/machines-openapi-subset.json"
MORE = "fly/api-fly-io-supplement.json"


@pytest.fixture
def client(world, in_process) -> httpx.Client:
    return in_process(create_app(world), headers={"authorization": f"Bearer {world.keys.fly_token}"})


@pytest.fixture
def prometheus(world, in_process):
    """`prometheus(query, **more)`: the answer to a range query; without more, of this moment alone."""
    client = in_process(create_app(world), headers={"authorization": world.keys.fly_token})

    def ask(query, **more):
        now = world.now().timestamp()
        asked = {"query": query, "start": now, "end": now, "step": "60s", **more}
        return client.get(f"/prometheus/{world.ids.fly_org}/api/v1/query_range", params=asked)

    return ask


@pytest.fixture
def app(world) -> str:
    return f"/v1/apps/{world.ids.fly_gateway_app}"


def test_answers_are_what_the_vendor_promises(client, world, app, promised):
    machine = main_machine(world).id
    one = f"{app}/machines/{machine}"
    for template, path in (
        ("/apps/{app_name}", app),
        ("/apps/{app_name}/secrets", f"{app}/secrets"),
        ("/apps/{app_name}/machines", f"{app}/machines"),
        ("/apps/{app_name}/machines/{machine_id}/events", f"{one}/events"),
    ):
        promised(SPEC, "GET", template, client.get(path))
    stem = f"/api/v1/apps/{world.ids.fly_gateway_app}"
    promised(MORE, "GET", "/api/v1/apps/{app_name}/releases", client.get(f"{stem}/releases"))
    promised(MORE, "GET", "/api/v1/apps/{app_name}/logs", client.get(f"{stem}/logs"))


def test_a_machine_runs_the_image_of_the_newest_release(client, world, app):
    (machine,) = client.get(f"{app}/machines").json()
    newest = client.get(f"/api/v1{app.removeprefix('/v1')}/releases").json()["releases"][0]
    assert machine["config"]["image"] == newest["image_ref"]
    assert machine["config"]["metadata"]["fly_release_version"] == str(newest["version"]) == "2"
    assert newest["stable"] is True


def test_a_machine_whose_host_is_unreachable_has_no_config(client, world, app):
    main_machine(world).host_status = "unreachable"
    (machine,) = client.get(f"{app}/machines").json()
    assert machine["host_status"] == "unreachable"
    assert "config" not in machine
    assert machine["incomplete_config"]["image"]


def test_machines_are_filtered_by_region_and_state(client, world, app):
    machines(world).append(
        Machine("0" * 14, region="ams", state="stopped", events=[Event("stop", "stopped", world.now())])
    )
    machines(world).append(Machine("1" * 14, state="destroyed"))
    assert len(client.get(f"{app}/machines").json()) == 2
    assert [m["id"] for m in client.get(f"{app}/machines?region=ams").json()] == ["0" * 14]
    assert [m["id"] for m in client.get(f"{app}/machines?state=started").json()] == [main_machine(world).id]
    assert len(client.get(f"{app}/machines?include_deleted=true").json()) == 3


def test_an_exit_tells_whether_memory_ran_out(client, world, app):
    machine = main_machine(world)
    machine.events.append(Event("exit", "stopped", world.now(), exit_code=137, oom_killed=True))
    newest = client.get(f"{app}/machines/{machine.id}/events").json()[0]
    assert (newest["type"], newest["request"]["exit_event"]["oom_killed"]) == ("exit", True)


def test_the_health_check_is_really_sent_and_its_time_moves_only_with_its_status(client, world, app):
    world.state(FlyState).check_url = lambda: "http://127.0.0.1:9/"
    before = main_machine(world).checks[0].updated_at
    (check,) = client.get(f"{app}/machines").json()[0]["checks"]
    assert (check["name"], check["status"]) == ("servicecheck-00-http-8000", "critical")
    changed = main_machine(world).checks[0].updated_at
    client.get(f"{app}/machines")
    assert before < changed == main_machine(world).checks[0].updated_at


def test_log_lines_come_back_as_the_app_wrote_them(client, world):
    path = f"/api/v1/apps/{world.ids.fly_gateway_app}/logs"
    lines = client.get(path).json()["data"]
    last = lines[-1]["attributes"]
    assert (last["level"], last["meta"]["event"]["provider"]) == ("error", "app")
    assert json.loads(last["message"])["trace_id"] == f"{9:032x}"
    assert [row["attributes"]["timestamp"] for row in lines] == sorted(row["attributes"]["timestamp"] for row in lines)


def test_proxy_lines_carry_the_request(client, world):
    attributes = {"provider": "proxy", "http_status": 502}
    line = LogLine(
        "fly", "gateway", world.now(), "error", "[PC01] refused", "fly-gateway-9", None, attributes, "", "m1"
    )
    world.logs.append(line)
    meta = client.get(f"/api/v1/apps/{world.ids.fly_gateway_app}/logs").json()["data"][-1]["attributes"]["meta"]
    assert (meta["http"]["request"]["id"], meta["http"]["response"]["status_code"]) == ("fly-gateway-9", 502)
    assert meta["url"]["full"].endswith("/api/chat")


def test_logs_are_read_on_from_the_token_without_losing_or_repeating_a_line(client, world):
    world.state(FlyState).page_lines = 4
    path = f"/api/v1/apps/{world.ids.fly_gateway_app}/logs"
    token, seen = "1", []
    while page := (body := client.get(path, params={"next_token": token}).json())["data"]:
        seen += [row["id"] for row in page]
        token = body["meta"]["next_token"]
    assert len(seen) == len(set(seen)) == 10
    assert len(client.get(path).json()["data"]) == 4
    assert client.get(path, params={"next_token": "abc"}).status_code == 400


def test_logs_keep_a_week_and_show_a_day(client, world):
    world.logs.append(LogLine("fly", "gateway", world.now() - timedelta(days=8), "info", "forgotten"))
    world.logs.append(LogLine("fly", "gateway", world.now() - timedelta(days=2), "info", "two days old"))
    path = f"/api/v1/apps/{world.ids.fly_gateway_app}/logs"
    assert "two days old" not in client.get(path).text
    everything = client.get(path, params={"next_token": "1"}).text
    assert "two days old" in everything
    assert "forgotten" not in everything


def test_secrets_show_names_and_digests_only_and_plain_variables_stand_in_the_machines_env(client, app):
    rows = client.get(f"{app}/secrets").json()["secrets"]
    assert {row["name"] for row in rows} == {"OPENAI_API_KEY", "STRIPE_SECRET_KEY"}
    assert "value-of" not in json.dumps(rows)
    env = client.get(f"{app}/machines").json()[0]["config"]["env"]
    assert "LOG_LEVEL" in env
    assert "OPENAI_API_KEY" not in env


def value(answer: httpx.Response) -> float:
    (sample,) = answer.json()["data"]["result"]
    return float(sample["values"][-1][1])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sum(fly_edge_http_responses_count)", 10),
        ('sum(increase(fly_edge_http_responses_count{status=~"5.."}[1h]))', 1),
        ('sum(increase(fly_edge_http_responses_count{status!="200"}[1h]))', 1),
        ('sum(increase(fly_edge_http_responses_count{app="other"}[1h]) or vector(0))', None),
        ("sum(rate(fly_edge_http_responses_count[1h])) * 3600", 10),
        (
            'sum(increase(fly_edge_http_responses_count{status=~"5.."}[1h])) / sum(increase(fly_edge_http_responses_count[1h]))',
            0.1,
        ),
        ("sum(increase(fly_app_http_response_time_seconds_bucket{le='0.05'}[1h]))", None),
        ('sum(increase(fly_app_http_response_time_seconds_bucket{le="0.05"}[1h]))', 10),
        ("histogram_quantile(0.5, sum by (le) (rate(fly_app_http_response_time_seconds_bucket[1h])))", 0.0375),
    ],
)
def test_prometheus_counts_what_the_proxy_saw(prometheus, query, expected):
    answer = prometheus(query)
    if expected is None:
        assert (answer.status_code, answer.json()["errorType"]) == (400, "bad_data")
    else:
        assert value(answer) == pytest.approx(expected)


def test_prometheus_groups_by_label_and_ranges_over_steps(prometheus, world):
    groups = prometheus("sum by (status) (increase(fly_edge_http_responses_count[1h]))").json()["data"]["result"]
    assert {row["metric"]["status"]: float(row["values"][-1][1]) for row in groups} == {"200": 9, "502": 1}
    now = world.now().timestamp()
    (series,) = prometheus(
        "sum(increase(fly_edge_http_responses_count[5m]))", start=now - 600, end=now, step="5m"
    ).json()["data"]["result"]
    assert [round(float(v)) for _, v in series["values"]] == [1, 5, 4]


def test_prometheus_answers_nothing_for_a_metric_it_does_not_have(prometheus):
    assert prometheus("sum(rate(nothing_at_all[5m]))").json()["data"]["result"] == []


@pytest.mark.parametrize(
    "query", ["", "sum(", "rate(x)", "x[5m]", "x{a=b}", "histogram_quantile(x)", 'x{a=~"("}', "x y", "rate(x[5])"]
)
def test_prometheus_refuses_what_it_cannot_read(prometheus, query):
    answer = prometheus(query)
    assert (answer.status_code, answer.json()["status"]) == (400, "error")


def test_tokens_are_checked_and_every_answer_has_a_request_id(world, in_process, app):
    client = in_process(create_app(world))
    bare = world.keys.fly_token.removeprefix("FlyV1 ")
    for header, status in (
        (f"Bearer {world.keys.fly_token}", 200),
        (world.keys.fly_token, 200),
        (f"Bearer {bare}", 200),
        ("Bearer fm2_wrong", 401),
    ):
        answer = client.get(app, headers={"authorization": header})
        assert (answer.status_code, bool(answer.headers["fly-request-id"])) == (status, True)
    assert client.get(app).json()["error"] == "missing authorization header"


def test_prometheus_wants_the_scheme_of_its_token(world, in_process):
    path = f"/prometheus/{world.ids.fly_org}/api/v1/query_range?query=sum(up)&start=0&end=60&step=60s"
    client = in_process(create_app(world))
    assert client.get(path, headers={"authorization": f"Bearer {world.keys.fly_token}"}).status_code == 401
    assert client.get(path, headers={"authorization": world.keys.fly_token}).status_code == 200


def test_refusals_have_the_vendors_shape(client, world, app, shaped):
    world.state(FlyState).calls_left = 3
    answers = [client.get(path) for path in (f"{app}/machines/none/events", "/v1/apps/other", "/v1/nothing", app, app)]
    assert [answer.status_code for answer in answers] == [404, 404, 404, 200, 429]
    for answer in (answers[0], answers[1], answers[4]):
        shaped(SPEC, "ErrorResponse", answer.json())
