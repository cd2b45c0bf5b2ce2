"""Status pages: each vendor's own format, and what people wrote on them."""

import json
from pathlib import Path

import pytest

from runbook_lib.sandbox.facades.vendors.status_pages import Incident, StatusPages, create_app
from runbook_lib.sandbox.world import make_world

ENDPOINTS = json.loads((Path(__file__).parent.parent / "specs/llm/status-endpoints.json").read_text())["providers"]


def report(world, vendor, impact):
    """Put an incident on a vendor's page, as the primitive `incident` does."""
    world.state(StatusPages).incidents[vendor] = [Incident("inc1", "Elevated errors", impact, world.now())]


def state_of(vendor: str, body: dict) -> str:
    """One word out of each vendor's own format."""
    match vendor:
        case "together":
            return body["data"]["attributes"]["aggregate_state"]
        case "railway":
            return body["page"]["status"]
        case "stripe":
            return body["largestatus"]
        case _:
            return body["status"]["indicator"]


@pytest.mark.parametrize("vendor", [row["name"] for row in ENDPOINTS])
def test_every_vendor_has_its_page_and_it_changes_with_an_incident(vendor, in_process):
    world = make_world(seed=1)
    row = next(row for row in ENDPOINTS if row["name"] == vendor)
    path = f"/{vendor}" + row["summary"].removeprefix(row["page"])
    client = in_process(create_app(world))
    quiet = state_of(vendor, client.get(path).json())
    report(world, vendor, "major")
    loud = state_of(vendor, client.get(path).json())
    world.state(StatusPages).incidents.clear()
    assert state_of(vendor, client.get(path).json()) == quiet
    assert quiet in ("none", "operational", "UP", "up")
    assert loud in ("major", "downtime", "HASISSUES", "down")


def test_statuspage_shape_is_the_published_one(in_process):
    world = make_world(seed=1)
    report(world, "anthropic", "minor")
    body = in_process(create_app(world)).get("/anthropic/api/v2/summary.json").json()
    assert body["incidents"][0]["id"] == "inc1"
    states = {row["name"]: row["status"] for row in body["components"]}
    names = ("claude.ai", "Claude Console", "Claude API (api.anthropic.com)")
    assert states == dict.fromkeys(names, "degraded_performance")


def test_openai_leaves_incidents_out_of_its_summary_and_lists_them_apart(in_process):
    world = make_world(seed=1)
    report(world, "openai", "critical")
    client = in_process(create_app(world))
    assert "incidents" not in client.get("/openai/api/v2/summary.json").json()
    assert client.get("/openai/api/v2/incidents.json").json()["incidents"][0]["impact"] == "critical"


def test_together_answers_html_with_200_for_any_other_path(in_process):
    answer = in_process(create_app(make_world(seed=1))).get("/together/api/v2/status.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
