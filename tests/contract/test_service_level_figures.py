"""The figures of 09 against a brute-force computation over the raw spans, through Tempo's and Prometheus's wire."""

import math
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from runbook_lib.core.clock import Window, from_iso, to_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.io.observe import Observer
from runbook_lib.procedures.service_levels.evidence import Evidence
from runbook_lib.procedures.service_levels.reading import levels_of
from runbook_lib.procedures.service_levels.tally import POLICIES, Tally, p95_between
from runbook_lib.sandbox.facades.prometheus import app as prometheus
from runbook_lib.sandbox.store.jaeger import create_jaeger_app
from runbook_lib.sandbox.store.model import STATUS_ERROR, Resource, Scope, Span
from runbook_lib.sandbox.store.spans import create_store
from runbook_lib.sandbox.store.tempo import create_tempo_app
from runbook_lib.sandbox.world import World, make_world
from runbook_lib.settings import Settings
from runbook_lib.sources.metrics import prometheus as prometheus_source
from runbook_lib.sources.traces import raw_counts, tempo_metrics

DAYS, LIMIT_MS, TARGET = 3, 500.0, 0.99
END = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
PERIOD = Window(END - timedelta(days=DAYS), END)


@pytest.fixture(scope="module")
def raw() -> list[tuple[float, bool, float]]:
    """(begin in epoch seconds, failed, milliseconds) of every request of the API; some outside of the period."""
    rng = random.Random(11)
    first = PERIOD.since.timestamp() - 7200
    rows = []
    for _ in range(6000):
        at = first + rng.random() * (DAYS * 86_400 + 7200)
        hour = (at - first) / 3600
        failed = rng.random() < (0.3 if 40 < hour < 41 else 0.004)
        # A whole number of milliseconds: no request lies on a step's edge by a rounding error.
        rows.append((math.floor(at * 1000) / 1000 + 0.0005, failed, rng.lognormvariate(5, 0.8)))
    return rows


@pytest.fixture
def wire(raw: list[tuple[float, bool, float]], served: Callable[[Any], str]) -> dict[str, str]:
    """Tempo and Prometheus over these spans, and a few of another part."""
    world: World = make_world(3)
    store = create_store(now=world.now, retention_s=40 * 86_400)
    resource, scope = Resource({"service.name": "nexuscore", "telemetry.sdk.language": "nodejs"}), Scope("next.js")
    spans = []
    for number, (at, failed, ms) in enumerate(raw):
        start_ns = int(at * 1_000_000) * 1000
        for route in ("/api/chat",) if number % 7 else ("/api/chat", "/chat"):
            identity = (number * 2 + 1 + (route == "/chat")).to_bytes(16, "big")
            attributes = {"http.route": route, "http.response.status_code": 500 if failed else 200}
            spans.append(
                Span(
                    identity,
                    identity[8:],
                    b"",
                    f"POST {route}",
                    2,
                    start_ns,
                    start_ns + int(ms * 1e6),
                    attributes,
                    resource,
                    scope,
                    status_code=STATUS_ERROR if failed else 0,
                )
            )
    store.add(spans)
    return {
        "RUNBOOK_TEMPO_URL": served(create_tempo_app(store)),
        "RUNBOOK_JAEGER_URL": served(create_jaeger_app(store)),
        "RUNBOOK_PROMETHEUS_URL": served(prometheus.create_app(world, store)),
        "RUNBOOK_TRACE_RETENTION_H": "900",
    }


def seen(wire: dict[str, str], look: Any) -> Observation:
    """What a source brings."""
    found = Observer(active=True, now=datetime.now(UTC), settings=Settings.from_mapping(wire)).together(look)[0]
    assert found.status == Status.ok, found.why
    return found


def within(raw: list[tuple[float, bool, float]], since: float, until: float) -> list[tuple[float, bool, float]]:
    """The requests of (since, until]."""
    return [row for row in raw if since < row[0] <= until]


def tally_of(look: Observation, *, latency: bool = False) -> Tally:
    """A look's counts."""
    value = look.value
    least = value["slow"]["least"] if latency else value["failed"]
    most = (value["slow"]["most"] or least) if latency else least
    return Tally.of(value["since"], value["step_s"], value["total"], least, most)


def test_tempos_counts_are_those_of_the_raw_spans_exactly(
    raw: list[tuple[float, bool, float]], wire: dict[str, str]
) -> None:
    tally = tally_of(seen(wire, tempo_metrics.service_counts("api", PERIOD, LIMIT_MS)))
    slow = tally_of(seen(wire, tempo_metrics.service_counts("api", PERIOD, LIMIT_MS)), latency=True)
    since = PERIOD.since.timestamp()
    for at in random.Random(2).sample(range(len(tally.total)), 500):
        own = within(raw, since + at * 60, since + (at + 1) * 60)
        assert (tally.total[at], tally.least[at], slow.least[at]) == (
            len(own),
            sum(failed for _, failed, _ in own),
            sum(ms > LIMIT_MS for _, _, ms in own),
        )
    every = within(raw, since, PERIOD.until.timestamp())
    assert tally.sums()[0] == len(every)
    assert tally.share()[0] == 1 - sum(failed for _, failed, _ in every) / len(every)


