"""The sandbox's Prometheus and our reading of one, held against the real server: the same requests in both worlds."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import yaml
from support.real_servers import real_prometheus, wait_until
from support.scrapes import openmetrics, scraped

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Observation, Status
from runbook_lib.io.observe import Look, Observer
from runbook_lib.procedures.service_levels.tally import p95_between
from runbook_lib.sandbox.facades.alertmanager import app as alertmanager
from runbook_lib.sandbox.facades.alertmanager.state import AlertmanagerState, usual_config
from runbook_lib.sandbox.facades.prometheus import app as prometheus
from runbook_lib.sandbox.facades.prometheus.app import SpanMetrics, span_metrics
from runbook_lib.sandbox.facades.prometheus.state import BUCKETS, CALLS, PrometheusState, usual_rules
from runbook_lib.sandbox.store.model import STATUS_ERROR, Resource, Scope, Span
from runbook_lib.sandbox.store.spans import create_store
from runbook_lib.sandbox.world import World, make_world
from runbook_lib.settings import Settings
from runbook_lib.sources.metrics import prometheus as source

HOURS, SCRAPE_S, STEP_S = 8, 15, 300
NOW = int(datetime.now(UTC).timestamp())  # a server takes no sample of its own before the newest that it was given
END = NOW // STEP_S * STEP_S
SINCE = END - HOURS * 3600
PERIOD = Window(datetime.fromtimestamp(SINCE, UTC), datetime.fromtimestamp(END, UTC))
SCRAPES = np.arange(SINCE - 1200 + 4.25, NOW, SCRAPE_S)
BURST = 200  # failures within twelve seconds, across a step's edge and between two scrapes
RESTARTED = (("service", "nexus-batch"), ("span_kind", "SPAN_KIND_SERVER"), ("status_code", "STATUS_CODE_UNSET"))
TWO_TO_ONE = f"{CALLS} / on (service) {CALLS} > 0"


@dataclass(frozen=True)
class Both:
    """The two worlds: base URLs of the façade and of the real server, and the counters that both were given."""

    facade: str
    real: str
    metrics: SpanMetrics
    world: World

    def look(self, make: Callable[[], Look]) -> tuple[Observation, Observation]:
        """What a source brings from the façade and from the real server."""
        facade, real = (_observed(url, make()) for url in (self.facade, self.real))
        return facade, real

    def get(self, path: str, **params: Any) -> tuple[httpx.Response, httpx.Response]:
        """Both answers."""
        facade, real = (httpx.get(url + path, params=params, trust_env=False) for url in (self.facade, self.real))
        return facade, real


def _observed(url: str, look: Look) -> Observation:
    settings = Settings.from_mapping({"RUNBOOK_PROMETHEUS_URL": url})
    return Observer(active=True, now=datetime.now(UTC), settings=settings).together(look)[0]


@pytest.fixture(scope="module")
def both(served_for_all: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    world = make_world(7)
    store = create_store(now=world.now, retention_s=40 * 86_400)
    store.add(_spans())
    state = world.state(PrometheusState)
    state.rules = [{**rule, "for_s": 0.0} for rule in usual_rules("one")]
    state.rules.append({"alert": "TwoToOne", "expr": TWO_TO_ONE, "for_s": 0.0, "labels": {}, "annotations": {}})
    state.keeps = "3d12h"
    world.state(AlertmanagerState).config = usual_config("http://127.0.0.1:9")
    told = served_for_all(alertmanager.create_app(world, store))
    metrics = span_metrics(world, store)
    samples = {CALLS: scraped(metrics.counters(CALLS), SCRAPES), BUCKETS: scraped(metrics.counters(BUCKETS), SCRAPES)}
    samples[CALLS][RESTARTED] = list(zip(SCRAPES.tolist(), _restarted().tolist(), strict=True))
    folder = tmp_path_factory.mktemp("prometheus")
    with real_prometheus(
        folder,
        openmetrics({**samples, "ALERTS": _alerts(metrics)}),
        _config(folder, state.rules, told),
        "--storage.tsdb.retention.time=3d12h",
        "--storage.tsdb.retention.size=1GB",
        "--rules.alert.resend-delay=1s",
    ) as real:
        yield Both(served_for_all(prometheus.create_app(world, store)), real, metrics, world)


def _config(folder: Path, rules: list[dict[str, Any]], alertmanager_url: str) -> dict[str, Any]:
    """Rules that are evaluated every second, one that is not for a month, and whom they are told to."""
    rows = [
        {name: rule[name] for name in ("alert", "expr", "labels", "annotations")} | {"for": f"{rule['for_s']:g}s"}
        for rule in rules
    ]
    later = {"alert": "Later", "expr": "vector(1)"}
    groups = [
        {"name": "nexuscore-slo", "interval": "3s", "rules": rows},
        {"name": "later", "interval": "30d", "rules": [later]},
    ]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))
    targets = [{"targets": [alertmanager_url.removeprefix("http://")]}]
    return {
        "rule_files": [str(folder / "rules.yml")],
        "alerting": {"alertmanagers": [{"static_configs": targets}]},
    }


def _spans() -> list[Span]:
    """Some requests a minute; half of them fail in an hour of the past and since two hours ago."""
    rng, spans = random.Random(5), []
    resource = Resource({"service.name": "nexuscore"})
    moments = [(SINCE - 600.0, True, 9000.0)]  # every series is there before the period begins
    at = SINCE - 600.0
    while at < NOW:
        at += rng.expovariate(1 / 6)
        is_bad = 3 <= (END - at) / 3600 < 4 or at > END - 7200
        moments.append((at, rng.random() < (0.5 if is_bad else 0.01), rng.lognormvariate(6, 1)))
    moments += [(END - 7 * 3600 - 6 + 0.06 * nth, True, 5.0) for nth in range(BURST)]
    for number, (begin, failed, ms) in enumerate(moments, 1):
        identity, start_ns = number.to_bytes(16, "big"), int(begin * 1e6) * 1000
        spans.append(
            Span(
                identity, identity[8:], b"", "POST /api/chat", 2, start_ns, start_ns + int(ms * 1e6), {}, resource, Scope(),
                status_code=STATUS_ERROR if failed else 0,
            )
        )  # fmt: skip
    return spans


def _restarted() -> np.ndarray[Any, np.dtype[np.float64]]:
    """A counter that grows by one a scrape, and begins anew in the middle of a step."""
    restart = int(np.searchsorted(SCRAPES, END - 4 * 3600 + 130))
    counts = np.arange(len(SCRAPES), dtype=float)
    counts[restart:] -= restart
    return counts


def _alerts(metrics: SpanMetrics) -> dict[Any, Any]:
    """What the façade's rules came to, minute by minute; NaN stands for the mark that Prometheus sets where a series ends."""
    grid = np.arange(SINCE, END + 1, 60.0)
    found = metrics.engine.evaluate("ALERTS", grid)
    return {
        tuple(pair for pair in labels if pair[0] != "__name__"): list(zip(grid.tolist(), values.tolist(), strict=True))
        for labels, values in found.items()
    }


