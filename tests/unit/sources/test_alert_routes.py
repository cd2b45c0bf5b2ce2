"""Alertmanager's configuration, and Grafana's: matchers in every spelling, receivers by kind, the clock that mutes a route."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from runbook_lib.sources.metrics.alert_routes import read_config
from runbook_lib.sources.metrics.time_intervals import holds

AT = datetime(2026, 11, 26, 21, 30, tzinfo=UTC)  # a Thursday


@pytest.mark.parametrize(
    ("text", "matchers"),
    [
        ('severity="page"', [["severity", "=", "page"]]),
        ('{severity="page", team!~"a|b"}', [["severity", "=", "page"], ["team", "!~", "a|b"]]),
        ("severity=page", [["severity", "=", "page"]]),
        ('comment="a, b"', [["comment", "=", "a, b"]]),
        ('comment="a,\\"b"', [["comment", "=", 'a,"b']]),
        ('a:b=~"x{2}", text="line\\nline"', [["a:b", "=~", "x{2}"], ["text", "=", "line\nline"]]),
        ('path="C:\\\\n"', [["path", "=", "C:\\n"]]),
        ("severity = page or ticket", [["severity", "=", "page or ticket"]]),
        ('"my.label"!="x"', [["my.label", "!=", "x"]]),
    ],
)
def test_matchers_are_read_in_each_spelling(text: str, matchers: list[list[str]]) -> None:
    route = f"route: {{receiver: a, routes: [{{matchers: [{json.dumps(text)}]}}]}}\nreceivers: [{{name: a}}]"
    assert read_config(route, AT)["route"]["routes"][0]["matchers"] == matchers


def test_the_older_spellings_of_a_route_are_read() -> None:
    found = read_config("route: {receiver: a, routes: [{match: {severity: page}, match_re: {team: x|y}}]}", AT)
    assert found["route"]["routes"][0]["matchers"] == [["severity", "=", "page"], ["team", "=~", "x|y"]]


def test_grafanas_own_configuration_is_read_as_it_is() -> None:
    contact_point = {
        "name": "oncall",
        "grafana_managed_receiver_configs": [
            {"uid": "u1", "name": "oncall", "type": "pagerduty", "secureFields": {"integrationKey": True}},
            {"uid": "u2", "name": "oncall", "type": "slack", "settings": {"url": "https://hooks.example/canary"}},
        ],
    }
    policy = {"receiver": "oncall", "object_matchers": [["severity", "=", "page"]], "mute_time_intervals": ["nights"]}
    config = {
        "route": {"receiver": "empty", "routes": [policy]},
        "receivers": [contact_point, {"name": "empty"}],
        "mute_time_intervals": [
            {"name": "nights", "time_intervals": [{"times": [{"start_time": "21:00", "end_time": "24:00"}]}]}
        ],
    }
    found = read_config(config, AT)
    assert found["receivers"] == {"oncall": ["pagerduty", "slack"], "empty": []}
    (child,) = found["route"]["routes"]
    assert (child["matchers"], child["muted_by"]) == ([["severity", "=", "page"]], ["nights"])
    assert "canary" not in json.dumps(found)


@pytest.mark.parametrize(
    ("interval", "is_within"),
    [
        ({}, True),
        ({"times": [{"start_time": "21:30", "end_time": "22:00"}]}, True),
        ({"times": [{"start_time": "20:00", "end_time": "21:30"}]}, False),
        ({"times": [{"start_time": 1260, "end_time": 1320}]}, True),  # 21:00 and 22:00 as YAML 1.1 reads them
        ({"times": [{"start_time": "06:00", "end_time": "08:00"}, {"start_time": "21:00", "end_time": "24:00"}]}, True),
        ({"weekdays": ["monday:friday"]}, True),
        ({"weekdays": ["Saturday", "sunday"]}, False),
        ({"days_of_month": ["-5:-1"]}, True),  # the 26th is the fifth day from the end
        ({"days_of_month": ["1:15", "-4:-1"]}, False),
        ({"months": ["november"]}, True),
        ({"months": ["1:10"]}, False),
        ({"years": ["2020:2025"]}, False),
        ({"weekdays": ["friday"], "location": "Australia/Sydney"}, True),
        ({"times": [{"start_time": "08:00", "end_time": "09:00"}], "location": "Australia/Sydney"}, True),
        ({"weekdays": ["thursday"], "months": ["december"]}, False),
    ],
)
def test_a_time_interval_holds_as_alertmanager_has_it(interval: dict[str, Any], is_within: bool) -> None:
    assert holds([interval], AT) is is_within


def _muted(route: dict[str, Any], **intervals: dict[str, Any]) -> list[str]:
    named = [{"name": name, "time_intervals": [held]} for name, held in intervals.items()]
    child = {"receiver": "a", **route}
    found: Any = read_config({"route": {"receiver": "a", "routes": [child]}, "time_intervals": named}, AT)
    return list(found["route"]["routes"][0]["muted_by"])


def test_a_route_is_muted_within_its_mute_times_and_outside_of_its_active_ones() -> None:
    office, night = {"times": [{"start_time": "08:00", "end_time": "18:00"}]}, {"weekdays": ["thursday"]}
    assert _muted({"mute_time_intervals": ["night"]}, night=night) == ["night"]
    assert _muted({"mute_time_intervals": ["office"]}, office=office) == []
    assert _muted({"active_time_intervals": ["office"]}, office=office) == ["office"]
    assert _muted({"active_time_intervals": ["office", "night"]}, office=office, night=night) == []


def test_mute_times_are_not_inherited() -> None:
    interval = {"name": "always", "time_intervals": [{}]}
    parent = {"receiver": "a", "mute_time_intervals": ["always"], "routes": [{"receiver": "b"}]}
    found: Any = read_config({"route": {"receiver": "a", "routes": [parent]}, "time_intervals": [interval]}, AT)
    (outer,) = found["route"]["routes"]
    assert (outer["muted_by"], outer["routes"][0]["muted_by"]) == (["always"], [])


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"receivers": []}, "has no route"),
        ({"route": {"receiver": "a", "routes": [{"matchers": ["severity page"]}]}}, "a matcher cannot be read"),
        ({"route": {"receiver": "a", "routes": [{"mute_time_intervals": ["gone"]}]}}, "no time interval gone"),
        (
            {
                "route": {"receiver": "a"},
                "time_intervals": [{"name": "x", "time_intervals": [{"location": "Europe/Atlantis"}]}],
            },
            "no such location",
        ),
    ],
)
def test_what_cannot_be_read_says_why(config: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_config(config, AT)
