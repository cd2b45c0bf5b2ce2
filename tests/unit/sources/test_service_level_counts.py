"""What 09's sources count: pages, bounds, names, files; on answers made by hand."""

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.level_cases import CONFIG
from support.loopback import Loopback, Reply
from support.source_cases import NOW, PAST

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Observation, Status
from runbook_lib.io.observe import Observer
from runbook_lib.settings import Settings
from runbook_lib.sources.kit.counts import Row, Steps, from_quantiles, slow_from_buckets
from runbook_lib.sources.metrics import alertmanager, prometheus
from runbook_lib.sources.stripe import delivery_counts as stripe_delivery_counts
from runbook_lib.sources.team import team_files
from runbook_lib.sources.traces import tempo_metrics

MakeLook = Callable[..., Observation]
MONTH = Window((NOW - timedelta(days=30)).replace(second=0, microsecond=0), NOW.replace(second=0, microsecond=0))
STEPS = Steps(0, 300, 12)
HOURS = Steps(0, 3600, 1)


def test_a_month_is_asked_for_in_days_that_neither_overlap_nor_leave_a_gap(
    loopback: Loopback, make_look: MakeLook
) -> None:
    loopback.answer = lambda _: Reply(200, {"series": []})
    make_look(tempo_metrics.service_counts("api", MONTH))
    pages = sorted((int(asked.query["start"][0]), int(asked.query["end"][0])) for asked in loopback.asked)
    assert len(pages) == 30
    assert all(end - start <= 24 * 3600 for start, end in pages), "Tempo's limit"
    covered = [(start - 60, end) for start, end in pages]
    assert covered[0][0] == int(MONTH.since.timestamp())
    assert covered[-1][1] == int(MONTH.until.timestamp())
    assert all(one[1] == other[0] for one, other in pairwise(covered))


@given(st.integers(0, 10**6), st.integers(1, 5000), st.integers(1, 400))
def test_pages_cover_every_step_once(since_steps: int, count: int, longest_steps: int) -> None:
    steps = Steps(since_steps * 60, 60, count)
    covered = [steps.at(at) for start, end in steps.pages(longest_steps * 60) for at in range(start, end + 1, 60)]
    assert covered == list(range(count))