def _grown(metrics: SpanMetrics, metric: str, **wanted: str) -> list[float]:
    """By how much a metric's counters grew from the last scrape before a step to the last one within it, step by step."""
    ends = [SCRAPES[np.searchsorted(SCRAPES, at, side="right") - 1] for at in range(SINCE, END + 1, STEP_S)]
    rows = [
        np.nan_to_num(counter.at(np.array(ends)))
        for labels, counter in metrics.counters(metric).items()
        if wanted.items() <= dict(labels).items()
    ]
    return list(np.diff(np.sum(rows, axis=0)))


def test_each_steps_count_is_what_the_scrapes_at_its_edges_say(both: Both) -> None:
    _, real = both.look(lambda: source.service_counts("api", PERIOD, 2500.0))
    assert real.status is Status.ok, real.why
    assert real.value["total"] == _grown(both.metrics, CALLS)
    assert real.value["failed"] == _grown(both.metrics, CALLS, status_code="STATUS_CODE_ERROR")
    within = np.array(_grown(both.metrics, BUCKETS, le="2.5"))
    slow = np.array(_grown(both.metrics, BUCKETS, le="+Inf")) - within
    assert real.value["slow"]["least"] == real.value["slow"]["most"] == list(slow)


def test_sums_are_those_of_the_sandbox_but_for_a_scrape_at_each_end(both: Both) -> None:
    for within_ms in (2000.0, 2500.0):
        facade, real = both.look(lambda within_ms=within_ms: source.service_counts("api", PERIOD, within_ms))  # type: ignore[misc]
        for edge in (facade, real):
            assert edge.value["kept_since"] is None
        rows = [
            ("total", facade.value["total"], real.value["total"]),
            ("failed", facade.value["failed"], real.value["failed"]),
        ]
        rows += [(name, facade.value["slow"][name], real.value["slow"][name]) for name in ("least", "most")]
        for name, mine, theirs in rows:
            assert abs(sum(mine) - sum(theirs)) <= 20, name
        assert facade.value["latency"]["upper_ms"] == real.value["latency"]["upper_ms"]
        assert p95_between(facade.value["latency"]) == p95_between(real.value["latency"])


