"""What lies between Stripe's events and the billing records breaks as asked, shows on the wire, and heals; with the real CLI."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from support.needs import missing

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox import Sandbox
from runbook_lib.sandbox.server import has_address

ORG = "Acme Rockets"
ROUTE = "/api/stripe/webhook"


@pytest.fixture(scope="module")
def made(stripe_cli: Path) -> Iterator[Sandbox]:
    with Sandbox.up("webhooks-test", webhooks="cli", traffic=False, foreground=True) as sandbox:
        yield sandbox


@pytest.fixture
def workshop(made: Sandbox) -> Iterator[Sandbox]:
    """A developer's machine: the API's own process, and the real CLI that forwards to it."""
    yield made
    made.heal()


def status_of(sandbox: Sandbox) -> str:
    """What the billing record of the organization says."""
    with psycopg.connect(sandbox.superuser) as connection:
        row = connection.execute(
            "select b.status from public.billing_customers b join public.organizations o on o.id = b.org_id where o.name = %s",
            (ORG,),
        ).fetchone()
    assert row is not None
    return str(row[0])


def pending(sandbox: Sandbox, event: str) -> int:
    """How many have not answered with a 2xx yet, by Stripe's own API."""
    headers = {"Authorization": f"Bearer {sandbox.env['STRIPE_SECRET_KEY']}"}
    answer = httpx.get(f"{sandbox.env['RUNBOOK_STRIPE_API_URL']}/v1/events/{event}", headers=headers, trust_env=False)
    return int(answer.raise_for_status().json()["pending_webhooks"])


def until(what: Callable[[], Any], wanted: Any, limit_s: float = 60) -> None:
    end = time.monotonic() + limit_s
    while (got := what()) != wanted and time.monotonic() < end:
        time.sleep(0.02)
    assert got == wanted


def test_an_event_goes_through_the_real_cli_into_the_billing_record(workshop: Sandbox) -> None:
    event = workshop.inject("subscription", org=ORG, status="past_due")
    until(lambda: (pending(workshop, event), status_of(workshop)), (0, "past_due"))
    workshop.heal()
    assert status_of(workshop) == "active"


def test_a_stopped_cli_hears_nothing_and_healing_starts_it_again(workshop: Sandbox) -> None:
    workshop.inject("stripe_cli", action="stop")
    event = workshop.inject("subscription", org=ORG)
    assert (pending(workshop, event), status_of(workshop)) == (0, "active")
    workshop.heal()
    event = workshop.inject("subscription", org=ORG)
    until(lambda: status_of(workshop), "past_due")


def test_a_cli_without_events_ends_at_once_and_says_so_by_its_exit_code(workshop: Sandbox) -> None:
    assert workshop.inject("stripe_cli", arguments=["listen", "--forward-to", "localhost:3001"]) == 1


def test_a_cli_of_live_mode_hears_nothing_of_test_mode(workshop: Sandbox) -> None:
    assert workshop.inject("stripe_cli", key="live") is None
    workshop.inject("subscription", org=ORG)
    assert status_of(workshop) == "active"


def test_a_cli_by_npx_forwards_like_any_other(workshop: Sandbox) -> None:
    workshop.inject("stripe_cli", by_npx=True)
    workshop.inject("subscription", org=ORG)
    until(lambda: status_of(workshop), "past_due")


def test_an_api_on_another_address_is_not_reached_by_the_cli(workshop: Sandbox) -> None:
    if not has_address("::1"):
        missing("this machine has no ::1")
    port = workshop.env["RUNBOOK_API_URL"].rpartition(":")[2]
    workshop.inject("address", part="api", host="::1")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{workshop.env['RUNBOOK_API_URL']}/api/health", trust_env=False)
    assert httpx.get(f"http://[::1]:{port}/api/health", trust_env=False).status_code == 200
    workshop.heal()
    assert httpx.get(f"{workshop.env['RUNBOOK_API_URL']}/api/health", trust_env=False).status_code == 200