def test_a_server_span_with_500_and_no_status_is_a_failure_too(loopback: Loopback, make_look: MakeLook) -> None:
    def series(*labels: tuple[str, dict[str, Any]], value: float) -> dict[str, Any]:
        at = str(int(PAST.until.timestamp()) // 60 * 60 * 1000)
        return {"labels": [{"key": k, "value": v} for k, v in labels], "samples": [{"timestampMs": at, "value": value}]}

    loopback.answer = lambda _: Reply(
        200,
        {
            "series": [
                series(
                    ("status", {"stringValue": "unset"}),
                    ("span.http.response.status_code", {"intValue": "200"}),
                    value=7,
                ),
                series(("status", {"stringValue": "unset"}), ("span.http.status_code", {"intValue": "502"}), value=2),
                series(("status", {"stringValue": "error"}), value=1),
                series(
                    ("status", {"stringValue": "unset"}),
                    ("span.http.response.status_code", {"intValue": "429"}),
                    value=4,
                ),
            ]
        },
    )
    seen = make_look(tempo_metrics.service_counts("api", PAST))
    assert (sum(seen.value["total"]), sum(seen.value["failed"])) == (14, 3)


@pytest.mark.parametrize(("service", "words"), [('a"b\\c', 'resource.service.name = "a\\"b\\\\c"'), ("api", "backend")])
def test_a_service_goes_into_the_query_as_data(
    service: str, words: str, loopback: Loopback, make_look: MakeLook
) -> None:
    loopback.answer = lambda _: Reply(200, {"series": []})
    make_look(tempo_metrics.service_counts(service, PAST))
    assert words in loopback.asked[0].query["q"][0]


def test_what_is_older_than_the_backend_keeps_is_said(loopback: Loopback, make_look: MakeLook) -> None:
    at = str(int(MONTH.until.timestamp()) * 1000)
    loopback.answer = lambda _: Reply(200, {"series": [{"labels": [], "samples": [{"timestampMs": at, "value": 1}]}]})
    seen = make_look(tempo_metrics.service_counts("api", MONTH), RUNBOOK_TRACE_RETENTION_H="336")
    assert seen.value["kept_since"][:10] == (NOW - timedelta(days=14)).date().isoformat()
    assert (
        make_look(tempo_metrics.service_counts("api", MONTH), RUNBOOK_TRACE_RETENTION_H="840").value["kept_since"]
        is None
    )


quantiles = st.lists(st.floats(1, 5000), min_size=20, max_size=200)


@given(quantiles, st.floats(1, 5000))
def test_bounds_from_quantiles_hold_the_true_number_of_slow_requests(durations: list[float], limit: float) -> None:
    ordered = sorted(durations)
    found = {f"{q:g}": ordered[max(0, -(-int(q * 1000) * len(ordered) // 1000) - 1)] for q in (0.5, 0.9, 0.95, 0.99)}
    total, hourly = Row(STEPS), Row(HOURS)
    total.add([(300.0, float(len(durations)))])
    hourly.add([(3600.0, float(len(durations)))])
    slow, latency = from_quantiles(limit, STEPS, HOURS, total, hourly, [(3600, found)])
    true = sum(each > limit for each in durations)
    assert slow["least"][0] - 1.0 <= true <= slow["most"][0] + 1.0, "to a request, for a quantile is one of them"
    assert latency["counts"] == [len(durations)]


@given(quantiles, st.sampled_from([50.0, 100.0, 250.0, 300.0, 700.0, 2500.0, 9000.0]))
def test_bounds_from_buckets_hold_the_true_number_and_are_exact_at_a_bound(
    durations: list[float], limit: float
) -> None:
    bounds: list[float | None] = [100.0, 250.0, 700.0, 2500.0, None]
    buckets, below = [], 0.0
    for bound in bounds:
        row = Row(STEPS)
        inside = [each for each in durations if below < each <= (bound or 1e9)]
        row.add([(300.0, float(len(inside)))])
        buckets.append((bound, row))
        below = bound or below
    slow = slow_from_buckets(limit, buckets, STEPS)
    true = sum(each > limit for each in durations)
    assert slow["least"][0] <= true <= slow["most"][0]
    if limit in bounds:
        assert slow["least"][0] == slow["most"][0] == true


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["nexuscore"], 'span_name=~".* /api/.*"'), (["nexus-api", "nexus-web"], 'service=~".*(api|backend).*"')],
)
def test_prometheus_tells_parts_apart_by_service_or_by_span(
    names: list[str], expected: str, loopback: Loopback, make_look: MakeLook
) -> None:
    loopback.answer = lambda asked: Reply(
        200, {"status": "success", "data": names if "label" in asked.path else {"result": []}}
    )
    make_look(prometheus.service_counts("api", PAST))
    assert any(expected in str(asked.query.get("query")) for asked in loopback.asked)


def test_the_collectors_names_are_tried_where_tempos_are_not_there(loopback: Loopback, make_look: MakeLook) -> None:
    def answer(asked: Any) -> Reply:
        known = "/label/service_name/" in asked.path
        return Reply(
            200, {"status": "success", "data": (["shop"] if known else []) if "label" in asked.path else {"result": []}}
        )

    loopback.answer = answer
    make_look(prometheus.service_counts("shop", PAST))
    assert any("traces_span_metrics_calls_total" in str(asked.query.get("query")) for asked in loopback.asked)


def test_of_alertmanagers_configuration_only_names_kinds_and_matchers_leave_the_look(
    loopback: Loopback, make_look: MakeLook
) -> None:
    canary = "https://hooks.slack.com/services/T0CANARY/B0CANARY/veryCanarySecretToken"
    original = CONFIG.replace("<secret>", canary)
    loopback.answer = lambda _: Reply(200, {"config": {"original": original}})
    seen = make_look(alertmanager.routing())
    assert seen.value["receivers"] == {"oncall": ["pagerduty"], "team": ["slack"]}
    assert "CANARY" not in json.dumps(seen.as_dict())


def _stripe(loopback: Loopback, ages_min: list[float], endpoints: list[dict[str, Any]], denied: bool = False) -> None:
    rows = [
        {
            "id": f"evt_{n}",
            "type": "invoice.paid",
            "created": int(NOW.timestamp() - age * 60),
            "pending_webhooks": int(age < 60),
        }
        for n, age in enumerate(ages_min)
    ]

    def answer(asked: Any) -> Reply:
        if "webhook_endpoints" in asked.path:
            return (
                Reply(403, {"error": {"message": "no"}})
                if denied
                else Reply(200, {"object": "list", "data": endpoints, "has_more": False})
            )
        return Reply(200, {"object": "list", "data": rows, "has_more": False})

    loopback.answer = answer


def test_an_event_on_its_way_is_neither_taken_nor_lost(loopback: Loopback, make_look: MakeLook) -> None:
    _stripe(loopback, [2, 30, 90, 120], [])
    seen = make_look(stripe_delivery_counts.webhook_counts(MONTH, ["invoice.paid"]))
    assert (sum(seen.value["total"]), sum(seen.value["failed"])) == (3, 1)
    assert [each["id"] for each in seen.value["undelivered"]] == ["evt_1"]


@pytest.mark.parametrize(
    ("endpoints", "uncovered"),
    [
        ([{"id": "we", "status": "enabled", "enabled_events": ["*"]}], []),
        ([{"id": "we", "status": "disabled", "enabled_events": ["*"]}], ["invoice.paid"]),
        ([{"id": "we", "status": "enabled", "enabled_events": ["charge.failed"]}], ["invoice.paid"]),
        ([], ["invoice.paid"]),
    ],
)
def test_types_that_no_enabled_endpoint_asks_for_are_told(
    endpoints: list[dict[str, Any]], uncovered: list[str], loopback: Loopback, make_look: MakeLook
) -> None:
    _stripe(loopback, [90], endpoints)
    assert make_look(stripe_delivery_counts.webhook_counts(MONTH, ["invoice.paid"])).value["uncovered"] == uncovered


def test_endpoints_that_may_not_be_read_leave_the_counts(loopback: Loopback, make_look: MakeLook) -> None:
    _stripe(loopback, [90], [], denied=True)
    seen = make_look(stripe_delivery_counts.webhook_counts(MONTH, ["invoice.paid"]))
    assert (seen.status, seen.value["uncovered"], sum(seen.value["total"])) == (Status.ok, None, 1)
    assert "endpoints may not be read" in seen.why


LEVELS = '[[objectives]]\nname = "A"\nkind = "availability"\nservice = "api"\ntarget = 0.99\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no [[objectives]]"),
        (LEVELS.replace("0.99", "99"), "objectives[1] (A).target is 99; a share is meant: write 0.99"),
        (LEVELS.replace("0.99", "1.0"), "1 leaves no budget"),
        (LEVELS.replace("0.99", '"high"'), "objectives[1] (A).target is 'high'; a number is meant"),
        (LEVELS.replace("0.99", "nan"), "a number is meant"),
        (
            LEVELS.replace("availability", "uptime"),
            "kind is 'uptime'; it should be 'availability', 'latency' or 'webhooks'",
        ),
        (LEVELS.replace("availability", "latency"), "objectives[1] (A).within_ms is missing"),
        (LEVELS.replace('service = "api"\n', ""), "objectives[1] (A).service is missing"),
        (LEVELS + "typo = 1\n", "objectives[1] (A).typo: no such key; known are alerts, events, kind"),
        (LEVELS.replace("api", "").replace("0.99", "99"), "(A).target is 99; a share is meant: write 0.99"),
        (LEVELS.replace("api", "").replace("0.99", "99"), "(A).service is ''; String should have at least 1 character"),
        (LEVELS + LEVELS, "two objectives are named 'A'"),
        (f"period_days = 0\n{LEVELS}", "period_days is 0; whole days from 1 to 92 are meant"),
        (f"period_days = 1.5\n{LEVELS}", "whole days"),
        (f"min_requests = -1\n{LEVELS}", "min_requests is -1"),
        (LEVELS + "alerts = [1]\n", "objectives[1] (A).alerts[1] is 1; it should be a valid string"),
        (LEVELS + 'events = ["x"]\n', "events belongs to kind webhooks"),
        (
            LEVELS + '[[routes]]\nfrom = "mars"\nto = "x"\n',
            "routes[1].from is 'mars'; it should be 'traces', 'vercel' or 'railway'",
        ),
        (
            LEVELS + '[[routes]]\nfrom = "traces"\nto = "x"\n',
            "routes[1].severity is missing: page or ticket",
        ),
        (LEVELS + '[[routes]]\nfrom = "vercel"\nto = "pigeon"\n', "routes[1].to is 'pigeon'"),
        ("objectives = 3", "objectives is not written as [[objectives]] tables"),
        ("[[objectives", "Expected ']]'"),
    ],
)
def test_a_mistake_in_the_file_is_named_exactly(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "levels.toml"
    path.write_text(text)
    seen = Observer(
        active=True, now=NOW, settings=Settings.from_mapping({"RUNBOOK_SERVICE_LEVELS": str(path)})
    ).together(team_files.service_levels())[0]
    assert seen.status == Status.malformed
    assert words in seen.why
    assert "service_levels.toml is an example" in seen.help


def test_the_committed_example_is_right_and_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    def read(path: str) -> Observation:
        return Observer(
            active=True, now=NOW, settings=Settings.from_mapping({"RUNBOOK_SERVICE_LEVELS": path})
        ).together(team_files.service_levels())[0]

    seen = read("service_levels.toml")
    assert seen.status == Status.ok
    assert [each["kind"] for each in seen.value["objectives"]] == [
        "availability",
        "availability",
        "latency",
        "webhooks",
    ]
    assert read(str(tmp_path / "none.toml")).status == Status.not_found