def test_a_burst_of_failures_at_a_steps_edge_is_not_lost(both: Both) -> None:
    """`increase` loses what grew between the last scrape before its range and the first one inside."""
    _, real = both.look(lambda: source.service_counts("api", PERIOD))
    at = (HOURS - 7) * 3600 // STEP_S
    around = sum(real.value["failed"][at - 1 : at + 2])
    assert BURST <= around <= BURST + 10
    query = f'sum(increase({CALLS}{{status_code="STATUS_CODE_ERROR"}}[{STEP_S}s]))'
    end = SINCE + (at + 2) * STEP_S
    answer = both.get("/api/v1/query_range", query=query, start=end - 2 * STEP_S, end=end, step=STEP_S)[1].json()
    guessed = sum(float(value) for _, value in answer["data"]["result"][0]["values"])
    assert guessed < BURST - 20, "the server no longer guesses: the query could be simpler"


def test_a_counter_that_began_anew_is_counted_on(both: Both) -> None:
    look = _observed(both.real, source.service_counts("nexus-batch", PERIOD))
    per_step = STEP_S / SCRAPE_S
    assert all(abs(count - per_step) <= 2 for count in look.value["total"])
    assert abs(sum(look.value["total"]) - HOURS * 3600 / SCRAPE_S) <= 2


@pytest.mark.parametrize("window", ["5m", "30m", "1h", "2h", "6h", "1d", "3d"])
def test_the_rules_ratios_are_the_same(window: str, both: Both) -> None:
    chosen = 'span_kind="SPAN_KIND_SERVER", span_name=~".* /api/.*"'
    failed = f'sum(rate({CALLS}{{{chosen}, status_code="STATUS_CODE_ERROR"}}[{window}])) / sum(rate({CALLS}{{{chosen}}}[{window}]))'
    count = f'sum(rate({BUCKETS}{{{chosen}, le="+Inf"}}[{window}]))'
    slow = f'({count} - sum(rate({BUCKETS}{{{chosen}, le="2.5"}}[{window}]))) / {count}'
    for query in (failed, slow):
        shares = [
            float(each.json()["data"]["result"][0]["value"][1])
            for each in both.get("/api/v1/query", query=query, time=END)
        ]
        assert abs(shares[0] - shares[1]) <= (0.05 if window == "5m" else 0.01), query


def test_the_rules_hold_at_the_same_moments(both: Both) -> None:
    for rule in both.world.state(PrometheusState).rules[:-1]:
        facade, real = (
            {round(at) for row in answer.json()["data"]["result"] for at, _ in row["values"]}
            for answer in both.get("/api/v1/query_range", query=rule["expr"], start=SINCE, end=END, step=60)
        )
        apart = len(facade ^ real) / (HOURS * 60)
        assert apart < 0.03, (rule["alert"], rule["labels"], len(facade), len(real), apart)


