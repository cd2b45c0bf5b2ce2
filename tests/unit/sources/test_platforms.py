"""Railway and Fly: refusals in HTTP 200, ids as data, which deployments served, lines that were dropped."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.loopback import Asked, Loopback, Reply
from support.source_cases import RAILWAY_DEPLOYMENT, RAILWAY_LINE, RAILWAY_REQUEST

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.sources.fly import logs as fly
from runbook_lib.sources.railway import logs as railway

NOW = datetime.now(UTC)
WINDOW = Window(NOW - timedelta(hours=2), NOW - timedelta(hours=1))
MakeLook = Callable[..., Observation]


def _asked(request: Asked) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(request.body)
    return document


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("Not Authorized", Status.denied),
        ("Project Token not found", Status.denied),
        ("not authorized to do that", Status.denied),
        ("You have been rate limited", Status.rate_limited),
        ("Deployment not found", Status.not_found),
        ("Problem processing request", Status.malformed),
    ],
)
@pytest.mark.parametrize("code", [200, 400])
def test_railways_refusals_come_in_errors_and_mean_what_they_say(
    words: str, status: Status, code: int, loopback: Loopback, make_look: MakeLook
) -> None:
    loopback.answer = lambda _: Reply(code, {"errors": [{"message": words}], "data": None})
    seen = make_look(railway.deployments("gateway"))
    assert seen.status == status
    assert words in seen.why
    assert "RUNBOOK_RAILWAY" in seen.help


def test_the_token_tells_project_and_environment_where_they_are_not_set(
    loopback: Loopback, make_look: MakeLook
) -> None:
    def answer(asked: Asked) -> Reply:
        if "projectToken" in _asked(asked)["query"]:
            return Reply(200, {"data": {"projectToken": {"name": "t", "projectId": "P", "environmentId": "E"}}})
        return Reply(200, {"data": {"environmentLogs": []}})

    loopback.answer = answer
    seen = make_look(railway.logs("gateway", WINDOW), RUNBOOK_RAILWAY_PROJECT_ID="", RUNBOOK_RAILWAY_ENVIRONMENT_ID="")
    assert seen.status == Status.empty
    assert _asked(loopback.asked[-1])["variables"]["environmentId"] == "E"


def test_an_account_token_needs_project_and_environment(make_look: MakeLook) -> None:
    look = railway.logs("gateway", WINDOW)
    seen = make_look(
        look, RUNBOOK_RAILWAY_PROJECT_TOKEN="", RUNBOOK_RAILWAY_TOKEN="account-0001", RUNBOOK_RAILWAY_PROJECT_ID=""
    )
    assert (seen.status, "RUNBOOK_RAILWAY_PROJECT_ID" in seen.help) == (Status.not_configured, True)


@pytest.mark.parametrize(
    "text", ['a" OR @level:error OR "b', "a) OR (b", "@service:other", "-x", "$(id)", "a\nb", "{}"]
)
def test_an_id_stays_data_in_railways_filter(text: str, loopback: Loopback, make_look: MakeLook) -> None:
    """Quotes cannot be written in the language: they are left out, and what comes back is compared with the whole text."""
    loopback.answer = lambda _: Reply(200, {"data": {"environmentLogs": [RAILWAY_LINE]}})
    seen = make_look(railway.logs("gateway", WINDOW, trace_id=text))
    assert seen.status == Status.empty
    for asked in loopback.asked:
        filter_text = _asked(asked)["variables"]["filter"]
        assert filter_text.startswith("@service:svc-gateway AND ")
        value = filter_text.removeprefix("@service:svc-gateway AND ").removeprefix("@trace_id:")
        assert value[0] == value[-1] == '"'
        assert '"' not in value[1:-1]


def test_a_line_is_of_a_request_by_its_trace_or_its_own_id_and_comes_once(
    loopback: Loopback, make_look: MakeLook
) -> None:
    other = {**RAILWAY_LINE, "message": "unrelated", "attributes": []}
    loopback.answer = lambda _: Reply(200, {"data": {"environmentLogs": [other, RAILWAY_LINE]}})
    seen = make_look(railway.logs("gateway", WINDOW, trace_id="4bf92f3577b34da6a3ce929d0e0e4736", request_id="rw-1"))
    assert [line["message"] for line in seen.value] == ["provider failed"]
    assert (seen.value[0]["trace_id"], seen.value[0]["attributes"]["attempt"]) == (
        "4bf92f3577b34da6a3ce929d0e0e4736",
        2,
    )


def test_lines_that_railway_dropped_make_the_log_partial(loopback: Loopback, make_look: MakeLook) -> None:
    notice = {
        **RAILWAY_LINE,
        "message": "Railway rate limit of 500 logs/sec reached for replica. Messages dropped: 4322",
    }
    loopback.answer = lambda _: Reply(200, {"data": {"environmentLogs": [RAILWAY_LINE, notice]}})
    seen = make_look(railway.logs("gateway", WINDOW))
    assert (seen.status, "4322" in seen.why) == (Status.partial, True)


def test_only_the_deployments_that_can_have_served_are_asked_for_requests(
    loopback: Loopback, make_look: MakeLook
) -> None:
    def deployment(name: str, hours_ago: float, status: str = "REMOVED") -> dict[str, Any]:
        return {
            **RAILWAY_DEPLOYMENT,
            "id": name,
            "createdAt": to_iso(NOW - timedelta(hours=hours_ago)),
            "status": status,
        }

    rows = [deployment("after", 0.5, "SUCCESS"), deployment("failed", 1.2, "FAILED"), deployment("within", 1.5)]
    rows += [deployment("before", 5), deployment("older", 9)]
    connection = {"edges": [{"node": row} for row in rows], "pageInfo": {"hasNextPage": False, "endCursor": None}}

    def answer(asked: Asked) -> Reply:
        if "httpLogs" in _asked(asked)["query"]:
            return Reply(200, {"data": {"httpLogs": [RAILWAY_REQUEST]}})
        return Reply(200, {"data": {"deployments": connection}})

    loopback.answer = answer
    assert make_look(railway.http_log("gateway", WINDOW)).status == Status.ok
    asked = [_asked(each)["variables"].get("deploymentId") for each in loopback.asked]
    assert asked == [None, "within", "before"]


def _line(n: int, at: datetime, message: str = "line", **meta: Any) -> dict[str, Any]:
    attributes = {"timestamp": to_iso(at), "level": "info", "message": f"{message} {n}", "instance": "m1", "meta": meta}
    return {"id": str(n), "type": "log", "attributes": attributes}


def test_flys_log_is_read_page_by_page_up_to_the_windows_end(loopback: Loopback, make_look: MakeLook) -> None:
    times = [WINDOW.since + timedelta(minutes=20 * n) for n in range(6)]

    def answer(asked: Asked) -> Reply:
        token = asked.query["next_token"][0]
        page = int(token) if len(token) < 3 else 0
        lines = [_line(n, times[n]) for n in (page * 2, page * 2 + 1)]
        return Reply(200, {"data": lines, "meta": {"next_token": str(page + 1)}})

    loopback.answer = answer
    seen = make_look(fly.logs(WINDOW))
    assert (seen.status, [line["message"] for line in seen.value]) == (
        Status.ok,
        ["line 0", "line 1", "line 2", "line 3"],
    )
    assert len(loopback.asked) == 3, "the page that passes the window's end is the last"


def test_flys_lines_are_found_by_a_text_in_message_or_attributes(loopback: Loopback, make_look: MakeLook) -> None:
    said = json.dumps({"message": "provider failed", "trace_id": "t-1", "level": "error"})
    proxy = _line(1, WINDOW.since, http={"request": {"id": "01ABC"}})
    app = _line(2, WINDOW.since)
    app["attributes"]["message"] = said
    loopback.answer = lambda _: Reply(200, {"data": [proxy, app], "meta": {}})
    (found,) = make_look(fly.logs(WINDOW, "t-1")).value
    assert (found["message"], found["level"], found["trace_id"]) == ("provider failed", "error", "t-1")
    (found,) = make_look(fly.logs(WINDOW, "01ABC")).value
    assert found["request_id"] == "01ABC"


@pytest.mark.parametrize(
    ("token", "header"), [("fm2_abcdef", "Bearer fm2_abcdef"), ("FlyV1 fm2_abcdef", "FlyV1 fm2_abcdef")]
)
def test_flys_two_kinds_of_token_travel_as_each_must(
    token: str, header: str, loopback: Loopback, make_look: MakeLook
) -> None:
    loopback.answer = lambda _: Reply(200, [])
    make_look(fly.machines(), RUNBOOK_FLY_TOKEN=token)
    assert loopback.asked[0].headers["authorization"] == header


def test_a_machine_on_a_host_that_cannot_be_reached_says_that_its_configuration_is_not_whole(
    loopback: Loopback, make_look: MakeLook
) -> None:
    loopback.answer = lambda _: Reply(
        200, [{"id": "m1", "state": "started", "host_status": "unreachable", "incomplete_config": {}}]
    )
    (machine,) = make_look(fly.machines()).value
    assert (machine["host_status"], machine["config_complete"]) == ("unreachable", False)