@pytest.mark.parametrize("count", [raw_counts.tempo, raw_counts.jaeger])
def test_counted_one_by_one_they_are_the_same(
    count: Callable[..., Any],
    raw: list[tuple[float, bool, float]],
    wire: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(raw_counts, "MOST_TRACES", 700)  # of some two thousand a day: pieces are halved
    look, metrics = (seen(wire, each("api", PERIOD, LIMIT_MS)) for each in (count, tempo_metrics.service_counts))
    for name in ("since", "until", "step_s", "kept_since", "total", "failed", "slow"):
        assert look.value[name] == metrics.value[name], name
    durations = sorted(ms for _, _, ms in within(raw, PERIOD.since.timestamp(), PERIOD.until.timestamp()))
    found = p95_between(look.value["latency"])
    assert found is not None
    low, high = found
    assert high is not None
    assert low < durations[math.ceil(0.95 * len(durations)) - 1] <= high
    assert high / low < 1.06, "durations are known one by one; buckets grow by 5 %"


@pytest.mark.parametrize("count", [raw_counts.tempo, raw_counts.jaeger])
def test_what_is_too_much_to_read_is_not_known(
    count: Callable[..., Any],
    raw: list[tuple[float, bool, float]],
    wire: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(raw_counts, "MOST_TRACES", 700)
    monkeypatch.setattr(raw_counts, "MOST_ANSWERS", 6)
    look = Observer(active=True, now=datetime.now(UTC), settings=Settings.from_mapping(wire)).together(
        count("api", PERIOD)
    )[0]
    assert look.status is Status.partial
    kept = from_iso(look.value["kept_since"])
    assert PERIOD.since < kept < PERIOD.until
    assert f"only the time since {look.value['kept_since']} was read" in look.why
    own = within(raw, kept.timestamp(), PERIOD.until.timestamp())
    assert sum(look.value["total"]) == len(own)
    assert sum(look.value["failed"]) == sum(failed for _, failed, _ in own)


def test_not_even_the_last_minute_could_be_read(wire: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_counts, "MOST_ANSWERS", 0)
    observer = Observer(active=True, now=datetime.now(UTC), settings=Settings.from_mapping(wire))
    look = observer.together(raw_counts.tempo("api", PERIOD))[0]
    assert (look.status, look.value) == (Status.timed_out, None), "never a period without requests"


def test_burn_rates_are_those_of_the_raw_spans(raw: list[tuple[float, bool, float]], wire: dict[str, str]) -> None:
    tally = tally_of(seen(wire, tempo_metrics.service_counts("api", PERIOD)))
    since = PERIOD.since.timestamp()
    for policy in POLICIES[:3]:
        low, _ = tally.burn(policy.long_s, TARGET)
        for at in (*random.Random(5).sample(range(2000, len(low)), 40), len(low) - 1):
            end = since + (at + 1) * 60
            own = within(raw, end - policy.long_s, end)
            true = sum(failed for _, failed, _ in own) / len(own) / (1 - TARGET)
            assert abs(low[at] - true) < 1e-9


def test_the_p95_lies_where_its_bound_says(raw: list[tuple[float, bool, float]], wire: dict[str, str]) -> None:
    durations = sorted(ms for _, _, ms in within(raw, PERIOD.since.timestamp(), PERIOD.until.timestamp()))
    true = durations[math.ceil(0.95 * len(durations)) - 1]
    for source, factor in ((tempo_metrics, 2.0), (prometheus_source, 2.01)):
        found = p95_between(seen(wire, source.service_counts("api", PERIOD, LIMIT_MS)).value["latency"])
        assert found is not None
        low, high = found
        assert high is not None
        assert low < true <= high, source.__name__
        assert high / low <= factor, "buckets are powers of two"


def test_prometheus_counts_the_same_by_the_end_of_the_span(
    raw: list[tuple[float, bool, float]], wire: dict[str, str]
) -> None:
    """Its counters grow when a span ends: a step's count differs by those that were under way at its edges, and by no others."""
    look = seen(wire, prometheus_source.service_counts("api", PERIOD, LIMIT_MS))
    tally = tally_of(look)
    since, until = PERIOD.since.timestamp(), PERIOD.until.timestamp()
    ended = [(at + ms / 1000, failed, ms) for at, failed, ms in raw]
    own = within(ended, since, until)
    assert tally.sums()[0] == len(own)
    assert tally.sums()[1] == sum(failed for _, failed, _ in own)
    slow = tally_of(look, latency=True)
    true = sum(ms > LIMIT_MS for _, _, ms in own)
    assert slow.sums()[1] <= true <= slow.sums()[2]


def test_the_chosen_level_says_the_same(raw: list[tuple[float, bool, float]], wire: dict[str, str]) -> None:
    objective = {
        "name": "A",
        "kind": "availability",
        "service": "api",
        "target": TARGET,
        "within_ms": None,
        "events": [],
        "min_requests": 100,
        "alerts": [],
    }
    file = Observation(
        "team", "team", "service_levels", {}, 1, Status.ok, {"objectives": [objective]}, "", "", to_iso(END), 1.0
    )
    given = Evidence(END, file=file, counts=(seen(wire, tempo_metrics.service_counts("api", PERIOD)),))
    (level,) = levels_of(given)
    every = within(raw, PERIOD.since.timestamp(), PERIOD.until.timestamp())
    worst, best = level.between()
    assert worst == best == 1 - sum(failed for _, failed, _ in every) / len(every)
    assert not level.gaps


def test_the_budget_ends_where_the_share_says() -> None:
    rng = np.random.default_rng(4)
    total = rng.integers(0, 30, 2000).astype(float)
    bad = rng.binomial(total.astype(int), 0.02).astype(float)
    tally = Tally(0, 60, total, bad, bad)
    left = tally.budget_left(TARGET)
    assert abs(left[-1] - (1 - (1 - tally.share()[0]) / (1 - TARGET))) < 1e-9
    assert (np.diff(left) <= 1e-12).all(), "a budget never grows within its period"