AT_A_SCRAPE = float(SCRAPES[np.searchsorted(SCRAPES, END) - 1])
ERRORS = f'{CALLS}{{status_code="STATUS_CODE_ERROR", service="nexuscore"}}'
OWN = f'{CALLS}{{service="nexuscore"}}'


@pytest.mark.parametrize(
    "query",
    [
        "1", "1 + 2 * 3", "1 / 0", OWN, ERRORS, f"{OWN} offset 300s", f"{OWN} - {OWN} offset 1h", f"sum by (status_code) ({OWN})",
        f"sum({OWN}) by (service)", f"{OWN} > 1000", f"1000 < {OWN}", f"{OWN} + 1", f"2 * {OWN}", f"{OWN} / {OWN}",
        f"{OWN} == {OWN}", f"{OWN} and {ERRORS}", f"{OWN} unless {ERRORS}", f"{ERRORS} or {OWN}", f"sum(nothing) or sum({OWN})",
        f"{ERRORS} / on (service) sum by (service) ({OWN})", f"{ERRORS} and on (service) {OWN}", f"resets({OWN}[1h])",
        f"{ERRORS} / ignoring (status_code) sum by (service, span_kind, span_name) ({OWN})", "nothing", f"sum({OWN}) > 1000000000",
        f'{OWN[:-1]}, span_name=~".* /api/.*", status_code!~".*UNSET|x"}}', f'{OWN[:-1]}, status_code!="STATUS_CODE_UNSET"}}',
        f"({OWN} - {OWN} offset 300s) >= 0 unless resets({OWN}[360s]) > 0", f"{OWN} * {OWN} > 4 and sum({OWN}) > 1",
    ],
)  # fmt: skip
def test_a_query_comes_to_the_same(query: str, both: Both) -> None:
    facade, real = (each.json()["data"] for each in both.get("/api/v1/query", query=query, time=AT_A_SCRAPE))
    assert facade["resultType"] == real["resultType"]
    if real["resultType"] == "scalar":
        assert facade["result"][1] == real["result"][1]
        return
    mine, theirs = (
        {repr(sorted(row["metric"].items())): row["value"][1] for row in each["result"]} for each in (facade, real)
    )
    assert mine == theirs


@pytest.mark.parametrize(
    "query",
    [
        "", "sum(", "sum(rate(x[5m])", "rate(x)", 'x{a="b"', 'x{a=~"("}', "x[5m", 'x{a="b"}}', "sum by (a) (x", "1 > 2", "x or 7",
        "x and 2 > 1", "x offset", f"{CALLS} / on (service) {CALLS}", f"sum({CALLS}) / on () {CALLS}", f"{CALLS} == on () {CALLS}",
    ],
)  # fmt: skip
def test_a_query_is_refused_alike(query: str, both: Both) -> None:
    facade, real = both.get("/api/v1/query", query=query, time=AT_A_SCRAPE)
    assert (facade.status_code, facade.json()["errorType"]) == (real.status_code, real.json()["errorType"])
    start = real.json()["error"].split(" 1:")[0].split(" {")[0][:60]
    assert facade.json()["error"].startswith(start), (facade.text, real.text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": END, "end": END - 10, "step": 5}, {"start": END - 11_001, "end": END, "step": 1}, {"start": "a"}, {"end": "b"},
        {"step": 0}, {"step": -1}, {"step": "x"}, {"step": None}, {"start": None}, {"query": "sum("},
    ],
)  # fmt: skip
def test_a_range_is_refused_alike(wrong: dict[str, Any], both: Both) -> None:
    params = {"query": f"sum({OWN})", "start": END - 600, "end": END, "step": 60} | wrong
    facade, real = both.get("/api/v1/query_range", **{name: each for name, each in params.items() if each is not None})
    assert (facade.status_code, facade.json()["errorType"]) == (real.status_code, real.json()["errorType"])
    if "query" not in wrong:
        assert facade.json() == real.json()


