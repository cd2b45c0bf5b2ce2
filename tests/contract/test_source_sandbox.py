"""Every source looks at a running sandbox, on either pair of platforms, and understands what it sees."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Observation, Status
from runbook_lib.io.observe import Look, Observer
from runbook_lib.sandbox import Sandbox
from runbook_lib.settings import Settings, read_env_file
from runbook_lib.sources.fly import logs as fly
from runbook_lib.sources.postgres import health as postgres
from runbook_lib.sources.providers import status_pages
from runbook_lib.sources.railway import logs as railway
from runbook_lib.sources.stripe import records as stripe
from runbook_lib.sources.supabase import records as supabase
from runbook_lib.sources.this_machine import parts
from runbook_lib.sources.traces import jaeger, tempo
from runbook_lib.sources.vercel import logs as vercel

ANSWERED = (Status.ok, Status.empty)
PLATFORMS = [("railway", "vercel"), ("fly", "railway")]  # of the gateway, of the API
VENDORS = ("openai", "anthropic", "together", "vercel", "railway", "fly", "supabase", "stripe")


class Seen:
    """A sandbox with some traffic behind it, and looks at it."""

    def __init__(self, sandbox: Sandbox, gateway: str, api: str) -> None:
        self.sandbox, self.gateway, self.api = sandbox, gateway, api
        self.settings = Settings.from_mapping(read_env_file(sandbox.env_file))

    def look(self, look: Look) -> Observation:
        return Observer(active=True, now=datetime.now(UTC), settings=self.settings).together(look)[0]

    @property
    def window(self) -> Window:
        now = datetime.now(UTC)
        return Window(now - timedelta(minutes=30), now)

    def eventually(self, make: Callable[[], Look]) -> Observation:
        """Look until there is content: traffic goes on, and logs and spans need a moment."""
        for _ in range(100):
            seen = self.look(make())
            if seen.status.has_content and seen.value:
                return seen
            time.sleep(0.2)
        raise AssertionError(f"{seen.source}.{seen.call}: {seen.status} {seen.why}")

    def request(self) -> dict[str, Any]:
        """A request that web answered, with its trace, whose spans have arrived."""
        rows = self.eventually(lambda: vercel.request_log("web", self.window, search="/chat")).value
        row: dict[str, Any] = next(row for row in rows if row["trace_id"])
        for source in (tempo, jaeger):
            self.eventually(lambda source=source: source.find_request(row["request_id"], self.window))
        return row


@pytest.fixture(scope="module", params=PLATFORMS, ids=lambda pair: f"gateway on {pair[0]}")
def seen(request: pytest.FixtureRequest, worker_id: str) -> Iterator[Seen]:
    gateway, api = request.param
    name = f"sources-{gateway}-{worker_id}"
    sandbox = Sandbox.up(name=name, trace_backend="both", gateway_platform=gateway, api_platform=api, seed=11)
    try:
        yield Seen(sandbox, gateway, api)
    finally:
        sandbox.down()


def test_a_request_is_followed_from_the_platforms_log_through_both_trace_backends(seen: Seen) -> None:
    row = seen.request()
    by_tempo = seen.look(tempo.trace(row["trace_id"], seen.window)).value
    while len((by_jaeger := seen.look(jaeger.trace(row["trace_id"], seen.window)).value)["spans"]) > len(
        by_tempo["spans"]
    ):
        by_tempo = seen.look(tempo.trace(row["trace_id"], seen.window)).value  # spans were still arriving
    assert len(by_tempo["spans"]) > 3
    for source in (tempo, jaeger):
        found = seen.look(source.find_request(row["request_id"], seen.window))
        assert [each["trace"] for each in found.value] == [row["trace_id"]], found.why
    same = {span["id"]: (span["parent"], span["kind"], span["status"], span["name"]) for span in by_tempo["spans"]}
    assert same == {
        span["id"]: (span["parent"], span["kind"], span["status"], span["name"]) for span in by_jaeger["spans"]
    }


def test_the_parts_logs_hold_the_requests_trace(seen: Seen) -> None:
    trace_id = seen.request()["trace_id"]
    if seen.gateway == "railway":
        gateway = seen.eventually(lambda: railway.logs("gateway", seen.window, trace_id=trace_id))
    else:
        gateway = seen.eventually(lambda: fly.logs(seen.window, trace_id))
    assert {line["trace_id"] for line in gateway.value} == {trace_id}
    assert not [line for line in gateway.value if line["message"].startswith("{")]


def test_requests_deployments_and_variables_are_told_by_the_platform_of_each_part(seen: Seen) -> None:
    month = Window(datetime.now(UTC) - timedelta(days=30), datetime.now(UTC))
    looks: list[Look] = [
        vercel.deployments("web", month),
        vercel.env_changes("web"),
        vercel.health(),
    ]
    looks += [railway.incidents()] if "railway" in (seen.gateway, seen.api) else []
    for part, platform in (("gateway", seen.gateway), ("api", seen.api)):
        if platform == "railway":
            looks += [
                railway.deployments(part),
                railway.variables_names(part),
                railway.http_log(part, seen.window),
                railway.health(),
            ]
        if platform == "vercel":
            looks += [vercel.deployments(part, month), vercel.env_changes(part), vercel.request_log(part, seen.window)]
        if platform == "fly":
            looks += [fly.releases(), fly.machines(), fly.health()]
    seen.request()
    for look in looks:
        found = seen.look(look)
        assert found.status == Status.ok, (found.source, found.call, found.status, found.why)
        assert found.value, (found.source, found.call)


def test_the_database_and_its_project_are_understood(seen: Seen) -> None:
    looks = [
        supabase.project_health(), supabase.health(), postgres.activity(), postgres.settings(), postgres.health(),
    ]  # fmt: skip
    for look in looks:
        found = seen.look(look)
        assert found.status == Status.ok, (found.call, found.why)
    assert seen.look(supabase.migrations()).status in ANSWERED
    assert seen.look(supabase.health()).value["rest"] == 200


def test_an_organizations_plan_usage_and_subscription_agree(seen: Seen) -> None:
    organization = next(each for each in seen.sandbox.organizations if each["plan"] == "pro")
    billing = seen.look(supabase.billing_customer(organization["id"])).value
    assert billing["plan"] == "pro"
    month = Window(datetime.now(UTC) - timedelta(days=30), datetime.now(UTC))
    assert seen.look(supabase.usage(organization["id"], month)).value["tokens"] > 0
    subscription = seen.look(stripe.subscription(billing["stripe_customer_id"])).value
    assert (subscription["status"], subscription["customer"]) == ("active", billing["stripe_customer_id"])
    assert seen.look(stripe.customer(billing["stripe_customer_id"])).value["id"] == billing["stripe_customer_id"]
    assert seen.look(stripe.subscription("cus_nobody")).status == Status.not_found
    assert seen.look(stripe.health()).value["may_read"] == {"customers": True, "subscriptions": True, "events": True}
    assert seen.look(stripe.events(month)).status in ANSWERED


def test_the_parts_answer_and_the_status_pages_are_read(seen: Seen) -> None:
    codes = {part: seen.look(parts.probe(part)).value["status_code"] for part in ("web", "api", "gateway")}
    assert codes == {"web": 200, "api": 200, "gateway": 200}
    assert "/v1/chat" in seen.look(parts.gateway_openapi()).value["paths"]
    for vendor in VENDORS:
        page = seen.look(status_pages.incidents(vendor, seen.window))
        assert (page.status, page.value["all_good"]) == (Status.ok, True), (vendor, page.why)
