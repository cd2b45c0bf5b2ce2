"""Vercel's request row from its three spellings, ids and the time inside them, variables without values."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.loopback import Asked, Loopback, Reply

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.sources.vercel import deployments
from runbook_lib.sources.vercel import logs as vercel
from runbook_lib.sources.vercel.lines import from_text

SPECS = Path(__file__).parent.parent.parent / "specs/vercel"
NOW = datetime.now(UTC)
AT = NOW - timedelta(minutes=30)
MS = int(AT.timestamp() * 1000)
ID = f"x7k2p-{MS}-5f0c2a9b7d1e"
WINDOW = Window(AT - timedelta(minutes=5), AT + timedelta(minutes=5))
MakeLook = Callable[..., Observation]


def _entry(**more: Any) -> dict[str, Any]:
    entry = {
        "id": "1", "deploymentId": "dpl_1", "source": "lambda", "host": "app.example", "timestamp": MS, "projectId": "prj_web",
        "level": "info", "requestId": ID, "message": "", "environment": "production", "branch": "main",
        "executionRegion": "iad1", "traceId": "ab" * 16, "statusCode": 200,
        "proxy": {
            "timestamp": MS, "method": "POST", "host": "app.example", "path": "/api/chat", "statusCode": 200,
            "vercelId": f"iad1::{ID}",
        },
        **more,
    }  # fmt: skip
    jsonschema.validate(entry, json.loads((SPECS / "log-drain-entry.schema.json").read_text()))
    return entry


def _lines(*entries: Any) -> str:
    return "\n".join(json.dumps(entry) for entry in entries)


def test_the_id_is_what_stands_after_the_last_colons_and_holds_the_time() -> None:
    found = vercel.parse_vercel_id(f" iad1::fra1::{ID} ")
    assert (found.request_id, found.regions) == (ID, ("iad1", "fra1"))
    assert found.at == datetime.fromtimestamp(MS / 1000, UTC)
    assert vercel.parse_vercel_id("made-up").at is None


@given(st.text())
def test_any_text_is_taken_as_an_id(text: str) -> None:
    assert vercel.parse_vercel_id(text).request_id == text.strip().split("::")[-1]


def test_trace_ids_regain_their_zeros_and_what_is_none_is_refused() -> None:
    assert vercel.trace_id_hex("ABC") == "abc".rjust(32, "0")
    assert [vercel.trace_id_hex(bad) for bad in ("", "0" * 32, "g" * 32, "a" * 33, "ab cd")] == [None] * 5
    parent = f"00-{'ab' * 16}-{'cd' * 8}-01"
    assert vercel.parse_traceparent(parent) == ("ab" * 16, True)
    assert vercel.parse_traceparent(parent[:-2] + "00") == ("ab" * 16, False)
    assert vercel.parse_traceparent("00-zz-11-01") is None


def test_a_drains_entries_of_one_request_are_one_row() -> None:
    log = _entry(level="error", message="gateway responded 503", timestamp=MS + 5)
    report = _entry(message="REPORT RequestId: x Duration: 123.45 ms Billed Duration: 124 ms", timestamp=MS + 9)
    rows, unread = from_text(_lines(report, log, _entry()), "web")
    (row,) = rows
    assert unread == 0
    assert (row["request_id"], row["status"], row["trace_id"], row["duration_ms"]) == (ID, 200, "ab" * 16, 123.45)
    assert (row["method"], row["path"], row["at"], row["region"]) == (
        "POST",
        "/api/chat",
        to_iso(datetime.fromtimestamp(MS / 1000, UTC)),
        "iad1",
    )
    assert row["error"] == "gateway responded 503"
    assert row["logs"][0]["message"] == "gateway responded 503"


def test_a_function_that_died_without_a_reply_has_status_minus_one_whatever_the_client_was_told() -> None:
    (row,), _ = from_text(_lines(_entry(statusCode=-1, proxy={**_entry()["proxy"], "statusCode": 502})), "web")
    assert row["status"] == -1


def test_a_request_that_the_firewall_refused_says_so() -> None:
    refused = _entry(source="firewall", proxy={**_entry()["proxy"], "statusCode": 403, "wafAction": "deny"})
    (row,), _ = from_text(_lines(refused), "web")
    assert (row["status"], row["error"], row["source"]) == (403, "FIREWALL: deny", "firewall")


def test_rows_that_the_vendors_command_line_printed_can_be_pasted_whole_or_line_by_line() -> None:
    sample = json.loads((SPECS / "sample-request-logs.json").read_text())
    for text in (json.dumps(sample, indent=2), _lines(*sample["rows"]), json.dumps(sample["rows"])):
        (row,), unread = from_text(text, "web")
        assert (row["request_id"], row["status"], row["error"], unread) == (
            "x7k2p-1795396000123-5f0c2a9b7d1e",
            502,
            "gateway responded 503",
            0,
        )


def test_plain_lines_go_to_the_request_whose_id_they_hold_or_to_the_only_one_named() -> None:
    other = f"zzzzz-{MS}-aaaaaaaaaaaa"
    rows, unread = from_text(f"{ID} started\nError: boom\n", "web")
    assert [log["message"] for log in rows[0]["logs"]] == [f"{ID} started", "Error: boom"]
    assert (rows[0]["error"], unread) == ("Error: boom", 0)
    rows, unread = from_text(f"{ID} started\n{other} started\nError: whose is it", "web")
    assert (len(rows), unread) == (2, 1)


def test_a_drain_file_answers_in_place_of_the_route(tmp_path: Path, loopback: Loopback, make_look: MakeLook) -> None:
    file = tmp_path / "drain.jsonl"
    file.write_text(_lines(_entry(), _entry(requestId="old", timestamp=MS - 86_400_000, proxy={})))
    seen = make_look(vercel.request_log("web", WINDOW), RUNBOOK_VERCEL_LOG_DRAIN_FILE=str(file))
    assert (seen.status, [row["request_id"] for row in seen.value]) == (Status.ok, [ID])
    assert not loopback.asked
    file.write_text("<html>sign in</html>\n")
    seen = make_look(vercel.request_log("web", WINDOW), RUNBOOK_VERCEL_LOG_DRAIN_FILE=str(file))
    assert (seen.status, "sign in" in seen.why) == (Status.malformed, True)
    missing = make_look(vercel.request_log("web", WINDOW), RUNBOOK_VERCEL_LOG_DRAIN_FILE=str(tmp_path / "no"))
    assert (missing.status, "RUNBOOK_VERCEL_LOG_DRAIN_FILE" in missing.help) == (Status.not_configured, True)


def test_a_drain_file_with_lines_that_cannot_be_read_is_partial(tmp_path: Path, make_look: MakeLook) -> None:
    file = tmp_path / "drain.jsonl"
    file.write_text(_lines(_entry()) + '\n{"half": ')
    seen = make_look(vercel.request_log("web", WINDOW), RUNBOOK_VERCEL_LOG_DRAIN_FILE=str(file))
    assert (seen.status, len(seen.value), seen.why[:7]) == (Status.partial, 1, "1 lines")


def test_pasted_lines_never_prove_that_something_is_absent(make_look: MakeLook) -> None:
    seen = make_look(vercel.request_log("web", WINDOW, request_id="other-1", pasted=_lines(_entry())))
    assert (seen.status, seen.value) == (Status.partial, [])
    seen = make_look(vercel.request_log("web", WINDOW, request_id=ID, pasted=_lines(_entry())))
    assert (seen.status, seen.value[0]["trace_id"]) == (Status.ok, "ab" * 16)


def _row(n: int) -> dict[str, Any]:
    return {"requestId": f"r{n}", "timestamp": to_iso(AT), "statusCode": 200, "logs": [], "events": []}


def test_pages_are_read_until_there_are_no_more(loopback: Loopback, make_look: MakeLook) -> None:
    def answer(asked: Asked) -> Reply:
        page = int(asked.query["page"][0])
        return Reply(200, {"rows": [_row(page * 2), _row(page * 2 + 1)], "hasMoreRows": page < 2})

    loopback.answer = answer
    seen = make_look(vercel.request_log("web", WINDOW))
    assert (seen.status, [row["request_id"] for row in seen.value]) == (Status.ok, [f"r{n}" for n in range(6)])
    cut = make_look(vercel.request_log("web", WINDOW, limit=3))
    assert (cut.status, len(cut.value)) == (Status.partial, 3)


def test_an_empty_log_means_what_the_time_inside_the_id_says(loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = lambda _: Reply(200, {"rows": [], "hasMoreRows": False})

    def of_age(**age: float) -> Status:
        now = datetime.now(UTC)
        request_id = f"abcde-{int((now - timedelta(**age)).timestamp() * 1000)}-0123456789ab"
        return make_look(vercel.request_log("web", Window(now - timedelta(hours=1), now), request_id=request_id)).status

    assert [of_age(seconds=5), of_age(minutes=5), of_age(hours=30)] == [
        Status.too_recent,
        Status.not_found,
        Status.out_of_retention,
    ]


def test_no_value_of_a_variable_is_ever_kept(loopback: Loopback, make_look: MakeLook) -> None:
    row = {
        "key": "STRIPE_SECRET_KEY",
        "target": ["production"],
        "type": "plain",
        "updatedAt": MS,
        "createdAt": MS,
        "value": "plaintext-here",
    }
    loopback.answer = lambda _: Reply(200, {"envs": [row]})
    seen = make_look(vercel.env_changes("web"))
    assert seen.value[0]["name"] == "STRIPE_SECRET_KEY"
    assert "plaintext-here" not in json.dumps(seen.as_dict())
    assert "decrypt" not in loopback.asked[0].query


@pytest.mark.parametrize("text", ["../../../etc", 'a"b', "a&projectId=x", "a#b", "a?b=c", "%2e%2e", "日本"])
def test_a_deployments_id_travels_as_one_path_segment(text: str, loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = lambda _: Reply(404, {"error": {"code": "not_found"}})
    assert make_look(deployments.detail(text, "web")).status == Status.not_found
    assert loopback.asked[0].path.startswith("/v13/deployments/")
    assert loopback.asked[0].path.count("/") == 3
    assert "projectId" not in loopback.asked[0].query