def test_eleven_thousand_points_are_not_too_many(both: Both) -> None:
    for answer in both.get("/api/v1/query_range", query=f"sum({OWN})", start=END - 11_000, end=END, step=1):
        assert len(answer.json()["data"]["result"][0]["values"]) == 11_001


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/api/v1/series", ERRORS), ("/api/v1/series", "nothing"), ("/api/v1/series", "x{"), ("/api/v1/series", None),
        ("/api/v1/label/span_name/values", ERRORS), ("/api/v1/label/service/values", 'nothing{a="b"}'),
        ("/api/v1/label/service/values", OWN),
    ],
)  # fmt: skip
def test_series_and_labels_are_found_alike(path: str, wanted: str | None, both: Both) -> None:
    facade, real = both.get(path, **({"match[]": wanted} if wanted else {}))
    assert facade.status_code == real.status_code
    assert facade.json().get("data") == real.json().get("data")
    assert facade.json().get("errorType") == real.json().get("errorType")


def test_rules_are_read_alike(both: Both) -> None:
    def rules() -> list[dict[str, Any]]:
        every = httpx.get(f"{both.real}/api/v1/rules", trust_env=False).json()["data"]["groups"]
        return [rule for group in every for rule in group["rules"] if group["name"] != "later"]

    wait_until(lambda: all(rule["health"] != "unknown" for rule in rules()), "every rule was evaluated")
    told = f"{both.real}/api/v1/alertmanagers"
    wait_until(lambda: httpx.get(told, trust_env=False).json()["data"]["activeAlertmanagers"], "it knows whom to tell")
    facade, real = both.look(source.alert_rules)
    assert facade.value["alertmanagers"] == real.value["alertmanagers"] == 1
    mine, theirs = ({(rule["name"], rule["severity"]): rule for rule in each.value["rules"]} for each in (facade, real))
    later = theirs.pop(("Later", None))
    assert mine.keys() == theirs.keys()
    for key, rule in mine.items():
        for name in ("labels", "for_s", "health", "state", "is_seen"):
            assert rule[name] == theirs[key][name], (key, name, theirs[key]["error"])
        assert (rule["since"] is None) == (theirs[key]["since"] is None)
    broken = theirs[("TwoToOne", None)]
    assert broken["health"] == "err"
    assert str(mine[("TwoToOne", None)]["error"]).split(" […]")[0] in broken["error"]
    assert {rule["state"] for rule in theirs.values()} == {"inactive", "firing"}
    assert (later["health"], later["evaluated_at"]) == ("unknown", None), "not evaluated for two thousand years"


def test_alerts_of_the_real_prometheus_reach_the_sandboxs_alertmanager(both: Both) -> None:
    held = both.world.state(AlertmanagerState).alerts
    posted = wait_until(
        lambda: [each for each in held.values() if each.labels["alertname"] == "ApiErrorBudgetBurn"], "an alert"
    )
    assert posted[0].annotations == {"summary": "api burns its budget too fast"}
    assert posted[0].labels["service"] == "api"


def test_what_fired_is_read_alike(both: Both) -> None:
    facade, real = both.look(lambda: source.alerts_fired(PERIOD))
    assert facade.value["kept_since_s"] is real.value["kept_since_s"] is None
    assert facade.value["fired"], "the rules were to fire"
    assert facade.value == real.value


def test_both_say_how_long_they_keep_samples(both: Both) -> None:
    week = Window(datetime.fromtimestamp(END - 7 * 86_400, UTC), PERIOD.until)
    for look in both.look(lambda: source.alerts_fired(week)):
        assert abs(look.value["kept_since_s"] - (datetime.now(UTC).timestamp() - 84 * 3600)) < 120


def test_both_are_well(both: Both) -> None:
    for look in both.look(source.health):
        assert (look.status, look.value) == (Status.ok, {"may_query": True})