def test_a_route_that_ignores_events_answers_well_and_changes_nothing(workshop: Sandbox) -> None:
    workshop.inject("webhook_code", ignores_events=True)
    event = workshop.inject("subscription", org=ORG)
    until(lambda: pending(workshop, event), 0)
    assert status_of(workshop) == "active"


def test_a_route_that_rewrites_the_body_refuses_what_stripe_signs(workshop: Sandbox) -> None:
    workshop.inject("webhook_code", rewrites_body=True)
    event = workshop.inject("subscription", org=ORG)
    assert (pending(workshop, event), status_of(workshop)) == (1, "active")


def test_a_route_that_checks_nothing_takes_anything(workshop: Sandbox) -> None:
    url = f"{workshop.env['RUNBOOK_API_URL']}{ROUTE}"
    assert httpx.post(url, content=b'{"type":"x"}', trust_env=False).status_code == 400
    workshop.inject("webhook_code", verifies=False)
    assert httpx.post(url, content=b'{"type":"x"}', trust_env=False).status_code == 200


def test_an_older_event_that_is_delivered_again_overwrites_the_newer(workshop: Sandbox) -> None:
    workshop.inject("subscription", org=ORG, status="past_due", seconds_ago=2)
    workshop.inject("subscription", org=ORG, status="active")
    until(lambda: status_of(workshop), "active")
    workshop.inject("deliver_again", org=ORG, nth=1)
    until(lambda: status_of(workshop), "past_due")


def test_an_endpoint_is_added_changed_and_removed(workshop: Sandbox) -> None:
    def listed() -> list[dict[str, Any]]:
        headers = {"Authorization": f"Bearer {workshop.env['STRIPE_SECRET_KEY']}"}
        url = f"{workshop.env['RUNBOOK_STRIPE_API_URL']}/v1/webhook_endpoints"
        rows: list[dict[str, Any]] = httpx.get(url, headers=headers, trust_env=False).json()["data"]
        return rows

    assert listed() == []
    workshop.inject("webhook_endpoints", action="add", secret="whsec_of_its_own", api_version="2025-03-31.basil")
    (made,) = listed()
    assert (made["status"], made["api_version"], made["url"].endswith(ROUTE)) == ("enabled", "2025-03-31.basil", True)
    assert "whsec" not in str(made)
    workshop.inject("webhook_endpoints", status="disabled")
    assert listed()[0]["status"] == "disabled"
    workshop.inject("webhook_endpoints", action="remove")
    assert listed() == []


def test_a_variable_of_a_local_api_stands_in_its_env_file_before_it_runs_with_it(workshop: Sandbox) -> None:
    file = Path(workshop.env["RUNBOOK_API_ENV_FILE"])
    assert workshop.env["STRIPE_WEBHOOK_SECRET"] in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    workshop.inject("env", part="api", name="STRIPE_WEBHOOK_SECRET", value="whsec_new_one_000", restart=False)
    assert "whsec_new_one_000" in file.read_text()
    workshop.heal()
    assert "whsec_new_one_000" not in file.read_text()


def test_the_cli_ends_with_its_sandbox_and_leaves_no_file(stripe_cli: Path) -> None:
    import psutil

    sandbox = Sandbox.up("webhooks-end", webhooks="cli", traffic=False, foreground=True)
    session = int(sandbox.env["RUNBOOK_HOST_PROCESSES"].partition(":")[2])
    mine = [each for each in psutil.Process(session).children(recursive=True) if each.name() == "stripe"]
    assert len(mine) == 1
    sandbox.down()
    assert not mine[0].is_running()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("stripe_cli", {"action": "hop"}),
        ("stripe_cli", {"key": "other"}),
        ("webhook_endpoints", {"action": "hop"}),
        ("subscription", {"org": "Nobody"}),
        ("subscription", {"org": "Initech"}),
        ("deliver_again", {"org": ORG, "nth": 99}),
        ("address", {"part": "api", "host": "10.0.0.1"}),
        ("address", {"part": "nobody"}),
    ],
)
def test_what_cannot_be_is_refused(workshop: Sandbox, name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        workshop.inject(name, **arguments)
