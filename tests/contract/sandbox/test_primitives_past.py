"""The past that was planted shows on every wire that counts, no search finds it, and healing takes it away."""

import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from runbook_lib.core.clock import Window
from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Observation
from runbook_lib.io.observe import Look, Observer
from runbook_lib.sandbox import Sandbox
from runbook_lib.settings import Settings
from runbook_lib.sources.metrics import alertmanager, prometheus
from runbook_lib.sources.railway import metrics as railway_metrics
from runbook_lib.sources.stripe import delivery_counts as stripe_delivery_counts
from runbook_lib.sources.traces import tempo, tempo_metrics

TYPES = ["invoice.payment_failed"]


def look(sandbox: Sandbox, made: Look) -> Observation:
    """What a source brings."""
    settings = Settings.from_mapping({**sandbox.env, "RUNBOOK_TRACE_RETENTION_H": "960"})
    return Observer(active=True, now=datetime.now(UTC), settings=settings).together(made)[0]


def past(days_from: float, days_to: float) -> Window:
    """A stretch of the past."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    return Window(now - timedelta(days=days_from), now - timedelta(days=days_to))


def test_planted_requests_are_counted_by_traces_metrics_and_edge_alike(sandbox: Sandbox) -> None:
    window = past(10, 1)
    looks = (
        tempo_metrics.service_counts("gateway", window),
        prometheus.service_counts("gateway", window),
        railway_metrics.service_counts("gateway", window),
    )
    began = time.monotonic()
    sandbox.inject("history", part="gateway", since_min=10 * 1440, until_min=1440, per_min=2, failed=0.01)
    assert time.monotonic() - began < 30, "planting is cheap"
    for made in looks:
        seen = look(sandbox, made)
        assert abs(sum(seen.value["total"]) - 9 * 1440 * 2) <= 60, made.source
        assert abs(sum(seen.value["failed"]) - 9 * 1440 * 2 * 0.01) <= 2, made.source
    assert look(sandbox, tempo.window_traces(past(6, 2))).status.proves_absence, "no search finds condensed history"
    sandbox.heal()
    time.sleep(5)  # Prometheus's counters are a few seconds old at most
    assert not any(look(sandbox, made).status.has_content for made in looks)


def test_traces_may_keep_a_share_and_another_one_of_failures(sandbox: Sandbox) -> None:
    sandbox.inject(
        "history",
        part="gateway",
        since_min=3 * 1440,
        until_min=1440,
        per_min=10,
        failed=0.1,
        traced=0.2,
        traced_failed=1.0,
    )
    window = past(3, 1)
    traced, edge = (
        look(sandbox, made)
        for made in (
            tempo_metrics.service_counts("gateway", window),
            railway_metrics.service_counts("gateway", window),
        )
    )
    assert sum(traced.value["failed"]) == pytest.approx(sum(edge.value["failed"]), abs=40)
    assert sum(traced.value["total"]) == pytest.approx(0.28 * sum(edge.value["total"]), rel=0.05)


def test_planted_events_are_stripes_until_healed(sandbox: Sandbox) -> None:
    window = past(29, 0)
    before = look(sandbox, stripe_delivery_counts.webhook_counts(window, TYPES))
    sandbox.inject("events", type=TYPES[0], count=30, undelivered=4)
    seen = look(sandbox, stripe_delivery_counts.webhook_counts(window, TYPES))
    assert sum(seen.value["failed"]) == 4
    assert len(seen.value["undelivered"]) == 4
    sandbox.heal()
    assert look(sandbox, stripe_delivery_counts.webhook_counts(window, TYPES)).value == before.value


def test_silences_and_alerts_are_alertmanagers_until_healed(sandbox: Sandbox) -> None:
    sandbox.inject("silence", matchers=[{"name": "service", "value": "api"}], hours=2.0, comment="c")
    sandbox.inject("silence", matchers=[{"name": "service", "value": "api"}], begins_in_hours=4.0)
    sandbox.inject("silence", matchers=[{"name": "service", "value": "api"}], hours=-2.0)
    sandbox.inject("alert", labels={"alertname": "DiskFull", "service": "api"})
    assert [each["state"] for each in look(sandbox, alertmanager.silences()).value] == ["active", "pending"]
    (held,) = look(sandbox, alertmanager.alerts()).value
    assert (held["name"], held["state"]) == ("DiskFull", "suppressed")
    sandbox.heal()
    assert look(sandbox, alertmanager.silences()).status.proves_absence
    assert look(sandbox, alertmanager.alerts()).status.proves_absence


@pytest.mark.parametrize(
    ("primitive", "arguments", "words"),
    [
        ("history", {"part": "database", "since_min": 10}, "web, api or gateway"),
        ("history", {"part": "api", "since_min": 10, "failed": 2}, "between 0 and 1"),
        ("history", {"part": "api", "since_min": 10, "until_min": 20}, "begins before it ends"),
        ("events", {"type": "nothing.happened", "count": 1}, "holds nothing"),
        ("events", {"type": "invoice.paid", "count": 1, "undelivered": 2}, "At most all"),
        ("silence", {"matchers": []}, "needs matchers"),
        ("alert", {"labels": {"severity": "page"}}, "alertname"),
    ],
)
def test_a_past_that_cannot_be_is_refused(
    sandbox: Sandbox, primitive: str, arguments: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        sandbox.inject(primitive, **arguments)


def test_nothing_on_the_wire_tells_planted_requests_from_others(sandbox: Sandbox) -> None:
    sandbox.inject("history", part="gateway", since_min=120, until_min=60, per_min=5, every_s=60)
    asked = {"q": "{ } | count_over_time() by (name)", "since": "3h", "step": "3h"}
    text = httpx.get(f"{sandbox.endpoints['tempo']}/api/metrics/query_range", params=asked, trust_env=False).text
    assert not any(word in text for word in ("condensed", "history", "planted", 'count"'))
